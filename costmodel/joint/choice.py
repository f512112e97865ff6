"""Which objective layers are mapped for, as the user asks for it or the profile declares it."""

from __future__ import annotations

from importlib.util import find_spec
from math import isfinite
from typing import TYPE_CHECKING, Final, cast

from costmodel.errors import InputError
from costmodel.hardware.profile import OBJECTIVES, did_you_mean

if TYPE_CHECKING:
    from costmodel.hardware.profile import Objective

NO_OBJECTIVE: Final = "none"
"""Each boundary between memories by itself, whatever the profile declares."""


def checked_objective(given: str) -> Objective | None:
    """Return an objective that a user gave; None for ``none``.

    Raises
    ------
    InputError
        A word that is none of them, or no Numba: interpreted, a search through all memories takes hours.
    """
    known = (*OBJECTIVES, NO_OBJECTIVE)
    if given not in known:
        raise InputError(f"objective: {given!r} is not known{did_you_mean(given, known)}: use one of {', '.join(known)}")
    if given == NO_OBJECTIVE:
        return None
    if not is_compiled():
        raise InputError(f"objective: {given} needs Numba, which compiles the search: pip install 'nn-costmodel[fast]'")
    return cast("Objective", given)


def is_compiled() -> bool:
    """Whether Numba is there to compile the search."""
    return find_spec("numba") is not None


def checked_time_limit(time_limit_s: float | None) -> float | None:
    """Refuse a time that is no positive number of seconds."""
    if time_limit_s is None:
        return None
    if isinstance(time_limit_s, bool) or not isinstance(time_limit_s, int | float) or not time_limit_s > 0:
        raise InputError(f"time limit: {time_limit_s!r} given; give a positive number of seconds")
    if not isfinite(time_limit_s):
        raise InputError(f"time limit: {time_limit_s!r} given; leave it out to search without a limit")
    return float(time_limit_s)
