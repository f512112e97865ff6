"""Number formats: how wide each operand is stored, and which multiplier a MAC is priced at."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from costmodel.errors import HardwareError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.hardware import HardwareProfile

FORMAT_BITS = {"int4": 4, "int8": 8, "int16": 16, "fp16": 16, "bf16": 16, "fp32": 32}
OPERANDS = ("weight", "ifmap", "ofmap", "psum")
MOST_BITS = 64


@dataclass(frozen=True)
class Precision:
    """Widths of the operands [bits] and the number format a MAC is priced at.

    ``psum_bits`` is the width of an unfinished output; matmuls of two activations read both at ``ifmap_bits``.
    """

    name: str
    weight_bits: int
    ifmap_bits: int
    ofmap_bits: int
    psum_bits: int
    mac_format: str

    def to_dict(self) -> dict[str, str | int]:
        """Return plain data for JSON."""
        return dict(vars(self))


def parse_bits(text: str) -> dict[str, int]:
    """Parse ``weight=4,ifmap=8`` into widths per operand [bits].

    >>> parse_bits("weight=4,ifmap=8")
    {'weight': 4, 'ifmap': 8}
    """
    widths = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\w+)\s*=\s*(\d+)\s*", part)
        if not match:
            raise InputError(f"--bits: {part!r} is not OPERAND=BITS; write for example weight=4,ifmap=8,ofmap=8")
        if match[1] in widths:
            raise InputError(f"--bits: {match[1]} is given twice; give one width per operand")
        widths[match[1]] = int(match[2])
    return widths


def checked_bits(bits: Mapping[str, int]) -> Mapping[str, int]:
    """Refuse operands that do not exist and widths that no memory holds."""
    problems = [
        f"bits: {name!r} is not an operand; the operands are {', '.join(OPERANDS)}"
        for name in bits
        if name not in OPERANDS
    ]
    problems += [
        f"bits: {name} is {width} bits wide; give a whole number from 1 to {MOST_BITS}"
        for name, width in bits.items()
        if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= MOST_BITS
    ]
    if problems:
        raise InputError(*problems)
    return bits


def priced_format(hardware: HardwareProfile, name: str, widest: int, given: bool) -> str:
    """Return the format a MAC is priced at: the dtype itself, or the narrowest integer one that holds given widths."""
    formats = hardware.compute.mac_pj
    if not given and name in formats:
        return name
    if not given:
        raise HardwareError(
            f"{hardware.name} has no multiplier for {name}; it has {', '.join(formats)}: choose one with --dtype, "
            f"or add compute.mac_energy.{name} and compute.macs_per_cycle.{name} to the profile"
        )
    candidates = sorted(
        (FORMAT_BITS[key], not key.startswith("int"), key) for key in formats if FORMAT_BITS[key] >= widest
    )
    if not candidates:
        raise HardwareError(
            f"{hardware.name} has no multiplier for operands of {widest} bits; its widest is "
            f"{max(formats, key=FORMAT_BITS.__getitem__)}: choose narrower --bits"
        )
    return candidates[0][2]


def precision(hardware: HardwareProfile, dtype: str | None = None, bits: Mapping[str, int] | None = None) -> Precision:
    """Resolve a dtype and widths per operand against what ``hardware`` computes.

    Parameters
    ----------
    hardware
        The profile: its multipliers, its default dtype, the width of its accumulators.
    dtype
        One of ``int4 int8 int16 fp16 bf16 fp32``; the profile's own where None.
    bits
        Widths that differ from the dtype's, by operand (weight, ifmap, ofmap, psum) [bits].

    Raises
    ------
    InputError
        Unknown dtype, operand or width.
    HardwareError
        The hardware has no multiplier for it.
    """
    name = hardware.default_dtype if dtype is None else dtype
    given = bits or {}
    chosen = with_bits(uniform(name, hardware.psum_bits), given)
    operand_given = bool({"weight", "ifmap"} & given.keys())
    widest = max(chosen.weight_bits, chosen.ifmap_bits)
    return replace(chosen, mac_format=priced_format(hardware, name, widest, operand_given))


def uniform(name: str, psum_bits: int) -> Precision:
    """One number format for all operands; partial sums of integers have ``psum_bits``, others 32 bits at least."""
    if name not in FORMAT_BITS:
        raise InputError(f"dtype: {name!r} is not a number format; use one of {', '.join(FORMAT_BITS)}")
    width = FORMAT_BITS[name]
    wide = psum_bits if name.startswith("int") else FORMAT_BITS["fp32"]
    return Precision(name, width, width, width, max(wide, width), name)


def with_bits(plain: Precision, given: Mapping[str, int]) -> Precision:
    """A precision with other widths for some operands, which its name then says."""
    widths = {f"{operand}_bits": value for operand, value in checked_bits(given).items()}
    chosen = replace(plain, **widths)  # type: ignore[arg-type]  # keys are checked: all of them widths
    label = plain.name + "".join(f", {operand} {value} bit" for operand, value in given.items())
    return replace(chosen, name=label, psum_bits=given.get("psum", max(chosen.psum_bits, chosen.ofmap_bits)))


def stored(dtype: str, bits: Mapping[str, int] | None = None) -> Precision:
    """Widths of operands that are only stored, on no hardware: partial sums of integers have 32 bits.

    >>> stored("int8", {"weight": 4}).weight_bits
    4
    """
    return with_bits(uniform(dtype, FORMAT_BITS["fp32"]), bits or {})
