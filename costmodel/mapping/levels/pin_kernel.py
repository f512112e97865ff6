"""What pins leave of a tile, and whether a block stands by them: compiled, and called for every step of the search.

Levels, dimensions and the record ``w`` are those of :mod:`costmodel.mapping.levels.arrays`; what pins mean is in
``docs/models/mapping.md``. Imported only when a search runs: compiling it loads Numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.mapping.levels.compiled import lean
from costmodel.mapping.levels.costs import is_free

if TYPE_CHECKING:
    Work = Any  # a record


@lean
def pinned(w: Work, level: int, dim: int, size: int, inside: int, factor: int) -> int:
    """Next smaller number of inner tiles in a tile that is pinned, or part of one that is; 0 after the last and to begin with.

    ``size`` is the inner tile and ``inside`` how many there are. None is left out for having the trips of a smaller one: a
    multiple of it may be what is pinned.
    """
    pin = w.pin[level, dim]
    if pin > 0:
        if factor > 0:
            return 0
        if pin == w.extent[dim]:
            return inside
        return pin // size if pin % size == 0 else 0
    most = w.within[level, dim] // size
    if w.within[level, dim] % size != 0:
        return 0
    factor = most if factor == 0 else factor - 1
    while factor > 0 and most % factor != 0:
        factor -= 1
    return factor


@lean
def lost(w: Work, level: int) -> bool:
    """Whether the blocks around the tiles of a level can no longer leave in place what is to stay, whatever is undecided.

    They are the block inside it, and, for the outermost level, the one outside.
    """
    if level < w.last and moves(w, level + 1, w.tile[level]):
        return True
    return level == 1 and moves(w, 1, w.extent)


@lean
def moves(w: Work, block: int, outer: Any) -> bool:  # noqa: ANN401  # an array; Numba infers it
    """Whether a block has loops, and can have none that the operand which is to stay does not depend on."""
    operand = w.keep[block]
    if operand < 0:
        return False
    looped = False
    for dim in range(8):
        inner, free = w.tile[block, dim], is_free(operand, dim)
        if w.extent[dim] == 1:
            continue
        undecided = inner == 0 or outer[dim] == 0
        if free and (undecided or inner < outer[dim]):
            return False
        looped = looped or (not undecided and inner < outer[dim])
    return looped
