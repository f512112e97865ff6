"""Tables of the documentation that are computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

import costmodel as cm
from costmodel.formulas.counts import ceil_div
from costmodel.validation import check
from tests.oracle.lru import deviations, drawn

PUBLISHED: Final = Path(__file__).parents[1] / "published"
MODELS: Final = Path(__file__).parents[1] / "models" / "wheels"
MIB: Final = 1 << 20
BATCHES: Final = (1, 4, 8, 16, 64)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (header, rule, *rows))


def published(file: str) -> list[dict[str, Any]]:
    """Return the published figures of a file."""
    loaded: list[dict[str, Any]] = YAML(typ="safe").load(PUBLISHED / file)
    return loaded


def squeezenet_macs() -> str:
    """MACs of SqueezeNet under every convention found in print, published and computed."""
    rows = []
    for figure in published("squeezenet_macs.yaml"):
        if figure["quantity"] == "macs":
            macs = int(cm.load_network(figure["network"]).table().macs.sum())
            source = f"{figure['source']}: {figure['place']}"
            rows.append((f"`{figure['network']}`", f"{macs:,}", f"{figure['value'] / 1e6:.2f} M", source))
    return table(("network", "MACs", "printed", "where"), rows).replace("---: |\n", "--- |\n", 1)


def wheels() -> str:
    """Model files inside wheels, each exact beside its own runtime, as ``make test-models`` finds them."""
    rows = []
    for wheel in YAML(typ="safe").load(MODELS / "truth.yaml")["wheels"]:
        files = {file["path"]: file for file in wheel["files"]}
        macs = sorted(file["macs"] for file in wheel["files"])
        span = f"{macs[0]:,}" if macs[0] == macs[-1] else f"{macs[0]:,} to {macs[-1]:,}"
        unknown = ", ".join(op.split()[0] for file in wheel["files"] for op in file.get("unknown", ())) or "none"
        kind = next(iter(files)).rpartition(".")[2]
        name = f"[{wheel['distribution']}]({wheel['url']}) {wheel['version']}"
        rows.append((name, f"{len(files)} `.{kind}`", span, unknown))
    return table(("wheel", "files", "MACs", "unknown"), rows)


def megabytes() -> str:
    """Stored weights in both megabytes, beside what the paper prints."""
    rows = []
    for figure in published("networks.yaml"):
        if figure["quantity"] == "weight_bytes":
            params = int(cm.load_network(figure["network"]).table().params.sum())
            size = int(ceil_div(params * figure["bits"], 8))
            printed = figure["place"].rpartition(", ")[2] if "Table" in figure["place"] else figure["place"]
            rows.append(
                (
                    f"`{figure['network']}`",
                    f"{params:,}",
                    f"{size / 1e6:.2f} MB",
                    f"{size / MIB:.2f} MiB",
                    printed,
                )
            )
    header = ("network, fp32", "parameters", "10^6 bytes", "2^20 bytes", "the SqueezeNet paper")
    return table(header, rows)


# ---- the claims


def times(ratio: float) -> str:
    """Return a ratio with three digits."""
    return f"{float(f'{ratio:.3g}'):g}x"


def claims() -> str:
    """What is said of small networks, where it holds, and where it does not, computed."""
    header = ("AlexNet against SqueezeNet", "AlexNet", "v1.0", "ratio", "v1.1", "ratio")
    return table(header, [*stored_rows(), *traffic_rows()])


def row(what: str, values: Sequence[float], scale: float, unit: str, digits: int = 2) -> tuple[str, ...]:
    """Return one quantity of AlexNet and both SqueezeNets with its ratios."""
    first, *others = (f"{value / scale:,.{digits}f} {unit}" for value in values)
    ratios = (times(values[0] / value) for value in values[1:])
    return (what, first, *(cell for pair in zip(others, ratios, strict=True) for cell in pair))


NETWORKS: Final = ("alexnet", "squeezenet", "squeezenet:version=1.1")


def stored_rows() -> list[tuple[str, ...]]:
    """Return parameters, stored weights in both megabytes, and MACs."""
    totals = [cm.analyze(net, "horowitz-45nm").totals for net in NETWORKS]
    weights = [total.weight_bytes for total in totals]
    return [
        row("parameters", [total.params for total in totals], 1e6, "M"),
        row("stored weights, fp32, MB of 10^6 bytes", weights, 1e6, "MB"),
        row("stored weights, fp32, MiB of 2^20 bytes", weights, MIB, "MiB"),
        row("MACs", [total.macs for total in totals], 1e6, "M", 1),
    ]


def traffic_rows() -> list[tuple[str, ...]]:
    """Return off-chip bytes at int8 on the phone: what must cross, layer by layer, activations alone, and at batch 16."""
    totals = [cm.analyze(net, "snapdragon").totals for net in NETWORKS]
    kept = {
        state: [cm.analyze(net, "snapdragon", schedule="resident", state=state).totals.dram_bytes for net in NETWORKS]
        for state in ("steady", "cold")
    }
    later = [cm.analyze(net, "snapdragon", batch=16).totals.dram_bytes / 16 for net in NETWORKS]
    return [
        row("off-chip bytes, what fits stays on chip", kept["steady"], 1e6, "MB"),
        row("the same, all weights loaded anew", kept["cold"], 1e6, "MB"),
        row("off-chip bytes layer by layer", [total.dram_bytes for total in totals], 1e6, "MB"),
        row("of these, activations", [t.ifmap_dram_bytes + t.ofmap_dram_bytes for t in totals], 1e6, "MB"),
        row("off-chip bytes per image at batch 16", later, 1e6, "MB"),
    ]


def word_against_mac() -> str:
    """Energy of a 32-bit word from off chip against arithmetic, per profile and format."""
    rows = []
    for name, dtype in (("horowitz-45nm", "fp32"), ("horowitz-45nm", "int8"), ("snapdragon", "int8")):
        hw = cm.load_hardware(name)
        byte, mac = hw.levels[0].read_pj_per_byte, hw.compute.mac_pj[dtype]
        low, high = 4 * byte.low / mac.high, 4 * byte.high / mac.low
        ratio = f"{4 * byte.value / mac.value:,.0f}", f"{low:,.0f} to {high:,.0f}"
        rows.append(
            (
                f"`{name}`, {dtype}",
                f"{4 * byte.value:g} pJ",
                f"{mac.value:g} pJ",
                *ratio,
                byte.source,
                mac.source,
            )
        )
    header = ("hardware", "32-bit word", "MAC", "ratio", "range", "word from", "MAC from")
    return table(header, rows)


# ---- other tools

OTHERS: Final = {
    # off-chip words per layer of AlexNet, conv1 to fc8, at batch 1
    "ZigZag": (737_252, 563_808, 992_896, 793_344, 550_528, 37_761_088, 16_792_696, 4_101_104),
    "nn_dataflow": (663_024, 586_080, 1_064_832, 814_848, 572_032, 37_762_048, 16_785_408, 4_101_096),
    "Timeloop": (811_950, 1_224_288, 1_064_832, 814_848, 572_032, 37_762_048, 16_789_504, 4_101_096),
}
"""Run in November 2026 on the machine of the profile eyeriss-168; nn_dataflow and Timeloop fetch zero padding too."""


def off_chip_words() -> str:
    """Off-chip words per layer of AlexNet on the abstract Eyeriss, ours beside other tools'."""
    layers = [layer for layer in cm.analyze("alexnet", "eyeriss-168", objective="none").layers if layer.macs]
    rows = [
        (
            layer.name,
            f"{layer.compulsory_bytes // 2:,}",
            f"{layer.dram_bytes // 2:,}",
            *(f"{n:,}" for n in others),
        )
        for layer, *others in zip(layers, *OTHERS.values(), strict=True)
    ]
    header = ("layer", "compulsory", "costmodel", *OTHERS)
    return table(header, rows)


REMEMBERED: Final = (
    "squeezenet",
    "squeezenet:version=1.1",
    "squeezenet:bypass=complex",
    "alexnet",
    "mobilenet_v1",
    "mobilenet_v2",
    "resnet:depth=50",
    "googlenet",
    "inception_v4",
)


def activation_memory() -> str:
    """Networks under every convention, in program order and in that of least memory, and the best addresses."""
    rows = []
    for network in REMEMBERED:
        own, least, in_out, arena = (
            cm.memory(network, convention=convention, order=order)
            for convention, order in (("live", "program"), ("live", "least"), ("in_out", "program"), ("arena", "program"))
        )
        ordered = f"{least.peak_bytes:,}{'' if least.order_proved else ' (not proved)'}"
        packed = f"{arena.packed_bytes:,}{'' if arena.packed_proved else ' (not proved)'}"
        figures = (f"{found.peak_bytes:,}" for found in (own, in_out, arena))
        rows.append((f"`{network}`", ordered, *figures, packed))
    header = ("network", "`live`, least order", "`live`", "`in_out`", "`arena`", "`arena`, least addresses")
    return table(header, rows)


def published_memory() -> str:
    """Published peaks of RAM beside ours, with the convention of each."""
    rows = []
    for figure in published("memory.yaml"):
        if figure["quantity"] == "peak_ram_bytes":
            found = check(figure)
            assumed = "".join(f", {name.replace('_', ' ')}" for name in figure.get("assume", ()))
            bound = {"<=": "at most ", ">=": "at least "}.get(found.relation, "")
            deviation = f"{100 * found.deviation_ratio:+.1f} %" if found.deviation_ratio else "none"
            name = f"`{figure['id'].removesuffix('-ram')}`", f"{figure['convention']}{assumed}"
            rows.append((*name, f"{bound}{found.expected:,}", f"{found.actual:,}", deviation))
    return table(("figure", "convention", "published", "computed", "deviation"), rows)


CHIP: Final = {
    "eyeriss-chip-dram-bytes": ("off chip", 1e6, "MB"),
    "eyeriss-chip-buffer-bytes": ("global buffer", 1e6, "MB"),
    "eyeriss-chip-energy-cited": ("energy an image, cited constants only (`eyeriss`)", 1e-3, "mJ"),
    "eyeriss-chip-energy-calibrated": ("energy an image, calibrated on it (`eyeriss-calibrated`)", 1e-3, "mJ"),
}
"""What rows of the published figures are about, and their unit."""


def eyeriss_chip() -> str:
    """The Eyeriss chip as measured and as computed."""
    rows = []
    for figure in published("eyeriss_chip.yaml"):
        found, (what, scale, unit) = check(figure), CHIP[figure["id"]]
        cells = f"{found.expected / scale:.4g} {unit}", f"{found.actual / scale:.4g} {unit}", f"{found.deviation_ratio:+.1%}"
        rows.append((what, *cells))
    return table(("", "measured", "computed", ""), rows)
# ---- caches


def spread_of(ratios: Sequence[float]) -> tuple[str, ...]:
    """Smallest, median, 95th percentile and largest of some ratios."""
    ordered = sorted(ratios)
    return tuple(f"{ordered[min(int(share * len(ordered)), len(ordered) - 1)]:.2f}" for share in (0.0, 0.5, 0.95, 1.0))


def caches() -> str:
    """Off-chip bits of caches that replace the least recently used, over those of the mapping, on random small layers."""
    small, larger = list(drawn(120, most=6000)), list(drawn(30, most=30_000, least_bits=1 << 14))
    traces = {
        "MACs, in a tile as outside it": deviations(small),
        "MACs, in a tile `g n k c p q r s`": deviations(small, inside="gnkcpqrs"),
        "tiles of an inner buffer": deviations(small, inner=True),
        "MACs, lines of 64 bytes": deviations(larger, 512),
    }
    rows = []
    for name, found in traces.items():
        for needs, chosen in (
            ("compulsory", [one for one in found if one.over_compulsory <= 1]),
            ("more", [one for one in found if one.over_compulsory > 1]),
        ):
            if chosen:
                as_large, twice = spread_of([one.as_large for one in chosen]), spread_of([one.twice for one in chosen])
                rows.append((name, needs, str(len(chosen)), *as_large, *twice))
    shares = ("median", "95 %", "most")
    return table(("accesses", "mapping moves", "layers", "least", *shares, "twice: least", *shares), rows)
