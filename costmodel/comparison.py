"""Networks and hardware side by side, and why one moves less: factors that multiply to the whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from math import inf, prod
from typing import TYPE_CHECKING, Any

from costmodel.analysis import SCHEMA_VERSION, Analysis, analysis_of
from costmodel.boundary import weight_operand_elems
from costmodel.errors import InputError
from costmodel.joint.choice import NO_OBJECTIVE
from costmodel.schedule import KINDS
from costmodel.schedule.liveness import peak_live_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from costmodel.graph import Graph
    from costmodel.hardware import HardwareProfile

RATIOS = ("params", "macs", "weight_bytes", "dram_bytes", "compulsory_bytes", "energy_off_chip_j")
BATCHES = (1, 2, 4, 8, 16, 32, 64)
LAST_BATCH = 1024
CAUSES = 8


@dataclass(frozen=True)
class Factor:
    """One reason, as baseline over other; the factors of a pair multiply to its off-chip energy ratio."""

    name: str
    ratio: float
    explanation: str


@dataclass(frozen=True)
class Cause:
    """A module that moves much of the difference: its off-chip bytes, and its share of its network's."""

    network: str
    group: str
    dram_bytes: int
    share: float


@dataclass(frozen=True)
class Fit:
    """What fits on chip, and what each kind of schedule then moves off chip.

    ``peak_bytes`` is the largest set of activations alive at once, ``capacity_bytes`` the first memory on chip. Off-chip bytes
    ``layer_bytes`` layer by layer, ``resident_bytes`` where tensors stay, ``fused_bytes`` where layers are cascaded as well;
    ``bound_bytes`` is what every schedule moves.
    """

    network: str
    hardware: str
    weight_bytes: int
    peak_bytes: int
    capacity_bytes: int
    layer_bytes: int
    resident_bytes: int
    fused_bytes: int
    bound_bytes: int
    pj_per_byte: float
    pj_per_mac: float

    @property
    def transfer_over_mac_ratio(self) -> float:
        """Energy of a 32-bit off-chip read over that of a MAC [ratio]."""
        return 4 * self.pj_per_byte / self.pj_per_mac if self.pj_per_mac else inf


@dataclass(frozen=True)
class Pair:
    """The baseline against another analysis; every ratio is baseline over other, so more than 1 favours the other."""

    baseline: Analysis
    other: Analysis
    ratios: dict[str, float]
    factors: tuple[Factor, ...]
    certain: bool
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class BatchPoint:
    """Off-chip bytes per input of every analysis at one batch size."""

    batch: int
    bytes_per_input: tuple[float, ...]


@dataclass(frozen=True)
class Crossover:
    """First batch at which the order of two networks by off-chip bytes per input turns, or None up to ``LAST_BATCH``."""

    baseline: str
    other: str
    batch: int | None
    compulsory_batch: int | None


def ratio(baseline: float, other: float) -> float:
    """Baseline over other; infinite where only the other is zero, 1 where both are."""
    if other == 0:
        return 1.0 if baseline == 0 else inf
    return baseline / other


def label(analysis: Analysis) -> str:
    """Name an analysis by what distinguishes it."""
    return f"{analysis.network} on {analysis.hardware.name}"


def ratios_of(baseline: Analysis, other: Analysis) -> dict[str, float]:
    """Every headline quantity as baseline over other."""
    a, b = baseline.totals, other.totals
    found = {name: ratio(getattr(a, name), getattr(b, name)) for name in RATIOS}
    return found | {
        "energy_j": ratio(a.energy_j.value, b.energy_j.value),
        "latency_s": ratio(a.latency_s, b.latency_s),
    }


def factors_of(baseline: Analysis, other: Analysis) -> tuple[Factor, ...]:
    """Replace one ingredient of the baseline after another by the other's; what each step saves.

    The ingredients: bits per element, elements of the weight operand, elements of the activations, bytes moved per
    compulsory byte layer by layer, the parts of these that residency and then fusion leave, energy per off-chip byte. The
    steps telescope, so they multiply to the whole; what each contributes depends on those replaced before it.
    """
    a, b = ingredients(baseline), ingredients(other)
    steps = [a]
    for name in a:
        steps.append({**steps[-1], name: b[name]})
    reached = [off_chip_j(step) for step in steps]
    return tuple(
        Factor(WHY[name][0], ratio(before, after), explained(name, a[name], b[name]))
        for name, (before, after) in zip(a, pairwise(reached), strict=True)
    )


WHY = {
    "weight_bits": ("fewer bits per weight", "{before:g} against {after:g} bits"),
    "activation_bits": ("fewer bits per activation", "{before:g} against {after:g} bits"),
    "weight_elems": ("fewer weights", "{before:,.0f} against {after:,.0f} weights to read"),
    "activation_elems": ("activations", "{before:,.0f} against {after:,.0f} elements of ifmaps and ofmaps"),
    "refetch": ("tiles that fit on chip", "{before:.3f} against {after:.3f} bytes moved per compulsory byte"),
    "residency": ("residency", "{before:.2%} against {after:.2%} of that still moves where tensors stay on chip"),
    "fusion": ("fusion", "{before:.2%} against {after:.2%} of that still moves where layers are cascaded"),
    "pj_per_byte": ("energy per off-chip byte", "{before:.4g} against {after:.4g} pJ/B"),
}


def explained(name: str, before: float, after: float) -> str:
    """An ingredient of both networks, in words.

    >>> explained("residency", 0.9382, 0.0623)
    '93.82 % against 6.23 % of that still moves where tensors stay on chip'
    """
    return WHY[name][1].format(before=before, after=after).replace("%", " %")


def ingredients(analysis: Analysis) -> dict[str, float]:
    """What the off-chip energy of an analysis is made of; see :func:`off_chip_j`. Bits are means where layers differ."""
    t, widths = analysis.totals, analysis.precision
    weight_bits = 8 * sum(layer.compulsory_bytes - layer.ifmap_bytes - layer.ofmap_bytes for layer in analysis.layers)
    activation_bits = 8 * (t.ifmap_bytes + t.ofmap_bytes)
    weight, activation = float(widths.weight_bits), float(widths.ifmap_bits)
    table = analysis.estimate.table
    if widths.as_stored or table.encoded:
        weight = ratio(weight_bits, float(weight_operand_elems(table).sum()))
        activation = ratio(activation_bits, float((table.ifmap_elems + table.ofmap_elems).sum()))
    kinds = KINDS[: KINDS.index(analysis.kind) + 1][:2]
    moved = [analysis.scheduled(kind, analysis.phase).dram_bytes for kind in (*kinds, kinds[-1])]
    return {
        "weight_bits": weight,
        "activation_bits": activation,
        "weight_elems": weight_bits / weight,
        "activation_elems": activation_bits / activation,
        "refetch": part(moved[0], t.compulsory_bytes),
        "residency": part(moved[1], moved[0]),
        "fusion": part(t.dram_bytes, moved[1]),
        "pj_per_byte": part(1e12 * t.energy_off_chip_j, t.dram_bytes),
    }


def part(some: float, whole: float) -> float:
    """Some over a whole; 1 where the whole is nothing, since of nothing everything is left."""
    return some / whole if whole else 1.0


def off_chip_j(i: dict[str, float]) -> float:
    """Off-chip energy of a set of ingredients [J]."""
    bits = i["weight_elems"] * i["weight_bits"] + i["activation_elems"] * i["activation_bits"]
    return bits / 8 * i["refetch"] * i["residency"] * i["fusion"] * i["pj_per_byte"] / 1e12


def certain(baseline: Analysis, other: Analysis) -> bool:
    """Whether the energy ranking holds for every value of the constants within their ranges.

    A constant that both share takes one value in both, so on one profile the difference is bounded term by term.
    """
    low, high = difference_j(baseline, other)
    return low > 0 or high < 0


def difference_j(baseline: Analysis, other: Analysis) -> tuple[float, float]:
    """Interval of the energy of the baseline minus the other's [J]."""
    static = [range_of(baseline.estimate), range_of(other.estimate)]
    low, high = static[0][0] - static[1][1], static[0][1] - static[1][0]
    shared = baseline.hardware is other.hardware and baseline.estimate.formats == other.estimate.formats
    for one, two in zip(baseline.estimate.terms, other.estimate.terms, strict=False) if shared else ():
        ends = [
            float(one.amount[bound].sum() - two.amount[bound].sum()) * value / 1e12
            for bound in ("low", "high")
            for value in (one.constant.low, one.constant.high)
        ]
        low, high = low + min(ends), high + max(ends)
    if not shared:
        a, b = baseline.totals.energy_j, other.totals.energy_j
        return a.low - b.high, a.high - b.low
    return low, high


def range_of(estimate: Any) -> tuple[float, float]:  # noqa: ANN401 - an Estimate
    """Lowest and highest static energy of all layers [J]."""
    return float(estimate.static_energy_j("low").sum()), float(estimate.static_energy_j("high").sum())


def causes_of(baseline: Analysis, other: Analysis) -> tuple[Cause, ...]:
    """The modules of both that move most, largest first."""
    found = []
    for analysis in (baseline, other):
        moved: dict[str, int] = {}
        for layer in analysis.layers:
            moved[layer.group or layer.name] = moved.get(layer.group or layer.name, 0) + layer.dram_bytes
        total = max(analysis.totals.dram_bytes, 1)
        found += [Cause(analysis.network, group, size, size / total) for group, size in moved.items() if size]
    return tuple(sorted(found, key=lambda cause: -cause.dram_bytes)[:CAUSES])


def pair_of(baseline: Analysis, other: Analysis) -> Pair:
    """Everything that is said of two analyses."""
    parts = ratios_of(baseline, other), factors_of(baseline, other), certain(baseline, other), causes_of(baseline, other)
    return Pair(baseline, other, *parts)


def fit_of(analysis: Analysis, graph: Graph) -> Fit:
    """What stays on chip between layers and between inferences."""
    level, widths = analysis.hardware.levels[1], analysis.precision
    moved = {kind: analysis.scheduled(kind, analysis.phase).dram_bytes for kind in KINDS}
    return Fit(
        analysis.network,
        analysis.hardware.name,
        analysis.totals.weight_bytes,
        peak_live_bytes(graph, max(widths.ifmap_bits, widths.ofmap_bits), analysis.batch),
        level.total_bytes or 0,
        moved["layer"],
        moved["resident"],
        moved["fused"],
        analysis.scheduler.bound_bytes(analysis.hardware, "fused", analysis.phase),
        analysis.hardware.levels[0].read_pj_per_byte.value,
        analysis.hardware.compute.mac_pj[widths.mac_format].value,
    )


@dataclass(frozen=True, repr=False)
class Comparison:
    """Several analyses side by side; on each profile the first network is the baseline.

    ``fits`` has one entry per analysis, ``pairs`` one per analysis but the baselines, ``batch_sweep`` the off-chip bytes per
    input at several batch sizes, ``crossovers`` where the order by these bytes turns.
    """

    analyses: tuple[Analysis, ...]
    graphs: tuple[Graph, ...]
    dtypes: tuple[str | None, ...]
    bits: Mapping[str, int] | None

    @cached_property
    def paired(self) -> tuple[tuple[int, int], ...]:
        """Positions of what is compared: on each profile the first network with every other; one network across profiles."""
        first: dict[str, int] = {}
        pairs = []
        one_network = len({analysis.hardware.name for analysis in self.analyses}) == len(self.analyses)
        for index, analysis in enumerate(self.analyses):
            baseline = first.setdefault("" if one_network else analysis.hardware.name, index)
            if baseline != index:
                pairs.append((baseline, index))
        return tuple(pairs)

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Every pair compared, with reasons."""
        return tuple(pair_of(self.analyses[one], self.analyses[two]) for one, two in self.paired)

    @cached_property
    def fits(self) -> tuple[Fit, ...]:
        """What would stay on chip, per analysis."""
        return tuple(fit_of(a, graph) for a, graph in zip(self.analyses, self.graphs, strict=True))

    def bytes_per_input(self, index: int, batch: int) -> tuple[float, float]:
        """Off-chip and compulsory bytes per input of one analysis at another batch, under its kind of schedule."""
        if (index, batch) not in self.priced:
            one, graph = self.analyses[index], self.graphs[index]
            options = self.dtypes[index], self.bits, one.kind, one.phase, None, one.objective or NO_OBJECTIVE
            found = analysis_of(graph, one.hardware, batch, *options).estimate
            moved, least = found.off_chip.moved_bytes.sum(), found.compulsory_bytes.sum()
            self.priced[index, batch] = float(moved) / batch, float(least) / batch
        return self.priced[index, batch]

    @cached_property
    def priced(self) -> dict[tuple[int, int], tuple[float, float]]:
        """What :meth:`bytes_per_input` has found so far."""
        return {}

    @cached_property
    def batch_sweep(self) -> tuple[BatchPoint, ...]:
        """Off-chip bytes per input of every analysis at batch 1 to 64."""
        every = range(len(self.analyses))
        return tuple(BatchPoint(b, tuple(self.bytes_per_input(i, b)[0] for i in every)) for b in BATCHES)

    @cached_property
    def crossovers(self) -> tuple[Crossover, ...]:
        """Where the order of each pair by bytes per input first turns, found by doubling the batch and bisection."""
        names = [label(analysis) for analysis in self.analyses]
        return tuple(
            Crossover(names[one], names[two], self.turn(one, two, 0), self.turn(one, two, 1)) for one, two in self.paired
        )

    def turn(self, one: int, other: int, kind: int) -> int | None:
        """First batch at which the sign of one minus other differs from batch 1; None if it never does."""

        def favours(batch: int) -> bool:
            return self.bytes_per_input(one, batch)[kind] > self.bytes_per_input(other, batch)[kind]

        start = favours(1)
        batches = [1]
        while favours(batches[-1]) == start:
            if batches[-1] >= LAST_BATCH:
                return None
            batches.append(batches[-1] * 2)
        same, turned = batches[-2], batches[-1]
        while turned - same > 1:
            middle = (same + turned) // 2
            same, turned = (middle, turned) if favours(middle) == start else (same, middle)
        return turned

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "analyses": [analysis.to_dict() for analysis in self.analyses],
            "pairs": [
                {
                    "baseline": label(pair.baseline),
                    "other": label(pair.other),
                    "ratios": pair.ratios,
                    "factors": [asdict(factor) for factor in pair.factors],
                    "certain": pair.certain,
                    "causes": [asdict(cause) for cause in pair.causes],
                }
                for pair in self.pairs
            ],
            "fits": [asdict(fit) for fit in self.fits],
            "batch_sweep": [asdict(point) for point in self.batch_sweep],
            "crossovers": [asdict(crossover) for crossover in self.crossovers],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per analysis, its totals as columns."""
        import pandas as pd

        records = [
            {"network": a.network, "hardware": a.hardware.name, "batch": a.batch, **flat(a.totals.to_dict())}
            for a in self.analyses
        ]
        return pd.DataFrame.from_records(records)

    def __repr__(self) -> str:
        """Return the tables that the command line prints."""
        from costmodel.report import render

        return render(self, "text")

    def _repr_html_(self) -> str:
        """Return the tables for notebooks."""
        from costmodel.report import html_table

        return html_table(self)


def flat(totals: dict[str, Any]) -> dict[str, Any]:
    """Totals with the energy range as three columns."""
    energy = totals.pop("energy_j")
    return {**totals, "energy_j": energy["value"], "energy_low_j": energy["low"], "energy_high_j": energy["high"]}


def comparison_of(
    graphs: Sequence[Graph],
    hardware: Sequence[HardwareProfile],
    batch: int,
    dtypes: Sequence[str] | None,
    bits: Mapping[str, int] | None,
    schedule: str | None = None,
    state: str = "steady",
    objective: str | None = None,
) -> Comparison:
    """Every network on every piece of hardware; the first is the baseline. ``dtypes``: none, one, or one per network.

    Raises
    ------
    InputError
        Fewer than two analyses: there is nothing to compare. Or not one dtype per network.
    """
    each = dtypes_per_network(len(graphs), dtypes)
    jobs = [(graph, profile, dtype) for profile in hardware for graph, dtype in zip(graphs, each, strict=True)]
    if len(jobs) < 2:
        raise InputError("compare: needs at least two networks, or one network on two hardware profiles")
    options = bits, schedule, state, None, objective
    analyses = tuple(analysis_of(graph, profile, batch, dtype, *options) for graph, profile, dtype in jobs)
    return Comparison(analyses, tuple(graph for graph, _, _ in jobs), tuple(dtype for _, _, dtype in jobs), bits)


def dtypes_per_network(networks: int, dtypes: Sequence[str] | None) -> list[str | None]:
    """One dtype for each network."""
    if not dtypes:
        return [None] * networks
    if len(dtypes) not in (1, networks):
        raise InputError(f"compare: {len(dtypes)} dtypes for {networks} networks; give one, or one per network")
    return [dtypes[index % len(dtypes)] for index in range(networks)]


def product_of(factors: Sequence[Factor]) -> float:
    """The whole that the factors explain."""
    return prod(factor.ratio for factor in factors)
