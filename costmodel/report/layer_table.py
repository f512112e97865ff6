"""The table of layers: grouped by module, free rows folded into one line, one unit per column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from costmodel.report.document import Column, Row, Style, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, Scale, bar, bare_ratio, counted, scale, share

if TYPE_CHECKING:
    from costmodel.analysis import Analysis, LayerCost, Totals

SUMS = (
    "params", "macs", "effective_macs", "dram_bytes", "weight_dram_bytes", "ifmap_dram_bytes", "ofmap_dram_bytes",
    "compulsory_bytes", "energy_j", "latency_s",
)  # fmt: skip
INDENT = "  "


class Line(NamedTuple):
    """One line of the table before its numbers are scaled: a layer, a sum over several, or the total."""

    name: str
    op: str
    style: Style
    sums: dict[str, float]
    binding: str = ""
    on_chip: str = ""
    mapping: str = ""
    widths: str = ""


class Field(NamedTuple):
    """A column and how a line fills it, given the scales of all columns and the line of the totals."""

    column: Column
    text: Callable[[Line, dict[str, Scale], Line], str]


def quantity(title: str, key: str, priority: int) -> Callable[[dict[str, Scale]], Field]:
    """A numeric column in its own unit."""

    def field(scales: dict[str, Scale]) -> Field:
        return Field(Column(title, scales[key].unit, priority), lambda line, units, _: units[key].text(line.sums[key]))

    return field


def label(title: str, key: str, priority: int, *, unit: str = "") -> Callable[[dict[str, Scale]], Field]:
    """A column of words."""
    column = Column(title, unit, priority, numeric=False)
    return lambda _: Field(column, lambda line, _units, _total: str(getattr(line, key)))


def derived(column: Column, text: Callable[[dict[str, float], dict[str, float]], str]) -> Callable[[dict[str, Scale]], Field]:
    """A column computed from the sums of a line and of the total."""
    return lambda _: Field(column, lambda line, _units, total: text(line.sums, total.sums))


def refetch(sums: dict[str, float], _total: dict[str, float]) -> str:
    """Bytes moved over compulsory bytes: 1 where nothing is fetched twice."""
    least = sums["compulsory_bytes"]
    return bare_ratio(sums["dram_bytes"] / least) if least else NOTHING


def intensity(sums: dict[str, float], _total: dict[str, float]) -> str:
    """MACs per byte moved."""
    moved = sums["dram_bytes"]
    return bare_ratio(sums["macs"] / moved) if moved and sums["macs"] else NOTHING


REFETCH = derived(Column("times", "least", 5), refetch)
"""Means something where every layer moves at least its compulsory bytes: layer by layer."""
FIELDS = (
    label("layer", "name", 0),
    label("op", "op", 6),
    label("bits", "widths", 4, unit="w/i/o"),
    quantity("params", "params", 4),
    quantity("MACs", "macs", 1),
    quantity("effective", "effective_macs", 1),
    quantity("off-chip", "dram_bytes", 0),
    quantity("weights", "weight_dram_bytes", 7),
    quantity("ifmaps", "ifmap_dram_bytes", 7),
    quantity("ofmaps", "ofmap_dram_bytes", 7),
    REFETCH,
    derived(Column("MAC/B", "", 9), intensity),
    quantity("energy", "energy_j", 0),
    derived(Column("%", "", 2), lambda sums, total: share(sums["energy_j"], total["energy_j"], sign="")),
    derived(
        Column("", "", 8, numeric=False, text_only=True),
        lambda sums, total: bar(sums["energy_j"], total["energy_j"]),
    ),
    quantity("latency", "latency_s", 1),
    label("bound", "binding", 3),
    label("on chip", "on_chip", 4),
    label("mapping off chip", "mapping", 10),
)
UNITS = {
    "params": "", "macs": "", "effective_macs": "", "dram_bytes": "B", "weight_dram_bytes": "B", "ifmap_dram_bytes": "B",
    "ofmap_dram_bytes": "B", "compulsory_bytes": "B", "energy_j": "J", "latency_s": "s",
}  # fmt: skip


def layer_table(analysis: Analysis) -> Table:
    """Every layer of an analysis, modules with their subtotal, the free ones in one line, the total last."""
    total = total_line(analysis.totals)
    alone = analysis.kind == "layer"
    lines = [*module_lines(analysis.layers, widths=analysis.mixed), *free_lines(analysis.layers), total]
    scales = scales_of(lines)
    fields = [make(scales) for make in FIELDS if alone or make is not REFETCH]
    rows = tuple(Row(tuple(f.text(line, scales, total) for f in fields), line.style) for line in lines)
    return Table("Layers", tuple(f.column for f in fields), rows)


def scales_of(lines: Sequence[Line]) -> dict[str, Scale]:
    """One scale per column; operands share that of all off-chip bytes, so that they add up by eye."""
    layers = [line for line in lines if line.style != "total"]
    scales = {key: scale((line.sums[key] for line in layers), unit) for key, unit in UNITS.items()}
    return {key: scales["dram_bytes"] if UNITS[key] == "B" else found for key, found in scales.items()}


def module_lines(layers: Iterable[LayerCost], *, widths: bool = False) -> Iterator[Line]:
    """Lines of the layers that are not free; runs of one module under a line with their sum. `widths` shows those of each."""
    rows = [layer for layer in layers if layer.status != "free"]
    for group, members in groupby(rows, key=attrgetter("group")):
        found = list(members)
        if group and len(found) > 1:
            yield Line(visible(group), counted(len(found), "layer"), "group", sums(found))
            yield from (layer_line(m, INDENT + m.name.removeprefix(f"{group}/"), "member", widths=widths) for m in found)
        else:
            yield from (layer_line(m, m.name, "plain", widths=widths) for m in found)


def layer_line(layer: LayerCost, name: str, style: Style, *, widths: bool = False) -> Line:
    """Line of one layer."""
    unknown = layer.status == "unknown"
    return Line(
        name=visible(f"{name} ?" if unknown else name),
        op=visible(layer.op),
        style="unknown" if unknown else style,
        sums=sums([layer]),
        binding=visible(layer.binding),
        on_chip=visible(layer.on_chip),
        mapping=visible(layer.mapping.summary if layer.mapping else ""),
        widths=operand_widths(layer) if widths else "",
    )


def operand_widths(layer: LayerCost) -> str:
    """Widths of weights, ifmap and ofmap [bits]; a dash for weights that it has not, then the multiplier."""
    weight = layer.weight_bits if layer.weight_dram_bytes or layer.params else NOTHING
    return f"{weight}/{layer.ifmap_bits}/{layer.ofmap_bits} {layer.mac_format}"


def free_lines(layers: Iterable[LayerCost]) -> Iterator[Line]:
    """One line for all free layers: what they still compute, so that the column adds up."""
    free = [layer for layer in layers if layer.status == "free"]
    if free:
        yield Line(counted(len(free), "free layer"), "", "free", sums(free))


def total_line(totals: Totals) -> Line:
    """The last line."""
    found = {key: getattr(totals, key) or 0 for key in SUMS if key != "energy_j"}
    return Line("total", "", "total", {**found, "energy_j": totals.energy_j.value})


def sums(layers: Sequence[LayerCost]) -> dict[str, float]:
    """Sum of every column over layers."""
    return {key: sum(getattr(layer, key) or 0 for layer in layers) for key in SUMS}
