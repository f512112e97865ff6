"""Graph: a network under construction, layer by layer, in execution order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from itertools import accumulate, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from costmodel.errors import NetworkError, ShapeError
from costmodel.graph.ops.base import Op
from costmodel.graph.ops.convolution import Conv, ConvTranspose
from costmodel.graph.ops.dense import Embedding, Linear, MatMul
from costmodel.graph.ops.elementwise import (
    ACTIVATIONS,
    Activation,
    Combine,
    Identity,
    Parameter,
    Unknown,
)
from costmodel.graph.ops.layout import Concat, Flatten, Pad, Reshape, Slice, Transpose, Upsample
from costmodel.graph.ops.pooling import AdaptivePool, GlobalPool, Pool
from costmodel.graph.ops.windows import spatial_rank
from costmodel.graph.rows import Rows
from costmodel.graph.shapes import (
    Dim,
    Padding,
    PerAxis,
    as_shape,
    design_points,
    format_shape,
    same_shape,
)
from costmodel.graph.stored import EncodedWeights, FileNode, StoredWidths
from costmodel.graph.table import LayerTable, table_of
from costmodel.graph.tensor import Origin, Tensor
from costmodel.graph.topology import Layer, LayerPlace, Topology

if TYPE_CHECKING:
    import networkx


class Graph:
    """A network: inputs, layers in execution order, outputs.

    Each method adds one layer and gives its output tensor; shapes are checked at once, and messages name
    the layers that disagree. Tensors have the batch first, then channels, then space. Any size may be an
    int64 array of design points, all of one length; the graph then describes every point at once.

    Examples
    --------
    >>> g = Graph("tiny")
    >>> x = g.input("image", (1, 3, 32, 32))
    >>> x = g.conv("conv1", x, 16, kernel=3, padding=1)
    >>> x = g.relu("relu1", x)
    >>> x.shape
    (1, 16, 32, 32)
    >>> int(g.table().total("macs")[0])
    442368
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._inputs: list[Tensor] = []
        self._layers: dict[str, Layer] = {}
        self._outputs: list[Tensor] = []
        self._owned: set[Tensor] = set()
        self._table: LayerTable | None = None
        self._rows_per_layer: tuple[int, ...] = ()
        self._stored: dict[str, StoredWidths] = {}
        self._nodes: dict[str, FileNode] = {}
        self._encoded: dict[str, EncodedWeights] = {}

    # ---- what a graph is

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Tensors fed from outside."""
        return tuple(self._inputs)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Layers in execution order."""
        return tuple(self._layers.values())

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Declared outputs, or the tensors that no layer reads."""
        if self._outputs:
            return tuple(self._outputs)
        read = {tensor for layer in self._layers.values() for tensor in layer.inputs}
        return tuple(t for layer in self._layers.values() for t in layer.outputs if t not in read)

    @property
    def design_points(self) -> int:
        """Number of design points the graph carries, 1 if none of its sizes is an array."""
        return max((design_points(tensor.shape) for tensor in self._owned), default=1)

    def table(self) -> LayerTable:
        """Rows of all layers; computed once for a finished graph."""
        if self._table is None:
            topology = Topology(self.layers, self.outputs)
            lowered = [(layer.name, _lowered(layer, topology)) for layer in self.layers]
            self._rows_per_layer = tuple(len(rows) for _, rows in lowered)
            self._table = table_of(lowered)
            if self._stored:
                unsaid = StoredWidths()
                self._table.with_stored([self._stored.get(name, unsaid) for name, rows in lowered for _ in rows])
            if self._encoded:
                self._table.with_encoded([self._encoded.get(name) for name in self._table.names])
        return self._table

    def layer_rows(self) -> tuple[tuple[Layer, range], ...]:
        """Every layer with the numbers of its rows in the table."""
        self.table()
        ends = tuple(accumulate(self._rows_per_layer))
        spans = zip(self.layers, ends, self._rows_per_layer, strict=True)
        return tuple((layer, range(end - count, end)) for layer, end, count in spans)

    @property
    def stored(self) -> Mapping[str, StoredWidths]:
        """Widths at which the file behind the graph stores the operands, by layer; empty where no file says them."""
        return MappingProxyType(self._stored)

    @property
    def nodes(self) -> Mapping[str, FileNode]:
        """Nodes of the file behind the graph, by the layers made of them."""
        return MappingProxyType(self._nodes)

    def to_networkx(self) -> networkx.DiGraph[str]:
        """The graph for networkx: a node per input and layer, an edge per tensor read."""
        import networkx

        graph: networkx.DiGraph[str] = networkx.DiGraph(name=self.name)
        source = {}
        for tensor in self._inputs:
            graph.add_node(tensor.name, op="input", shape=tensor.shape)
            source[tensor] = tensor.name
        for layer in self.layers:
            graph.add_node(layer.name, op=type(layer.op).__name__, shape=layer.outputs[0].shape)
            source.update(dict.fromkeys(layer.outputs, layer.name))
            for tensor in layer.inputs:
                graph.add_edge(source[tensor], layer.name, tensor=tensor.name, shape=tensor.shape)
        return graph

    def __repr__(self) -> str:
        reads = ", ".join(f"{t.name} {format_shape(t.shape)}" for t in self._inputs)
        gives = ", ".join(f"{t.name} {format_shape(t.shape)}" for t in self.outputs)
        flow = f"{reads or 'no input'} -> {gives or 'nothing'}"
        return f"<Graph {self.name!r}: {len(self._layers)} layers, {flow}>"

    # ---- how a graph grows

    def input(self, name: str, shape: Sequence[Dim], bits: int = 0) -> Tensor:
        """A tensor fed from outside, batch first; `bits` is the width at which a file declares it, 0 where none does."""
        self._expect_new(name)
        with _named(name):
            tensor = Tensor(name, as_shape(shape), "input")
        tensor.note_bits(bits)
        self._inputs.append(tensor)
        self._owned.add(tensor)
        return tensor

    def output(self, *tensors: Tensor) -> None:
        """Declare outputs; without this, they are the tensors that no layer reads."""
        for tensor in tensors:
            self._expect_own("output", tensor)
        self._outputs.extend(tensors)
        self._table = None

    def layer(self, name: str, op: Op, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Add any operation, also one defined elsewhere; gives all its outputs."""
        return self._add(name, lambda: op, inputs)

    @property
    def layer_count(self) -> int:
        """Number of layers so far."""
        return len(self._layers)

    def added(self, since: int) -> tuple[str, ...]:
        """Names of the layers behind the first `since`, the newest first."""
        return tuple(islice(reversed(self._layers), len(self._layers) - since))

    def store(self, widths: Mapping[str, StoredWidths]) -> None:
        """Note the widths at which a file stores the operands of layers; what they give has that of the ofmap."""
        self._stored.update(widths)
        for layer in self._layers.values():
            found = widths.get(layer.name, StoredWidths())
            for tensor in layer.outputs:
                tensor.note_bits(found.weight_bits if tensor.origin == "parameter" else found.ofmap_bits)
        self._table = None

    def with_encoded(self, name: str, encoded: Mapping[str, EncodedWeights]) -> Graph:
        """A finished copy of another name whose weights are stored compressed, by row of the table."""
        other = copy(self)
        other.name, other._encoded, other._table = name, dict(encoded), None
        other._layers, other._owned = dict(self._layers), set(self._owned)
        other._inputs, other._outputs = list(self._inputs), list(self._outputs)
        other._stored, other._nodes = dict(self._stored), dict(self._nodes)
        return other

    def note_node(self, node: FileNode, layers: Iterable[str]) -> None:
        """Note the node of a file that layers were made of."""
        self._nodes.update(dict.fromkeys(layers, node))

    def _add(self, name: str, make: Callable[[], Op], inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Add a layer whose operation `make` gives; problems are reported under its name."""
        self._expect_new(name)
        for tensor in inputs:
            self._expect_own(name, tensor)
        with _named(name):
            op = make()
            shapes = op.infer(inputs)
            origin: Origin = "parameter" if type(op) is Parameter else "layer"
            outputs = tuple(
                Tensor(name if i == 0 else f"{name}:{i}", s, origin) for i, s in enumerate(shapes)
            )
        self._layers[name] = Layer(name, op, inputs, outputs)
        self._owned.update(outputs)
        self._table = None
        return outputs

    def _one(self, name: str, make: Callable[[], Op], *inputs: Tensor) -> Tensor:
        return self._add(name, make, inputs)[0]

    def _expect_new(self, name: str) -> None:
        """NetworkError unless `name` is a usable, unused name."""
        if type(name) is not str or not name:
            raise NetworkError(f"a layer's name must be a non-empty string, got {name!r}")
        if name in self._layers or any(tensor.name == name for tensor in self._inputs):
            raise NetworkError(f"{name}: the graph {self.name!r} already has a layer or input of this name")

    def _expect_own(self, name: str, tensor: object) -> None:
        """NetworkError unless `tensor` is a tensor of this graph."""
        if not isinstance(tensor, Tensor):
            raise NetworkError(f"{name}: expected a tensor as input, got {tensor!r}")
        if tensor not in self._owned:
            raise NetworkError(f"{name}: {tensor.name!r} is a tensor of another graph, not of {self.name!r}")

    def _shared(self, name: str, share: str | None, make: Callable[[bool], Any], x: Tensor) -> Tensor:
        """Add a layer with weights, its own or those of the earlier layer `share`."""
        tensor = self._one(name, lambda: make(share is not None), x)
        if share is not None:
            problem = self._share_problem(name, share)
            if problem:
                del self._layers[name]
                self._owned.discard(tensor)
                raise ShapeError(f"{name}: {problem}")
        return tensor

    def _share_problem(self, name: str, share: str) -> str:
        """Why `name` cannot use the weights of `share`, or ""."""
        mine, other = self._layers[name], self._layers.get(share)
        if other is None or share == name:
            hint = suggestion(share, self._layers)
            return f"cannot share the weights of {share!r}: no such earlier layer{hint}"
        if type(other.op) is not type(mine.op):
            return f"cannot share the weights of {share!r}, which is another kind of layer"
        shapes = [layer.op.weight_shape(layer.inputs) for layer in (mine, other)]  # type: ignore[attr-defined]  # both have weights
        if not same_shape(*shapes):
            return (
                f"cannot share the weights of {share!r}: it needs {format_shape(shapes[0])}, "
                f"{share} has {format_shape(shapes[1])}"
            )
        return ""

    # ---- products

    def conv(
        self,
        name: str,
        x: Tensor,
        out_channels: Dim,
        kernel: PerAxis,
        stride: PerAxis = 1,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        groups: Dim = 1,
        *,
        bias: bool = True,
        share: str | None = None,
    ) -> Tensor:
        """Convolution over as many spatial axes as `x` has.

        Parameters
        ----------
        name, x
            Layer name; input (N, C, *spatial).
        out_channels
            Output channels of all groups together.
        kernel, stride, dilation
            One size, or one per spatial axis.
        padding
            One size, one per axis, ((before, after), ...), "same" or "valid".
        groups
            Number of groups; equal to the input channels for a depthwise convolution.
        bias
            Whether it adds a bias per output channel.
        share
            Name of an earlier layer whose parameters it uses; they count once.
        """
        return self._shared(
            name,
            share,
            lambda shared: Conv.of(
                spatial_rank(x),
                out_channels,
                kernel,
                stride,
                padding,
                dilation,
                groups,
                bias=bias,
                shared=shared,
            ),
            x,
        )

    def conv_transpose(
        self,
        name: str,
        x: Tensor,
        out_channels: Dim,
        kernel: PerAxis,
        stride: PerAxis = 1,
        padding: Padding = 0,
        output_padding: PerAxis = 0,
        dilation: PerAxis = 1,
        groups: Dim = 1,
        *,
        bias: bool = True,
        share: str | None = None,
    ) -> Tensor:
        """Transposed convolution; arguments as :meth:`conv`, `output_padding` extends the far side."""
        return self._shared(
            name,
            share,
            lambda shared: ConvTranspose.of(
                spatial_rank(x),
                out_channels,
                kernel,
                stride,
                padding,
                output_padding,
                dilation,
                groups,
                bias=bias,
                shared=shared,
            ),
            x,
        )

    def linear(
        self, name: str, x: Tensor, out_features: Dim, *, bias: bool = True, share: str | None = None
    ) -> Tensor:
        """Fully connected layer on the last axis of `x`."""
        return self._shared(name, share, lambda shared: Linear.of(out_features, bias=bias, shared=shared), x)

    def matmul(self, name: str, a: Tensor, b: Tensor) -> Tensor:
        """Product (..., M, C) x (..., C, K); leading axes broadcast."""
        return self._one(name, MatMul, a, b)

    def embedding(self, name: str, x: Tensor, entries: Dim, dim: Dim, *, share: str | None = None) -> Tensor:
        """Look-up of the indices `x` in a table of `entries` rows of `dim`."""
        return self._shared(name, share, lambda shared: Embedding.of(entries, dim, shared=shared), x)

    def lstm(
        self, name: str, x: Tensor, hidden: Dim, *, bias: bool = True, bidirectional: bool = False
    ) -> Tensor:
        """LSTM over (N, T, C), giving the state after every step, (N, T, hidden)."""
        from costmodel.graph.ops.recurrent import Recurrent

        return self._one(
            name, lambda: Recurrent.of("lstm", hidden, bias=bias, bidirectional=bidirectional), x
        )

    def gru(
        self, name: str, x: Tensor, hidden: Dim, *, bias: bool = True, bidirectional: bool = False
    ) -> Tensor:
        """GRU over (N, T, C), giving the state after every step, (N, T, hidden)."""
        from costmodel.graph.ops.recurrent import Recurrent

        return self._one(name, lambda: Recurrent.of("gru", hidden, bias=bias, bidirectional=bidirectional), x)

    # ---- pooling

    def max_pool(
        self,
        name: str,
        x: Tensor,
        kernel: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        *,
        ceil_mode: bool = False,
    ) -> Tensor:
        """Maximum over sliding windows; the stride defaults to the kernel.

        `ceil_mode` rounds the number of outputs up (Caffe) instead of down (torch's and ONNX's default).
        """
        return self._one(
            name,
            lambda: Pool.of(
                spatial_rank(x), "max_pool", kernel, stride, padding, dilation, ceil_mode=ceil_mode
            ),
            x,
        )

    def avg_pool(
        self,
        name: str,
        x: Tensor,
        kernel: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        *,
        ceil_mode: bool = False,
    ) -> Tensor:
        """Average over sliding windows; arguments as :meth:`max_pool`."""
        return self._one(
            name,
            lambda: Pool.of(spatial_rank(x), "avg_pool", kernel, stride, padding, ceil_mode=ceil_mode),
            x,
        )

    def global_max_pool(self, name: str, x: Tensor) -> Tensor:
        """Maximum over the whole feature map, (N, C, 1, ...)."""
        return self._one(name, lambda: GlobalPool("max_pool"), x)

    def global_avg_pool(self, name: str, x: Tensor) -> Tensor:
        """Average over the whole feature map, (N, C, 1, ...)."""
        return self._one(name, lambda: GlobalPool("avg_pool"), x)

    def adaptive_max_pool(self, name: str, x: Tensor, outputs: PerAxis) -> Tensor:
        """Maximum over windows chosen to give `outputs` values per axis."""
        return self._one(name, lambda: AdaptivePool.of(spatial_rank(x), "max_pool", outputs), x)

    def adaptive_avg_pool(self, name: str, x: Tensor, outputs: PerAxis) -> Tensor:
        """Average over windows chosen to give `outputs` values per axis."""
        return self._one(name, lambda: AdaptivePool.of(spatial_rank(x), "avg_pool", outputs), x)

    # ---- element by element

    def add(self, name: str, *inputs: Tensor) -> Tensor:
        """Sum of tensors whose shapes broadcast."""
        return self._one(name, lambda: Combine("add"), *inputs)

    def sub(self, name: str, a: Tensor, b: Tensor) -> Tensor:
        """Difference of two tensors whose shapes broadcast."""
        return self._one(name, lambda: Combine("sub"), a, b)

    def multiply(self, name: str, *inputs: Tensor) -> Tensor:
        """Product, element by element, of tensors whose shapes broadcast."""
        return self._one(name, lambda: Combine("mul"), *inputs)

    def divide(self, name: str, a: Tensor, b: Tensor) -> Tensor:
        """Quotient of two tensors whose shapes broadcast."""
        return self._one(name, lambda: Combine("div"), a, b)

    def activation(self, name: str, x: Tensor, kind: str) -> Tensor:
        """An element-wise function by name, one of :data:`costmodel.graph.ops.elementwise.ACTIVATIONS`."""
        if kind not in ACTIVATIONS:
            hint = suggestion(kind, ACTIVATIONS) or f"; known are {', '.join(ACTIVATIONS)}"
            raise NetworkError(f"{name}: unknown activation {kind!r}{hint}")
        return self._one(name, lambda: Activation(kind), x)

    def relu(self, name: str, x: Tensor) -> Tensor:
        """Rectified linear unit."""
        return self._one(name, lambda: Activation("relu"), x)

    def relu6(self, name: str, x: Tensor) -> Tensor:
        """Rectified linear unit, clipped at 6."""
        return self.activation(name, x, "relu6")

    def sigmoid(self, name: str, x: Tensor) -> Tensor:
        """Logistic function."""
        return self.activation(name, x, "sigmoid")

    def tanh(self, name: str, x: Tensor) -> Tensor:
        """Hyperbolic tangent."""
        return self.activation(name, x, "tanh")

    def gelu(self, name: str, x: Tensor) -> Tensor:
        """Gaussian error linear unit."""
        return self.activation(name, x, "gelu")

    def silu(self, name: str, x: Tensor) -> Tensor:
        """Sigmoid-weighted linear unit (swish)."""
        return self.activation(name, x, "silu")

    def hardswish(self, name: str, x: Tensor) -> Tensor:
        """Piecewise approximation of silu."""
        return self.activation(name, x, "hardswish")

    def hardsigmoid(self, name: str, x: Tensor) -> Tensor:
        """Piecewise approximation of the logistic function."""
        return self.activation(name, x, "hardsigmoid")

    def dropout(self, name: str, x: Tensor) -> Tensor:
        """Dropout: the identity at inference."""
        return self._one(name, Identity, x)

    # ---- normalisation

    def batch_norm(self, name: str, x: Tensor, *, folded: bool | None = None, affine: bool = True) -> Tensor:
        """Batch normalisation; `folded` None folds it where it directly follows a layer with weights."""
        from costmodel.graph.ops.normalization import BatchNorm

        return self._one(name, lambda: BatchNorm(folded, affine), x)

    def layer_norm(self, name: str, x: Tensor, axes: int = 1, *, affine: bool = True) -> Tensor:
        """Normalisation over the last `axes` axes."""
        from costmodel.graph.ops.normalization import LayerNorm

        return self._one(name, lambda: LayerNorm(axes, affine), x)

    def group_norm(self, name: str, x: Tensor, groups: Dim, *, affine: bool = True) -> Tensor:
        """Normalisation over groups of channels."""
        from costmodel.graph.ops.normalization import GroupNorm

        return self._one(name, lambda: GroupNorm.of(groups, affine=affine), x)

    def lrn(self, name: str, x: Tensor, size: Dim = 5) -> Tensor:
        """Local response normalisation over `size` neighbouring channels."""
        from costmodel.graph.ops.normalization import LocalResponseNorm

        return self._one(name, lambda: LocalResponseNorm.of(size), x)

    def softmax(self, name: str, x: Tensor, axis: int = -1) -> Tensor:
        """Softmax along one axis."""
        from costmodel.graph.ops.normalization import Softmax

        return self._one(name, lambda: Softmax(axis), x)

    # ---- layout

    def concat(self, name: str, *inputs: Tensor, axis: int = 1) -> Tensor:
        """Tensors joined along one axis, channels by default."""
        return self._one(name, lambda: Concat(axis), *inputs)

    def flatten(self, name: str, x: Tensor, start_axis: int = 1) -> Tensor:
        """All axes from `start_axis` on as one."""
        return self._one(name, lambda: Flatten(start_axis), x)

    def reshape(self, name: str, x: Tensor, shape: Sequence[Dim]) -> Tensor:
        """The same elements under another shape, batch included; one size may be -1."""
        return self._one(name, lambda: Reshape.of(shape), x)

    def transpose(self, name: str, x: Tensor, axes: Sequence[int]) -> Tensor:
        """Axes in the order given."""
        return self._one(name, lambda: Transpose(tuple(axes)), x)

    def slice(
        self, name: str, x: Tensor, axis: int, start: Dim = 0, stop: Dim | None = None, step: Dim = 1
    ) -> Tensor:
        """Elements ``start:stop:step`` of one axis."""
        return self._one(name, lambda: Slice(axis, start, stop, step), x)

    def pad(self, name: str, x: Tensor, padding: Padding) -> Tensor:
        """Explicit padding of the spatial axes, as :meth:`conv` takes it."""
        return self._one(name, lambda: Pad.of(spatial_rank(x), padding), x)

    def upsample(
        self,
        name: str,
        x: Tensor,
        factor: PerAxis | None = None,
        *,
        size: PerAxis | None = None,
        mode: str = "nearest",
    ) -> Tensor:
        """Interpolation by `factor` or to `size`; mode nearest, linear (bilinear) or cubic."""
        return self._one(name, lambda: Upsample.of(spatial_rank(x), factor, size, mode), x)

    # ---- the rest

    def parameter(self, name: str, shape: Sequence[Dim]) -> Tensor:
        """A trained tensor that other layers read, such as a position embedding."""
        return self._one(name, lambda: Parameter(as_shape(shape)))

    def unknown(self, name: str, op: str, inputs: Sequence[Tensor], output_shape: Sequence[Dim]) -> Tensor:
        """An operation nobody models; its elements are counted and its row is marked unknown."""
        return self._one(name, lambda: Unknown(op, (as_shape(output_shape, "output_shape"),)), *inputs)


def _lowered(layer: Layer, topology: Topology) -> Rows:
    """Rows of one layer at its place in the graph."""
    with _named(layer.name):
        rows = layer.op.lower(layer.inputs, layer.outputs)
    note = layer.op.rule(LayerPlace(topology, layer))
    return tuple(row.freed(note) for row in rows) if note else rows


class _named:  # noqa: N801 - reads as a statement; a generator would cost 2 us per layer
    """Context that puts a layer's name in front of every problem reported within."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Replace errors of the network by the same with a name; other errors pass."""
        if isinstance(error, NetworkError):
            raise type(error)(*(f"{self._name}: {problem}" for problem in error.problems)) from None
        if isinstance(error, ValueError) and "broadcast" in str(error):
            raise ShapeError(
                f"{self._name}: arrays of design points have different lengths ({error}); use one length"
            ) from None


def suggestion(word: str, known: Iterable[str]) -> str:
    """Give "; did you mean ...?", or "" if nothing is close."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
