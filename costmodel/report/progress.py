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
    ('', '3 with a problem')
    """
    return f"{count:,} with a problem" if count else ""
