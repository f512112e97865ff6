"""Number formats: how wide each operand is stored, and which multiplier a MAC is priced at."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from costmodel.errors import HardwareError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.graph import LayerTable, StoredWidths, Tensor
    from costmodel.hardware import HardwareProfile

FORMAT_BITS = {"int4": 4, "int8": 8, "int16": 16, "fp16": 16, "bf16": 16, "fp32": 32}
OPERANDS = ("weight", "ifmap", "ofmap", "psum")
MOST_BITS = 64
AS_STORED = "as stored"


@dataclass(frozen=True)
class Precision:
    """Widths of the operands [bits] and the number format a MAC is priced at.

    ``psum_bits`` is the width of an unfinished output; matmuls of two activations read both at ``ifmap_bits``. Where
    ``as_stored``, every layer has the widths of its file, and these are those of the layers with most MACs.
    """

    name: str
    weight_bits: int
    ifmap_bits: int
    ofmap_bits: int
    psum_bits: int
    mac_format: str
    as_stored: bool = False

    def to_dict(self) -> dict[str, str | int | bool]:
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


def labelled(form: str, widths: Mapping[str, int]) -> str:
    """A format with the widths that differ from it.

    >>> labelled("int8", {"weight": 4})
    'int8, weight 4 bit'
    """
    return form + "".join(f", {operand} {value} bit" for operand, value in widths.items())


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
    psum = given.get("psum", max(chosen.psum_bits, chosen.ofmap_bits))
    return replace(chosen, name=labelled(plain.name, given), psum_bits=psum)


def stored(dtype: str, bits: Mapping[str, int] | None = None) -> Precision:
    """Widths of operands that are only stored, on no hardware: partial sums of integers have 32 bits.

    >>> stored("int8", {"weight": 4}).weight_bits
    4
    """
    return with_bits(uniform(dtype, FORMAT_BITS["fp32"]), bits or {})


# ---- widths of a file


def stored_format(hardware: HardwareProfile, kind: str, widest: int) -> str | None:
    """The narrowest format of the hardware that holds numbers of a kind and width; None where there is none.

    Integers fit in integers as wide, and in floating-point numbers twice as wide; floating-point numbers in wider ones, and
    in those of their own kind.
    """

    def holds(name: str) -> bool:
        room = FORMAT_BITS[name]
        if name.startswith(kind):
            return room >= widest
        return not name.startswith("int") and (room >= 2 * widest if kind == "int" else room > widest)

    candidates = [name for name in hardware.compute.mac_pj if holds(name)]
    return min(candidates, key=lambda name: (FORMAT_BITS[name], not name.startswith(kind), name), default=None)


def widest_format(hardware: HardwareProfile) -> str:
    """The widest format of the hardware, floating-point if it has both."""
    return max(hardware.compute.mac_pj, key=lambda name: (FORMAT_BITS[name], not name.startswith("int"), name))


def stored_precision(hardware: HardwareProfile, plain: Precision, stored: StoredWidths, *, macs: bool = True) -> Precision:
    """Precision of one layer as its file stores it; what the file does not say is that of ``plain``.

    A layer without MACs that the hardware has no format for is priced at the widest it has: its operations are none of a
    multiplier's.

    Raises
    ------
    HardwareError
        The hardware has no multiplier for it.
    """
    weight, ifmap, ofmap, kind = stored
    if not kind:
        return replace(plain, as_stored=True)
    widest = max(weight, ifmap)
    form = stored_format(hardware, kind, widest)
    if form is None and macs:
        raise HardwareError(
            f"{hardware.name} has no multiplier for {STORED_KINDS[kind]} of {widest} bits, as the file stores them; it has "
            f"{', '.join(hardware.compute.mac_pj)}: choose one with --dtype"
        )
    form = form or widest_format(hardware)
    wide = hardware.psum_bits if kind == "int" else FORMAT_BITS["fp32"]
    bits = weight or plain.weight_bits, ifmap or plain.ifmap_bits, ofmap or plain.ofmap_bits
    odd = {name: width for name, width in (("weight", weight), ("ifmap", ifmap)) if width not in (0, FORMAT_BITS[form])}
    return Precision(labelled(form, odd), *bits, max(wide, bits[2]), form, as_stored=True)


STORED_KINDS = {"int": "integers", "fp": "floating-point numbers", "bf": "bfloat16 numbers"}


def row_precisions(table: LayerTable, hardware: HardwareProfile, chosen: Precision) -> tuple[Precision, ...]:
    """Precision of every row: the chosen one, or where it is ``as_stored`` that of the file.

    Raises
    ------
    HardwareError
        The hardware has no multiplier for a layer, which is named.
    """
    if not chosen.as_stored:
        return (chosen,) * len(table)
    plain = precision(hardware)
    known: dict[tuple[StoredWidths, bool], Precision] = {}
    keys = list(zip(table.stored, table.multiplies, strict=True))
    for name, key in zip(table.names, keys, strict=True):
        if key not in known:
            try:
                known[key] = stored_precision(hardware, plain, key[0], macs=key[1])
            except HardwareError as error:
                raise HardwareError(*(f"{name}: {problem}" for problem in error.problems)) from None
    return tuple(known[key] for key in keys)


def precision_of(
    table: LayerTable, hardware: HardwareProfile, dtype: str | None = None, bits: Mapping[str, int] | None = None
) -> Precision:
    """The precision that a table is priced at: what is asked for, else the widths of its file, else the profile's dtype.

    Raises
    ------
    InputError, HardwareError
        As :func:`precision`, or the hardware has no multiplier for what the file stores.
    """
    if dtype is not None or bits or not table.states_widths:
        return precision(hardware, dtype, bits)
    rows = row_precisions(table, hardware, replace(precision(hardware), as_stored=True))
    macs: dict[Precision, int] = {}
    for row, count in zip(rows, table.macs.max(axis=1).tolist(), strict=True):
        macs[row] = macs.get(row, 0) + count
    ranked = sorted((row for row in macs if macs[row]), key=lambda row: -macs[row])
    names = " and ".join(dict.fromkeys(row.name for row in ranked))
    return replace(ranked[0], name=f"{names} {AS_STORED}")


def kept_precisions(table: LayerTable, plain: Precision) -> tuple[Precision, tuple[Precision, ...]]:
    """The precision that most MACs have and that of every row, as a file stores them, for memory that multiplies nothing.

    What the file does not say is that of ``plain``; no hardware is asked whether it has such a multiplier.
    """
    rows = tuple(kept(stored, plain) for stored in table.stored)
    macs = table.macs.max(axis=1).tolist()
    main = rows[macs.index(max(macs))]
    return replace(main, name=f"{main.name} {AS_STORED}"), rows


def kept(stored: StoredWidths, plain: Precision) -> Precision:
    """The widths of one layer as its file stores them."""
    weight, ifmap, ofmap, kind = stored
    if not kind:
        return replace(plain, as_stored=True)
    form = f"{kind}{max(weight, ifmap)}"
    bits = weight or plain.weight_bits, ifmap or plain.ifmap_bits, ofmap or plain.ofmap_bits
    return Precision(form, *bits, max(plain.psum_bits, bits[2]), form, as_stored=True)


def tensor_bits(tensor: Tensor, chosen: Precision) -> int:
    """Width of an activation [bits]: that of the file where the precision is as stored and the file says it."""
    plain = chosen.ifmap_bits if tensor.origin == "input" else chosen.ofmap_bits
    return tensor.bits or plain if chosen.as_stored else plain
