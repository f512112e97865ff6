"""Why a layer has no mapping: operands without a home, and what has no room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.errors import MappingError, PinError
from costmodel.mapping.levels.arrays import LEVELS, SIDES
from costmodel.mapping.levels.hierarchy import OPERANDS
from costmodel.mapping.levels.pin_problems import impossible

if TYPE_CHECKING:
    from costmodel.mapping.levels.hierarchy import Hierarchy
    from costmodel.mapping.levels.pins import Pins
    from costmodel.mapping.nest import Layer


def refuse_homeless(hierarchy: Hierarchy) -> None:
    """Refuse operands that nothing feeds to the multipliers, and more memories or sides than can be searched."""
    held = {operand for store in hierarchy.on_chip for operand in store.holds}
    problems = [
        f"no store on chip holds the {operand}, so that nothing feeds the multipliers with it: let one of "
        f"{', '.join(store.name for store in hierarchy.on_chip) or 'several'} hold it"
        for operand in OPERANDS
        if operand not in held and not (hierarchy.on_chip and hierarchy.in_elements)
    ]
    if len(hierarchy.stores) > LEVELS - 2:
        problems.append(f"{len(hierarchy.stores)} memories; at most {LEVELS - 2} can be mapped through: merge some")
    if len(hierarchy.sides) > SIDES:
        problems.append(f"an array of {len(hierarchy.sides)} sides; at most {SIDES} can be mapped to: merge some")
    if problems:
        raise MappingError(*problems)


def nothing(layer: Layer, hierarchy: Hierarchy, pins: Pins) -> MappingError:
    """Why no mapping was found: what is fixed, or tiles for which there is no room."""
    fixed = impossible(hierarchy, pins)
    return PinError(fixed) if fixed else MappingError(*without_room(layer, hierarchy))


def without_room(layer: Layer, hierarchy: Hierarchy) -> list[str]:
    """Say of every store into which one value of each operand does not fit what it needs and what it has."""
    psum = layer.psum_bits if layer.c * layer.r * layer.s > 1 else layer.ofmap_bits
    bits = {"weight": layer.weight_bits, "ifmap": layer.ifmap_bits, "ofmap": psum}
    found = []
    for store in hierarchy.on_chip:
        found += [
            f"{store.name}: no tile of the {operand} fits: one value needs {bits[operand]} bit, its part has {room} bit"
            for operand, room in store.part_bits.items()
            if operand in store.holds and bits[operand] > room
        ]
        kept = [o for o in store.holds if o not in store.optional and o not in store.part_bits]
        needed = sum(bits[operand] for operand in kept)
        if store.capacity_bits is not None and needed > store.capacity_bits:
            values = f"one value of {', '.join(kept)} needs {needed} bit"
            found.append(f"{store.name}: no tile fits: {values}, it has {store.capacity_bits} bit")
    names = ", ".join(store.name for store in hierarchy.on_chip)
    return found or [f"{names}: no tiles fit together: what the array works on at a time is larger than a store; enlarge one"]
