"""The explanation of a layer as a document: loop nest, accesses, energy and time by memory, what more room would save."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.mapping.levels.text import value_text
from costmodel.report.document import Column, Document, Fact, Facts, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import share
from costmodel.units import si_bytes, si_energy, si_time

if TYPE_CHECKING:
    from costmodel.explanation import Explanation
    from costmodel.explanation.explanation import Drop, Part, Spent


def document(found: Explanation) -> Document:
    """Report of one layer."""
    nests = tuple(block for part in found.parts for block in part_blocks(part))
    saved = tuple(drop_text(found, one) for part in found.parts for one in part.drops)
    return Document(
        title=f"{visible(found.layer)} of {visible(found.network)} on {visible(found.hardware)}",
        summary=(facts(found),),
        details=(*nests, feeds(found), energies(found), times(found)),
        notes=(Sentences("Next drop: the least room that saves anything", saved),),
    )


def part_blocks(part: Part) -> tuple[Sentences, ...]:
    """A loop nest and its accesses."""
    nest = "Loop nest" if len(part.stores) > 2 or not part.drops else f"Loop nest, {part.stores[0]} to {part.stores[1]}"
    return Sentences(nest, tuple(part.text.splitlines())), Sentences("Accesses [elements]", part.formulas)


def feeds(found: Explanation) -> Sentences:
    """What the multipliers take."""
    return Sentences("Multipliers", tuple(f"{one.formula} = {si_bytes(one.read_bytes)}" for one in found.fed))


def energies(found: Explanation) -> Table:
    """Energy by memory and operand."""
    numbers = (Column(title) for title in ("read", "written", "energy", "share"))
    columns = (Column("memory", numeric=False), Column("operand", numeric=False), *numbers)
    rows = [Row(spent_cells(found, one)) for one in found.spent if one.read_bytes or one.write_bytes]
    others = {"arithmetic": found.arithmetic_j, "static power": found.static_j}
    rows += [Row((name, "", "", "", si_energy(size), share(size, found.energy_j))) for name, size in others.items() if size]
    return Table("Energy", columns, (*rows, Row(("total", "", "", "", si_energy(found.energy_j), ""), "total")))


def spent_cells(found: Explanation, one: Spent) -> tuple[str, ...]:
    """What one memory does for one operand."""
    moved = si_bytes(one.read_bytes), si_bytes(one.write_bytes)
    return (visible(one.level), one.operand, *moved, si_energy(one.energy_j), share(one.energy_j, found.energy_j))


def times(found: Explanation) -> Table:
    """Time by resource."""
    slowest = max(found.times_s, key=lambda name: found.times_s[name])
    rule = "the slowest counts" if found.overlap else "their sum counts"
    rows = [
        Row((name, si_time(size), "slowest" if name == slowest else ""))
        for name, size in {**found.times_s, "overhead": found.overhead_s}.items()
        if size
    ]
    columns = (Column("resource", numeric=False), Column("time"), Column("", numeric=False))
    return Table(f"Time: {rule}, then the overhead", columns, (*rows, Row(("total", si_time(found.latency_s), ""), "total")))


def facts(found: Explanation) -> Facts:
    """What the layer costs, and what was minimised."""
    aim = f"mapped through all memories for {found.objective}" if found.joint else "least bytes at every boundary by itself"
    given = found.optimum
    best = () if given is None else (Fact("optimum", value_text(given.objective, given.value), "what the search finds"),)
    repeated = f"the nest is executed {found.steps} times" if found.steps > 1 else ""
    return Facts(
        "Layer",
        (
            Fact("mapping", "given" if given else "searched", aim),
            *best,
            Fact("energy", si_energy(found.energy_j), repeated),
            Fact("latency", si_time(found.latency_s)),
        ),
    )


def drop_text(found: Explanation, one: Drop) -> str:
    """What one memory would have to hold for the next drop."""
    where = f"{one.level} for {one.operand}" if one.operand else one.level
    named = value_text(found.objective, one.value) if found.joint else f"bytes that cross to {one.level} {si_bytes(one.value)}"
    if one.more_bytes is None:
        if one.most_bytes == 0:
            return f"{where} of {one.size_bytes:,} B has room for the whole layer: no size lowers {named}."
        unknown = "" if one.proved_bytes >= one.most_bytes else "; with more, the search takes too long to tell"
        return f"{where} of {one.size_bytes:,} B: up to {one.proved_bytes:,} more bytes do not lower {named}{unknown}."
    then = value_text(found.objective, one.then) if found.joint else si_bytes(one.then)
    less = share(one.value - one.then, one.value)
    does = "; ".join(one.changes) or "the same loops"
    vague = one.more_bytes > one.proved_bytes + 2
    least = f" (perhaps fewer, but more than {one.proved_bytes:,})" if vague else ""
    more = f"With {one.more_bytes:,} more bytes{least} in {where} (of {one.size_bytes:,} B)"
    return f"{more}, {named} would be {then}, {less} less: {does}."
