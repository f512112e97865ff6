"""How far a long run is, for whoever watches: a bar with the rate and the time left on stderr."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from costmodel.explore.run import RunReport


@contextmanager
def watched(*, shown: bool) -> Iterator[Callable[[RunReport], None]]:
    """What a run tells its progress to; nothing is drawn where nobody watches."""
    if not shown:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(), MofNCompleteColumn(), TextColumn("points"), TextColumn("{task.fields[rate]}"), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), TextColumn("[red]{task.fields[problems]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, rate="", problems="")

        def told(report: RunReport) -> None:
            speed = bar.tasks[0].speed
            bar.update(
                task, total=report.points, completed=report.done, rate=rate(speed), problems=problems(report.problems)
            )

        yield told


def rate(points_per_s: float | None) -> str:
    """A rate for people; nothing where it is not known yet.

    >>> rate(None), rate(12345.6)
    ('', '12,300/s')
    """
    return f"{float(f'{points_per_s:.3g}'):,.0f}/s" if points_per_s else ""


def problems(count: int) -> str:
    """How many rows have a problem.

    >>> problems(0), problems(3)
    ('', '3 without figures')
    """
    return f"{count:,} without figures" if count else ""


def summary(report: RunReport) -> str:
    """What a run left, in one line."""
    resumed = f", {report.resumed_parts:,} of them from before" if report.resumed_parts else ""
    problem = f"; {many(report.problems, 'row')} without figures, see the column problem" if report.problems else ""
    rows, points, parts = (
        many(count, noun) for count, noun in ((report.rows, "row"), (report.points, "point"), (report.parts, "part"))
    )
    return f"{report.path}: {rows} of {points} in {parts}{resumed}{problem}"


def many(count: int, noun: str) -> str:
    """A number of things, of which there may be millions.

    >>> many(1, "row"), many(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
