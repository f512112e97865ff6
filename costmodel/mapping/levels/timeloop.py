"""A loop nest in Timeloop's mapping format: one file per layer.

Factors that do not divide are written ``K=4,3``: four trips, three in the last tile, as in Ruby. Names are those of Timeloop's
convolution problem, in which ``P`` and ``R`` run along the width, ``Q`` and ``S`` along the height.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from costmodel.errors import MappingError
from costmodel.mapping.levels.hierarchy import OPERANDS
from costmodel.mapping.levels.loopnest import extents
from costmodel.mapping.levels.steps import Step, steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costmodel.mapping.levels.mapped import MappedNest

NAMES: Final = {"n": "N", "g": "G", "k": "M", "c": "C", "p": "Q", "q": "P", "r": "S", "s": "R"}
SPACES: Final = {"weight": "Weights", "ifmap": "Inputs", "ofmap": "Outputs"}
MOST_SIDES: Final = 2
NOTES: Final = (
    "P and R run along the width, Q and S along the height, as in Timeloop's convolution problem.",
    "Timeloop fetches padding, and keeps no overlap of tiles that the order lets this nest keep: its counts can be higher.",
)


def timeloop_text(mapped: MappedNest, title: str) -> str:
    """Write one mapping as YAML.

    Raises
    ------
    MappingError
        The array has more sides than Timeloop's meshes.
    """
    sides = mapped.priced.hierarchy.sides
    if len(sides) > MOST_SIDES:
        raise MappingError(
            f"{title}: the array has {len(sides)} sides ({', '.join(side.name for side in sides)}) and Timeloop's at most "
            f"{MOST_SIDES}; export it as json"
        )
    sizes = " ".join(f"{NAMES[dim]}={size}" for dim, size in extents(mapped.priced.layer).items())
    return "\n".join([*(f"# {line}" for line in (ascii_text(title), sizes, *NOTES)), "mapping:", *directives(mapped), ""])


def ascii_text(text: str) -> str:
    """A name without characters that end a comment."""
    return json.dumps(text)[1:-1]


def directives(mapped: MappedNest) -> Iterator[str]:
    """Every directive: what a store keeps, then loops, from the outside in."""
    for number, store in enumerate(mapped.priced.hierarchy.stores):
        held = [operand for operand in store.holds if number == 0 or operand not in mapped.priced.nest.passes_by(number - 1)]
        keep = ", ".join(SPACES[operand] for operand in OPERANDS if operand in held)
        past = ", ".join(SPACES[operand] for operand in OPERANDS if operand not in held)
        yield f"  - {{target: {json.dumps(store.name)}, type: datatype, keep: [{keep}], bypass: [{past}]}}"
    grouped = mapped.priced.layer.g > 1
    for step in steps(mapped):
        name = json.dumps(mapped.priced.hierarchy.stores[step.store].name)
        order, split = inside_out(mapped, step)
        shown = [dim for dim in order if grouped or dim != "g"]
        counts = " ".join(f"{NAMES[dim]}={factor_text(*step.factors[dim])}" for dim in shown)
        permutation = "".join(NAMES[dim] for dim in shown)
        along = f", split: {split - (not grouped and 'g' in order[:split])}" if step.kind == "spatial" else ""
        yield f'  - {{target: {name}, type: {step.kind}, factors: "{counts}", permutation: {json.dumps(permutation)}{along}}}'


def factor_text(trips: int, last: int) -> str:
    """A factor, and that of the last tile where it is another.

    >>> factor_text(4, 4), factor_text(4, 3)
    ('4', '4,3')
    """
    return str(trips) if trips == last else f"{trips},{last}"


def inside_out(mapped: MappedNest, step: Step) -> tuple[tuple[str, ...], int]:
    """Dimensions innermost first, and how many of them lie along X: the last side of the array, its columns."""
    if step.kind == "temporal":
        return step.order[::-1], 0
    last = len(mapped.priced.hierarchy.sides) - 1
    along_x = [dim for dim, (side, _) in mapped.priced.nest.unroll.items() if side == last]
    return (*along_x, *(dim for dim in step.order if dim not in along_x)), len(along_x)
