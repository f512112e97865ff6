"""What a run has found of layers, beside its parts: a run that is killed and goes on does not map them again."""

from __future__ import annotations

import zipfile
from io import BytesIO
from time import monotonic
from typing import TYPE_CHECKING, Final

import numpy as np

from costmodel.errors import InputError
from costmodel.joint.answers import answer_columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Keys = NDArray[np.uint64]

PATTERN: Final = "_mapped-*.npz"
"""Readers of Parquet skip names with an underscore in front."""
EVERY_S: Final = 15.0
"""Time after which what was found is written: a killed run loses no more work than that."""


class Kept:
    """Files of layers in the directory of a run; they are removed when the run is finished.

    Parameters
    ----------
    directory
        The directory.
    levels
        The most memories that a machine of the space has.
    write
        Writes a file, whole or not at all.
    """

    def __init__(self, directory: Path, levels: int, write: Callable[[Path, bytes], None]) -> None:
        self.directory, self.levels, self.write = directory, levels, write
        self.keys: list[Keys] = []
        self.found: list[Floats] = []
        self.since = monotonic()

    def add(self, keys: Keys, found: Floats) -> None:
        """Keep layers; now and then they are written."""
        self.keys.append(keys)
        self.found.append(found)
        if monotonic() - self.since >= EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet."""
        if self.keys:
            data = BytesIO()
            np.savez(data, keys=np.concatenate(self.keys), found=np.concatenate(self.found))
            self.write(self.directory / f"_mapped-{self.last() + 1:06d}.npz", data.getvalue())
        self.keys, self.found, self.since = [], [], monotonic()

    def last(self) -> int:
        """Number of the last file, 0 where there is none."""
        return max((int(file.stem.rpartition("-")[2]) for file in self.directory.glob(PATTERN)), default=0)

    def load(self) -> tuple[Keys, Floats]:
        """All layers that are kept, each once.

        Raises
        ------
        InputError
            A file that is none of these.
        """
        read = [self.read(file) for file in sorted(self.directory.glob(PATTERN))]
        if not read:
            return np.zeros((0, 2), dtype=np.uint64), np.zeros((0, answer_columns(self.levels)))
        keys, found = (np.concatenate(parts) for parts in zip(*read, strict=True))
        _, first = np.unique(keys, axis=0, return_index=True)
        return keys[first], found[first]

    def read(self, file: Path) -> tuple[Keys, Floats]:
        """The layers of a file."""
        try:
            with np.load(file, allow_pickle=False) as arrays:
                keys, found = arrays["keys"], arrays["found"]
            good = keys.dtype == np.uint64 and keys.shape == (len(found), 2) and found.dtype == np.float64
            if not good or found.shape[1:] != (answer_columns(self.levels),):
                raise ValueError("it does not hold what a run keeps of layers")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{file}: is damaged ({error}); delete it and run again with --resume") from None
        return keys, found

    def remove(self) -> None:
        """Remove the files of a run that is finished."""
        for file in self.directory.glob(PATTERN):
            file.unlink(missing_ok=True)
