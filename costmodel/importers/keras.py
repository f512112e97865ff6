"""Keras 3 archives (``.keras``): from ``config.json`` to a Graph; no Keras, no backend, no weights.

The archive is a zip of ``config.json``, ``metadata.json`` and ``model.weights.h5``; the last is never opened. The
configuration says layers, arguments and connections, and shapes follow from those of the inputs. Batch
normalisation counts what it trains: its moving averages are no parameters here.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeAlias

from costmodel.errors import CostModelError, InputError, NetworkError, located
from costmodel.graph import FileNode, Graph
from costmodel.importers.channels_last import Sheet, Value, clean, first
from costmodel.importers.keras_layers import HANDLERS, Called

Config: TypeAlias = Mapping[str, Any]
Node: TypeAlias = tuple[str, int]

LARGEST_CONFIG_BYTES: Final = 64 * 1024 * 1024
"""A configuration beyond this is no network but an attack; that of a 1,000-layer network has about 1 MB."""
DEEPEST: Final = 16
"""Models within models."""

# What zipfile raises on damage, and (RuntimeError) on encryption and on a compression or version that it does not know.
UNREADABLE: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)

_MODELS: Final = ("Functional", "Sequential", "Model")
_SPATIAL: Final = ("Conv", "Pool", "UpSampling", "ZeroPadding", "Cropping", "Depthwise", "Separable", "Resizing")


def keras_graph(path: str | Path, inputs: Mapping[str, Sequence[int]] | None = None) -> Graph:
    """Read a Keras 3 archive of a Functional or Sequential model of built-in layers.

    Parameters
    ----------
    path
        The ``.keras`` file.
    inputs
        Shape by input name, batch first, for axes that the file leaves open. An open batch axis alone is 1.

    Returns
    -------
    Graph
        Layers named as in the model, those of a model within under its name.

    Raises
    ------
    InputError
        The file cannot be read, is not a Keras archive, leaves axes open that `inputs` does not give, or holds
        layers that are not built in; the message says how to export those.
    NetworkError
        Its layers do not fit together.
    """
    path = Path(path)
    with well_formed(path):
        return _drawn(archive_config(path), path, dict(inputs or {}))


@contextmanager
def well_formed(path: Path) -> Iterator[None]:
    """One message for a configuration that is not as Keras writes it."""
    try:
        with located(str(path)):
            yield
    except CostModelError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: config.json is not as Keras 3 writes it ({type(error).__name__}: {error}); save the model again "
            "with model.save(), or export it: model.export('model.onnx', format='onnx')"
        ) from None


def keras_inputs(path: str | Path) -> tuple[str, ...]:
    """Names of the inputs of the outermost model."""
    path = Path(path)
    with well_formed(path):
        layers = archive_config(path)["config"].get("layers", ())
        names = [_input_name(layer) for layer in layers if layer.get("class_name") == "InputLayer"]
        return tuple(names) or ("input",)


# ---- the archive


def archive_config(path: Path) -> Config:
    """The configuration in an archive; nothing else is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo("config.json").file_size
            with archive.open("config.json") as file:
                text = file.read(LARGEST_CONFIG_BYTES + 1) if size <= LARGEST_CONFIG_BYTES else None
    except KeyError:
        raise InputError(f"{path}: is a zip archive without config.json, so not a Keras 3 model") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UNREADABLE as error:
        raise InputError(_no_archive(path, error)) from None
    if text is None or len(text) > LARGEST_CONFIG_BYTES:
        raise InputError(f"{path}: config.json unpacks to more than {LARGEST_CONFIG_BYTES} bytes; no network needs that")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        plain = isinstance(error, json.JSONDecodeError | UnicodeDecodeError)
        problem = error if plain else "a number is too long, or lists are nested too deep"
        raise InputError(f"{path}: config.json is not JSON: {problem}") from None
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise InputError(f"{path}: config.json does not describe a model")
    return config


def _no_archive(path: Path, error: Exception) -> str:
    """What is wrong with a file that is no readable zip archive."""
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        return f"{path}: is empty"
    if start.startswith(b"\x89HDF"):
        return f"{path}: is an HDF5 file of Keras 2; load it in Keras and save it as .keras, or export it as ONNX"
    if start.startswith(b"PK"):
        return f"{path}: is a damaged or truncated zip archive ({error}); save or download it again"
    return f"{path}: is not a Keras 3 archive, which is a zip file ({error})"


# ---- models


class _Model:
    """A network being drawn from a configuration."""

    def __init__(self, path: Path, name: str, inputs: dict[str, Sequence[int]]) -> None:
        self.path = path
        self.sheet = Sheet(clean(name) or "network")
        self.inputs = inputs
        self.used: set[str] = set()
        self.seen: set[str] = set()

    def model(self, entry: Config, prefix: str, arguments: Sequence[Value] | None) -> list[Value]:
        """Outputs of a model; `arguments` is None for the outermost, whose inputs are the graph's."""
        if prefix.count("/") >= DEEPEST:
            raise InputError(f"{self.path}: models are nested deeper than {DEEPEST}")
        config = entry["config"]
        if "layers" not in config:
            raise InputError(f"{self.path}: {entry.get('class_name')}: {_export('a model subclassed in Python')}")
        if entry.get("class_name") == "Sequential":
            return self.sequential(entry, prefix, arguments)
        return self.functional(config, prefix, arguments)

    def sequential(self, entry: Config, prefix: str, arguments: Sequence[Value] | None) -> list[Value]:
        """Layers one after the other."""
        layers = list(entry["config"]["layers"])
        values = list(arguments or ())
        if layers and layers[0].get("class_name") == "InputLayer":
            values = values or [self.input(layers.pop(0), layers)]
        elif not values:
            shape = entry["config"].get("build_input_shape") or (entry.get("build_config") or {}).get("input_shape")
            values = [self.input({"config": {"name": "input", "batch_shape": shape}}, layers)]
        layers = [layer for layer in layers if layer.get("class_name") != "InputLayer"]
        for layer in layers:
            values = self.layer(layer, prefix, values, {})
        return values

    def functional(self, config: Config, prefix: str, arguments: Sequence[Value] | None) -> list[Value]:
        """Layers connected by nodes: one per call of a layer."""
        layers = {layer["name"]: layer for layer in config["layers"]}
        done: dict[Node, list[Value]] = {}
        names = [name for name, _, _ in _places(config.get("input_layers", []))]
        if arguments is not None:
            if len(names) != len(arguments):
                raise NetworkError(f"{self.path}: {prefix}: takes {len(names)} inputs, got {len(arguments)}")
            done.update({(name, 0): [value] for name, value in zip(names, arguments, strict=True)})
        calls = {
            (name, index): call
            for name, layer in layers.items()
            for index, call in enumerate(layer.get("inbound_nodes", []))
        }
        for name, layer in layers.items():
            if layer.get("class_name") == "InputLayer" and (name, 0) not in done:
                done[name, 0] = [self.input(layer, config["layers"])]
        for node in self.ordered(calls, done):
            args, kwargs = _arguments(calls[node], done)
            done[node] = self.layer(layers[node[0]], prefix, args, kwargs)
        return [done[name, index][tensor] for name, index, tensor in _places(config.get("output_layers", []))]

    def ordered(self, calls: Mapping[Node, Any], done: Mapping[Node, Any]) -> list[Node]:
        """Calls in the order of the file, each after those it reads."""
        order: dict[Node, None] = {}
        for start in calls:
            stack, open_calls = [start], set()
            while stack:
                node = stack[-1]
                reads = {place[:2] for place in _read(calls[node])} - done.keys() - order.keys()
                if node in done or node in order or not reads:
                    order.setdefault(stack.pop())
                    continue
                open_calls.add(node)
                wrong = [read for read in reads if read not in calls or read in open_calls]
                if wrong:
                    why = "its inputs form a cycle" if wrong[0] in calls else "no such call of a layer"
                    raise NetworkError(f"{self.path}: layer {node[0]!r} reads {wrong[0][0]!r}: {why}")
                stack.extend(sorted(reads))
        return [node for node in order if node not in done]

    def layer(self, entry: Config, prefix: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Value]:
        """Outputs of one call of a layer, a model or an operation."""
        kind = str(entry.get("class_name"))
        config = entry.get("config") or {}
        name = f"{prefix}{config.get('name') or entry.get('name') or kind.lower()}"
        values = list(_values([args, kwargs]))
        if kind in _MODELS and "layers" in config:
            outputs = self.model(entry, f"{name}/", values)
            self.seen.add(name)
            return outputs
        if not _built_in(entry) or kind not in HANDLERS:
            where = entry.get("registered_name") or entry.get("module")
            raise self.unsupported(name, f"the layer {kind} ({where})")
        call = Called(self, name, kind, config, list(args), dict(kwargs), again=name in self.seen)
        self.seen.add(name)
        before = self.sheet.graph.layer_count
        outputs = HANDLERS[kind](call)
        self.sheet.graph.note_node(FileNode(name), self.sheet.graph.added(before))
        return outputs

    def unsupported(self, name: str, what: str) -> InputError:
        """The error for a layer that is known but not in this form."""
        return InputError(f"{self.path}: layer {name!r}: {_export(what)}")

    # ---- inputs

    def input(self, entry: Config, layers: Sequence[Config]) -> Value:
        """An input of the graph."""
        config = entry["config"]
        name = _input_name(entry)
        declared = config.get("batch_shape") or config.get("batch_input_shape")
        if not isinstance(declared, list) or not declared:
            raise InputError(f"{self.path}: the input {name!r} has no shape; build the model before saving it")
        shape = self.sizes(name, declared)
        self.used.add(name)
        channels_first = len(shape) > 2 and _slides(layers)
        tensor = self.sheet.graph.input(self.sheet.fresh(name), first(shape) if channels_first else shape)
        return Value(tensor, channels_first)

    def sizes(self, name: str, declared: Sequence[Any]) -> tuple[int, ...]:
        """Shape of an input, open axes taken from what the user gave."""
        given = self.inputs.get(name)
        text = "x".join("?" if size is None else str(size) for size in declared)
        if given is None:
            if None in declared[1:]:
                example = "x".join(str(s if s is not None else (224 if axis else 1)) for axis, s in enumerate(declared))
                raise InputError(
                    f"{self.path}: input {name!r} has open axes ({text}): give their sizes, for example "
                    f"--input {name}={example}"
                )
            return tuple(1 if size is None else size for size in declared)
        fits = len(given) == len(declared) and all(
            known in (None, size) for size, known in zip(given, declared, strict=True)
        )
        if not fits:
            raise InputError(f"{self.path}: input {name!r} is {text} and cannot be {'x'.join(map(str, given))}")
        return tuple(given)


def _input_name(entry: Config) -> str:
    """Name of an input as people write it."""
    return clean(str(entry["config"].get("name") or "input")) or "input"


def _drawn(entry: Config, path: Path, inputs: dict[str, Sequence[int]]) -> Graph:
    """The graph of the outermost model."""
    if entry.get("class_name") not in _MODELS and not str(entry.get("module")).startswith("keras"):
        raise InputError(f"{path}: {_export('the model class ' + str(entry.get('class_name')))}")
    model = _Model(path, path.stem, inputs)
    outputs = model.model(entry, "", None)
    unused = [name for name in inputs if name not in model.used]
    if unused:
        close = get_close_matches(unused[0], list(model.used), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise InputError(f"{path}: has no input {unused[0]!r}{hint}; its inputs are {', '.join(sorted(model.used))}")
    model.sheet.graph.output(*dict.fromkeys(value.tensor for value in outputs))
    return model.sheet.graph


def _slides(layers: Sequence[Config]) -> bool:
    """Whether any layer slides windows over channels-last tensors, also one within a model."""
    return any(
        (any(part in str(layer.get("class_name")) for part in _SPATIAL)
        and (layer.get("config") or {}).get("data_format", "channels_last") != "channels_first")
        or _slides((layer.get("config") or {}).get("layers") or [])
        for layer in layers
    )


def _built_in(entry: Config) -> bool:
    """Whether a layer is one of Keras's own."""
    module = str(entry.get("module") or "keras.layers")
    return module.partition(".")[0] == "keras" and not str(entry.get("registered_name") or "").count(">")


def _export(what: str) -> str:
    """What to do about something that the configuration alone does not describe."""
    return (
        f"{what} is not described by the file alone; export the model with model.export('model.onnx', format='onnx') "
        "and analyze that"
    )


# ---- connections


def _tensor_place(value: Any) -> tuple[str, int, int] | None:  # noqa: ANN401 - any JSON
    """The place of a tensor in the arguments of a call: layer, call, output."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        name, node, tensor = value["config"]["keras_history"]
        return str(name), int(node), int(tensor)
    return None


def _read(call: Any) -> Iterator[tuple[str, int, int]]:  # noqa: ANN401 - any JSON
    """Places of all tensors that a call reads."""
    place = _tensor_place(call)
    if place is not None:
        yield place
    elif isinstance(call, dict):
        for value in call.values():
            yield from _read(value)
    elif isinstance(call, list):
        if _is_old(call):
            yield str(call[0]), int(call[1]), int(call[2])
        else:
            for value in call:
                yield from _read(value)


def _is_old(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether a list is a tensor as Keras 2 wrote it: layer, call, output, arguments."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(number, int) for number in value[1:3])
    )


def _arguments(call: Any, done: Mapping[Node, list[Value]]) -> tuple[list[Any], dict[str, Any]]:  # noqa: ANN401 - JSON
    """Arguments of a call with tensors in place of their places."""
    if isinstance(call, dict):
        return _filled(call.get("args", []), done), _filled(call.get("kwargs", {}), done)
    return [_filled(call, done)], {}


def _filled(value: Any, done: Mapping[Node, list[Value]]) -> Any:  # noqa: ANN401 - any JSON
    place = _tensor_place(value)
    if place is None and _is_old(value):
        place = (str(value[0]), int(value[1]), int(value[2]))
    if place is not None:
        return done[place[:2]][place[2]]
    if isinstance(value, dict):
        return {key: _filled(inner, done) for key, inner in value.items()}
    return [_filled(inner, done) for inner in value] if isinstance(value, list) else value


def _values(value: Any) -> Iterator[Value]:  # noqa: ANN401 - nested arguments
    """All tensors among arguments, in order."""
    if isinstance(value, Value):
        yield value
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _values(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _values(inner)


def _places(value: Any) -> list[tuple[str, int, int]]:  # noqa: ANN401 - any JSON
    """Places of inputs or outputs: one, a list of them, or a mapping."""
    if isinstance(value, dict):
        return [place for inner in value.values() for place in _places(inner)]
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        return [(value[0], int(value[1]), int(value[2]))]
    return [place for inner in value for place in _places(inner)]
