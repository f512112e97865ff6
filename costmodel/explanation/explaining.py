"""From an analysis to the explanation of one of its layers."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from costmodel.errors import InputError
from costmodel.estimate import access
from costmodel.explanation.boundaries import boundary_nests
from costmodel.explanation.enlarging import boundary_drop, joint_drops
from costmodel.explanation.explanation import Explanation, Fed, Part, Spent, part_of
from costmodel.mapping.levels.accounts import accounts
from costmodel.mapping.levels.mapped import MappedNest
from costmodel.mapping.levels.text import lines
from costmodel.units import si_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costmodel.analysis import Analysis


def layer_row(analysis: Analysis, name: str) -> int:
    """Row of a layer by its name.

    Raises
    ------
    InputError
        No layer has the name, or it has no loop nest.
    """
    names = analysis.estimate.table.names
    if name not in names:
        close = get_close_matches(name, names, 1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise InputError(f"layer {name!r} is not in {analysis.network}{meant}; its layers are {', '.join(names)}")
    row = names.index(name)
    if row not in analysis.mappings:
        mapped = ", ".join(names[at] for at in sorted(analysis.mappings))
        state = "is free" if analysis.estimate.table.status[row] == "free" else "moves every operand once"
        raise InputError(f"layer {name!r} of {analysis.network} {state} and has no loop nest; these have one: {mapped}")
    return row


def explanation_of(analysis: Analysis, name: str, *, drops: bool = True, optimum: MappedNest | None = None) -> Explanation:
    """Explain one layer of an analysis.

    Parameters
    ----------
    analysis
        The network, priced layer by layer.
    name
        Name of the layer.
    drops
        Whether to search for the memory that would save something.
    optimum
        The best mapping, where that of the analysis was given.
    """
    row, estimate = layer_row(analysis, name), analysis.estimate
    mapped = analysis.mappings[row]
    energy = {part: float(estimate.energy_j(part)[row, 0]) for part in ("mac", "static")}
    joint = isinstance(mapped, MappedNest)
    if isinstance(mapped, MappedNest):
        parts: tuple[Part, ...] = (joint_part(analysis, mapped, drops=drops),)
    else:
        parts = boundary_parts(analysis, row, drops=drops)
    return Explanation(
        network=analysis.network,
        hardware=analysis.hardware.name,
        layer=name,
        objective=mapped.objective if isinstance(mapped, MappedNest) else "dram_bytes",
        joint=joint,
        parts=parts,
        fed=tuple(feeds(analysis, row)),
        spent=tuple(spent(analysis, row)),
        arithmetic_j=energy["mac"],
        static_j=energy["static"],
        energy_j=float(estimate.energy_j()[row, 0]),
        latency_s=float(estimate.latency_s()[row, 0]),
        overhead_s=estimate.hardware.layer_overhead_s.value,
        times_s={resource: float(time[row, 0]) for resource, time in estimate.resources_s().items()},
        overlap=estimate.hardware.overlap,
        steps=int(estimate.table.steps[row, 0]),
        optimum=optimum,
    )


def joint_part(analysis: Analysis, mapped: MappedNest, *, drops: bool) -> Part:
    """The loop nest through all memories."""
    return part_of(mapped, joint_drops(mapped, analysis.hardware) if drops and mapped.optimal else ())


def boundary_parts(analysis: Analysis, row: int, *, drops: bool) -> tuple[Part, ...]:
    """One loop nest for every boundary."""
    estimate, found = analysis.estimate, []
    for boundary, level, priced in boundary_nests(estimate, row):
        value = priced.dram_bits / 8
        mapped = MappedNest("dram_bytes", priced, value, value, optimal=True, steps=int(estimate.table.steps[row, 0]))
        heading = f"between {boundary.outer} and {boundary.inner}: {si_bytes(value)}, proved least"
        text = "\n".join([heading, *list(lines(mapped))[1:]])
        saved = (boundary_drop(estimate, boundary, level, row, priced),) if drops else ()
        found.append(Part(text, accounts(priced), priced, saved))
    return tuple(found)


def feeds(analysis: Analysis, row: int) -> Iterator[Fed]:
    """What the multipliers take from the innermost memory."""
    estimate, level = analysis.estimate, analysis.hardware.levels[-1]
    widths = {"weight": estimate.widths.weight, "ifmap": estimate.widths.ifmap, "ofmap": estimate.widths.psum}
    for operand, size in estimate.feed_bytes("value").items():
        if size[row, 0] > 0:
            reuse = level.macs_per_access[operand].value if operand in level.macs_per_access else 1.0
            macs, bits = int(estimate.executed_macs[row, 0]), int(widths[operand][row, 0])
            yield Fed(level.name, operand, macs, bits, reuse, float(size[row, 0]))


def spent(analysis: Analysis, row: int) -> Iterator[Spent]:
    """Bytes and energy of every memory, by operand where these are told apart."""
    accesses = analysis.layers[row].accesses
    if accesses is not None:
        for level, operands in accesses.items():
            for operand, one in operands.items():
                yield Spent(level, operand, one["read_bytes"], one["write_bytes"], one["energy_j"])
        return
    for memory, read, written in analysis.estimate.access_bytes():
        found = access(memory, float(read[row, 0]), float(written[row, 0]))
        yield Spent(memory.name, "all", found["read_bytes"], found["write_bytes"], found["energy_j"])
