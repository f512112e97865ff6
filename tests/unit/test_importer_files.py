"""Which importer a file goes to: by content, then by suffix; and what is said of files that hold no network."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.api import vary
from costmodel.errors import CostModelError, InputError
from costmodel.importers import load_network
from costmodel.importers.files import format_of, imported, input_names, inputs_each, parse_inputs
from costmodel.importers.torch import positional
from tests.unit.onnx_files import encoded, model, node, value

MODELS = Path(__file__).parents[1] / "models"
TFLITE = MODELS / "tflite" / "mobilenet_v3_small_int8.tflite"
ONNX = MODELS / "onnx" / "squeezenet1_1.qdq.onnx"
KERAS = MODELS / "keras" / "cnn.keras"

NETWORK = """
from costmodel.graph import Graph
def build(width=4):
    graph = Graph("net")
    graph.linear("fc", graph.input("x", (1, 3)), width)
    return graph
"""


def archive(path, *names):
    """Write a zip file with empty members."""
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "{}")
    return path


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("net.tflite", b"\x1c\x00\x00\x00TFL3", "tflite"),
        ("no_suffix", b"\x1c\x00\x00\x00TFL3", "tflite"),
        ("wrong.onnx", b"\x20\x00\x00\x00TFL3", "tflite"),
        ("net.onnx", b"\x08\x0a\x12\x07pytorch", "onnx"),
        ("no_suffix", b"\x08\x08\x12\x07pytorch", "onnx"),
        ("net.onnx", b"garbage", "onnx"),
        ("old.h5", b"\x89HDF\r\n\x1a\n", "hdf5"),
        ("old.keras", b"\x89HDF\r\n\x1a\n", "hdf5"),
        ("net.py", b"PK\x03\x04", "python"),
        ("net.keras", b"", "keras"),
        ("net.LITE", b"", "tflite"),
        ("text", b"hello", "python"),
    ],
)
def test_format(tmp_path, name, head, expected):
    """Content wins over the suffix, except for Python files, which are what they are called."""
    path = tmp_path / name
    path.write_bytes(head)
    assert format_of(path) == expected


def test_archives_are_told_apart(tmp_path):
    """Keras and PyTorch both write zip files."""
    assert format_of(archive(tmp_path / "a", "config.json", "metadata.json")) == "keras"
    assert format_of(archive(tmp_path / "b.pt", "model/data.pkl", "model/data/0")) == "torch"
    broken = tmp_path / "c.keras"
    broken.write_bytes(b"PK\x03\x04 and nothing else")
    assert format_of(broken) == "keras"


@pytest.mark.parametrize("spec", ["squeezenet", "squeezenet:version=1.1", "no/such/file", ""])
def test_what_is_no_file_is_a_name(spec):
    """Names and specifications go to the Python importer, which knows what to say of them."""
    assert format_of(Path(spec)) == "python"


def test_python_networks_keep_their_arguments(tmp_path):
    """A file of one's own, with an argument in the specification or beside it."""
    path = tmp_path / "net.py"
    path.write_text(NETWORK)
    assert load_network(f"{path}:width=7").table().total("params")[0] == 28
    assert load_network(path, width=5).table().total("params")[0] == 20


def test_input_shapes_are_for_model_files(tmp_path):
    """A Python network has arguments instead, and a model file has no arguments."""
    with pytest.raises(InputError, match="input shapes are for model files; a Python network takes arguments"):
        load_network("squeezenet", inputs={"data": (1, 3, 224, 224)})
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\x08\x0a\x12\x07pytorch")
    with pytest.raises(InputError, match="width: a model file takes no arguments; only Python networks do"):
        load_network(path, width=3)


@pytest.mark.parametrize(
    ("kind", "message"), [("hdf5", r"HDF5 file.*save it again with model.save"), ("torch", r"PyTorch archive.*from_torch")]
)
def test_formats_that_hold_no_layers_say_what_to_do(kind, message):
    """HDF5 and PyTorch archives are named, with the way out."""
    with pytest.raises(InputError, match=message):
        imported(Path("model"), kind, None)


@pytest.mark.parametrize("name", ["empty.onnx", "empty.tflite", "empty.keras"])
@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"just text\n", b"\xff" * 4096])
def test_files_that_hold_nothing_are_one_clear_error(tmp_path, name, content):
    """Every importer refuses rubbish by name, without a traceback."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CostModelError, match=name):
        load_network(path)


def test_a_directory_is_no_network(tmp_path):
    """A directory is refused by name."""
    with pytest.raises(CostModelError, match=str(tmp_path)):
        load_network(tmp_path)


def test_shapes_are_read_by_name():
    """NAME=SHAPE pairs; a name may itself hold an equals sign."""
    assert parse_inputs(["data=1x3x8x8", "a=b=5"]) == {"data": (1, 3, 8, 8), "a=b": (5,)}


@pytest.mark.parametrize("text", ["", "data", "data=", "=1x3", "data=1x", "data=1,3", "data=-1x3", "data=1xthree"])
def test_shapes_that_cannot_be_read(text):
    """Anything else is shown how to write."""
    with pytest.raises(InputError, match="is not NAME=SHAPE; write for example data=1x3x224x224"):
        parse_inputs([text])


def test_a_shape_given_twice():
    """Two shapes for one input contradict each other."""
    with pytest.raises(InputError, match="'x' is given twice"):
        parse_inputs(["x=1", "x=2"])


# ---- modules, and inputs of several networks


class Traced:
    """What a torch module looks like from outside, without torch: an object with parameters and a forward pass."""

    def named_parameters(self):
        """Nothing."""
        return iter(())

    def forward(self, image, mask=None, *, scale=1):
        """Nothing."""


@pytest.mark.parametrize(
    ("spec", "arguments", "message"),
    [
        (42, {}, "a network is a name, a path, a Graph or a torch.nn.Module, got int"),
        (None, {}, "got NoneType"),
        (Traced(), {"width": 3}, "Traced: width: a module takes no arguments; it is built already"),
    ],
)
def test_what_is_no_network(spec, arguments, message):
    """One message says what a network may be."""
    with pytest.raises(InputError, match=re.escape(message)):
        load_network(spec, **arguments)


def test_a_model_file_takes_shapes_by_name():
    """A bare list does not say of which input."""
    with pytest.raises(InputError, match="inputs are shapes by name"):
        load_network(TFLITE, [(1, 224, 224, 3)])


@pytest.mark.parametrize(
    ("examples", "expected"),
    [
        ([(1, 3), (1, 2)], [(1, 3), (1, 2)]),
        ({"image": (1, 3)}, [(1, 3)]),
        ({"mask": (1, 2), "image": (1, 3)}, [(1, 3), (1, 2)]),
        ((), []),
    ],
)
def test_examples_by_name_come_in_the_order_of_forward(examples, expected):
    """Whatever the order they are given in."""
    assert list(positional(Traced(), examples)) == expected


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ({"picture": (1, 3)}, "'picture'; the arguments of forward are (image, mask=None, *, scale=1)"),
        ({"mask": (1, 3)}, "mask: give the arguments of forward(image, mask=None, *, scale=1) before it as well"),
        ({"image": (1, 3), "scale": 2}, "scale: give the arguments"),
    ],
)
def test_examples_that_lead_to_no_argument(examples, message):
    """Names that forward does not have, and names behind a gap."""
    with pytest.raises(InputError, match=re.escape(message)):
        positional(Traced(), examples)


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (TFLITE, ("keras_tensor_196", "serving_default_keras_tensor_196:0")),
        (ONNX, ("x",)),
        (KERAS, ("image",)),
        (MODELS / "onnx" / "light_squeezenet.onnx", ("data_0",)),
        ("squeezenet", ()),
        (Traced(), ("image", "mask", "scale")),
    ],
)
def test_names_of_inputs(spec, names):
    """Of a file those that are fed, initializers aside; of a module the arguments of forward; of Python none."""
    assert input_names(spec) == names


def test_a_sequential_model_without_an_input_layer_has_one_input(tmp_path):
    """Its name is what the importer calls it."""
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", '{"class_name": "Sequential", "config": {"layers": []}}')

    assert input_names(path) == ("input",)


def test_names_of_open_axes_are_names_of_inputs(tmp_path):
    """`--input time=128` is the size of an axis; each file takes the axes that it leaves open."""
    speech = tmp_path / "speech.onnx"
    speech.write_bytes(encoded(model([node("Relu", "x", "y")], [value("x", 1, "time", 8)])))

    assert input_names(speech) == ("x", "time")
    assert inputs_each([speech, ONNX], {"time": (128,)}) == [{"time": (128,)}, None]
    assert cm.compare([speech, ONNX], "snapdragon", inputs={"time": (128,)}).analyses[0].inputs_bytes == 128 * 8


def test_damage_is_one_message_when_names_are_asked_for(tmp_path):
    """As when the file is read."""
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", '{"config": {"layers": [7]}}')
    with pytest.raises(InputError, match=r"config\.json is not as Keras 3 writes it"):
        input_names(path)


def test_each_network_takes_the_inputs_that_it_has():
    """By name; a network without any of them takes nothing."""
    shapes = {"keras_tensor_196": (1, 96, 96, 3), "x": (1, 3, 64, 64)}

    assert inputs_each(["squeezenet", TFLITE, ONNX], shapes) == [
        None, {"keras_tensor_196": (1, 96, 96, 3)}, {"x": (1, 3, 64, 64)},
    ]  # fmt: skip
    assert inputs_each(["squeezenet", TFLITE], None) == [None, None]


@pytest.mark.parametrize(
    ("specs", "inputs", "message"),
    [
        ([ONNX, TFLITE], {"y": (1,)}, "no network has an input 'y'; there are keras_tensor_196, serving_default_keras_tens"),
        (["alexnet", "squeezenet"], {"x": (1,)}, "alexnet: input shapes are for model files"),
        ([ONNX], [(1, 3, 8, 8)], "compare: inputs are shapes by name"),
    ],
)
def test_inputs_that_no_network_has(specs, inputs, message):
    """Names are checked against all networks together."""
    with pytest.raises(InputError, match=re.escape(message)):
        inputs_each(specs, inputs)


def test_compare_passes_shapes_on():
    """A dynamic file and a network by hand side by side; a larger input moves more."""
    small, large = (
        cm.compare(["squeezenet", TFLITE], "snapdragon", inputs={"keras_tensor_196": (1, size, size, 3)}).analyses[1]
        for size in (96, 224)
    )

    assert small.inputs_bytes == 96 * 96 * 3
    assert small.totals.macs < large.totals.macs


def test_vary_passes_shapes_on():
    """As compare does, also beside a network with widths of its own."""
    nets, shapes = [str(TFLITE), "squeezenet@weight=4"], {"keras_tensor_196": (1, 96, 96, 3)}
    found = vary(nets, "snapdragon", {"batch": [1, 2]}, inputs=shapes)

    assert found.networks == tuple(nets)
    assert found.points[0].dram_bytes == cm.analyze(TFLITE, "snapdragon", inputs=shapes, schedule="layer").totals.dram_bytes


def test_graphs_have_their_shapes():
    """Inputs beside them are a mistake, not ignored."""
    graph = cm.load_network("squeezenet")
    with pytest.raises(InputError, match=r"squeezenet-1\.0: a Graph has its shapes already"):
        cm.analyze(graph, "snapdragon", inputs={"x": (1,)})
    with pytest.raises(InputError, match="Graphs have their shapes already"):
        cm.compare([graph, graph], "snapdragon", inputs={"x": (1,)})
    mixed = cm.compare([graph, TFLITE], "snapdragon", inputs={"keras_tensor_196": (1, 96, 96, 3)})
    assert [a.network for a in mixed.analyses] == ["squeezenet-1.0", "mobilenet_v3_small_int8"]
