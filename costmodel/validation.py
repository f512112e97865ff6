"""Published figures against what the library computes: the rows of ``tests/published/*.yaml``, one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from costmodel.activations import sized
from costmodel.analysis import Analysis, analysis_of, estimate_of
from costmodel.compression import load_scheme, storage_of
from costmodel.compression.activations import load_activations
from costmodel.compression.sizes import declared_streams, stored_layer
from costmodel.data import data_dir
from costmodel.errors import InputError
from costmodel.graph import Graph, LayerTable
from costmodel.hardware import load_hardware
from costmodel.hardware.link_loading import load_link
from costmodel.importers import load_network
from costmodel.importers.described import described_graph
from costmodel.joint.choice import NO_OBJECTIVE, is_compiled
from costmodel.mapping.levels.mapped import MappedNest
from costmodel.precision import stored
from costmodel.schedule.conventions import convention
from costmodel.schedule.timeline import timeline
from costmodel.training import backward, training_of
from costmodel.training.scaling import share_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from costmodel.analysis import LayerCost
    from costmodel.compression import LayerStorage

    Row = Mapping[str, Any]

PRODUCTS = ("conv", "conv_transpose", "linear", "matmul")
REQUIRED = ("id", "quantity", "value", "tolerance_ratio", "source", "place", "why")


@dataclass(frozen=True)
class Check:
    """One published figure and ours.

    ``relation`` is ``=`` (within ``tolerance_ratio``), ``<=`` or ``>=`` (published as a bound on ours);
    ``deviation_ratio`` is ours over published minus 1; ``why`` explains a deviation.
    """

    id: str
    quantity: str
    expected: float
    actual: float
    relation: str
    tolerance_ratio: float
    source: str
    place: str
    why: str

    @property
    def deviation_ratio(self) -> float:
        """Ours over published, minus 1; ours itself where the published figure is 0."""
        return self.actual / self.expected - 1 if self.expected else self.actual

    @property
    def ok(self) -> bool:
        """Whether the figure is reproduced."""
        slack = self.tolerance_ratio * abs(self.expected)
        return {
            "=": abs(self.actual - self.expected) <= slack,
            "<=": self.actual <= self.expected + slack,
            ">=": self.actual >= self.expected - slack,
        }[self.relation]


@lru_cache(maxsize=256)
def network(spec: str) -> Graph:
    """One graph per specification."""
    return load_network(spec)


@lru_cache(maxsize=64)
def priced(
    spec: str, hardware: str, batch: int, dtype: str | None, activations: str | None = None, objective: str = NO_OBJECTIVE
) -> Analysis:
    """One analysis per network, profile and options; each boundary by itself unless mapped for an objective."""
    densities = load_activations(activations) if activations else None
    return analysis_of(
        network(spec), load_hardware(hardware), batch, dtype, None, activations=densities, objective=objective
    )


def graph_of(row: Row) -> Graph:
    """Build the graph a row is about: a network, or layers written as data."""
    if "network" in row:
        return network(row["network"])
    return described_graph(row["case"], row["inputs"], row["layers"])


CONVENTION_OF: Final = {"largest": "in_out"}
PLACES_OF: Final = {"largest": ("concat", "view", "layer")}
ASSUMED: Final = {"depthwise_in_place": {"depthwise"}, "fused_pool": {"pool"}, "copied_concat": set[str]()}


def peak_ram_bytes(row: Row) -> int:
    """Memory of 8-bit activations under the convention of a row and what it assumes beyond [B].

    ``largest`` is ``in_out`` with every layer over its input; ``copied_concat`` takes concatenations out of what is in place.
    """
    name: str = row["convention"]
    assumed = row.get("assume", ())
    found = convention(CONVENTION_OF.get(name, name), PLACES_OF.get(name))
    if assumed:
        copied = {"concat"} if "copied_concat" in assumed else set[str]()
        found = convention(found.name, set(found.in_place).union(*(ASSUMED[one] for one in assumed)) - copied)
    return timeline(sized(network(row["network"]), stored("int8"), 1), found).peak_bytes


def weights_flash_bytes(row: Row) -> int:
    """Weights of 8 bits and biases of 32 bits [B]."""
    table = network(row["network"]).table()
    return int(table.total("weight_elems")[0]) + 3 * int(table.total("bias_elems")[0])


def external_ram_bytes(row: Row) -> int:
    """Activations that leave the memory on chip under the schedule that the profile declares, the outputs apart [B]."""
    analysis = priced(row["network"], row["hardware"], row.get("batch", 1), row.get("dtype"))
    return analysis.totals.ofmap_dram_bytes - analysis.outputs_bytes


def layers_stored(row: Row) -> list[LayerStorage]:
    """Layers of a row under its scheme: of a network, or of `sizes`, weights and biases by layer."""
    scheme = load_scheme(row["scheme"])
    if "network" in row:
        layers = storage_of(network(row["network"]), scheme).layers
        return [layer for layer in layers if layer.name == row.get("layer", layer.name)]
    return [
        stored_layer(name, "", declared_streams(weights, biases, scheme.layers[name], huffman=scheme.huffman))
        for name, (weights, biases) in row["sizes"].items()
    ]


def storage(row: Row) -> float:
    """Bytes at a stage of compressed storage, or for ``*_ratio`` over the dense ones [B]."""
    layers = layers_stored(row)
    stage = row["quantity"].rpartition("_")[0]
    size: int = sum(getattr(layer, f"{stage}_bytes") for layer in layers)
    return size / sum(layer.dense_bytes for layer in layers) if row["quantity"].endswith("_ratio") else size


STORED: Final[Mapping[str, Callable[[Row], int]]] = {
    "peak_ram_bytes": peak_ram_bytes,
    "weights_flash_bytes": weights_flash_bytes,
    "external_ram_bytes": external_ram_bytes,
}
"""Figures of memory, by quantity."""


def training_speedup(row: Row) -> float:
    """Speed-up of synchronous training on so many workers over one, with the same batch."""
    hardware, link = load_hardware(row["hardware"]), load_link(row["link"])
    found = training_of(graph_of(row), hardware, link, [row["workers"]], row["batch"])
    return next(point.speedup.value for point in found.points if point.algorithm == row["algorithm"])


def backward_forward_ratio(row: Row) -> float:
    """Time of the backward pass over that of the forward pass."""
    graph = graph_of(row)
    share = share_of(analysis_of(graph, load_hardware(row["hardware"]), row["batch"], None, None), backward(graph))
    return share.backward_s.value / share.forward_s.value


TRAINED: Final[Mapping[str, Callable[[Row], float]]] = {
    "training_speedup": training_speedup,
    "backward_forward_ratio": backward_forward_ratio,
}
"""Figures of training, by quantity."""


def mapped_cycles(layer: LayerCost) -> int:
    """Steps of the array in the mapping of a layer."""
    if not isinstance(layer.mapping, MappedNest):
        raise InputError(f"{layer.name}: has no mapping through all memories; give the row an objective")
    return layer.mapping.cycles * layer.mapping.steps


def mapped_energy_j(layer: LayerCost) -> float:
    """Energy of MACs and of all accesses; biases and other operations, which mappers do not count, left out [J]."""
    share = layer.macs / (layer.macs + layer.other_ops)
    return layer.energy_j - layer.energy_mac_j * (1 - share)


MAPPED: Final[Mapping[str, Callable[[LayerCost], float]]] = {
    "mapped_cycles": mapped_cycles,
    "mapped_energy_j": mapped_energy_j,
}
"""Figures of mappings as other mappers count, by quantity."""


def counted(table: LayerTable, row: Row) -> float:
    """Return a figure that needs no hardware."""
    quantity = row["quantity"]
    if quantity == "weight_bytes":
        return int(table.total("params")[0]) * int(row["bits"]) / 8
    if quantity == "flops":
        return 2 * int(table.total("macs")[0])
    if quantity == "weights_without_biases":
        return int(table.total("weight_elems")[0] - table.total("bias_elems")[0])
    if quantity == "compulsory_elems":
        part = table.rows([op in PRODUCTS for op in table.ops])
        return sum(int(part.total(name)[0]) for name in ("weight_elems", "ifmap_elems", "ofmap_elems")) - int(
            part.total("bias_elems")[0]
        )
    return int(table.total(quantity)[0])


def costed(row: Row) -> float:
    """Return a figure of a network on hardware; ``*_words`` are bytes over the width of an activation.

    Restricted to the layer or layers named, else to products (convolution, linear, matmul) for words or where the row says
    so, else to nothing. Layers are mapped for the row's ``objective``, each boundary by itself where it has none.
    """
    options = row.get("batch", 1), row.get("dtype"), row.get("activations"), row.get("objective", NO_OBJECTIVE)
    analysis = priced(row["network"], row["hardware"], *options)
    quantity, words = row["quantity"], row["quantity"].endswith("_words")
    column = f"{quantity.removesuffix('_words')}_bytes" if words else quantity
    named = row.get("layers", [row["layer"]] if "layer" in row else [])
    layers = [
        layer
        for layer in analysis.layers
        if (layer.name in named if named else not (words or row.get("products")) or layer.op in PRODUCTS)
    ]
    of = MAPPED.get(column, attrgetter(column))
    total = sum(of(layer) for layer in layers)
    return total * 8 / analysis.precision.ifmap_bits if words else float(total)


def chip(row: Row) -> float:
    """Return a figure of a chip that runs given mappings: bytes off chip, of its first buffer, or energy of one input [J].

    Energy is that of the chip by itself, without the backing store.
    """
    from costmodel.joint.given import given_costs, on_chip_pj
    from costmodel.joint.tasks import Work

    hardware, batch = load_hardware(row["hardware"]), row["batch"]
    densities = load_activations(row["activations"]) if "activations" in row else None
    estimate = replace(estimate_of(network(row["network"]), hardware, batch, row.get("dtype"), None), activations=densities)
    work = Work(estimate.table, estimate.widths, estimate.precisions, hardware, estimate.feed_bytes("value"))
    costs = given_costs(work, row["mappings"], estimate.code)
    if row["quantity"] == "buffer_bytes":
        return float(sum(costs.total(1, way).sum() for way in ("read", "write")))
    if row["quantity"] == "chip_energy_j":
        return sum(on_chip_pj(nest.priced) * nest.steps for nest in costs.nests.values()) * 1e-12 / float(batch)
    found = costs.off_chip
    return float(found.weight_bytes.sum() + found.ifmap_bytes.sum() + found.ofmap_bytes.sum())


def actual(row: Row) -> float:
    """Compute our figure for a row."""
    if "mappings" in row:
        return chip(row)
    if "scheme" in row:
        return storage(row)
    if row["quantity"] in STORED:
        return STORED[row["quantity"]](row)
    if row["quantity"] in TRAINED:
        return TRAINED[row["quantity"]](row)
    if "hardware" in row:
        return costed(row)
    table = graph_of(row).table()
    if "layer" in row:
        table = table.rows([name == row["layer"] for name in table.names])
    return counted(table, row)


def check(row: Row) -> Check:
    """Compute one row."""
    return Check(
        row["id"],
        row["quantity"],
        row["value"],
        actual(row),
        row.get("relation", "="),
        float(row["tolerance_ratio"]),
        row["source"],
        row["place"],
        row["why"],
    )


def published(directory: Path | None = None) -> list[Row]:
    """Every row of every file, in order.

    Raises
    ------
    InputError
        A row without one of the required fields.
    """
    return list(shipped()) if directory is None else read(directory)


@cache
def shipped() -> tuple[Row, ...]:
    """Every row of the files that come with the tool; reading them takes a second or two."""
    return tuple(read(data_dir("published")))


def read(directory: Path) -> list[Row]:
    """Every row of every file of a directory; InputError where a required field is missing."""
    from ruamel.yaml import YAML

    loader = YAML(typ="safe")
    files = sorted(directory.glob("*.yaml"))
    found: list[Row] = [row for file in files for row in loader.load(file.read_text(encoding="utf-8"))]
    incomplete = [f"{row.get('id', '?')}: lacks {name}" for row in found for name in REQUIRED if name not in row]
    if incomplete:
        raise InputError(*incomplete)
    return found


def left_out() -> list[Row]:
    """Rows that are not computed here: the search through all memories takes hours where Numba does not compile it."""
    return [] if is_compiled() else [row for row in published() if "objective" in row]


def rows(selected: Iterable[Row] | None = None) -> list[Check]:
    """Compute every published figure but those of :func:`left_out`, or those that are given.

    Examples
    --------
    >>> all(check.ok for check in rows())
    True
    """
    if selected is None:
        without = left_out()
        selected = [row for row in published() if row not in without]
    return [check(row) for row in selected]
