"""Distinct layers, written as columns, mapped: what each of them moves, or why it cannot be mapped."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.errors import MappingError
from costmodel.hardware.profile import OBJECTIVES
from costmodel.joint.columns import AT, FIXED, UNCOUNTED, amount_names
from costmodel.joint.costs import moved_by
from costmodel.joint.tasks import Task
from costmodel.mapping import Layer
from costmodel.mapping.levels.hierarchy import Fixed
from costmodel.mapping.levels.mapped import MappedNest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from costmodel.hardware.profile import Objective
    from costmodel.mapping.levels.hierarchy import Hierarchy
    from costmodel.mapping.levels.search import Found

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

LAYER: Final = tuple(one.name for one in fields(Layer))
OUTPUTS: Final = ("n", "g", "k", "p", "q")


def answer_columns(levels: int) -> int:
    """Columns of an answer on machines of at most so many memories: what is moved, and whether the layer could be mapped.

    >>> answer_columns(3)
    22
    """
    return len(list(amount_names(levels))) + 1


def answers(layers: Ints, hierarchies: Mapping[bytes, Hierarchy], levels: int) -> Floats:
    """Map distinct layers, each by itself.

    Parameters
    ----------
    layers
        Columns of :data:`costmodel.joint.columns.COLUMNS`, (M, columns).
    hierarchies
        Machines by their digest.
    levels
        The most memories that a machine of the design space has.

    Returns
    -------
    array (M, :func:`answer_columns`)
        What each moves, in the order of :func:`costmodel.joint.columns.amount_names` of its own machine; last whether it could
        be mapped.
    """
    found = np.zeros((len(layers), answer_columns(levels)))
    tasks = [task_of(layer, hierarchies) for layer in layers]
    for places in alike(layers):
        objective = objective_of(layers[places[0]])
        for place, one in zip(places, searched([tasks[at] for at in places], objective), strict=True):
            if one is not None:
                amounts = amounts_of(tasks[place], one, objective)
                found[place, : len(amounts)], found[place, -1] = amounts, 1.0
    return found


def alike(layers: Ints) -> Iterator[list[int]]:
    """Places of the layers of each machine and objective."""
    places: dict[tuple[bytes, str], list[int]] = {}
    for place, layer in enumerate(layers):
        places.setdefault((machine_digest(layer), objective_of(layer)), []).append(place)
    yield from places.values()


def objective_of(layer: Ints) -> Objective:
    """What a layer is mapped for."""
    return OBJECTIVES[int(layer[AT["objective"]])]


def machine_digest(layer: Ints) -> bytes:
    """Digest of the machine of a layer."""
    return layer[[AT["machine"], AT["machine_too"]]].astype("<i8").tobytes()


def task_of(layer: Ints, hierarchies: Mapping[bytes, Hierarchy], name: str = "") -> Task:
    """A layer as the mapper takes it."""
    given: dict[str, Any] = {field: int(layer[AT[field]]) for field in LAYER}
    sizes = given | {count: None for count in ("weight_count", "ofmap_count") if given[count] == UNCOUNTED}
    constants = layer[[AT[field] for field in FIXED]].view(np.float64)
    fixed = Fixed(**dict(zip(FIXED, constants.tolist(), strict=True)))
    return Task(0, name, Layer(**sizes), hierarchies[machine_digest(layer)], fixed, int(layer[AT["steps"]]))


def searched(tasks: Sequence[Task], objective: str) -> list[Found | None]:
    """The best mappings of layers on one machine; None where there is none."""
    from costmodel.mapping.levels.search import search

    try:
        return list(search([task.layer for task in tasks], tasks[0].hierarchy, objective, [task.fixed for task in tasks]))
    except MappingError:
        return [None] if len(tasks) == 1 else [searched([task], objective)[0] for task in tasks]


def amounts_of(task: Task, found: Found, objective: Objective) -> list[float]:
    """What all steps of a layer move under its best mapping, in the order of :func:`amount_names`."""
    nest = MappedNest(objective, found.priced, found.value, found.lower, optimal=found.optimal, steps=task.steps)
    amounts = dict.fromkeys(amount_names(len(task.hierarchy.stores)), 0.0)
    for one in moved_by(task, nest):
        amounts[one.outer, one.operand, "read"] += one.down / 8
        amounts[one.outer, one.operand, "write"] += one.up / 8
        amounts[one.inner, one.operand, "write"] += one.in_down / 8
        amounts[one.inner, one.operand, "read"] += one.in_up / 8
        amounts["through", one.outer] += (one.down + one.up) / 8
    amounts["slots",] = nest.cycles * task.hierarchy.elements * task.steps
    return list(amounts.values())


def without_outputs(layers: Ints) -> NDArray[np.bool_]:
    """Layers that have no loop nest, since they have no outputs."""
    none = (layers[:, [AT[dim] for dim in OUTPUTS]] == 0).any(axis=1)
    return np.asarray(none | (layers[:, AT["ofmap_count"]] == 0))


def reasons(layer: Ints, hierarchies: Mapping[bytes, Hierarchy]) -> tuple[str, ...]:
    """Why a layer cannot be mapped.

    Raises
    ------
    AssertionError
        It can.
    """
    from costmodel.mapping.levels.search import search

    task = task_of(layer, hierarchies)
    try:
        search([task.layer], task.hierarchy, objective_of(layer), task.fixed)
    except MappingError as error:
        return error.problems
    raise AssertionError("a layer that can be mapped was refused")
