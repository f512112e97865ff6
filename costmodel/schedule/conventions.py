"""What "activation memory" means: conventions by name, each with what it takes to be written in place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from costmodel.errors import InputError
from costmodel.graph.rows import IN_PLACE, VIEW

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ORDERS: Final = ("program", "least")
PLACES: Final = {
    "elementwise": "element-wise layers",
    "concat": "concatenations",
    "view": "views",
    "depthwise": "depthwise convolutions",
    "layer": "every layer",
    "pool": "pools behind a convolution",
}
"""What may be written in place:

- ``elementwise``: over an input of the same size that dies;
- ``concat``: by the layers that compute its inputs;
- ``view``: reshapes and slices share the memory of their input;
- ``depthwise``, ``layer``: over the input, so that only the larger of both counts;
- ``pool``: computed with the convolution before it, whose output is never stored.
"""
ONE_LAYER: Final = ("depthwise", "layer", "pool")
"""Those that only ``in_out`` knows, which looks at one layer at a time."""


@dataclass(frozen=True)
class Convention:
    """How activation memory is counted.

    Attributes
    ----------
    name, meaning
        Its name, and what its figure is.
    in_place
        What it takes to be written in place, names of :data:`PLACES` in their order.
    alignment_bytes
        What addresses and sizes are multiples of [B].
    """

    name: str
    meaning: str
    in_place: tuple[str, ...]
    alignment_bytes: int

    @property
    def overwrites(self) -> bool:
        """Whether element-wise layers write over an input that dies."""
        return "elementwise" in self.in_place

    @property
    def copied(self) -> frozenset[str]:
        """Rules by which a layer is free in the table, but not here."""
        rules = ("concat", IN_PLACE), ("view", VIEW)
        return frozenset(rule for place, rule in rules if place not in self.in_place)


CONVENTIONS: Final[Mapping[str, Convention]] = {
    found.name: found
    for found in (
        Convention("live", "the most memory alive at once", ("elementwise", "concat", "view"), 1),
        Convention("in_out", "the largest inputs plus outputs of one layer", ("concat", "view"), 1),
        Convention("arena", "the addresses that TensorFlow Lite for Microcontrollers would use", (), 16),
    )
}


def convention(name: str, in_place: Iterable[str] | None = None) -> Convention:
    """A convention by its name, with what is written in place replaced where that is given.

    Parameters
    ----------
    name
        ``live``, ``in_out`` or ``arena``.
    in_place
        Names of :data:`PLACES`; the convention's own where None.

    Raises
    ------
    InputError
        No such name, or not under this convention.

    Examples
    --------
    >>> convention("arena").in_place, convention("arena", ["view", "concat"]).in_place
    ((), ('concat', 'view'))
    """
    found = CONVENTIONS[checked(name, CONVENTIONS, "convention")]
    if in_place is None:
        return found
    chosen = {checked(place, PLACES, "in_place") for place in in_place}
    problems = [
        f"in_place: {place!r} is of one layer, and convention {name} looks at all of them; use it with in_out"
        for place in ONE_LAYER
        if place in chosen and name != "in_out"
    ]
    if problems:
        raise InputError(*problems)
    return replace(found, in_place=tuple(place for place in PLACES if place in chosen))


def parse_places(text: str) -> tuple[str, ...]:
    """What is written in place, separated by commas, or ``none``.

    >>> parse_places("elementwise,concat"), parse_places("none")
    (('elementwise', 'concat'), ())
    """
    return () if text == "none" else tuple(checked(part.strip(), PLACES, "--in-place") for part in text.split(","))


def checked(name: str, known: Iterable[str], option: str) -> str:
    """Refuse a name that is not among those known."""
    if name not in tuple(known):
        raise InputError(f"{option}: {name!r} is not known; use one of {', '.join(known)}")
    return name
