"""Hardware: profiles in YAML with a source for every number, and their form at run time."""

from __future__ import annotations

from costmodel.hardware.bibliography import shipped_sources
from costmodel.hardware.editor import json_schema
from costmodel.hardware.loading import load_hardware, profile_file, profile_names
from costmodel.hardware.profile import (
    FORMATS,
    GIVEN_BY_USER,
    TIER_RATIO,
    TIERS,
    ArrayAxis,
    Compute,
    Constant,
    HardwareProfile,
    MemoryLevel,
    Source,
    Tier,
)

__all__ = [
    "FORMATS",
    "GIVEN_BY_USER",
    "TIERS",
    "TIER_RATIO",
    "ArrayAxis",
    "Compute",
    "Constant",
    "HardwareProfile",
    "MemoryLevel",
    "Source",
    "Tier",
    "json_schema",
    "load_hardware",
    "profile_file",
    "profile_names",
    "shipped_sources",
]
