"""The designs that no other one beats: exact fronts of a table of figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.analysis import SCHEMA_VERSION
from costmodel.errors import InputError
from costmodel.explore.evaluate import POINT, PROBLEM
from costmodel.explore.libraries import library
from costmodel.explore.objectives import columns_of, metric
from costmodel.explore.ranking import UNRANKED, ranks
from costmodel.explore.uncertainty import Uncertainty, candidates, checked, shares
from costmodel.results import Recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from costmodel.explore.space import DesignSpace

    Floats = NDArray[np.float64]

RANK: Final = "rank"
SHARE: Final = "front_share"
CERTAIN: Final = "certain"
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
        then ``rank``, 0 for rows that no other row dominates, -1 beyond the fronts asked for, and where constants were varied
        ``front_share``, the share of their samples in which no other row dominates it, and ``certain``, whether that is all of
        them or none. Rows that are on the front in some sample are there whatever their rank.
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
        names = [str(name) for name in self.frame]
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


def checked_by(
    frame: pd.DataFrame, by: str | Iterable[str], maximise: str | Iterable[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
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


def pareto_of(
    frame: pd.DataFrame,
    by: str | Iterable[str],
    maximise: str | Iterable[str] = (),
    fronts: int | None = 1,
    space: DesignSpace | None = None,
    uncertainty: Uncertainty | None = None,
) -> Front:
    """The rows that no other row dominates; see :func:`costmodel.pareto`."""
    names, more = checked_by(frame, by, maximise)
    if fronts is not None and fronts < 1:
        raise InputError(f"pareto: {fronts} fronts asked for; give 1 or more")
    values, priced = compared(frame, names)
    figures = Figures(names, tuple(name in more for name in names), values[priced])
    rank = ranks(figures.values, figures.maximise, fronts)
    columns: dict[str, NDArray[Any]] = {RANK: rank}
    if space is not None:
        uncertainty = checked(uncertainty or Uncertainty())
        share = front_shares(figures, rank, points_of(frame, space)[priced], space, uncertainty)
        columns |= {SHARE: share, CERTAIN: (share == 0) | (share == 1)}
    kept = (rank != UNRANKED) | (columns.get(SHARE, np.zeros(1)) > 0)
    chosen = frame.iloc[priced[kept]].assign(**{name: column[kept] for name, column in columns.items()})
    ordered = chosen.iloc[np.lexsort([*figures.losses[kept].T[::-1], np.where(rank < 0, len(rank), rank)[kept]])]
    return Front(names, more, ordered, priced.size, len(values) - priced.size, uncertainty if space else None)


def compared(frame: pd.DataFrame, names: Sequence[str]) -> tuple[Floats, NDArray[np.int64]]:
    """Figures of every row (rows, names), and the rows where none is missing.

    Raises
    ------
    InputError
        There are none.
    """
    if not len(frame):
        raise InputError("pareto: the table has no rows; price some designs first, as costmodel sweep does")
    values = np.column_stack(list(columns_of(frame, names, "pareto").values()))
    priced = np.flatnonzero(~np.isnan(values).any(axis=1))
    if not priced.size:
        raise InputError(
            f"pareto: none of the {len(values)} rows of the table has {' and '.join(names)}; price some designs first"
        )
    return values, priced


@dataclass(frozen=True)
class Figures:
    """Figures that are compared: names, whether more is better, and values (rows, names)."""

    names: tuple[str, ...]
    maximise: tuple[bool, ...]
    values: Floats

    @property
    def losses(self) -> Floats:
        """Values of which less is better."""
        return np.where(self.maximise, -self.values, self.values)


def front_shares(
    figures: Figures, rank: NDArray[np.int64], points: NDArray[np.int64], space: DesignSpace, uncertainty: Uncertainty
) -> Floats:
    """Share of the samples in which each row is on the front; 0 for rows that are too far from it to be looked at."""
    looked_at = candidates(figures.losses, rank != UNRANKED, uncertainty.near)
    by = {name: column[looked_at] for name, column in zip(figures.names, figures.values.T, strict=True)}
    found = np.zeros(len(rank))
    found[looked_at] = shares(space, points[looked_at], by, figures.maximise, uncertainty)
    return found


def points_of(frame: pd.DataFrame, space: DesignSpace) -> NDArray[np.int64]:
    """Indices of the points of a space that the rows of a table are.

    Raises
    ------
    InputError
        It has no column of them, or one of other numbers.
    """
    if POINT not in frame:
        raise InputError(f"pareto: no column {POINT}, so rows are not found in {space.name}; leave the space out")
    points = columns_of(frame, [POINT], "pareto")[POINT]
    if not ((points >= 0) & (points < space.size) & (points == np.rint(points))).all():
        raise InputError(f"pareto: column {POINT} has numbers that are no points of {space.name}; give the space it is of")
    return points.astype(np.int64)


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
        return comma_separated(file) if kind == ".csv" else parquet(file)
    except pd.errors.EmptyDataError:
        raise InputError(f"{file}: is empty; give a table with a line of column names") from None
    except (ValueError, UnicodeError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{file}: is no readable {kind.lstrip('.') or 'Parquet'} table: {reason}") from None


def comma_separated(file: Path) -> pd.DataFrame:
    """A CSV file; a problem that is empty is none."""
    import pandas as pd

    frame = pd.read_csv(file)
    return frame.assign(**{PROBLEM: frame[PROBLEM].astype("object").fillna("")}) if PROBLEM in frame else frame


def parquet(file: Path) -> pd.DataFrame:
    """A Parquet file, or all files of a directory of them."""
    dataset = library("pyarrow.dataset")
    if file.is_dir() and not any(file.rglob("*.parquet")):
        raise InputError(f"{file}: holds no .parquet files; give a directory that costmodel sweep wrote")
    frame: pd.DataFrame = dataset.dataset(file, format="parquet").to_table().to_pandas()
    return frame
