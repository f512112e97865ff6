"""What "activation memory" means: three conventions by name, each with what is copied and what is written in place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from costmodel.errors import InputError
from costmodel.graph.rows import IN_PLACE, VIEW

if TYPE_CHECKING:
    from collections.abc import Mapping

ORDERS: Final = ("program", "least")


@dataclass(frozen=True)
class Convention:
    """How activation memory is counted.

    Attributes
    ----------
    name, meaning
        Its name, and what its figure is.
    overwrites
        Whether element-wise layers write over an input that dies there.
    joins
        Whether a concatenation is written in place by the layers that compute its inputs.
    views
        Whether reshapes, slices and other views share the memory of their input.
    alignment_bytes
        What addresses and sizes are multiples of [B].
    """

    name: str
    meaning: str
    overwrites: bool
    joins: bool
    views: bool
    alignment_bytes: int

    @property
    def copied(self) -> frozenset[str]:
        """Rules by which a layer is free in the table, but not here."""
        return frozenset(rule for rule, granted in ((IN_PLACE, self.joins), (VIEW, self.views)) if not granted)


CONVENTIONS: Final[Mapping[str, Convention]] = {
    found.name: found
    for found in (
        Convention("live", "the most memory alive at once", True, True, True, 1),
        Convention("in_out", "the largest inputs plus outputs of one layer", False, True, True, 1),
        Convention("arena", "the addresses that TensorFlow Lite for Microcontrollers would use", False, False, False, 16),
    )
}


def convention(name: str, in_place: str | None = None) -> Convention:
    """A convention by its name, with what is written in place replaced where ``in_place`` says so.

    Parameters
    ----------
    name
        ``live``, ``in_out`` or ``arena``.
    in_place
        ``none``, ``elementwise``, ``concat`` or ``all``; the convention's own where None.

    Raises
    ------
    InputError
        No such name.

    Examples
    --------
    >>> convention("arena").joins, convention("arena", "concat").joins
    (False, True)
    """
    found = CONVENTIONS[checked(name, tuple(CONVENTIONS), "convention")]
    if in_place is None:
        return found
    chosen = checked(in_place, tuple(IN_PLACES), "in_place")
    overwrites, joins = IN_PLACES[chosen]
    return replace(found, overwrites=overwrites, joins=joins)


IN_PLACES: Final = {"none": (False, False), "elementwise": (True, False), "concat": (False, True), "all": (True, True)}
"""What is written in place: element-wise layers, concatenations."""


def checked(name: str, known: tuple[str, ...], option: str) -> str:
    """Refuse a name that is not among those known."""
    if name not in known:
        raise InputError(f"{option}: {name!r} is not known; use one of {', '.join(known)}")
    return name
