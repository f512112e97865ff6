"""The run-time form of a profile, built from its data.

Whatever is not as it must be is irregular, and nothing more is said about it here: the models of `schema` find the
words, and have the last one. What they accept comes back in its long form, and is built here as well.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from costmodel.errors import CostModelError
from costmodel.hardware import constants as fields
from costmodel.hardware.bibliography import Bibliography, sources_of
from costmodel.hardware.profile import (
    ASSUMED,
    FORMATS,
    LEVEL_KINDS,
    LEVEL_NAME,
    LOOP_DIMS,
    OBJECTIVES,
    OPERANDS,
    RESERVED_LEVELS,
    RESIDENCIES,
    TIERS,
    ArrayAxis,
    Compute,
    Constant,
    HardwareProfile,
    MemoryLevel,
    elements,
    room_problems,
)
from costmodel.hardware.regular import Data, IrregularError, expect, flag, keys, one_of, table, text, whole

NO_REUSE: Final = "not given: every MAC is taken to access its operands once"

_PROFILE = (
    "name",
    "title",
    "default_dtype",
    "overlap",
    "memory",
    "compute",
    "static_power",
    "layer_overhead",
)
_LEVEL_OPTIONS = ("double_buffered", "macs_per_access", "parts", "holds", "bypass", "per_element", "stationary")
_LEVEL = ("kind", "capacity", "read_energy", "write_energy", "bandwidth")
_EXACT_INTS = 1 << 53


def profile_of(data: Data, file: Path, shipped: Bibliography) -> HardwareProfile:
    """Return the profile that data describe.

    Parameters
    ----------
    data
        The data of a file and of those it inherits from, its name and title filled in.
    file
        The file that was asked for.
    shipped
        The shipped bibliography, to which the entries under ``sources:`` are added.

    Raises
    ------
    IrregularError
        Data that `schema.ProfileSpec` refuses, or takes in another form.
    """
    keys(data, _PROFILE, ("description", "inherits", "psum_bits", "residency", "fusion", "objective", "sources"))
    expect(type(data.get("inherits", "")) in (str, type(None)))
    sources = shipped.extended(sources_of(data.get("sources", {})))
    compute = _compute(data["compute"], sources)
    profile = HardwareProfile(
        name=text(data["name"], 1),
        title=text(data["title"], 3),
        default_dtype=one_of(data["default_dtype"], tuple(compute.macs_per_cycle)),
        psum_bits=whole(data.get("psum_bits", 32), 1, 64),
        levels=_levels(table(data["memory"], 2), sources, compute),
        compute=compute,
        static_w=_constant("static_power", data["static_power"], fields.STATIC_POWER, sources),
        layer_overhead_s=_constant("layer_overhead", data["layer_overhead"], fields.LAYER_OVERHEAD, sources),
        overlap=flag(data["overlap"]),
        file=file,
        description=text(data.get("description", "")),
        residency=one_of(data.get("residency", "none"), RESIDENCIES),
        fusion=flag(data.get("fusion", False)),
        objective=_optional(data.get("objective"), OBJECTIVES),
    )
    expect(profile.residency != "none" or not profile.fusion)
    cited = {constant.source for constant in profile.constants()}
    return replace(profile, bibliography=sources.only(cited))


def _optional(value: Any, known: tuple[Any, ...]) -> Any:  # noqa: ANN401 - YAML data
    """Return one of several words, or None where there is none."""
    return None if value is None else one_of(value, known)


def _levels(memory: Data, sources: Bibliography, compute: Compute) -> tuple[MemoryLevel, ...]:
    last = list(memory)[-1]
    levels = tuple(_level(name, data, sources, innermost=name == last) for name, data in memory.items())
    for position, level in enumerate(levels):
        expect((level.kind == "backing") == (position == 0))
        expect(position == 0 or level.capacity_bytes is not None)
        expect(position > 0 or (level.holds == OPERANDS and not (level.parts or level.bypass or level.stationary)))
        expect(level is levels[-1] or not level.per_element)
        expect(level is not levels[-1] or not level.bypass)
        expect(level is not levels[-1] or level.per_element or level.holds == OPERANDS)
        expect(compute.array is not None or not level.per_element)
    return tuple(replace(level, instances=elements(compute.array)) if level.per_element else level for level in levels)


def _level(name: str, given: Any, sources: Bibliography, *, innermost: bool) -> MemoryLevel:  # noqa: ANN401 - YAML data
    data = keys(given, _LEVEL, _LEVEL_OPTIONS)
    expect(name not in RESERVED_LEVELS and LEVEL_NAME.fullmatch(name))

    def constant(field: str) -> Constant:
        return _constant(f"{name}.{field}", data[field], fields.FIELDS[field], sources)

    def limit(field: str) -> Constant | None:
        return None if data[field] in (None, fields.UNLIMITED) else constant(field)

    reuse = _by_name(f"{name}.macs_per_access", data.get("macs_per_access", {}), OPERANDS, sources)
    expect(innermost or not reuse)
    parts = _by_name(f"{name}.parts", data.get("parts", {}), OPERANDS, sources)
    holds = _operands(data.get("holds", list(OPERANDS)))
    bypass = _operands(data.get("bypass", []))
    expect(holds and set(bypass) <= set(holds))
    capacity = limit("capacity")
    sizes = {operand: part.value for operand, part in parts.items()}
    expect(not (room_problems(capacity.value, sizes, holds) if capacity else parts))
    return MemoryLevel(
        name=name,
        kind=one_of(data["kind"], LEVEL_KINDS),
        capacity_bytes=capacity,
        read_pj_per_byte=constant("read_energy"),
        write_pj_per_byte=constant("write_energy"),
        bandwidth_bytes_per_s=limit("bandwidth"),
        double_buffered=flag(data.get("double_buffered", False)),
        macs_per_access={key: reuse.get(key) or _no_reuse(name, key) for key in OPERANDS}
        if innermost
        else {},
        parts=parts,
        holds=holds,
        bypass=bypass,
        per_element=flag(data.get("per_element", False)),
        stationary=_optional(data.get("stationary"), OPERANDS),
    )


def _operands(given: Any) -> tuple[str, ...]:  # noqa: ANN401 - YAML data
    """Return operands in their usual order, each given once."""
    expect(type(given) is list)
    found = {one_of(operand, OPERANDS) for operand in given}
    expect(len(found) == len(given))
    return tuple(operand for operand in OPERANDS if operand in found)


def _no_reuse(level: str, operand: str) -> Constant:
    """MACs per access of an operand that the profile leaves out."""
    return Constant(f"{level}.macs_per_access.{operand}", 1.0, 1.0, 1.0, "MAC", ASSUMED, NO_REUSE, "assumed")


def _compute(given: Any, sources: Bibliography) -> Compute:  # noqa: ANN401 - YAML data
    data = keys(given, ("clock", "macs_per_cycle", "mac_energy"), ("array",))
    rates = _by_name("compute.macs_per_cycle", data["macs_per_cycle"], FORMATS, sources)
    energies = _by_name("compute.mac_energy", data["mac_energy"], FORMATS, sources)
    expect(rates and rates.keys() == energies.keys())
    array = data.get("array")
    axes = {} if array is None else table(array)
    return Compute(
        clock_hz=_constant("compute.clock", data["clock"], fields.CLOCK, sources),
        macs_per_cycle=rates,
        mac_pj=energies,
        array={text(name): _axis(axis) for name, axis in axes.items()} or None,
    )


def _axis(given: Any) -> ArrayAxis:  # noqa: ANN401 - YAML data
    data = keys(given, ("size", "dims"), ("multicast", "reduction"))
    size, dims = data["size"], data["dims"]
    expect(type(size) is int and size > 0 and type(dims) is list and dims)
    unrolled = tuple(one_of(dim, LOOP_DIMS) for dim in dims)
    expect(len(set(unrolled)) == len(unrolled))
    return ArrayAxis(size, unrolled, flag(data.get("multicast", True)), flag(data.get("reduction", True)))


def _by_name(path: str, data: Any, names: tuple[str, ...], sources: Bibliography) -> dict[str, Constant]:  # noqa: ANN401 - YAML data
    """Constants of one kind, such as one per number format."""
    kind = fields.FIELDS[path.rpartition(".")[2]]
    return {
        one_of(name, names): _constant(f"{path}.{name}", entry, kind, sources)
        for name, entry in table(data).items()
    }


def _constant(path: str, data: Any, kind: fields.Field, sources: Bibliography) -> Constant:  # noqa: ANN401 - YAML data
    """Return a constant, given on one line or field by field."""
    try:
        entry = fields.split_shorthand(data) if type(data) is str else data
        return fields.constant(path, _given(entry), kind, sources.tiers)
    except (CostModelError, ArithmeticError, ValueError):
        raise IrregularError from None


def _given(entry: Any) -> fields.Given:  # noqa: ANN401 - YAML data
    data = keys(entry, ("value", "source", "where"), ("low", "high", "tier"))
    low, high, tier = (data.get(key) for key in ("low", "high", "tier"))
    return fields.Given(
        value=_quantity(data["value"]),
        low=None if low is None else _quantity(low),
        high=None if high is None else _quantity(high),
        source=text(data["source"]),
        where=text(data["where"], 3),
        tier=None if tier is None else one_of(tier, TIERS),
    )


def _quantity(data: Any) -> str | float:  # noqa: ANN401 - YAML data
    if type(data) is int and abs(data) <= _EXACT_INTS:
        return float(data)
    return data if type(data) is float else text(data)
