"""What a run is: written beside its parts, so that only the same run is continued."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from costmodel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

NAME: Final = "_run.json"
"""Readers of Parquet skip names with an underscore in front."""
LOCK: Final = "_run.lock"
FORMAT: Final = 1
PLACED: Final = ("network", "hardware")
"""Fields of a space that may be paths."""


@dataclass(frozen=True)
class Manifest:
    """A run: its space, what is computed, how it is cut into chunks, and whether it is finished.

    ``version`` is that of this package, ``space`` the definition, ``digest`` that of the space with the files that it names.
    """

    version: str
    space: Mapping[str, Any]
    digest: str
    metrics: tuple[str, ...]
    points: int
    chunk_points: int
    finished: bool = False
    rows: int = 0
    problems: int = 0
    format: int = FORMAT

    def text(self) -> bytes:
        """The manifest as a file."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()

    def ended(self, rows: int, problems: int) -> Manifest:
        """The manifest of the run when all parts are there."""
        return replace(self, finished=True, rows=rows, problems=problems)


def read(directory: Path) -> Manifest | None:
    """The manifest of a directory, None where there is none.

    Raises
    ------
    InputError
        A file that is no manifest, or one of another format.
    """
    file = directory / NAME
    try:
        found = json.loads(file.read_bytes())
        if found.get("format") != FORMAT:
            given = found.get("format")
            raise InputError(f"{file}: has format {given!r}; this version of costmodel continues format {FORMAT}")
        return Manifest(**{**found, "metrics": tuple(found["metrics"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{file}: is no manifest of a run ({error}); give another -o") from None


def changes(before: Manifest, now: Manifest) -> Iterator[str]:
    """What makes a run another one than that of the directory; one sentence each, none where it is the same."""
    if before.version != now.version:
        yield f"costmodel was {before.version} and is {now.version}"
    elif before.digest != now.digest:
        said = differences(without_places(before.space), without_places(now.space))
        yield f"the space has changed in {', '.join(said) or 'a file of a network or of the hardware'}"
    if before.metrics != now.metrics:
        yield f"the metrics were {', '.join(before.metrics)} and are {', '.join(now.metrics)}"
    if before.chunk_points != now.chunk_points:
        yield f"chunks were of {before.chunk_points} points and are of {now.chunk_points}"


def differences(before: Mapping[str, Any], now: Mapping[str, Any], within: str = "") -> Sequence[str]:
    """Names of what differs, those of an inner mapping with a dot.

    >>> differences({"batch": 1, "axes": {"a": [1], "b": [2]}}, {"batch": 1, "axes": {"a": [1], "b": [3]}})
    ['axes.b']
    """
    found: list[str] = []
    for key in sorted({*before, *now}):
        one, two = before.get(key), now.get(key)
        if one == two:
            continue
        nested = isinstance(one, dict) and isinstance(two, dict)
        found += differences(one, two, f"{within}{key}.") if nested else [f"{within}{key}"]  # type: ignore[arg-type]  # mappings
    return found


def without_places(space: Mapping[str, Any]) -> dict[str, Any]:
    """A space without where its files are, which its digest does not depend on either."""
    return {key: value for key, value in space.items() if key not in PLACED}


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory for one run at a time, on systems and file systems that have locks; a killed run lets go.

    Raises
    ------
    InputError
        Another run writes there.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    with (directory / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{directory}: another run is writing there; wait until it ends, or stop it") from None
        except OSError:
            pass  # a file system without locks: whoever starts two runs on one directory gets each part twice, and one kept
        yield
