"""A profile with one constant changed: the what-if behind `HardwareProfile.with_constant`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from costmodel.errors import CostModelError, HardwareError
from costmodel.hardware.constants import DIMENSIONLESS, FIELDS, UNLIMITED, Field, number
from costmodel.hardware.profile import (
    GIVEN_BY_USER,
    Compute,
    Constant,
    HardwareProfile,
    MemoryLevel,
    did_you_mean,
    room_problems,
)

Quantity = str | float


@dataclass(frozen=True)
class Request:
    """What the user asks for: a path, a value, and the ends of its range where they differ from it."""

    path: str
    value: Quantity
    low: Quantity | None = None
    high: Quantity | None = None


def varied(profile: HardwareProfile, request: Request) -> HardwareProfile:
    """Return the profile with one constant changed; see `HardwareProfile.with_constant`."""
    known = profile.settable_names()
    path = request.path
    if path not in known:
        raise HardwareError(
            f"{profile.name}: no constant {path!r}{did_you_mean(path, known)}: it has {', '.join(known)}"
        )
    if request.value == UNLIMITED:
        _check_may_be_unlimited(profile, path)
        return _Swap(path, None).profile(profile)
    return _with_room(_Swap(path, _given(profile, request)).profile(profile))


def _with_room(profile: HardwareProfile) -> HardwareProfile:
    """Refuse a profile with a level that its parts no longer fit into."""
    for level in profile.levels:
        sizes = {operand: part.value for operand, part in level.parts.items()}
        found = room_problems(level.capacity_bytes.value, sizes, level.holds) if level.capacity_bytes else []
        if found:
            raise HardwareError(*(f"{profile.name}: {'.'.join((level.name, *at))}: {text}" for at, text in found))
    return profile


def swapped(profile: HardwareProfile, new: Constant) -> HardwareProfile:
    """Return the profile with another constant of the same name, which nothing checks."""
    return _Swap(new.name, new).profile(profile)


def _check_may_be_unlimited(profile: HardwareProfile, path: str) -> None:
    backing = profile.levels[0].name
    if not path.endswith(".bandwidth") and path != f"{backing}.capacity":
        raise HardwareError(
            f"{profile.name}: {path} cannot be unlimited: only a bandwidth and {backing}.capacity can, "
            f"give a quantity in {field_of(path).unit}"
        )


def field_of(path: str) -> Field:
    """Return what a constant of that name may hold.

    >>> field_of("compute.mac_energy.int8").unit
    'pJ'
    """
    return next(FIELDS[part] for part in path.split(".") if part in FIELDS)


def _given(profile: HardwareProfile, request: Request) -> Constant:
    """Return the user's constant; a missing end of the range is the value itself."""
    kind = field_of(request.path)
    ends = (request.value if end is None else end for end in (request.low, request.value, request.high))
    try:
        low, value, high = (_number(end, kind) for end in ends)
    except CostModelError as error:
        raise HardwareError(*(f"{profile.name}: {request.path}: {text}" for text in error.problems)) from None
    if not low <= value <= high:
        raise HardwareError(
            f"{profile.name}: {request.path}: low <= value <= high does not hold: "
            f"{low:g}, {value:g}, {high:g} {kind.unit}"
        )
    before = next((constant for constant in profile.constants() if constant.name == request.path), None)
    where = f"was {before.text} ({before.source})" if before else "was unlimited"
    return Constant(request.path, value, low, high, kind.unit, GIVEN_BY_USER, where, "assumed")


def _number(quantity: Quantity, kind: Field) -> float:
    """Return a quantity in the base unit, which a bare number is in already."""
    if isinstance(quantity, str) or kind.unit in DIMENSIONLESS:
        return number(quantity, kind)
    return number(f"{float(quantity)!r} {kind.unit}", kind)


@dataclass(frozen=True)
class _Swap:
    """Rebuilds a profile with `new` wherever the constant of that name stands."""

    name: str
    new: Constant | None

    def constant(self, name: str, old: Constant) -> Constant:
        return self.new if name == self.name and self.new is not None else old

    def limit(self, name: str, old: Constant | None) -> Constant | None:
        return self.new if name == self.name else old

    def profile(self, old: HardwareProfile) -> HardwareProfile:
        return replace(
            old,
            levels=tuple(self.level(level) for level in old.levels),
            compute=self.compute(old.compute),
            static_w=self.constant("static_power", old.static_w),
            layer_overhead_s=self.constant("layer_overhead", old.layer_overhead_s),
        )

    def level(self, old: MemoryLevel) -> MemoryLevel:
        return replace(
            old,
            capacity_bytes=self.limit(f"{old.name}.capacity", old.capacity_bytes),
            read_pj_per_byte=self.constant(f"{old.name}.read_energy", old.read_pj_per_byte),
            write_pj_per_byte=self.constant(f"{old.name}.write_energy", old.write_pj_per_byte),
            bandwidth_bytes_per_s=self.limit(f"{old.name}.bandwidth", old.bandwidth_bytes_per_s),
            macs_per_access={
                key: self.constant(each.name, each) for key, each in old.macs_per_access.items()
            },
            parts={key: self.constant(each.name, each) for key, each in old.parts.items()},
        )

    def compute(self, old: Compute) -> Compute:
        return replace(
            old,
            clock_hz=self.constant("compute.clock", old.clock_hz),
            macs_per_cycle={key: self.constant(each.name, each) for key, each in old.macs_per_cycle.items()},
            mac_pj={key: self.constant(each.name, each) for key, each in old.mac_pj.items()},
        )
