"""Mappings that somebody else chose, such as the published ones of a chip, priced beside those that are found here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.errors import MappingError
from costmodel.joint.costs import JointCosts, moved_by
from costmodel.joint.tasks import tasks
from costmodel.mapping.levels.loopnest import LoopNest
from costmodel.mapping.levels.mapped import MappedNest
from costmodel.mapping.levels.price import priced
from costmodel.mapping.mapping import DIMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.joint.tasks import Task, Work
    from costmodel.mapping.levels.hierarchy import Hierarchy
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
        A mapping per layer, as :func:`loop_nest` reads it.
    code
        The run-length code of activations off chip.

    Raises
    ------
    MappingError
        A layer that the table does not have or that is not mapped, or a tile that does not fit: every one of them.
    """
    asked = {task.name: task for task in tasks(work)}
    known = ", ".join(asked)
    problems = [f"{name}: no layer of this name is mapped; take one of {known}" for name in written if name not in asked]
    if problems:
        raise MappingError(*problems)
    nests = {asked[name].row: given_nest(asked[name], one) for name, one in written.items()}
    problems = [line for task in asked.values() if task.row in nests for line in overfull(task, nests[task.row].priced)]
    if problems:
        raise MappingError(*problems)
    moved = [one for task in asked.values() if task.row in nests for one in moved_by(task, nests[task.row])]
    return JointCosts("energy", work.hardware, len(work.table.names), nests, tuple(moved), code)


def given_nest(task: Task, written: Written) -> MappedNest:
    """Return a given mapping as a result; nothing is proved of it but that no energy is below zero."""
    found = priced(task.layer, task.hierarchy, loop_nest(written, task.hierarchy), task.fixed)
    return MappedNest("energy", found, found.energy_pj, 0.0, optimal=False, steps=task.steps)


def loop_nest(written: Written, hierarchy: Hierarchy) -> LoopNest:
    """Return a mapping from its written form.

    ``tiles`` and ``orders`` by the names of memories on chip, ``unroll`` by the names of sides of the array, ``bypass`` by
    memory; tiles that are left out have one element.

    Raises
    ------
    MappingError
        A memory or a side that the machine does not have, or that lacks its tile or its order.
    """
    names, sides = [store.name for store in hierarchy.on_chip], [side.name for side in hierarchy.sides]
    parts = {"tiles": names, "orders": names, "bypass": names, "unroll": sides}
    given = {part: written.get(part, {}) for part in parts}
    strange = [(part, key) for part, known in parts.items() for key in given[part] if key not in known]
    problems = [f"{part}: the machine has no {key}" for part, key in strange]
    problems += [f"{part}: {name} is missing" for part in ("tiles", "orders") for name in names if name not in given[part]]
    if problems:
        raise MappingError(*problems)
    unroll = {dim: (sides.index(side), size) for side, dims in given["unroll"].items() for dim, size in dims.items()}
    return LoopNest(
        tiles=tuple(dict.fromkeys(DIMS, 1) | dict(written["tiles"][name]) for name in names),
        orders=tuple(written["orders"][name] for name in names),
        unroll=unroll,
        bypass=tuple(frozenset(given["bypass"].get(name, ())) for name in names),
    )


def overfull(task: Task, found: Priced) -> list[str]:
    """Say whether the tiles of a mapping need more room than there is."""
    if found.fits:
        return []
    used = "; ".join(
        f"{store.name} would hold {', '.join(f'{operand} {bits // 8:,} B' for operand, bits in room.items())}"
        for store, room in zip(found.hierarchy.on_chip, found.used_bits, strict=True)
    )
    return [f"{task.name}: the mapping does not fit: {used}; make its tiles smaller"]


def on_chip_pj(found: Priced) -> float:
    """Energy of a mapping without the accesses to the backing store, which a chip's own power does not include [pJ]."""
    stores = found.hierarchy.stores
    prices = {"read": [store.read_pj for store in stores], "write": [store.write_pj for store in stores]}
    return found.energy_pj - sum(bits * prices[way][0][operand] for at, operand, way, bits in found.moved if at == 0)
