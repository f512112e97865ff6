"""Loop nests in ZigZag's mapping format: one entry per layer, in one file.

ZigZag allots loops to memories itself, from the order and the accelerator, and knows no loop that leaves a remainder.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from costmodel.mapping.levels.loopnest import extents
from costmodel.mapping.levels.steps import steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from costmodel.mapping.levels.mapped import MappedNest

NAMES: Final = {"n": "B", "g": "G", "k": "K", "c": "C", "p": "OY", "q": "OX", "r": "FY", "s": "FX"}
MOST_SIDES: Final = 4
LINKS: Final = "  memory_operand_links: {O: O, W: I2, I: I1}"
NOTES: Final = (
    "Which loops lie at which memory and what passes it by, ZigZag derives from the accelerator: not written here.",
    "ZigZag knows no remainders in loops: where a nest has some, its entry has no temporal_ordering, and ZigZag searches.",
)


def zigzag_text(nests: Mapping[str, MappedNest]) -> str:
    """Write mappings by layer as one YAML list, with the default entry that ZigZag asks for."""
    head = [*(f"# {note}" for note in NOTES), "- name: default", "  spatial_mapping: null", LINKS]
    return "\n".join([*head, *(line for name, mapped in nests.items() for line in entry(name, mapped)), ""])


def entry(name: str, mapped: MappedNest) -> Iterator[str]:
    """One layer."""
    missing = inexpressible(mapped)
    yield from (f"# {json.dumps(name)[1:-1]}: {text}" for text in (*missing, *rounded(mapped)))
    yield f"- name: {json.dumps(name)}"
    sides = spatial(mapped)
    yield "  spatial_mapping:" + ("" if sides else " null")
    for number, unrolled in sides.items():
        yield f"    D{number}: [{', '.join(json.dumps(f'{NAMES[dim]}, {many}') for dim, many in unrolled.items())}]"
    if not missing:
        yield "  temporal_ordering:" + ("" if any(ordering(mapped)) else " []")
        yield from (f"    - [{NAMES[dim]}, {trips}]" for dim, trips in ordering(mapped))
    yield LINKS


def spatial(mapped: MappedNest) -> dict[int, dict[str, int]]:
    """Unrolled dimensions by side, the first 1."""
    found: dict[int, dict[str, int]] = {}
    for dim, (side, many) in mapped.priced.nest.unroll.items():
        if many > 1:
            found.setdefault(side + 1, {})[dim] = many
    return dict(sorted(found.items()))


def ordering(mapped: MappedNest) -> Iterator[tuple[str, int]]:
    """Loops in time of more than one trip, innermost first."""
    for step in reversed(steps(mapped)):
        if step.kind == "temporal":
            yield from ((dim, step.factors[dim][0]) for dim in reversed(step.order) if step.factors[dim][0] > 1)


def inexpressible(mapped: MappedNest) -> tuple[str, ...]:
    """What ZigZag's format has no words for; empty where the order can be written."""
    found = [
        f"loop {dim} of {trips} trips has {last} in its last tile: no temporal_ordering"
        for step in steps(mapped)
        if step.kind == "temporal"
        for dim, (trips, last) in step.factors.items()
        if trips != last
    ]
    if found:
        return tuple(found)
    return tuple(
        f"{dim} takes {made} steps where ZigZag counts {asked}: no temporal_ordering"
        for dim, made, asked in compared(mapped)
        if made != asked
    )


def compared(mapped: MappedNest) -> Iterator[tuple[str, int, int]]:
    """Per dimension, the steps of a nest, and those that ZigZag asks for: the extent over the elements, rounded up."""
    made = dict.fromkeys(NAMES, 1)
    for dim, trips in ordering(mapped):
        made[dim] *= trips
    for dim, size in extents(mapped.priced.layer).items():
        many = mapped.priced.nest.unroll.get(dim, (0, 1))[1]
        yield dim, made[dim], -(-size // many)


def rounded(mapped: MappedNest) -> Iterator[str]:
    """Unrolled dimensions that leave elements idle in the last step: ZigZag counts these as busy."""
    whole = extents(mapped.priced.layer)
    for dim, (_, many) in mapped.priced.nest.unroll.items():
        if whole[dim] % many:
            yield f"{dim} of {whole[dim]} over {many} elements is no whole number: ZigZag counts the last step as full"
