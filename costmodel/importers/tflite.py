"""TensorFlow Lite files: from bytes to a Graph, weights never read.

Channels are last in the file and behind the batch in the graph (see ``channels_last``). A tensor that no operator
produces and nobody feeds is a constant; only small integer constants (axes, shapes, strides) are read. A dequantised
constant is still that constant, and constants that share a buffer are one set of parameters. Sparse constants count
in full: what a kernel skips is not known from the file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from costmodel.errors import CostModelError, InputError, NetworkError, located
from costmodel.graph import FileNode, Graph, StoredWidths
from costmodel.graph.stored import multiplied
from costmodel.importers.channels_last import Sheet, Value, clean, first
from costmodel.importers.tflite_file import (
    ModelFact,
    OperatorFact,
    SubgraphFact,
    TensorFact,
    read_model,
)
from costmodel.importers.tflite_ops import Call, Constant, Item, Network, folded, lowered

_SPATIAL: Final = frozenset(
    {
        "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "CONV_3D", "MAX_POOL_2D", "AVERAGE_POOL_2D", "L2_POOL_2D",
        "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "MEAN", "PRELU",
        "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "LOCAL_RESPONSE_NORMALIZATION",
    }
)  # fmt: skip
_SEQUENCES: Final = frozenset({"RESHAPE", "TRANSPOSE", "BATCH_MATMUL", "FULLY_CONNECTED", "SOFTMAX"})
_STEP_NAMES: Final = re.compile(
    r"(convolution|Conv[123]D(BackpropInput)?|Conv2d|depthwise|separable_conv2d|BiasAdd|MatMul|Tensordot|einsum|Einsum|"
    r"Relu6?|Elu|Selu|Sigmoid|Tanh|Softmax|Softplus|HardSwish|MaxPool([123]d|3D)?|AvgPool([123]d|3D)?|Mean|Max|Sum|"
    r"concat|Pad|Reshape|Squeeze|ExpandDims|Transpose|transpose|Mul|mul|Add|add|AddV2|Sub|sub|truediv|Rsqrt|"
    r"SquaredDifference|batchnorm|FusedBatchNormV?3?|ReadVariableOp|resize\w*|Resize\w*|Shape|stack|strided_slice|"
    r"Identity|split|GatherV2|embedding_lookup)\d*(_\d+)?"
)
_NO_NAME: Final = re.compile(
    r"(arith\.constant|tfl\.|std\.constant|StatefulPartitionedCall|PartitionedCall|serving_default|Identity|const\w*"
    r"|unknown|model_output)[\w.]*|\d*",
    re.IGNORECASE,
)


def tflite_graph(path: str | Path, inputs: Mapping[str, Sequence[int]] | None = None) -> Graph:
    """Read a TensorFlow Lite file.

    Parameters
    ----------
    path
        The file. Its weights are not read.
    inputs
        Shape by input name, in the file's order (batch, height, width, channels), for axes that the file leaves
        open. An open batch axis alone is 1.

    Returns
    -------
    Graph
        Layers named after the file's tensors; operators without a model are of status "unknown". The first subgraph
        is the network; others appear as unknown where an operator calls them. Variables of a streaming network are
        inputs.

    Raises
    ------
    InputError
        The file cannot be read, is not TensorFlow Lite, is damaged, or leaves axes open that `inputs` does not give.
    NetworkError
        Its operators do not fit together.
    """
    return tflite_network(path, inputs).sheet.graph


def tflite_network(path: str | Path, inputs: Mapping[str, Sequence[int]] | None = None) -> Network:
    """What :func:`tflite_graph` draws, with what else the file says."""
    network = _drawn(Path(path), inputs or {})
    network.sheet.graph.store(network.widths)
    return network


def tflite_inputs(path: str | Path) -> tuple[str, ...]:
    """Names of the inputs, as people write them and as the file does."""
    main = read_model(Path(path)).subgraphs[0]
    names = [main.tensors[index].name for index in main.inputs]
    return tuple(dict.fromkeys((*map(_alias, names), *names)))


def _drawn(path: Path, inputs: Mapping[str, Sequence[int]]) -> Network:
    """The first subgraph of a file, drawn."""
    with located(str(path)):
        return _network(read_model(path), inputs)


def _network(model: ModelFact, inputs: Mapping[str, Sequence[int]]) -> Network:
    """The first subgraph of a model."""
    main = model.subgraphs[0]
    sizes = _input_sizes(model, main, inputs)
    opened = any(
        -1 in main.tensors[index].shape and any(size != 1 for size in _opened(main.tensors[index], shape))
        for index, shape in sizes.items()
    )
    network = Network(Sheet(clean(model.path.stem) or "network"), model, checked=not opened)
    items = _sources(network, main, sizes)
    channels = _channels_first(main)
    names = layer_names(main)
    produced = {index for fact in main.operators for index in fact.outputs}
    for index, (fact, name) in enumerate(zip(main.operators, names, strict=True)):
        call = Call(network, fact, name, main.tensors, items, channels)
        before = network.sheet.graph.layer_count
        _draw(network, call, produced)
        _note(call, index, network.sheet.graph.added(before))
    _declare_outputs(network, main, items)
    return network


def _opened(fact: TensorFact, shape: Sequence[int]) -> list[int]:
    """Sizes given to the axes that a tensor leaves open."""
    return [size for size, known in zip(shape, fact.shape, strict=True) if known == -1]


def _draw(network: Network, call: Call, produced: set[int]) -> None:
    """Add one operator; its outputs become items."""
    fact = call.fact
    late = [i for i in fact.inputs if i in produced and i not in call.items]
    if late:
        raise NetworkError(
            f"{network.model.path}: {call.name}: {fact.code} reads {call.tensors[late[0]].name[:80]!r}, which a later "
            "operator produces: the operators form a cycle or are out of order"
        )
    where = f"{network.model.path}: {call.name}: {fact.code}"
    try:
        outputs = folded(call) or lowered(call)
    except CostModelError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise InputError(f"{where}: is not as the format prescribes ({error}); the file is damaged") from None
    for index, item in zip(fact.outputs, outputs, strict=False):
        _expect_declared(network, where, call.tensors[index], item)
        call.items[index] = item


def _note(call: Call, index: int, layers: Sequence[str]) -> None:
    """Remember the widths of the layers of an operator, and which one it was."""
    output = call.outputs[0].name if call.outputs else ""
    call.network.sheet.graph.note_node(FileNode("", str(index), output), layers)
    call.network.widths.update(dict.fromkeys(layers, _widths(call)))


def _widths(call: Call) -> StoredWidths:
    """Widths of the operands of one operator; weights have that of their buffer, dequantised or not."""
    operands = list(zip(call.fact.inputs, call.inputs, strict=True))
    data = next((call.tensors[index] for index, item in operands if isinstance(item, Value)), None)
    constants = [item for _, item in operands if isinstance(item, Constant) and item.values is None]
    weight = max(constants, key=lambda item: item.elems, default=None)
    kind = multiplied(weight.kind if weight else "", data.kind if data else "")
    ofmap = call.outputs[0].bits if call.outputs else 0
    return StoredWidths(weight.bits if weight else 0, data.bits if data else 0, ofmap, kind)


def _expect_declared(network: Network, where: str, fact: TensorFact, item: Item) -> None:
    """NetworkError where the shape computed contradicts the one in the file."""
    known = zip(item.shape, fact.shape, strict=False)
    agree = len(item.shape) == len(fact.shape) and all(declared in (-1, size) for size, declared in known)
    if network.checked and fact.shape and not agree:
        raise NetworkError(
            f"{where}: gives {'x'.join(map(str, item.shape)) or 'a scalar'}, but the file declares "
            f"{'x'.join(map(str, fact.shape))}; the file is damaged, or its axes need --input"
        )


# ---- what enters and leaves


def _input_sizes(
    model: ModelFact, main: SubgraphFact, given: Mapping[str, Sequence[int]]
) -> dict[int, tuple[int, ...]]:
    """Shape of every input by tensor index; all problems at once."""
    wanted = {_alias(main.tensors[index].name): index for index in main.inputs}
    known = {alias: index for name, index in wanted.items() for alias in (name, main.tensors[index].name)}
    problems = [
        f"{model.path}: has no input {name!r}{_hint(name, wanted)}; its inputs are {', '.join(wanted) or 'none'}"
        for name in given
        if name not in known
    ]
    chosen = {known[name]: tuple(shape) for name, shape in given.items() if name in known}
    if problems:
        raise InputError(*problems)
    sizes = {}
    for name, index in wanted.items():
        fact = main.tensors[index]
        problem = _size_problem(name, fact, chosen.get(index))
        if problem:
            problems.append(f"{model.path}: {problem}")
        default = tuple(1 if size == -1 else size for size in fact.shape)
        sizes[index] = chosen.get(index, default)
    if problems:
        raise InputError(*problems)
    return sizes


def _alias(name: str) -> str:
    """Name of an input as people write it."""
    return clean(name.removesuffix(":0").removeprefix("serving_default_")) or "input"


def _hint(name: str, known: Mapping[str, int]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _size_problem(name: str, fact: TensorFact, given: tuple[int, ...] | None) -> str:
    """Why an input has no usable shape, or ""."""
    declared = "x".join("?" if size == -1 else str(size) for size in fact.shape)
    if given is None:
        if -1 not in fact.shape[1:]:
            return ""
        example = "x".join(
            str(size) if size != -1 else ("224" if axis else "1") for axis, size in enumerate(fact.shape)
        )
        return f"input {name!r} has open axes ({declared}): give their sizes, for example --input {name}={example}"
    fits = len(given) == len(fact.shape) and all(
        declared_size in (-1, size) for size, declared_size in zip(given, fact.shape, strict=True)
    )
    if not fits:
        return f"input {name!r} is {declared} in the file and cannot be {'x'.join(map(str, given))}"
    return "" if all(type(size) is int and size > 0 for size in given) else f"input {name!r}: sizes must be positive"


def _sources(network: Network, main: SubgraphFact, sizes: Mapping[int, tuple[int, ...]]) -> dict[int, Item]:
    """Inputs and constants by tensor index."""
    channels = _channels_first(main)
    produced = {index for fact in main.operators for index in fact.outputs}
    items: dict[int, Item] = {}
    for index, shape in sizes.items():
        by_channels = channels[index] and len(shape) > 2
        name = network.sheet.fresh(_alias(main.tensors[index].name))
        tensor = network.sheet.graph.input(name, first(shape) if by_channels else shape, main.tensors[index].bits)
        items[index] = Value(tensor, by_channels)
    for index, fact in enumerate(main.tensors):
        if index not in produced and index not in items:
            items[index] = network.constant(index, fact)
    return items


def _channels_first(main: SubgraphFact) -> list[bool]:
    """Whether windows slide over each tensor, directly or after operators that keep its axes."""
    wanted = [False] * len(main.tensors)
    for fact in reversed(main.operators):
        spatial = fact.code in _SPATIAL
        passed = fact.code not in _SEQUENCES and any(wanted[index] for index in fact.outputs)
        if spatial or passed:
            data = slice(2, 3) if fact.code == "TRANSPOSE_CONV" else slice(3 if passed else 1)
            for index in fact.inputs[data]:
                if index >= 0:
                    wanted[index] = wanted[index] or len(main.tensors[index].shape) in (4, 5)
    return wanted


def _declare_outputs(network: Network, main: SubgraphFact, items: Mapping[int, Item]) -> None:
    """Declare the outputs that operators compute."""
    graph = network.sheet.graph
    if not graph.layers:
        raise NetworkError(f"{network.model.path}: has no operator that computes anything")
    values = [items.get(index) for index in main.outputs]
    tensors = [value.tensor for value in values if isinstance(value, Value)]
    graph.output(*dict.fromkeys(tensors + network.written))


# ---- names


def layer_names(main: SubgraphFact) -> list[str]:
    """A readable name for every operator, from the tensors that the converter named.

    The name of the module is kept, the name of the step in it ("/Conv2D", "/BiasAdd") is not, and neither is a
    first part that all names share.
    """
    found = [_named(main, fact) for fact in main.operators]
    roots = Counter(name.partition("/")[0] for name in found if "/" in name)
    root = next(iter(roots)) if len(roots) == 1 and sum(roots.values()) > 1 else ""
    short = [name.removeprefix(f"{root}/") if root else name for name in found]
    names, taken = [], set()
    for name, fact in zip(short, main.operators, strict=True):
        base = clean(name) or clean(fact.code.lower()) or "operator"
        unique, count = base, 1
        while unique in taken:
            count += 1
            unique = f"{base}_{count}"
        taken.add(unique)
        names.append(unique)
    return names


def _named(main: SubgraphFact, fact: OperatorFact) -> str:
    """The best name that the tensors of one operator offer, "" if none does."""
    tensors = [main.tensors[index] for index in fact.outputs[:1]]
    if "CONV" in fact.code or fact.code == "FULLY_CONNECTED":
        tensors = [main.tensors[index] for index in fact.inputs[1:2] if index >= 0] + tensors
    parts = [part for tensor in tensors for part in tensor.name.split(";")[:1]]
    return next((name for name in map(_module, parts) if name), "")


def _module(name: str) -> str:
    """A tensor's name without what names the step inside its module."""
    parts = [part for part in re.sub(r":\d+$", "", name).split("/") if part]
    while len(parts) > 1 and _STEP_NAMES.fullmatch(parts[-1]):
        parts.pop()
    return "" if not parts or _NO_NAME.fullmatch(parts[-1]) else "/".join(parts)


