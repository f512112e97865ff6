"""A result as JSON: the whole of ``to_dict()``, the same bytes on every run."""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Protocol

    class Plain(Protocol):
        """A result that gives itself as plain data."""

        def to_dict(self) -> dict[str, Any]:
            """Return plain data."""


def json_text(result: Plain) -> str:
    """JSON of a result; ASCII, so that no name acts on a terminal; a ratio to zero is null, since JSON has no infinity."""
    return json.dumps(finite(result.to_dict()), indent=2, allow_nan=False) + "\n"


def finite(data: Any) -> Any:  # noqa: ANN401 - any plain data
    """The data, numbers that are not finite replaced by None.

    >>> finite({"ratio": float("inf"), "values": [1.0, float("nan")]})
    {'ratio': None, 'values': [1.0, None]}
    """
    match data:
        case dict():
            return {key: finite(value) for key, value in data.items()}
        case list() | tuple():
            return [finite(value) for value in data]
        case float() if not isfinite(data):
            return None
        case _:
            return data
