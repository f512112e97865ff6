"""How the weights of a network are compressed, layer by layer: as declared on the command line or in a YAML file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from costmodel.data import data_dir
from costmodel.errors import HardwareError, InputError
from costmodel.precision import FORMAT_BITS

if TYPE_CHECKING:
    from costmodel.graph import LayerTable
    from costmodel.hardware.documents import Document

SUFFIXES: Final = (".yaml", ".yml")
MOST_BITS: Final = 16
"""Widest code of a shared weight: 65,536 of them."""
BITS: Final = 8
INDEX_BITS: Final = 4
"""Where nothing is said: a byte per weight, and the relative index that Deep Compression uses for AlexNet."""
RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "density": (0.0, 1.0), "bits": (1, MOST_BITS), "index_bits": (0, MOST_BITS), "nonzero": (0, 1 << 52),
    "entries": (0, 1 << 52), "coded_bits": (0.0, 64.0), "coded_index_bits": (0.0, 64.0),
}  # fmt: skip
WHOLE: Final = ("bits", "index_bits", "nonzero", "entries")


@dataclass(frozen=True)
class LayerScheme:
    """How the weights of one layer are stored.

    Attributes
    ----------
    density
        Share of the weights that are not pruned.
    bits
        Width of a code, which names one of ``2 ** bits`` shared weights, zero among them.
    index_bits
        Width of a relative index; 0 where every position is stored. Where None, 4 if anything is pruned, else 0.
    nonzero, entries
        Weights that are not pruned, and entries stored with the padding between them, where they were counted.
    coded_bits, coded_index_bits
        Average length of a code and of an index behind a Huffman code, where they were measured.
    """

    density: float = 1.0
    bits: int = BITS
    index_bits: int | None = None
    nonzero: int | None = None
    entries: int | None = None
    coded_bits: float | None = None
    coded_index_bits: float | None = None


@dataclass(frozen=True)
class Scheme:
    """How the weights of a network are stored; `layers` by name, by pattern (``fc*``) or by operation (``conv``)."""

    name: str
    layers: Mapping[str, LayerScheme]
    huffman: bool = True
    source: str = ""
    place: str = ""
    network: str = ""

    def of_row(self, name: str, op: str) -> LayerScheme | None:
        """The entry for a layer: its own name, else the first that matches; None where the layer stays as it is."""
        if name in self.layers:
            return self.layers[name]
        return next((found for key, found in self.layers.items() if matches(key, name, op)), None)


def matches(key: str, name: str, op: str) -> bool:
    """Whether a key means a layer.

    >>> matches("fc*", "fc6", "linear"), matches("conv", "stem", "conv"), matches("conv1", "conv10", "conv")
    (True, True, False)
    """
    return key == op or fnmatchcase(name, key)


# ---- from options


def parse_values(option: str, text: str) -> dict[str, float]:
    """Values per layer: ``6`` for all, or ``conv*=8,fc*=5,4``, the first that matches.

    >>> parse_values("bits", "conv*=8,5")
    {'conv*': 8.0, '*': 5.0}
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        key, equals, value = part.rpartition("=")
        name = key.strip() if equals else "*"
        if name in found or not name:
            raise InputError(f"--{option}: {name or part!r} is given {'twice' if name else 'no layer'}; write LAYER=VALUE")
        try:
            found[name] = float(value)
        except ValueError:
            raise InputError(f"--{option}: {part!r} is not VALUE or LAYER=VALUE; write for example conv*=8,fc*=5") from None
    return found


Values = float | str | Mapping[str, float]


def as_values(option: str, given: Values | None) -> dict[str, float]:
    """Values per layer from an argument."""
    if given is None:
        return {}
    if isinstance(given, str):
        return parse_values(option, given)
    return dict(given) if isinstance(given, Mapping) else {"*": given}


def scheme_of_options(
    table: LayerTable, known: Scheme | None, density: Values | None, bits: Values | None, index_bits: Values | None
) -> Scheme:
    """The scheme with what options say of each layer.

    Raises
    ------
    InputError
        Values outside their range, or for layers that do not exist.
    """
    given = {
        "density": as_values("density", density),
        "bits": as_values("bits", bits),
        "index_bits": as_values("index-bits", index_bits),
    }
    stated = [(name, key, value) for name, values in given.items() for key, value in values.items()]
    problems = [problem for name, key, value in stated for problem in value_problems(name, key, value)]
    base = known or Scheme("declared", {"*": LayerScheme()})
    if problems:
        raise InputError(*problems)
    layers = {name: with_options(base.of_row(name, op) or LayerScheme(), given, name, op) for name, op in weighty(table)}
    problems += [problem for name, values in given.items() for problem in unmatched(name, values, table)]
    if problems:
        raise InputError(*problems)
    return replace(base, layers=layers)


def with_options(base: LayerScheme, given: Mapping[str, Mapping[str, float]], name: str, op: str) -> LayerScheme:
    """One layer with what options say of it; what was counted at another density or width is forgotten."""
    changes: dict[str, Any] = {}
    for option, values in given.items():
        value = values.get(name, next((v for key, v in values.items() if matches(key, name, op)), None))
        if value is not None:
            changes[option] = value if option == "density" else int(value)
    forgotten = {
        "density": ("nonzero", "entries", "coded_bits", "coded_index_bits"),
        "bits": ("coded_bits",),
        "index_bits": ("entries", "coded_bits", "coded_index_bits"),
    }
    for option in list(changes):
        changes |= dict.fromkeys(forgotten[option])
    return replace(base, **changes)


def weighty(table: LayerTable) -> list[tuple[str, str]]:
    """Names and operations of the rows whose weights can be compressed: those that multiply trained weights."""
    chosen = (table.params[:, 0] > table.bias_elems[:, 0]) & (table.macs[:, 0] > 0) & ~table.dynamic_weight
    return [(table.names[row], table.ops[row]) for row in chosen.nonzero()[0].tolist()]


def value_problems(field_name: str, key: str, value: Any) -> list[str]:  # noqa: ANN401 - whatever a file holds
    """What is wrong with a value."""
    low, high = RANGES[field_name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return [f"{key}: {field_name} is {value!r}; give a number from {low:g} to {high:g}"]
    if field_name in WHOLE and value != int(value):
        return [f"{key}: {field_name} is {value!r}; give a whole number"]
    return []


def unmatched(option: str, keys: Sequence[str] | Mapping[str, Any], table: LayerTable) -> list[str]:
    """Keys that mean no layer with weights."""
    rows = weighty(table)
    names = [name for name, _ in rows]
    return [
        f"{option}: no layer {key!r} with weights{hint(key, names)}; the layers are {', '.join(names[:8])}"
        + (f" and {len(names) - 8} others" if len(names) > 8 else "")
        for key in keys
        if key != "*" and not any(matches(key, name, op) for name, op in rows)
    ]


def hint(name: str, known: Sequence[str]) -> str:
    """What somebody may have meant."""
    close = get_close_matches(name, known, 1)
    return f", did you mean {close[0]}?" if close else ""


# ---- from files


def scheme_names() -> tuple[str, ...]:
    """Names of the shipped schemes, sorted."""
    return tuple(sorted(file.stem for file in data_dir("sparsity").glob("*.yaml")))


def is_scheme(name: str) -> bool:
    """Whether what stands behind an ``@`` names a scheme: a shipped one, or a YAML file."""
    return name.endswith(SUFFIXES) or name in scheme_names()


def split_scheme(spec: str) -> tuple[str, str | None]:
    """Split ``squeezenet@scheme`` into the network and the scheme.

    Behind a bare name any word but a number format is taken for a scheme, so that one that does not exist is named.

    >>> split_scheme("squeezenet:version=1.1@mine.yaml"), split_scheme("a@b.onnx"), split_scheme("alexnet@typo")
    (('squeezenet:version=1.1', 'mine.yaml'), ('a@b.onnx', None), ('alexnet', 'typo'))
    """
    net, at, name = spec.rpartition("@")
    word = re.fullmatch(r"[\w-]+", name) and name not in FORMAT_BITS
    meant = word and re.fullmatch(r"\w+", net.partition(":")[0])
    return (net, name) if at and net and (meant or is_scheme(name)) else (spec, None)


def load_scheme(name: str | Path) -> Scheme:
    """Load a scheme by the name of a shipped one or from a YAML file.

    Raises
    ------
    InputError
        No such scheme, or everything that is wrong with the file, with line and column.
    """
    known = scheme_names()
    if str(name) not in known and not str(name).endswith(SUFFIXES):
        meant = hint(str(name), [*known, *FORMAT_BITS])
        raise InputError(f"no compression scheme {str(name)!r}{meant}: shipped are {', '.join(known)}")
    file = data_dir("sparsity") / f"{name}.yaml" if str(name) in known else Path(name)
    data = checked_data(file, document_problems)
    layers = {key: layer_scheme(values) for key, values in data["layers"].items()}
    texts = {key: str(data.get(key, "")) for key in ("source", "place", "network")}
    return Scheme(str(data.get("name", file.stem)), layers, bool(data.get("huffman", True)), **texts)


def checked_data(file: Path, problems_of: Callable[[Document], list[str]]) -> dict[str, Any]:
    """The content of a YAML file in which nothing is wrong; InputError with every problem otherwise."""
    from costmodel.hardware.documents import read_document

    try:
        document = read_document(file)
    except HardwareError as error:
        raise InputError(*error.problems) from None
    problems = problems_of(document)
    if problems:
        raise InputError(*problems)
    return document.data


def layer_scheme(values: Mapping[str, Any]) -> LayerScheme:
    """One layer of a file that was checked; a given number of weights needs no density."""
    found: dict[str, Any] = {key: int(value) if key in WHOLE else float(value) for key, value in values.items()}
    return LayerScheme(**found)


TOP: Final = ("name", "network", "source", "place", "huffman", "layers")


def document_problems(document: Document) -> list[str]:
    """Everything that is wrong with a file, each with its place."""
    data = document.data
    found = [f"{document.place((key,))}: {key!r} is not known; use {', '.join(TOP)}" for key in data if key not in TOP]
    if not isinstance(data.get("huffman", True), bool):
        found.append(f"{document.place(('huffman',))}: huffman is {data['huffman']!r}; write true or false")
    layers = data.get("layers")
    if not isinstance(layers, dict) or not layers:
        return [*found, f"{document.place(('layers',))}: layers is missing or empty; write 'layers:' and one line per layer"]
    for key, values in layers.items():
        found += layer_problems(document, key, values)
    return found


def layer_problems(document: Document, key: str, values: Any) -> list[str]:  # noqa: ANN401 - whatever a file holds
    """Everything that is wrong with one layer of a file."""
    if not isinstance(values, dict):
        return [f"{document.place(('layers', key))}: {key} is {values!r}; write for example {{density: 0.3, bits: 6}}"]
    known = [one.name for one in fields(LayerScheme)]
    found = [
        f"{document.place(('layers', key, name))}: {name!r} is not known; use {', '.join(known)}"
        for name in values
        if name not in known
    ]
    for name in [name for name in values if name in known]:
        found += [f"{document.place(('layers', key, name))}: {text}" for text in value_problems(name, key, values[name])]
    return found


def scheme_text(scheme: Scheme, network: str) -> str:
    """A scheme as YAML that :func:`load_scheme` reads; values are written as JSON, which is YAML."""
    head = {"name": scheme.name, "network": network, "source": scheme.source, "place": scheme.place, "huffman": scheme.huffman}
    lines = [f"{key}: {json.dumps(value)}" for key, value in head.items() if value != ""]
    layers = [f"  {json.dumps(key)}: {json.dumps(stated(layer))}" for key, layer in scheme.layers.items()]
    return "\n".join([*lines, "layers:", *layers, ""])


def stated(layer: LayerScheme) -> dict[str, float]:
    """What a layer says."""
    return {name: value for name, value in asdict(layer).items() if value is not None}
