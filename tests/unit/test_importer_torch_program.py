"""Nodes of a traced program without torch: operations, names and groups, constants."""

from types import SimpleNamespace

import pytest

from costmodel.graph import Graph
from costmodel.importers.torch_program import (
    Constant,
    Names,
    Program,
    flat,
    is_pointwise,
    is_view,
    joined,
    mutates,
    op_of,
    place,
)


def schema(*, mutable=False, alias=None):
    """A schema of one result, which may share elements with an argument."""
    return SimpleNamespace(is_mutable=mutable, arguments=(), returns=(SimpleNamespace(alias_info=alias),))


def target(name, tags=(), **options):
    """An operation of torch."""
    return SimpleNamespace(
        overloadpacket=SimpleNamespace(__name__=name),
        _schema=schema(**options),
        tags=[SimpleNamespace(name=tag) for tag in tags],
    )


def node(name, path="", call="", **options):
    """A call of an operation in a module."""
    stack = {"root": ("", None), call or path: (path, None)} if path else {"root": ("", None)}
    return SimpleNamespace(
        op="call_function", target=target(name, **options), args=(None,), kwargs={}, meta={"nn_module_stack": stack}
    )


@pytest.mark.parametrize(("name", "mutable", "expected"), [("relu", False, "relu"), ("relu_", True, "relu")])
def test_operations_have_one_name(name, mutable, expected):
    """In-place forms are called like the others."""
    assert op_of(node(name, mutable=mutable)) == expected
    assert mutates(node(name, mutable=mutable)) is mutable


def test_functions_that_are_not_torch_have_their_own_name():
    """An item of a tuple is a node as well."""
    import operator

    item = SimpleNamespace(op="call_function", target=operator.getitem, args=(), kwargs={}, meta={})

    assert op_of(item) == "getitem"
    assert (mutates(item), is_view(item), is_pointwise(item)) == (False, False, False)


@pytest.mark.parametrize(
    ("alias", "expected"), [(None, False), (SimpleNamespace(is_write=False), True), (SimpleNamespace(is_write=True), False)]
)
def test_views_share_elements_without_writing_them(alias, expected):
    """What is written in place is no view."""
    assert is_view(node("view", alias=alias)) is expected


def test_tags_say_what_is_pointwise():
    """Torch marks its element-wise operations."""
    assert is_pointwise(node("erf", tags=["core", "pointwise"]))
    assert not is_pointwise(node("mm", tags=["core"]))


@pytest.mark.parametrize(
    ("path", "expected"), [("conv1", "conv1"), ("layer1.0.conv2", "layer1.0/conv2"), ("features.3", "features/3")]
)
def test_paths_become_groups(path, expected):
    """The module around is the group."""
    assert joined(path) == expected


def test_the_place_of_a_node_is_its_innermost_module():
    """Path and call; the root has neither."""
    assert place(node("conv2d", "layer1.0.conv2", "layer1.0.conv2@1")) == ("layer1.0.conv2", "layer1.0.conv2@1")
    assert place(node("add")) == ("", "root")
    assert place(SimpleNamespace(meta={})) == ("", "")


def named(*nodes):
    """Names of nodes in one program."""
    names = Names(nodes)
    return [names.unique(names.of(each)) for each in nodes]


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([node("conv2d", "a.conv")], ["a/conv"]),
        ([node("conv2d", "conv", "c"), node("conv2d", "conv", "c@1")], ["conv", "conv_2"]),
        ([node("pad", "conv"), node("conv2d", "conv")], ["conv/pad", "conv"]),
        ([node("linear", "attn"), node("linear", "attn")], ["attn/linear", "attn/linear_2"]),
        ([node("add", "block"), node("relu", "block.act")], ["block/add", "block/act"]),
        ([node("add"), node("add")], ["add", "add_2"]),
        ([node("cat", "block"), node("mul", "block")], ["block/concat", "block/mul"]),
        ([node("_softmax")], ["softmax"]),
    ],
)
def test_names_of_layers(nodes, expected):
    """A module that one operation makes up gives it its name; others share it as a group."""
    assert named(*nodes) == expected


def test_names_are_fit_for_a_terminal():
    """Control characters and markup do not reach a report."""
    (name,) = named(node("relu", "a\x1b[1m<b>"))

    assert name.isprintable()
    assert "<" not in name


def program():
    """A program with two parameters."""
    return Program(Graph("g"), Names(()), lambda _: None, {"a.weight": 6, "a.bias": 2})


def test_parameters_count_once():
    """The first layer has them, the second shares them."""
    traced = program()
    weight, bias = Constant((2, 3), ("a.weight",)), Constant((2,), ("a.bias",))

    assert traced.shares(weight, bias) is False
    assert traced.shares(weight, bias) is True
    assert traced.graph.layers == ()


def test_what_a_shared_layer_adds_has_a_row_of_its_own():
    """A second layer with the same weights and another bias."""
    traced = program()
    weight, bias = Constant((2, 3), ("a.weight",)), Constant((2,), ("a.bias",))

    assert traced.shares(weight) is False
    assert traced.shares(weight, bias) is True
    assert [layer.name for layer in traced.graph.layers] == ["a/bias"]
    assert traced.graph.table().params.ravel().tolist() == [2]


def test_buffers_are_not_counted():
    """A constant of no parameter is shared with nobody and has nothing to count."""
    traced = program()

    assert traced.shares(Constant((2, 3))) is True
    assert traced.fresh_elems(Constant((2, 3)), None) == 0


def test_operands_of_constants_are_made_once():
    """Two readers of one parameter read one tensor; derived shapes do not count again."""
    traced = program()
    first = traced.operand(Constant((2, 3), ("a.weight",)), "reader")
    again = traced.operand(Constant((2, 3), ("a.weight",)), "other")
    turned = traced.operand(Constant((3, 2), ("a.weight",)), "third")

    assert first is again
    assert turned.shape == (3, 2)
    assert traced.graph.table().params.ravel().tolist() == [6, 0]


def test_unnamed_constants_are_named_after_their_reader():
    """A mask has no name of its own."""
    traced = program()

    assert traced.operand(Constant((4,)), "block/add").name == "block/add_constant"


def test_lists_are_written_out():
    """Outputs may be nested."""
    assert list(flat([1, [2, (3, [4])], []])) == [1, 2, 3, 4]


def test_elements_of_a_constant():
    """A scalar is one element."""
    assert (Constant((2, 3)).elems, Constant(()).elems) == (6, 1)
