"""Libraries of others that some commands need and an installation may lack."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from costmodel.errors import InputError

EXTRAS: Final = {
    "moocore": "search",
    "nevergrad": "search",
    "optuna": "search",
    "pymoo": "search",
    "pyarrow": "sweep",
    "sklearn": "examples",
    "torch": "torch",
}
"""The extra that installs each library."""


def library(name: str) -> Any:  # noqa: ANN401 - a module
    """A module of a library that comes with an extra.

    Raises
    ------
    InputError
        It is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise
        raise InputError(f"{package} is not installed; pip install 'nn-costmodel[{EXTRAS[package]}]'") from None
