"""A profile whose constants are columns: one value per design point, so that one formula prices many machines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from costmodel.errors import HardwareError
from costmodel.hardware.profile import GIVEN_BY_USER, Constant, HardwareProfile, did_you_mean, elements
from costmodel.hardware.variation import field_of, swapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

ARRAY: Final = "array."
RATE: Final = "compute.macs_per_cycle."


def array_axes(profile: HardwareProfile) -> tuple[str, ...]:
    """Names of the axes of the array of multipliers whose size may vary: ``array.rows``."""
    return tuple(f"{ARRAY}{name}" for name in profile.compute.array or ())


def with_columns(profile: HardwareProfile, columns: Mapping[str, Floats | Ints | float]) -> HardwareProfile:
    """Return the profile with several constants replaced, each by one value or by one per design point.

    Values are not checked here: they are those that :meth:`HardwareProfile.with_constant` accepts, and sizes of an array
    from 1 on.

    Parameters
    ----------
    profile
        A profile of single values.
    columns
        Base units by name of the constant (``glb.capacity``) or of an axis of the array (``array.rows``); arrays (D,).
        A longer axis multiplies the MACs per cycle of every format that is not given itself.

    Returns
    -------
    HardwareProfile
        For :class:`costmodel.estimate.Estimate` alone where a column is an array: its constants then have no text.

    Raises
    ------
    HardwareError
        No such constant, or no such axis.
    """
    sizes = {name.removeprefix(ARRAY): value for name, value in columns.items() if name.startswith(ARRAY)}
    constants = {name: value for name, value in columns.items() if not name.startswith(ARRAY)}
    found = with_array(profile, sizes, {name.removeprefix(RATE) for name in constants if name.startswith(RATE)})
    known = profile.settable_names()
    for name, value in constants.items():
        if name not in known:
            raise HardwareError(f"{profile.name}: no constant {name!r}{did_you_mean(name, known)}: it has {', '.join(known)}")
        found = swapped(found, column(name, value))
    return found


def resized(profile: HardwareProfile, sizes: Mapping[str, int]) -> HardwareProfile:
    """A profile of single values with axes of its array resized; see `HardwareProfile.with_array`."""
    wrong = [f"{name}={size!r}" for name, size in sizes.items() if type(size) is not int or size < 1]
    if wrong:
        raise HardwareError(f"{profile.name}: {', '.join(wrong)} is no size of an array; give whole numbers from 1")
    found = with_array(profile, sizes, set())
    rates = {form: retold(rate, profile.compute.macs_per_cycle[form]) for form, rate in found.compute.macs_per_cycle.items()}
    return replace(found, compute=replace(found.compute, macs_per_cycle=rates))


def retold(rate: Constant, before: Constant) -> Constant:
    """A rate that grew with the array, as one given by the user; one that did not as it was."""
    if rate.value == before.value:
        return before
    where = f"was {before.text} ({before.source}), in proportion to the array"
    return replace(rate, source=GIVEN_BY_USER, where=where, tier="assumed")


def with_array(profile: HardwareProfile, sizes: Mapping[str, Any], given: set[str]) -> HardwareProfile:
    """The profile with axes of its array resized, and with as many more MACs per cycle in the formats not ``given``."""
    if not sizes:
        return profile
    array, rates, growth = dict(profile.compute.array or {}), dict(profile.compute.macs_per_cycle), 1.0
    for name, size in sizes.items():
        if name not in array:
            raise HardwareError(
                f"{profile.name}: no array axis {name!r}{did_you_mean(name, array)}: it has {', '.join(array) or 'no array'}"
            )
        growth = growth * size / array[name].size
        array[name] = replace(array[name], size=size)
    for form, rate in rates.items():
        if form not in given:
            rates[form] = replace(rate, value=rate.value * growth, low=rate.low * growth, high=rate.high * growth)
    many = elements(array)
    levels = tuple(replace(level, instances=many) if level.per_element else level for level in profile.levels)
    return replace(profile, levels=levels, compute=replace(profile.compute, array=array, macs_per_cycle=rates))


def column(name: str, value: Floats | Ints | float) -> Constant:
    """A constant that is exact at every design point."""
    amount: Any = value
    return Constant(name, amount, amount, amount, field_of(name).unit, GIVEN_BY_USER, "varies", "assumed")
