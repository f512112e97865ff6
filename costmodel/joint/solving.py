"""The search, asked once for every distinct layer of a process."""

from __future__ import annotations

import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeAlias

from costmodel.errors import MappingError, PinError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.joint.tasks import Task
    from costmodel.mapping import Layer
    from costmodel.mapping.levels.hierarchy import Fixed
    from costmodel.mapping.levels.pins import Pins
    from costmodel.mapping.levels.search import Found

    Question: TypeAlias = tuple[str, str, Layer, Fixed, Pins]

MOST_ANSWERS: Final = 4096
LEAST_TIME_S: Final = 1e-3
"""What a search is given where the time is over: it returns the best that it sees at once."""

ANSWERS: Final[OrderedDict[Question, Found]] = OrderedDict()
"""Optima that were proved in this process, the latest last."""


def solved(tasks: Sequence[Task], objective: str, time_limit_s: float | None = None) -> list[Found]:
    """Return the best mapping of every task for an objective, each distinct layer searched once.

    Parameters
    ----------
    tasks
        What to map.
    objective
        ``energy``, ``latency``, ``edp`` or ``dram_bytes``.
    time_limit_s
        For all of them together [s]; without bound where None.

    Raises
    ------
    MappingError
        Every layer that fits nowhere.
    PinError
        Pins that contradict one another, or that no mapping of a layer satisfies.
    """
    ends = None if time_limit_s is None else monotonic() + time_limit_s
    names = {id(task.hierarchy): repr(task.hierarchy) for task in tasks}
    asked: list[Question] = [(names[id(task.hierarchy)], objective, task.layer, task.fixed, task.pins) for task in tasks]
    refuse(asked, tasks)
    found = {question: ANSWERS[question] for question in asked if question in ANSWERS}
    found |= searched({q: task for q, task in zip(asked, tasks, strict=True) if q not in found}, objective, ends)
    keep(found)
    return [found[question] for question in asked]


def refuse(asked: Sequence[Question], tasks: Sequence[Task]) -> None:
    """Refuse pins before anything is searched: each problem once, with the layers that have it."""
    named: dict[str, list[str]] = {}
    known: dict[Question, tuple[str, ...]] = {}
    for question, task in zip(asked, tasks, strict=True):
        if question not in known:
            known[question] = problems_of(task)
        for problem in known[question]:
            named.setdefault(problem, []).append(task.name)
    if named:
        raise PinError(*(f"{several(names)}: {problem}" for problem, names in named.items()))


def problems_of(task: Task) -> tuple[str, ...]:
    """What is wrong with the pins of a task."""
    from costmodel.mapping.levels.pin_problems import refuse_pins

    try:
        refuse_pins(task.layer, task.hierarchy, task.pins)
    except PinError as error:
        return error.problems
    return ()


def several(names: Sequence[str]) -> str:
    """Some names, and how many more there are.

    >>> several(["conv1"]), several(["a", "b", "c", "d", "e"])
    ('conv1', 'a, b, c and 2 more')
    """
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def searched(missing: dict[Question, Task], objective: str, ends: float | None) -> dict[Question, Found]:
    """Search for what is not known yet, each layer in its share of the time until the clock shows ``ends``.

    As many layers at a time as there are processors: most of a search is compiled, and lets others run.
    """
    tasks = list(missing.values())
    threads = max(min(processors(), len(tasks)), 1)

    def attempt(number: int) -> Found | tuple[str, ...]:
        """The best mapping of a task, of those at a time its share of what time is left."""
        left_s = None if ends is None else ends - monotonic()
        share = None if left_s is None else max(left_s * min(threads / (len(tasks) - number), 1), LEAST_TIME_S)
        return attempted(tasks[number], objective, share)

    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(attempt, range(len(tasks))))
    problems = [problem for answer in answers if isinstance(answer, tuple) for problem in answer]
    if problems:
        raise MappingError(*problems)
    return {question: answer for question, answer in zip(missing, answers, strict=True) if not isinstance(answer, tuple)}


def attempted(task: Task, objective: str, time_limit_s: float | None) -> Found | tuple[str, ...]:
    """The best mapping of a task, or why there is none."""
    from costmodel.mapping.levels.search import search

    try:
        (found,) = search([task.layer], task.hierarchy, objective, task.fixed, time_limit_s, task.pins)
    except MappingError as error:
        return tuple(f"{task.name}: {problem}" for problem in error.problems)
    return found


def processors() -> int:
    """Processors that this process may use.

    >>> processors() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def keep(found: dict[Question, Found]) -> None:
    """Remember what was proved optimal, and forget the oldest beyond a bound."""
    for question, answer in found.items():
        if answer.optimal:
            ANSWERS[question] = answer
            ANSWERS.move_to_end(question)
    while len(ANSWERS) > MOST_ANSWERS:
        ANSWERS.popitem(last=False)
