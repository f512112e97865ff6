"""What there is to choose from, and the published figures: documents of the commands that list things."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from costmodel.hardware.profile import OPERANDS
from costmodel.report.assumptions import constant_range
from costmodel.report.document import Column, Document, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import counted, listed, share
from costmodel.report.objective import mapped_for

if TYPE_CHECKING:
    from costmodel.compression import Scheme
    from costmodel.hardware import Constant, HardwareProfile, MemoryLevel
    from costmodel.hardware.link import Link


class Check(Protocol):
    """A published figure beside what this version computes."""

    @property
    def id(self) -> str:
        """Name of the row."""
        ...

    @property
    def quantity(self) -> str:
        """What was counted."""
        ...

    @property
    def expected(self) -> float:
        """As published."""
        ...

    @property
    def actual(self) -> float:
        """As computed."""
        ...

    @property
    def relation(self) -> str:
        """``=``, or ``<=`` and ``>=`` where the published figure is a bound."""
        ...

    @property
    def deviation_ratio(self) -> float:
        """Computed over published, minus 1."""
        ...

    @property
    def tolerance_ratio(self) -> float:
        """Deviation that is allowed."""
        ...

    @property
    def ok(self) -> bool:
        """Whether it is reproduced."""
        ...

    @property
    def source(self) -> str:
        """Where it was published."""
        ...

    @property
    def place(self) -> str:
        """Where in the source."""
        ...

    @property
    def why(self) -> str:
        """Why it deviates."""
        ...


def networks(nets: Sequence[tuple[str, str, Callable[..., Any]]]) -> Document:
    """Networks: name, one line, arguments of ``build`` with their defaults."""
    columns = (Column("network", numeric=False), Column("what it is, and its arguments", numeric=False, wrap=True))
    rows = [row for name, title, build in nets for row in network_rows(name, title, build)]
    use = Sentences("", ("Arguments follow the name: squeezenet:version=1.1,input=227. A .py file works as well.",))
    return Document("Networks", (), (Table("", columns, tuple(rows)),), (use,))


def network_rows(name: str, title: str, build: Callable[..., Any]) -> Iterator[Row]:
    """A network on two lines."""
    yield Row((visible(name), visible(title)), "group")
    arguments = ", ".join(argument(p) for p in inspect.signature(build).parameters.values())
    yield Row(("", visible(arguments)), "free")


def argument(parameter: inspect.Parameter) -> str:
    """An argument and its default.

    >>> argument(inspect.signature(lambda version="1.0", size=None: 0).parameters["version"])
    'version=1.0'
    """
    if parameter.default is inspect.Parameter.empty:
        return parameter.name
    return f"{parameter.name}={parameter.default}"


def profiles(found: Iterable[HardwareProfile]) -> Document:
    """Hardware profiles: name, what it is, number format, memory, assumptions."""
    columns = (
        Column("profile", numeric=False),
        Column("hardware", numeric=False, wrap=True),
        Column("format", numeric=False, priority=2),
        Column("on-chip", "memory", 1),
        Column("constants", "assumed", 3),
    )
    use = Sentences("", ("costmodel profiles show NAME gives every constant with its source; a .yaml file works as well.",))
    return Document("Hardware profiles", (), (Table("", columns, tuple(map(profile_row, found))),), (use,))


def schemes(found: Iterable[Scheme]) -> Document:
    """Compression schemes: name, network, where the figures were published."""
    columns = (
        Column("scheme", numeric=False),
        Column("network", numeric=False),
        Column("source", numeric=False, wrap=True),
    )
    rows = tuple(Row((visible(one.name), visible(one.network), visible(f"{one.source}, {one.place}"))) for one in found)
    use = Sentences("", ("NETWORK@SCHEME is the compressed network, for every command; a .yaml file works as well.",))
    return Document("Compression schemes", (), (Table("", columns, rows),), (use,))


def profile_row(profile: HardwareProfile) -> Row:
    """One profile."""
    capacity = profile.levels[1].capacity_bytes
    assumed = f"{len(profile.assumptions())} of {len(profile.constants())}"
    memory = capacity.text if capacity else "unlimited"
    return Row((visible(profile.name), visible(profile.title), profile.default_dtype, memory, assumed))


def links(found: Iterable[Link]) -> Document:
    """Links: name, what it is, bandwidth, latency, assumptions."""
    columns = (
        Column("link", numeric=False),
        Column("what it is", numeric=False, wrap=True),
        Column("bandwidth"),
        Column("latency", priority=1),
        Column("energy", "of receiving", 2, numeric=False),
        Column("constants", "assumed", 3),
    )
    use = Sentences("", ("costmodel links show NAME gives every constant with its source; a .yaml file works as well.",))
    return Document("Links", (), (Table("", columns, tuple(map(link_row, found))),), (use,))


def link_row(link: Link) -> Row:
    """One link."""
    assumed = f"{len(link.assumptions())} of {len(link.constants())}"
    rates = link.bandwidth_bytes_per_s.text, link.latency_s.text
    return Row((visible(link.name), visible(link.title), *rates, "known" if link.receiver else "not published", assumed))


def link(found: Link, *, sources: bool) -> Document:
    """One link: every constant, and its bibliography where asked for."""
    return Document(
        f"{visible(found.name)}: {visible(found.title)}",
        (),
        (Sentences("", (visible(found.description),) if found.description else ()),),
        (*sourced(found, sources=sources), Sentences("File", (visible(str(found.file)),))),
    )


def sourced(found: HardwareProfile | Link, *, sources: bool) -> tuple[Sentences, Sentences]:
    """Every constant of a profile or link, and its bibliography where asked for."""
    bibliography = tuple(visible(f"{s.key}: {s.reference}") + read_in(s.read) for s in found.sources() if sources)
    return Sentences("Constants", tuple(map(constant_line, found.constants()))), Sentences("Sources", bibliography)


def profile(found: HardwareProfile, *, sources: bool) -> Document:
    """One profile: what it is, every constant, and its bibliography where asked for."""
    return Document(
        f"{visible(found.name)}: {visible(found.title)}",
        (),
        (Sentences("", (visible(found.description),) if found.description else ()), about(found)),
        sourced(found, sources=sources),
    )


def constant_line(constant: Constant) -> str:
    """Value, range, tier, source and place of a constant."""
    spread = "" if constant.exact else f" ({constant_range(constant)})"
    tier = "assumed" if constant.tier == constant.source else f"{constant.tier}, {constant.source}"
    return visible(f"{constant.name} = {constant.text}{spread}, {tier}: {constant.where}")


def read_in(how: str) -> str:
    """How the figures were seen, when not in the source itself."""
    return f" (read: {visible(how)})" if how else ""


def about(found: HardwareProfile) -> Sentences:
    """What a profile says besides its constants."""
    return Sentences(
        "What it is",
        (
            f"memories, from the backing store inwards: {', '.join(level.name for level in found.levels)}",
            f"number formats: {', '.join(found.compute.mac_pj)}; {found.default_dtype} where none is asked for",
            f"partial sums: {counted(found.psum_bits, 'bit')} of integer formats, 32 bits of the others",
            f"transfers and compute: {timing(found)}",
            f"across layers: {across(found)}",
            *through(found),
            f"file: {visible(str(found.file))}",
        ),
    )


def through(found: HardwareProfile) -> Iterator[str]:
    """What layers are mapped for, and what memories hold where they do not simply hold everything."""
    if found.objective:
        yield f"objective: layers are {mapped_for(found.objective)}, through all memories at once"
    for level in found.levels:
        said = list(holding(level))
        if said:
            yield f"{level.name}: {', '.join(said)}"


def holding(level: MemoryLevel) -> Iterator[str]:
    """What is particular about a memory."""
    if level.per_element:
        yield f"one in each of {counted(level.instances, 'processing element')}"
    if level.holds != OPERANDS:
        yield f"holds {listed(list(level.holds))} only"
    if level.bypass:
        yield f"{listed(list(level.bypass))} may pass it by"
    if level.stationary:
        yield f"{level.stationary}-stationary"
    if level.parts:
        yield "a part for " + listed([f"{operand} of {part.text}" for operand, part in level.parts.items()])


def timing(found: HardwareProfile) -> str:
    """What sets the time of a layer."""
    return "they overlap, the slowest resource sets the time" if found.overlap else "one after the other, their times add"


def across(found: HardwareProfile) -> str:
    """What the profile declares to stay on chip beyond a layer."""
    kept = {
        "none": "nothing stays on chip beyond a layer",
        "activations": f"activations stay in {found.levels[1].name}",
        "all": f"activations stay in {found.levels[1].name}, and weights for ever",
    }
    return kept[found.residency] + (", layers are cascaded in stripes" if found.fusion else "")


def checks(found: Sequence[Check]) -> Document:
    """Published figures beside the computed ones: the exact ones first, then those that deviate or are bounds."""
    exact = [check for check in found if check.ok and check.relation == "=" and check.actual == check.expected]
    others = [check for check in found if check not in exact]
    failed = [check for check in found if not check.ok]
    verdict = f"{len(found) - len(failed)} of {counted(len(found), 'published figure')} reproduced."
    return Document(
        "Published figures",
        (Sentences("", (verdict,), alarm=bool(failed)),),
        (
            Table("Reproduced exactly", EXACT_COLUMNS, tuple(map(exact_row, exact))),
            Table("Within a tolerance, or a bound", CHECK_COLUMNS, tuple(map(check_row, others))),
        ),
        (Sentences("Where deviations come from", tuple(reasons(others))),),
    )


def reasons(found: Sequence[Check]) -> Iterator[str]:
    """Why figures deviate, each reason once with all the figures that it explains."""
    explained: dict[str, list[str]] = {}
    for check in found:
        if check.why:
            explained.setdefault(check.why, []).append(visible(check.id))
    for why, names in explained.items():
        yield f"{', '.join(names)}: {visible(why)}"


SOURCE = Column("source", numeric=False, priority=4)
EXACT_COLUMNS = (Column("figure", numeric=False, wrap=True), Column("published"), SOURCE)
CHECK_COLUMNS = (
    Column("figure", numeric=False, wrap=True),
    Column("published"),
    Column("computed"),
    Column("deviation", priority=1),
    Column("allowed", priority=2),
    Column("", numeric=False),
    SOURCE,
)


def exact_row(check: Check) -> Row:
    """One figure that is reproduced to the last digit."""
    return Row((visible(check.id), number(check.expected), source(check)))


BOUNDS = {"<=": "at most ", ">=": "at least "}


def check_row(check: Check) -> Row:
    """One figure."""
    cells = (
        visible(check.id),
        BOUNDS.get(check.relation, "") + number(check.expected),
        number(check.actual),
        percent(check.deviation_ratio),
        percent(check.tolerance_ratio),
        "ok" if check.ok else "WRONG",
        source(check),
    )
    return Row(cells, "plain" if check.ok else "unknown")


def source(check: Check) -> str:
    """Where a figure was published."""
    return visible(f"{check.source}, {check.place}" if check.place else check.source)


def number(value: float) -> str:
    """A figure, whole numbers in full.

    >>> number(60965224), number(3.14159265)
    ('60,965,224', '3.14159')
    """
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.6g}"


def percent(ratio: float) -> str:
    """A deviation in percent; nothing where there is none.

    >>> percent(0.0), percent(-0.02), percent(-0.0001)
    ('-', '-2.0 %', '<0.1 %')
    """
    return share(abs(ratio), 1) if abs(ratio) < 0.0005 else f"{100 * ratio:.1f} %"
