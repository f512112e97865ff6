"""A loop nest as a person reads it: from the backing store inwards, one line per loop, store and side of the array."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Final

from costmodel.mapping.levels.loopnest import extents
from costmodel.mapping.levels.walks import largest
from costmodel.units import si_bytes, si_energy, si_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from costmodel.mapping.levels.hierarchy import Store
    from costmodel.mapping.levels.mapped import Loop, MappedNest
    from costmodel.mapping.nest import Layer

INDENT: Final = "  "
DIMS_OF: Final = {"weight": "gkcrs", "ifmap": "ngc", "ofmap": "ngkpq"}


def nest_text(mapped: MappedNest) -> str:
    """Write a loop nest, indented from the outside in."""
    return "\n".join(lines(mapped))


def lines(mapped: MappedNest) -> Iterator[str]:
    """Lines of a loop nest."""
    hierarchy = mapped.priced.hierarchy
    yield heading(mapped)
    if mapped.pins:
        yield f"pinned: {', '.join(pinned(mapped))}"
    yield f"{hierarchy.stores[0].name}: everything"
    depth = 1
    for number, store in enumerate(hierarchy.on_chip):
        for loop in mapped.blocks[number]:
            yield INDENT * depth + loop_text(loop, mapped)
            depth += 1
        if store.per_element:
            yield from (INDENT * depth + text for text in sides(mapped))
        yield INDENT * depth + store_text(mapped, number, store)
        depth += 1
    if not hierarchy.in_elements:
        yield from (INDENT * depth + text for text in sides(mapped))
    yield INDENT * depth + inner_text(mapped)


def heading(mapped: MappedNest) -> str:
    """The layer, what the mapping is best for, and how much of the array is busy."""
    layer = extents(mapped.priced.layer)
    sizes = " ".join(f"{dim}{size}" for dim, size in layer.items() if size > 1) or "one value"
    repeated = f", {mapped.steps} times" if mapped.steps > 1 else ""
    array = f"; array {percent(mapped.utilisation_ratio)} busy" if mapped.priced.hierarchy.sides else ""
    return f"{sizes}{repeated}; {verdict(mapped)}{array}"


def pinned(mapped: MappedNest) -> Iterator[str]:
    """Every pin, and the extent where a tile or what is unrolled was pinned to more."""
    whole = extents(mapped.priced.layer)
    yield from (f"{pin}{f' (of {whole[pin.dim]})' if pin.size > whole[pin.dim] else ''}" for pin in mapped.pins.tiles)
    for pin in mapped.pins.sides:
        beyond = ", ".join(f"{dim} of {whole[dim]}" for dim, many in pin.dims if many > whole[dim])
        yield f"{pin} ({beyond})" if beyond else str(pin)
    yield from map(str, (*mapped.pins.stationary, *mapped.pins.passing))


def verdict(mapped: MappedNest) -> str:
    """Value of the objective, and whether it is proved to be the least."""
    proof = "proved least" if mapped.optimal else f"the least is at most {percent(mapped.gap_ratio)} below"
    return f"{value_text(mapped.objective, mapped.value)}, {proof}"


def value_text(objective: str, value: float) -> str:
    """Value of an objective in words.

    >>> value_text("energy", 2.5e6), value_text("dram_bytes", 4096.0)
    ('energy 2.5 uJ', 'off-chip 4.096 kB')
    """
    match objective:
        case "energy":
            return f"energy {si_energy(value / 1e12)}"
        case "latency":
            return f"latency {si_time(value)}"
        case "edp":
            return f"energy x latency {value / 1e12:.4g} J s"
        case _:
            return f"off-chip {si_bytes(value)}"


def percent(ratio: float) -> str:
    """A share in percent.

    >>> percent(0.9286), percent(1.0)
    ('92.9 %', '100 %')
    """
    return f"{100 * ratio:.3g} %"


def loop_text(loop: Loop, mapped: MappedNest) -> str:
    """One loop."""
    whole = extents(mapped.priced.layer)[loop.dim]
    step = f" by {loop.step}" if loop.step > 1 else ""
    return f"for {loop.dim} of {whole}{step}: {loop.trips} trips"


def sides(mapped: MappedNest) -> Iterator[str]:
    """What is unrolled along each side of the array."""
    for side in mapped.priced.hierarchy.sides:
        along = [one for one in mapped.spread if one.side == side.name]
        busy = prod(one.elements for one in along)
        over = ", ".join(f"{one.dim} x {one.elements}" + (f" ({one.each} each)" if one.each > 1 else "") for one in along)
        yield f"along {side.name}: {over or 'nothing'}, {busy} of {side.size}"


def store_text(mapped: MappedNest, number: int, store: Store) -> str:
    """What a store holds of each operand, and how full it is."""
    used = {op: bits for op, bits in mapped.priced.used_bits[number].items() if op in store.holds}
    tile, layer = mapped.priced.nest.tiles[number], mapped.priced.layer
    sizes = {operand: si_bytes(-(-bits // 8)) for operand, bits in used.items() if bits}
    held = [f"{operand} {tile_text(layer, tile, operand)} ({size})" for operand, size in sizes.items()]
    passing = sorted(set(store.optional) & mapped.priced.nest.passes_by(number))
    past = f"; {' and '.join(passing)} passes by" if passing else ""
    each = " in each element" if store.per_element else ""
    return f"{store.name}{each}: {', '.join(held) or 'nothing'}{past}{full(store, used)}"


def full(store: Store, used: Mapping[str, int]) -> str:
    """How full a store is."""
    room = None if store.capacity_bits is None else store.capacity_bits + sum(store.part_bits.values())
    return f"; {percent(sum(used.values()) / room)} full" if room else ""


def tile_text(layer: Layer, tile: Mapping[str, int], operand: str) -> str:
    """Sizes of an operand's tile along the dimensions where it is larger than one."""
    sizes = [(dim, tile[dim]) for dim in DIMS_OF[operand]]
    if operand == "ifmap":
        rows, columns = largest(layer.height, tile["p"], tile["r"]), largest(layer.width, tile["q"], tile["s"])
        sizes += [("rows", rows), ("columns", columns)]
    found = [f"{dim}{size}" if len(dim) == 1 else f"{size} {dim}" for dim, size in sizes if size > 1]
    return " ".join(found) or "1 value"


def inner_text(mapped: MappedNest) -> str:
    """What every multiplier steps through by itself."""
    loops = " ".join(f"{loop.dim}{loop.trips}" for loop in mapped.within)
    return f"MAC{': for ' + loops if loops else ''}"


def one_line(mapped: MappedNest) -> str:
    """The loops of every store and what is unrolled, from the outside in, on one line."""
    found = []
    hierarchy = mapped.priced.hierarchy
    spread = " ".join(f"{one.dim}{one.elements}" for one in mapped.spread)
    for number, store in enumerate(hierarchy.on_chip):
        loops = " ".join(f"{loop.dim}{loop.trips}" for loop in mapped.blocks[number])
        if store.per_element and spread:
            found.append(f"array {spread}")
        found.append(f"{store.name} {loops or 'once'}")
    if spread and not hierarchy.in_elements:
        found.append(f"array {spread}")
    return "; ".join(found)
