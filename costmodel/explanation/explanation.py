"""The explanation of one layer, as a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from costmodel.mapping.levels.accounts import accounts
from costmodel.mapping.levels.text import nest_text
from costmodel.results import Recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.mapping.levels.accounts import Access
    from costmodel.mapping.levels.mapped import MappedNest
    from costmodel.mapping.levels.price import Priced

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True)
class Spent:
    """What a memory reads and writes for an operand, or for all where they are not told apart, and the energy of both."""

    level: str
    operand: str
    read_bytes: float
    write_bytes: float
    energy_j: float


@dataclass(frozen=True)
class Fed:
    """What the multipliers take of an operand from the innermost memory: every MAC one value, or one of so many [B]."""

    level: str
    operand: str
    macs: int
    bits: int
    macs_per_access: float
    read_bytes: float

    @property
    def formula(self) -> str:
        """The feed as a line."""
        reuse = "" if self.macs_per_access == 1 else f" / {self.macs_per_access:g} per access"
        both = " and as many writes" if self.operand == "ofmap" else ""
        return f"{self.level} reads of {self.operand} for the multipliers = {self.macs:,} MACs{reuse}{both}"


@dataclass(frozen=True)
class Drop:
    """The next drop of what a mapping minimises: how much larger a memory it takes, and the mapping that then fits.

    Attributes
    ----------
    level, operand
        The memory, and the operand where that has a part of its own.
    size_bytes, more_bytes
        Capacity now, of one element where every element has one, and what it takes beyond; None if no size was found.
    proved_bytes, most_bytes
        How many more bytes are proved to save nothing, and the most that were looked at. If ``proved_bytes`` is neither one
        step below ``more_bytes`` nor ``most_bytes``, a search in between took too long to tell.
    value, then
        What is minimised, now and with the larger memory, in the unit of the objective.
    changes
        What the mapping then does otherwise.
    """

    level: str
    operand: str | None
    size_bytes: int
    more_bytes: int | None
    proved_bytes: int
    most_bytes: int
    value: float
    then: float
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """One loop nest: through all memories, or between two of them."""

    text: str
    accesses: tuple[Access, ...]
    priced: Priced
    drops: tuple[Drop, ...]

    @property
    def stores(self) -> tuple[str, ...]:
        """Names of its memories, from the outside in."""
        return tuple(store.name for store in self.priced.hierarchy.stores)

    @property
    def formulas(self) -> tuple[str, ...]:
        """Every access as a line; in a register, it is part of the MAC's energy."""
        return tuple(self.line(one) for one in self.accesses)

    def line(self, one: Access) -> str:
        """One access as a line."""
        return one.formula(self.stores) + ("" if one.held else " (a register: part of the MAC's energy)")


@dataclass(frozen=True, repr=False)
class Explanation(Recorded):
    """Why one layer costs what it costs.

    Attributes
    ----------
    network, hardware, layer
        Names.
    objective
        What the mapping minimises; ``dram_bytes`` at every boundary by itself where ``joint`` is False.
    parts
        The loop nest through all memories, or one for every boundary.
    fed
        What the multipliers take from the innermost memory.
    spent
        Reads, writes and energy by memory and operand, the multipliers' feed included.
    arithmetic_j, static_j, energy_j, latency_s, overhead_s
        Energies [J] and times [s] of the layer.
    times_s
        Time that every resource needs by itself [s].
    steps
        How often the nest is executed.
    optimum
        Least value of the objective, where the mapping was given; None where it was found.
    """

    network: str
    hardware: str
    layer: str
    objective: str
    joint: bool
    parts: tuple[Part, ...]
    fed: tuple[Fed, ...]
    spent: tuple[Spent, ...]
    arithmetic_j: float
    static_j: float
    energy_j: float
    latency_s: float
    overhead_s: float
    times_s: Mapping[str, float]
    overlap: bool
    steps: int = 1
    optimum: MappedNest | None = None

    def records(self) -> list[dict[str, Any]]:
        """One record per access."""
        return [access_record(part, one) for part in self.parts for one in part.accesses]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with ``schema_version``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "network": self.network,
            "hardware": self.hardware,
            "layer": self.layer,
            "objective": self.objective,
            "joint": self.joint,
            "steps": self.steps,
            "nests": [part_dict(part) for part in self.parts],
            "feeds": [{**vars(one), "formula": one.formula} for one in self.fed],
            "energy": {
                "levels": [dict(vars(one)) for one in self.spent],
                "arithmetic_j": self.arithmetic_j,
                "static_j": self.static_j,
                "energy_j": self.energy_j,
            },
            "time": {**self.times_s, "overhead": self.overhead_s, "overlap": self.overlap, "latency_s": self.latency_s},
            **({"optimum": self.optimum.to_dict()} if self.optimum else {}),
        }


def part_dict(part: Part) -> dict[str, Any]:
    """Plain data of one loop nest."""
    return {
        "stores": list(part.stores),
        "text": part.text.splitlines(),
        "accesses": [access_record(part, one) for one in part.accesses],
        "drops": [{**vars(one), "changes": list(one.changes)} for one in part.drops],
    }


def access_record(part: Part, one: Access) -> dict[str, Any]:
    """One access as a flat record."""
    return {
        "level": part.stores[one.store],
        "partner": part.stores[one.other],
        "operand": one.operand,
        "way": one.way,
        "sweep_elems": one.elems,
        "sweeps": one.sweeps - one.skipped,
        "accesses_elems": one.accesses,
        "psum_elems": one.wide,
        "bits": one.bits,
        "register": not one.held,
        "formula": one.formula(part.stores),
    }


def part_of(mapped: MappedNest, drops: tuple[Drop, ...]) -> Part:
    """A mapping with its accesses."""
    return Part(nest_text(mapped), accounts(mapped.priced), mapped.priced, drops)
