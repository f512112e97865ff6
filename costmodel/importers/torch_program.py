"""A program that torch.export has traced, read node by node into a Graph.

Nothing here imports torch: nodes are known by their names, schemas and shapes. What depends on no input (parameters,
buffers, masks, position ids, and anything computed from these alone) is a constant, computed once and not per inference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final, TypeAlias

from costmodel.errors import NetworkError
from costmodel.graph import Graph, Tensor
from costmodel.graph.ops.base import Op
from costmodel.graph.ops.elementwise import Parameter, Unknown
from costmodel.graph.ops.general import Unshaped
from costmodel.graph.shapes import format_shape
from costmodel.importers.channels_last import clean

Node: TypeAlias = Any
"""A torch.fx.Node."""
Item: TypeAlias = Any
"""What a node gives: a Tensor of the graph, a Constant, a number, None, or a list of these."""
Ints: TypeAlias = tuple[int, ...]

PRODUCTS: Final = frozenset(
    {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolution", "linear",
     "addmm", "mm", "bmm", "matmul", "baddbmm", "einsum", "lstm", "gru", "scaled_dot_product_attention", "bilinear"}
)  # fmt: skip
"""Operations that give their module its name although others are in it."""
STATES: Final = frozenset({"zeros", "new_zeros", "zeros_like", "full", "new_full", "full_like"})
"""Operations that make initial states."""
QUIET: Final = frozenset({"zeros", "contiguous", "getitem", "to", "detach", "alias", "clone", "view", "reshape"})
"""Operations that do not make a module compound."""


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A value that no input reaches: its shape, the parameters it is made of, and whether it is an initial state.

    States are zeros that the forward pass makes: a product with one counts, as that of every later step does.
    """

    shape: Ints
    sources: tuple[str, ...] = ()
    state: bool = False

    @property
    def elems(self) -> int:
        """Number of elements."""
        return prod(self.shape)


def op_of(node: Node) -> str:
    """Name of a node's operation, the same for its in-place and overloaded forms: "add", "conv2d"."""
    name = op_name(node.target)
    return name.rstrip("_") if mutates(node) else name


def op_name(target: Any) -> str:  # noqa: ANN401 - an operation of torch, a builtin function or a text
    """Name of an operation without its overload."""
    packet = getattr(target, "overloadpacket", None)
    return str(getattr(packet or target, "__name__", target))


def mutates(node: Node) -> bool:
    """Whether the operation writes into its first argument."""
    schema = getattr(node.target, "_schema", None)
    return bool(schema is not None and schema.is_mutable and node.args)


def is_view(node: Node) -> bool:
    """Whether the result may share its elements with an argument."""
    returns = getattr(getattr(node.target, "_schema", None), "returns", ())
    infos = [value.alias_info for value in returns]
    return any(info is not None and not info.is_write for info in infos)


def is_pointwise(node: Node) -> bool:
    """Whether each element of the result depends on one element of every argument."""
    return any(getattr(tag, "name", "") == "pointwise" for tag in getattr(node.target, "tags", ()))


# ---- names


def place(node: Node) -> tuple[str, str]:
    """Module of a node and the call of it: ("layer1.0.conv2", "L__self___layer1_0_conv2@1")."""
    stack = node.meta.get("nn_module_stack") or {}
    key, entry = next(reversed(stack.items()), ("", ("", None)))
    return clean(str(entry[0])), str(key)


def joined(path: str) -> str:
    """A dotted path with its module as a group: "layer1.0.conv2" is layer1.0/conv2."""
    parent, _, leaf = path.rpartition(".")
    return f"{parent}/{leaf}" if parent else leaf


class Names:
    """Names of the layers of one graph.

    A module that one operation makes up gives it its name, ``layer1.0/conv2``; in one that several share each has its
    own below, ``layer1.0/add``.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._nodes: Counter[str] = Counter()
        self._products: Counter[str] = Counter()
        self._parents: set[str] = set()
        self._used: set[str] = set()
        for node in nodes:
            if node.op == "call_function":
                self._note(node)

    def _note(self, node: Node) -> None:
        path, call = place(node)
        op = op_of(node)
        self._products[call] += op in PRODUCTS
        self._nodes[call] += op not in QUIET
        while path:
            path = path.rpartition(".")[0]
            self._parents.add(path)

    def of(self, node: Node) -> str:
        """A name for the layer of a node; not unique yet."""
        path, call = place(node)
        op = op_of(node)
        if path and path not in self._parents and self._alone(call, op):
            return joined(path)
        own = _OWN_NAMES.get(op, op.strip("_"))
        return f"{path}/{own}" if path else own

    def _alone(self, call: str, op: str) -> bool:
        """Whether the operation is what its module is."""
        return op in PRODUCTS if self._products[call] == 1 else self._nodes[call] <= 1

    def unique(self, name: str) -> str:
        """The name, with a number behind it if it is taken."""
        found, count = name, 1
        while found in self._used:
            count += 1
            found = f"{name}_{count}"
        self._used.add(found)
        return found


_OWN_NAMES: Final = {
    "scaled_dot_product_attention": "attention",
    "_native_batch_norm_legit_no_training": "batch_norm",
    "max_pool2d_with_indices": "max_pool2d",
    "convolution": "conv",
    "cat": "concat",
}


# ---- one node


class Call:
    """One operation of a program: its node, the name of its layer, and its arguments by name, defaults included."""

    def __init__(self, program: Program, node: Node) -> None:
        self.program, self.node = program, node
        self.op = op_of(node)
        self.name = program.names.of(node)
        self.arguments = _bound(node, program.resolved)

    def get(self, name: str, default: Item = None) -> Item:
        """An argument by its name in the schema; `default` where it is left out."""
        value = self.arguments.get(name, default)
        return default if value is None else value

    def items(self) -> list[Tensor | Constant]:
        """All tensors and constants among the arguments, in order."""
        return [item for item in flat(self.arguments.values()) if isinstance(item, Tensor | Constant)]

    def tensors(self) -> list[Tensor]:
        """Arguments that the network computes."""
        return [item for item in self.items() if isinstance(item, Tensor)]

    def tensor(self, name: str) -> Tensor:
        """An argument as a tensor of the graph; a constant becomes a parameter."""
        return self.program.operand(self.get(name), self.name)

    def x(self) -> Tensor:
        """The first argument as a tensor of the graph."""
        return self.program.operand(next(iter(self.arguments.values())), self.name)

    def shapes(self) -> list[Ints | None]:
        """Shapes of the outputs; None where a size is not known before the network runs."""
        return [_known(value) for value in flat([self.node.meta.get("val")]) if hasattr(value, "shape")]

    def shape(self) -> Ints:
        """Shape of the first output."""
        found = next(iter(self.shapes()), None)
        if found is None:
            raise NetworkError(f"{self.name}: {self.op} has no output of known shape")
        return found

    def used(self) -> set[int]:
        """Positions of the outputs that somebody reads."""
        return {user.args[1] for user in self.node.users if op_of(user) == "getitem"}

    def add(self, op: Op, *tensors: Tensor, part: str = "") -> Tensor:
        """Add a layer of this operation; gives its first output."""
        return self.layers(op, *tensors, part=part)[0]

    def layers(self, op: Op, *tensors: Tensor, part: str = "") -> tuple[Tensor, ...]:
        """Add a layer of this operation; gives all outputs."""
        return self.program.layer(f"{self.name}_{part}" if part else self.name, op, *tensors)


def _bound(node: Node, resolved: Callable[[Any], Item]) -> dict[str, Item]:
    """Arguments of a node by name, defaults included."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {str(position): resolved(value) for position, value in enumerate(node.args)}
    found = {argument.name: argument.default_value for argument in schema.arguments}
    names = [argument.name for argument in schema.arguments]
    found.update((name, resolved(value)) for name, value in zip(names, node.args, strict=False))
    found.update((name, resolved(value)) for name, value in node.kwargs.items())
    return found


def flat(values: Iterable[Any]) -> Iterator[Any]:
    """Values with lists written out."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from flat(value)
        else:
            yield value


def _known(value: Any) -> Ints | None:  # noqa: ANN401 - a torch tensor
    """Shape of a traced value, None where it depends on data."""
    sizes = tuple(value.shape)
    return sizes if all(isinstance(size, int) for size in sizes) else None


# ---- all nodes

Handler: TypeAlias = Callable[[Call], Item]


class Program:
    """A graph being drawn from a traced program.

    Parameters
    ----------
    graph
        The graph, empty at first.
    names
        Names of its layers.
    handlers
        What to do for a node, None where nobody knows.
    param_elems
        Elements of every parameter by name.
    """

    def __init__(
        self,
        graph: Graph,
        names: Names,
        handlers: Callable[[Node], Handler | None],
        param_elems: Mapping[str, int],
    ) -> None:
        self.graph, self.names = graph, names
        self._handlers, self._param_elems = handlers, param_elems
        self._values: dict[Node, Item] = {}
        self._counted: set[str] = set()
        self._operands: dict[object, tuple[Constant, Tensor]] = {}
        self._uncertain: set[Tensor] = set()

    @property
    def counted(self) -> frozenset[str]:
        """Names of the parameters that layers count."""
        return frozenset(self._counted)

    def give(self, node: Node, item: Item) -> None:
        """Let a node have a value."""
        self._values[node] = item

    def resolved(self, value: Any) -> Item:  # noqa: ANN401 - any argument of a node
        """An argument with the values of nodes in their places."""
        if isinstance(value, list | tuple):
            return [self.resolved(entry) for entry in value]
        return self._values.get(value) if hasattr(value, "all_input_nodes") else value

    def run(self, node: Node) -> None:
        """Draw one operation."""
        if op_of(node) == "getitem":
            items, position = (self.resolved(argument) for argument in node.args)
            self._values[node] = items[position] if isinstance(items, list) else items
            return
        call = Call(self, node)
        result = self._result(call)
        self._values[node] = result
        if mutates(node):
            self._values[node.args[0]] = result

    def _result(self, call: Call) -> Item:
        """What an operation gives."""
        shapes = call.shapes()
        if not shapes:
            value = call.node.meta.get("val")
            return value if isinstance(value, int | float) else None
        constants = [item for item in call.items() if isinstance(item, Constant)]
        step = call.op in PRODUCTS and any(constant.state for constant in constants)
        if not call.tensors() and not step:
            return self._folded(call, constants)
        if None in shapes or not self._uncertain.isdisjoint(call.tensors()):
            return self._opaque(call)
        handler = self._handlers(call.node)
        if handler is None:
            return self._opaque(call)
        result = handler(call)
        _expect_shapes(call, result)
        return result

    def _folded(self, call: Call, items: list[Constant]) -> Item:
        """Outputs of an operation on constants."""
        sources = tuple(dict.fromkeys(source for item in items for source in item.sources))
        state = call.op in STATES or any(item.state for item in items)
        constants = [Constant(shape or (), sources, state) for shape in call.shapes()]
        return constants if isinstance(call.node.meta.get("val"), list | tuple) else constants[0]

    def _opaque(self, call: Call) -> Item:
        """Outputs of an operation that nobody models, or whose sizes nobody knows."""
        shapes = call.shapes()
        known = tuple(shape for shape in shapes if shape is not None and all(shape))
        op = _full_name(call.node)
        for constant in call.items():
            if isinstance(constant, Constant) and constant.sources:
                self.shares(constant, elems=-1)
        if len(known) == len(shapes):
            tensors = call.layers(Unknown(op, known), *call.tensors())
        else:
            declared = tuple(shape if shape and all(shape) else () for shape in shapes)
            tensors = call.layers(Unshaped(op, declared, f"{op}: its shape depends on data"), *call.tensors())
            self._uncertain.update(tensors)
        return list(tensors) if isinstance(call.node.meta.get("val"), list | tuple) else tensors[0]

    # ---- layers

    def layer(self, name: str, op: Op, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Add a layer under a free name."""
        return self.graph.layer(self.names.unique(name), op, *tensors)

    def operand(self, item: Item, name: str) -> Tensor:
        """An item as a tensor of the graph; a constant becomes a parameter whose elements count once."""
        if isinstance(item, Tensor):
            return item
        if not isinstance(item, Constant):
            raise NetworkError(f"{name}: expected a tensor, got {item!r}")
        key: object = (item.sources, item.shape) if item.sources else id(item)
        if key not in self._operands:
            label = joined(clean(item.sources[0])) if item.sources else f"{name}_constant"
            trained = self._fresh_elems(item)
            self._operands[key] = (item, self.layer(label, Parameter(item.shape, trained))[0])
        return self._operands[key][1]

    def _fresh(self, *items: Item) -> dict[str, int]:
        """Parameters not counted yet that items are made of; from now on they are."""
        constants = [item for item in items if isinstance(item, Constant)]
        sources = dict.fromkeys(source for item in constants for source in item.sources)
        fresh = {source: self._param_elems[source] for source in sources if source not in self._counted}
        self._counted.update(fresh)
        return fresh

    def _fresh_elems(self, *items: Item) -> int:
        """Parameters counted here for the first time."""
        return sum(self._fresh(*items).values())

    def fresh_elems(self, *items: Item) -> int:
        """Parameters that a layer is the first to use, to be counted in its own row."""
        return self._fresh_elems(*items)

    def shares(self, *items: Item, elems: int | None = None) -> bool:
        """Whether the parameters of a layer are not its own to count.

        False where all `elems` of them, by default those of the items, are counted here for the first time. Otherwise
        those that are new get rows of their own.
        """
        fresh = self._fresh(*items)
        wanted = sum(item.elems for item in items if isinstance(item, Constant)) if elems is None else elems
        if sum(fresh.values()) == wanted:
            return False
        for source, size in fresh.items():
            self.layer(joined(clean(source)), Parameter((size,)))
        return True


def _full_name(node: Node) -> str:
    """Operation with its library where that is not torch's own: "torchvision.nms"."""
    space = str(getattr(node.target, "namespace", "aten"))
    op = clean(op_of(node))
    return op if space in ("aten", "prims", "higher_order") else f"{clean(space)}.{op}"


def _expect_shapes(call: Call, result: Item) -> None:
    """NetworkError where the graph and torch disagree on a shape."""
    found = result if isinstance(result, list) else [result]
    for item, shape in zip(found, call.shapes(), strict=False):
        if isinstance(item, Tensor | Constant) and tuple(item.shape) != shape:
            raise NetworkError(
                f"{call.name}: {call.op} gives {format_shape(item.shape)} here and {format_shape(shape or ())} in torch; "
                "please report this operation"
            )
