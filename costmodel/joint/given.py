"""Mappings that somebody else chose, such as the published ones of a chip, priced beside those that are found here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.errors import MappingError
from costmodel.joint.costs import JointCosts, moved_by
from costmodel.joint.tasks import tasks
from costmodel.mapping.levels.given import from_dict
from costmodel.mapping.levels.mapped import MappedNest
from costmodel.mapping.levels.price import priced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.joint.tasks import Task, Work
    from costmodel.mapping.levels.price import Priced
    from costmodel.sparsity import ActivationCode

    Written = Mapping[str, Any]


def given_costs(work: Work, written: Mapping[str, Written], code: ActivationCode | None) -> JointCosts:
    """Return what layers move under given mappings; other layers are left out.

    Parameters
    ----------
    work
        Table, widths, formats, profile.
    written
        A mapping per layer, as :func:`~costmodel.mapping.levels.given.from_dict` reads it.
    code
        The run-length code of activations off chip.

    Raises
    ------
    MappingError
        Layers that the table does not have or that are not mapped; else everything that is wrong with any of the mappings.
    """
    asked = {task.name: task for task in tasks(work)}
    known = ", ".join(asked)
    problems = [f"{name}: no layer of this name is mapped; take one of {known}" for name in written if name not in asked]
    if problems:
        raise MappingError(*problems)
    nests, problems = {}, []
    for name, one in written.items():
        try:
            nests[asked[name].row] = given_nest(asked[name], one)
        except MappingError as error:
            problems += [f"{name}: {problem}" for problem in error.problems]
    if problems:
        raise MappingError(*problems)
    moved = [one for task in asked.values() if task.row in nests for one in moved_by(task, nests[task.row])]
    return JointCosts("energy", work.hardware, len(work.table.names), nests, tuple(moved), code)


def given_nest(task: Task, written: Written) -> MappedNest:
    """Return a given mapping as a result; nothing is proved of it but that no energy is below zero."""
    found = priced(task.layer, task.hierarchy, from_dict(written, task.layer, task.hierarchy), task.fixed)
    return MappedNest("energy", found, found.energy_pj, 0.0, optimal=False, steps=task.steps)


def on_chip_pj(found: Priced) -> float:
    """Energy of a mapping without the accesses to the backing store, which a chip's own power does not include [pJ]."""
    stores = found.hierarchy.stores
    prices = {"read": [store.read_pj for store in stores], "write": [store.write_pj for store in stores]}
    return found.energy_pj - sum(bits * prices[way][0][operand] for at, operand, way, bits in found.moved if at == 0)
