"""Where the shipped data is: inside an installed wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from costmodel.errors import InputError

_PACKAGE: Final = Path(__file__).resolve().parent
_IN_CHECKOUT: Final = {
    "nets": "nets",
    "hw_profiles": "hw_profiles",
    "link_profiles": "link_profiles",
    "sparsity": "sparsity",
    "published": "tests/published",
}


def data_dir(kind: str) -> Path:
    """Return the directory of the shipped "nets", "hw_profiles", "link_profiles", "sparsity" or "published" figures.

    Raises
    ------
    InputError
        An unknown kind, or an installation without its data.
    """
    if kind not in _IN_CHECKOUT:
        raise InputError(f"no shipped data called {kind!r}: choose one of {', '.join(_IN_CHECKOUT)}")
    places = (_PACKAGE / "_data" / kind, _PACKAGE.parent / _IN_CHECKOUT[kind])
    for place in places:
        if place.is_dir():
            return place
    looked = " and ".join(str(place) for place in places)
    raise InputError(f"the shipped {kind} are missing (looked in {looked}): install costmodel again")
