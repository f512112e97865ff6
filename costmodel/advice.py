"""What-ifs of the playbook, each priced again: ranked for one network, or one step after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from costmodel.analysis import SCHEMA_VERSION, Analysis, analysis_of
from costmodel.comparison import certain
from costmodel.errors import InputError, MappingError
from costmodel.importers import load_network
from costmodel.playbook import STEPS, Change, Design, checked_step, transformed
from costmodel.precision import precision_of

if TYPE_CHECKING:
    import pandas as pd

    from costmodel.graph import Graph
    from costmodel.hardware import HardwareProfile

OBJECTIVES: Final[Mapping[str, str]] = {
    "energy": "energy_j",
    "latency": "latency_s",
    "dram": "dram_bytes",
    "storage": "weight_bytes",
}
"""What may be asked for, and the figure that it is."""
FIGURES: Final = ("params", "macs", "weight_bytes", "dram_bytes", "energy_j", "latency_s")
"""What every what-if is evaluated by."""
WIDTHS: Final = ("weight", "ifmap", "ofmap")


def figures(analysis: Analysis) -> dict[str, float]:
    """Figures of an analysis by name: parameters, MACs, bytes stored and moved [B], energy [J], latency [s]."""
    totals = analysis.totals
    return {name: totals.energy_j.value if name == "energy_j" else getattr(totals, name) for name in FIGURES}


@dataclass(frozen=True)
class Pricing:
    """What all designs are priced for: as the arguments of :func:`costmodel.analyze`."""

    hardware: HardwareProfile
    batch: int = 1
    dtype: str | None = None
    bits: Mapping[str, int] | None = None
    schedule: str | None = None
    state: str = "steady"

    def design(self, graph: Graph) -> Design:
        """A network at the widths that it begins with."""
        chosen = precision_of(graph.table(), self.hardware, self.dtype, self.bits)
        return Design(graph, {operand: getattr(chosen, f"{operand}_bits") for operand in WIDTHS})

    def analysis(self, design: Design) -> Analysis:
        """Price a design: its widths are given where a step has changed them."""
        before = self.design(design.graph).bits
        narrower = {operand: width for operand, width in design.bits.items() if width != before[operand]}
        bits = {**(self.bits or {}), **narrower} or None
        return analysis_of(design.graph, self.hardware, self.batch, self.dtype, bits, self.schedule, self.state)


@dataclass(frozen=True)
class WhatIf:
    """A network after one step of the playbook, priced again.

    Attributes
    ----------
    step, strength
        What was done.
    changes
        What the step changed, layer by layer.
    analysis
        The network after it; None where `problem` says why it cannot be priced.
    problem
        A layer that no longer fits, in words; "" else.
    certain
        Whether its energy differs from that of the network in the same direction for every value of the constants.
    """

    step: str
    strength: float
    changes: tuple[Change, ...]
    analysis: Analysis | None
    problem: str = ""
    certain: bool = False

    @property
    def name(self) -> str:
        """Step and strength."""
        return f"{self.step}={self.strength:g}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "step": self.step,
            "strength": self.strength,
            "figures": figures(self.analysis) if self.analysis else None,
            "certain": self.certain,
            "problem": self.problem,
            "changes": [asdict(change) for change in self.changes],
        }


def in_rows(what_ifs: Sequence[WhatIf], before: Analysis) -> list[dict[str, Any]]:
    """One record per what-if: what was done, its figures, and each over that of before."""
    base = figures(before)
    found = []
    for one in what_ifs:
        after = figures(one.analysis) if one.analysis else {}
        row = {"step": one.step, "strength": one.strength, "changes": len(one.changes)}
        values = {name: after.get(name) for name in FIGURES}
        ratios = {f"{name}_ratio": after[name] / base[name] if after and base[name] else None for name in FIGURES}
        found.append({**row, **values, **ratios, "certain": one.certain, "problem": one.problem})
    return found


class Told(ABC):
    """A result with a record per what-if, which shows itself as the command line prints it."""

    @abstractmethod
    def records(self) -> list[dict[str, Any]]:
        """One record per what-if."""

    def to_frame(self) -> pd.DataFrame:
        """One row per what-if."""
        import pandas as pd

        return pd.DataFrame.from_records(self.records())

    def __repr__(self) -> str:
        """Return the tables that the command line prints."""
        from costmodel.report import render

        return render(self, "text")  # type: ignore[arg-type]  # each subclass is a result

    def _repr_html_(self) -> str:
        """Return the tables for notebooks."""
        from costmodel.report import html_table

        return html_table(self)  # type: ignore[arg-type]  # each subclass is a result


@dataclass(frozen=True, repr=False)
class Advice(Told):
    """What-ifs of one network on one piece of hardware, the best first; accuracy is no part of it.

    Attributes
    ----------
    objective
        By what they are ranked: energy, latency, dram or storage.
    before
        The network as it is.
    what_ifs
        Steps that change it, ranked; those that cannot be priced come last.
    idle
        Steps that find nothing to change.
    """

    objective: str
    before: Analysis
    what_ifs: tuple[WhatIf, ...]
    idle: tuple[str, ...]

    def records(self) -> list[dict[str, Any]]:
        """One record per what-if, the best first."""
        return in_rows(self.what_ifs, self.before)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            **priced_for(self.before),
            "objective": self.objective,
            "before": figures(self.before),
            "what_ifs": [one.to_dict() for one in self.what_ifs],
            "idle": list(self.idle),
        }


def priced_for(analysis: Analysis) -> dict[str, Any]:
    """What was priced, as plain data."""
    return {
        "schema_version": SCHEMA_VERSION,
        "network": analysis.network,
        "hardware": analysis.hardware.name,
        "batch": analysis.batch,
        "precision": analysis.precision.to_dict(),
        "schedule": analysis.kind,
        "state": analysis.phase,
    }


def what_if(pricing: Pricing, design: Design, before: Analysis, name: str, strength: float) -> tuple[Design, WhatIf]:
    """A design after one step, and what that gives."""
    after, changes = transformed(design, name, strength)
    try:
        analysis = pricing.analysis(after) if changes else before
    except MappingError as error:
        return after, WhatIf(name, strength, changes, None, error.problems[0])
    return after, WhatIf(name, strength, changes, analysis, certain=bool(changes) and certain(before, analysis))


def advice_of(graph: Graph, pricing: Pricing, objective: str, strengths: Sequence[float] | None = None) -> Advice:
    """Every step of the playbook by itself, ranked; see :func:`costmodel.advise`.

    Raises
    ------
    InputError
        Unknown objectives, strengths out of bounds; as :func:`costmodel.analyze`.
    """
    if objective not in OBJECTIVES:
        raise InputError(f"objective: {objective!r} is not known; use one of {', '.join(OBJECTIVES)}")
    design = pricing.design(graph)
    before = pricing.analysis(design)
    found = [what_if(pricing, design, before, name, strength)[1] for name, strength in trials(strengths)]
    return Advice(
        objective,
        before,
        tuple(sorted((one for one in found if one.changes), key=lambda one: cost(one, objective))),
        tuple(one.name for one in found if not one.changes),
    )


def trials(strengths: Sequence[float] | None) -> Iterator[tuple[str, float]]:
    """Steps with strengths: the usual ones, or those given, which a step without strengths below zero takes where it can."""
    for strength in strengths or ():
        if not any(step.least <= strength <= 1 for step in STEPS):
            raise InputError(f"strength: {strength!r} given; give a number from 0 to 1, or from -1 for delayed_pooling")
    for step in STEPS:
        for strength in step.usual if strengths is None else strengths:
            if strengths is None or step.least <= strength:
                yield step.name, strength


def cost(one: WhatIf, objective: str) -> float:
    """What a what-if is ranked by; infinite where it has no price."""
    return figures(one.analysis)[OBJECTIVES[objective]] if one.analysis else float("inf")


# ---- one step after the other


@dataclass(frozen=True)
class PublishedSize:
    """Stored size of a network that was published [B], at so many bits per weight [bits]."""

    size_bytes: float
    weight_bits: int


@dataclass(frozen=True)
class CurvePoint:
    """A network at one value of an argument of its builder, and the size that was published for it, if any."""

    value: str
    analysis: Analysis
    published: PublishedSize | None


@dataclass(frozen=True)
class Curve:
    """A network over the values of one argument of its builder."""

    network: str
    argument: str
    points: tuple[CurvePoint, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        points = [
            {
                "value": point.value,
                "figures": figures(point.analysis),
                "published": asdict(point.published) if point.published else None,
            }
            for point in self.points
        ]
        return {"network": self.network, "argument": self.argument, "points": points}


@dataclass(frozen=True, repr=False)
class Shrinking(Told):
    """A network on its way through the playbook, step by step; accuracy is no part of it.

    Attributes
    ----------
    before
        The network as it is.
    stages
        What each step made of it, all earlier ones included.
    towards
        Networks to stand beside the result.
    curves
        Networks over an argument of their builder.
    """

    before: Analysis
    stages: tuple[WhatIf, ...]
    towards: tuple[Analysis, ...]
    curves: tuple[Curve, ...]

    def records(self) -> list[dict[str, Any]]:
        """One record per stage, figures over those of the network as it is."""
        return in_rows(self.stages, self.before)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            **priced_for(self.before),
            "before": figures(self.before),
            "stages": [stage.to_dict() for stage in self.stages],
            "towards": {analysis.network: figures(analysis) for analysis in self.towards},
            "curves": [curve.to_dict() for curve in self.curves],
        }


def parsed_step(text: str) -> tuple[str, float]:
    """A step with its strength from ``NAME=STRENGTH``.

    >>> parsed_step("kernel_reduction=0.5")
    ('kernel_reduction', 0.5)
    """
    name, _, strength = text.partition("=")
    try:
        number = float(strength)
    except ValueError:
        raise InputError(f"step: {text!r} is not NAME=STRENGTH; write for example kernel_reduction=0.5") from None
    return checked_step(name.strip(), number)[0].name, number


def stages_of(design: Design, pricing: Pricing, steps: Sequence[tuple[str, float]]) -> Iterator[WhatIf]:
    """Steps one after the other, each on what the earlier ones made."""
    before = pricing.analysis(design)
    for name, strength in steps:
        design, stage = what_if(pricing, design, before, name, strength)
        yield stage
        before = stage.analysis or before


def shrinking_of(
    graph: Graph,
    pricing: Pricing,
    steps: Sequence[tuple[str, float]],
    towards: Sequence[Graph] = (),
    curves: Sequence[Curve] = (),
) -> Shrinking:
    """The playbook applied step by step; see :func:`costmodel.shrink`."""
    if not steps:
        raise InputError("shrink: no step given; give at least one, for example kernel_reduction=0.5")
    for name, strength in steps:
        checked_step(name, strength)
    design = pricing.design(graph)
    return Shrinking(
        pricing.analysis(design),
        tuple(stages_of(design, pricing, steps)),
        tuple(pricing.analysis(pricing.design(other)) for other in towards),
        tuple(curves),
    )


def curve_of(text: str, pricing: Pricing, published: Mapping[str, PublishedSize]) -> Curve:
    """A curve from ``NET:ARGUMENT=VALUE,VALUE``, with the sizes published for networks so specified.

    Raises
    ------
    InputError
        No argument, no values; networks that cannot be loaded.
    """
    head, equals, values = text.rpartition("=")
    network, argument = split_spec(head)
    if not (equals and argument and network and values):
        raise InputError(f"curve: {text!r} is not NET:ARGUMENT=VALUES; write for example squeezenet:squeeze_ratio=0.125,0.25")
    points = []
    for value in values.split(","):
        spec = f"{head}={value}"
        analysis = pricing.analysis(pricing.design(load_network(spec)))
        points.append(CurvePoint(value, analysis, published.get(spec)))
    return Curve(network, argument, tuple(points))


def split_spec(head: str) -> tuple[str, str]:
    """A network with the arguments that stay, and the name of the one that varies.

    >>> split_spec("squeezenet:squeeze_ratio=0.5,pct_3x3"), split_spec("squeezenet:freq"), split_spec("squeezenet")
    (('squeezenet:squeeze_ratio=0.5', 'pct_3x3'), ('squeezenet', 'freq'), ('', 'squeezenet'))
    """
    place = max(head.rfind(","), head.rfind(":"))
    return (head[:place], head[place + 1 :]) if place > 0 else ("", head)
