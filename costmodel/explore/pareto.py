"""The designs that no other one beats: exact fronts of a table of figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.analysis import SCHEMA_VERSION
from costmodel.errors import InputError
from costmodel.explore.libraries import library
from costmodel.explore.objectives import columns_of, metric
from costmodel.results import Recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from costmodel.explore.uncertainty import Uncertainty

    Floats = NDArray[np.float64]

RANK: Final = "rank"
SHARE: Final = "front_share"
CERTAIN: Final = "certain"
UNRANKED: Final = -1
"""Rank of a row whose front was not asked for, or that has no figures."""
TABLES: Final = (".csv", ".parquet")


@dataclass(frozen=True, repr=False)
class Front(Recorded):
    """The best rows of a table.

    Attributes
    ----------
    by, maximise
        Columns that are compared, and those of them of which more is better.
    frame
        The rows of the fronts asked for, by rank and then by the columns compared, with their index and all their columns;
        then ``rank``, 0 for rows that no other row dominates, and where constants were varied ``front_share``, the share of
        their samples in which no other row dominates it, and ``certain``, whether that is all of them or none.
    rows
        Rows that were compared.
    unpriced
        Rows that were left out, since a figure is missing.
    uncertainty
        How constants were varied, None where they were not.
    """

    by: tuple[str, ...]
    maximise: tuple[str, ...]
    frame: pd.DataFrame
    rows: int
    unpriced: int
    uncertainty: Uncertainty | None = None

    def records(self) -> list[dict[str, Any]]:
        """One record per row, plain Python values."""
        names = list(self.frame)
        columns = [self.frame[name].tolist() for name in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def to_frame(self) -> pd.DataFrame:
        """The rows with their index."""
        return self.frame

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with ``schema_version``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "by": list(self.by),
            "maximise": list(self.maximise),
            "rows": self.rows,
            "unpriced": self.unpriced,
            "uncertainty": self.uncertainty.to_dict() if self.uncertainty else None,
            "front": self.records(),
        }


def ranks(values: Floats, maximise: Sequence[bool], fronts: int | None = None) -> NDArray[np.int64]:
    """Rank of every row under exact non-dominated sorting, equal rows alike.

    A row dominates another if it is no worse in any column and better in one. Rank 0 are the rows that none dominates,
    rank ``r`` those that only rows of smaller rank dominate.

    Parameters
    ----------
    values
        One row per design, one column per objective, none missing.
    maximise
        For every column whether more is better.
    fronts
        How many ranks are told apart; all where None, which takes a time quadratic in the rows for three columns or more.

    Returns
    -------
    numpy.ndarray
        int64, one per row; -1 where the rank is ``fronts`` or more.

    Examples
    --------
    >>> ranks(np.array([[1.0, 3.0], [2.0, 2.0], [2.0, 3.0]]), [False, False]).tolist()
    [0, 0, 1]
    """
    moocore = library("moocore")
    least = np.where(maximise, -values, values)  # moocore 0.3.2 maximises a single column whatever it is told
    if fronts is None:
        return np.asarray(moocore.pareto_rank(least), dtype=np.int64)
    found = np.full(len(values), UNRANKED, dtype=np.int64)
    left = np.arange(len(values))
    for rank in range(fronts):
        if not left.size:
            break
        best = moocore.is_nondominated(least[left], keep_weakly=True)
        found[left[best]] = rank
        left = left[~best]
    return found


def checked_by(frame: pd.DataFrame, by: str | Iterable[str], maximise: str | Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns that are compared and those of them that are maximised, by their full names.

    Raises
    ------
    InputError
        None given, one given twice, or one that is maximised and not compared.
    """
    names, more = (split(given, frame) for given in (by, maximise))
    problems = [f"pareto: {name} is given twice; give it once" for name in sorted({n for n in names if names.count(n) > 1})]
    problems += [f"pareto: {name} is to be maximised, but not compared; add it to --by" for name in more if name not in names]
    if not names:
        problems.append("pareto: nothing to compare; give columns, such as --by params,energy")
    if problems:
        raise InputError(*problems)
    return names, more


def split(names: str | Iterable[str], frame: pd.DataFrame) -> tuple[str, ...]:
    """Names of columns, short ones in full unless the frame has a column of that name."""
    given = names.split(",") if isinstance(names, str) else names
    stripped = [name.strip() for name in given if name.strip()]
    return tuple(name if name in frame else metric(name) for name in stripped)


def pareto_of(frame: pd.DataFrame, by: str | Iterable[str], maximise: str | Iterable[str] = (), fronts: int | None = 1) -> Front:
    """The rows that no other row dominates; see :func:`costmodel.pareto`."""
    names, more = checked_by(frame, by, maximise)
    if fronts is not None and fronts < 1:
        raise InputError(f"pareto: {fronts} fronts asked for; give 1 or more")
    values = np.column_stack(list(columns_of(frame, names, "pareto").values()))
    priced = np.flatnonzero(~np.isnan(values).any(axis=1))
    if not priced.size:
        what = f"none of its {len(values)} rows has {' and '.join(names)}" if len(values) else "it has no rows"
        raise InputError(f"pareto: {what}; price some designs first, as costmodel sweep does")
    rank = ranks(values[priced], [name in more for name in names], fronts)
    kept = priced[rank != UNRANKED]
    chosen = frame.iloc[kept].assign(**{RANK: rank[rank != UNRANKED]})
    ordered = chosen.sort_values([RANK, *names], kind="stable")
    return Front(names, more, ordered, priced.size, len(values) - priced.size)


def read_table(path: str | Path) -> pd.DataFrame:
    """A table of figures from a CSV file, a Parquet file, or a directory of Parquet files as ``costmodel sweep -o`` writes it.

    Raises
    ------
    InputError
        No such file, another kind of file, or one that cannot be read.
    """
    import pandas as pd

    file = Path(path)
    if not file.exists():
        raise InputError(f"{file}: does not exist; give a table that costmodel sweep wrote, or a .csv or .parquet of yours")
    kind = file.suffix.lower()
    if kind not in TABLES and not file.is_dir():
        raise InputError(f"{file}: is neither .csv nor .parquet; give a table in one of these")
    try:
        return pd.read_csv(file) if kind == ".csv" else parquet(file)
    except pd.errors.EmptyDataError:
        raise InputError(f"{file}: is empty; give a table with a line of column names") from None
    except (ValueError, UnicodeError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{file}: is no readable {kind.lstrip('.') or 'Parquet'} table: {reason}") from None


def parquet(file: Path) -> pd.DataFrame:
    """A Parquet file, or all files of a directory of them."""
    dataset = library("pyarrow.dataset")
    if file.is_dir() and not any(file.rglob("*.parquet")):
        raise InputError(f"{file}: holds no .parquet files; give a directory that costmodel sweep wrote")
    frame: pd.DataFrame = dataset.dataset(file, format="parquet").to_table().to_pandas()
    return frame
