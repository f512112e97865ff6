"""What changes between what devices have and what they shall have: tensor by tensor, or layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Literal

from costmodel.errors import InputError, NetworkError
from costmodel.importers.weights import StoredTensor
from costmodel.precision import stored
from costmodel.schedule.liveness import whole_bytes_of
from costmodel.updates.coding import coded

if TYPE_CHECKING:
    from costmodel.graph import Graph, LayerTable

Status = Literal["same", "changed", "new"]
CONVOLUTIONS: Final = ("conv", "conv_transpose")


@dataclass(frozen=True)
class TensorUpdate:
    """One tensor of the new network, or all parameters of a layer where only layers are known.

    ``full_bytes`` is its stored size, ``coded_bytes`` that of its code, ``delta_bytes`` and ``delta_coded_bytes`` what an
    update sends of it; codes are None where no weights were given.
    """

    name: str
    shape: tuple[int, ...]
    status: Status
    full_bytes: int
    coded_bytes: int | None
    delta_bytes: int
    delta_coded_bytes: int | None


@dataclass(frozen=True)
class Holding:
    """What a device holds of one network: a name, and its tensors, with their content or without."""

    name: str
    tensors: tuple[StoredTensor, ...] | tuple[LayerWeights, ...]

    @property
    def weighed(self) -> bool:
        """Whether the content of the tensors is known."""
        return any(isinstance(tensor, StoredTensor) for tensor in self.tensors)

    def stored_bytes(self, dtype: str) -> int:
        """Its size: as stored where weights are known, else in a number format."""
        bits = stored(dtype).weight_bits
        return sum(len(t.data) if isinstance(t, StoredTensor) else whole_bytes_of(t.params * bits) for t in self.tensors)


@dataclass(frozen=True)
class LayerWeights:
    """The parameters of a layer together, whose values are not known."""

    name: str
    op: str
    shape: tuple[int, ...]
    params: int


def layers_of(graph: Graph) -> Holding:
    """The layers of a graph that have parameters.

    Raises
    ------
    InputError
        The graph carries design points.
    NetworkError
        It has no parameters.
    """
    table = graph.table()
    if table.design_points != 1:
        raise InputError(f"{graph.name}: carries {table.design_points} design points; an update is that of one network")
    found = tuple(layer_weights(table, row) for row in range(len(table)) if table.params[row, 0])
    if not found:
        raise NetworkError(f"{graph.name}: has no parameters; there is nothing to send")
    return Holding(graph.name, found)


def layer_weights(table: LayerTable, row: int) -> LayerWeights:
    """The parameters of one row of a layer table."""
    op, params = table.ops[row], int(table.params[row, 0])
    g, k, c, r, s = (int(table[dim][row, 0]) for dim in "gkcrs")
    shape = (g * k, c, r, s) if op in CONVOLUTIONS else (k, c) if op == "linear" else (params,)
    return LayerWeights(table.names[row], op, shape, params)


def layer_updates(old: Holding, new: Holding, dtype: str, retrained: Sequence[str]) -> tuple[TensorUpdate, ...]:
    """What changes between the layers of two networks: other shapes or names, and those that were retrained."""
    before = {layer.name: layer for layer in old.tensors}
    bits = stored(dtype).weight_bits

    def updated(layer: LayerWeights) -> TensorUpdate:
        size = whole_bytes_of(layer.params * bits)
        status: Status = "new" if layer.name not in before else "same"
        if status == "same" and (before[layer.name] != layer or any(fnmatchcase(layer.name, one) for one in retrained)):
            status = "changed"
        return TensorUpdate(layer.name, layer.shape, status, size, None, size if status != "same" else 0, None)

    return tuple(updated(layer) for layer in new.tensors if isinstance(layer, LayerWeights))


def weight_updates(old: Holding, new: Holding) -> tuple[TensorUpdate, ...]:
    """What changes between the weights of two networks, and the shorter of two codes: alone, or as a difference."""
    before = {tensor.name: tensor for tensor in old.tensors if isinstance(tensor, StoredTensor)}

    def updated(tensor: StoredTensor) -> TensorUpdate:
        earlier, size = before.get(tensor.name), len(tensor.data)
        alone = len(coded(tensor.data, tensor.width_bytes))
        if earlier == tensor:
            return TensorUpdate(tensor.name, tensor.shape, "same", size, alone, 0, 0)
        codes = [alone]
        if earlier is not None and (earlier.shape, earlier.kind) == (tensor.shape, tensor.kind):
            codes.append(len(coded(tensor.data, tensor.width_bytes, earlier.data)))
        status: Status = "changed" if earlier else "new"
        return TensorUpdate(tensor.name, tensor.shape, status, size, alone, size, min(codes))

    return tuple(updated(tensor) for tensor in new.tensors if isinstance(tensor, StoredTensor))
