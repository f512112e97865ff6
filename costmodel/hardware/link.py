"""A link at run time: what carries bytes to a device, or between workers, every number with source and range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from costmodel.hardware.profile import ASSUMED, Constant, Source


@dataclass(frozen=True)
class Receiver:
    """What receiving costs a device, above idle; after the last byte it stays awake for a while."""

    active_w: Constant
    pj_per_byte: Constant
    tail_s: Constant
    tail_w: Constant


@dataclass(frozen=True)
class Link:
    """A link: bytes per second of payload in one direction, and seconds before the first byte of a message.

    ``receiver`` is None where nobody published what receiving costs; ``bibliography`` holds the sources that the constants
    cite.
    """

    name: str
    title: str
    bandwidth_bytes_per_s: Constant
    latency_s: Constant
    receiver: Receiver | None
    file: Path
    description: str = ""
    bibliography: Mapping[str, Source] = field(default_factory=dict)

    def constants(self) -> tuple[Constant, ...]:
        """Return every constant."""
        receiving = tuple(vars(self.receiver).values()) if self.receiver else ()
        return (self.bandwidth_bytes_per_s, self.latency_s, *receiving)

    def assumptions(self) -> tuple[Constant, ...]:
        """Return the constants that rest on no source."""
        return tuple(constant for constant in self.constants() if constant.tier == ASSUMED)

    def sources(self) -> tuple[Source, ...]:
        """Return the bibliography entries that the constants cite, each once, in order of first use."""
        keys = dict.fromkeys(constant.source for constant in self.constants() if constant.source != ASSUMED)
        return tuple(self.bibliography[key] for key in keys)
