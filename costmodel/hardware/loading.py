"""From a name or a path to a `HardwareProfile`: find, read, inherit, check, and only then build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from costmodel.data import data_dir
from costmodel.errors import HardwareError
from costmodel.hardware import constants as fields
from costmodel.hardware.bibliography import BIBLIOGRAPHY_FILE, own_sources, shipped_sources
from costmodel.hardware.documents import Document, read_document
from costmodel.hardware.inheritance import chain, merged
from costmodel.hardware.problems import sentences
from costmodel.hardware.profile import (
    ASSUMED,
    OPERANDS,
    ArrayAxis,
    Compute,
    Constant,
    HardwareProfile,
    MemoryLevel,
    Source,
    did_you_mean,
)
from costmodel.hardware.schema import ComputeSpec, ConstantSpec, LevelSpec, ProfileSpec

SUFFIXES: Final = (".yaml", ".yml")
NO_REUSE: Final = "not given: every MAC is taken to access its operands once"


def profile_names() -> tuple[str, ...]:
    """Names of the shipped profiles, sorted."""
    files = data_dir("hw_profiles").glob("*.yaml")
    return tuple(sorted(file.stem for file in files if file.name != BIBLIOGRAPHY_FILE))


def load_hardware(name_or_path: str | Path) -> HardwareProfile:
    """Load a hardware profile.

    The result is immutable and cached until one of its files changes.

    Parameters
    ----------
    name_or_path
        Name of a shipped profile (see `profile_names`), or a YAML file.

    Raises
    ------
    HardwareError
        Every problem at once, each with file, line and column.
    """
    file = profile_file(str(name_or_path)) if isinstance(name_or_path, str) else name_or_path
    documents = _chain(file)
    return _profile(_Documents(documents, tuple(shipped_sources().values())))


def profile_file(name: str, beside: Path | None = None) -> Path:
    """Return the file of a shipped profile by its bare name, else of a path relative to the file `beside`."""
    directory = beside.parent if beside else Path()
    looks_like_a_path = "/" in name or "\\" in name or name.endswith(SUFFIXES)
    if looks_like_a_path:
        return directory / name
    known = profile_names()
    if name in known:
        return data_dir("hw_profiles") / f"{name}.yaml"
    if name and (directory / name).exists():
        return directory / name
    raise HardwareError(
        f"no hardware profile {name!r}{did_you_mean(name, known)}: "
        f"shipped are {', '.join(known)}; or give a .yaml file"
    )


def _chain(file: Path) -> tuple[Document, ...]:
    return chain(read_document(file), profile_file)


class _Documents:
    """Parsed files as a cache key: equal only to the very same ones, which change when the files do."""

    def __init__(self, documents: tuple[Document, ...], sources: tuple[Source, ...]) -> None:
        self.documents = documents
        self.sources = {source.key: source for source in sources}
        self._identity = (tuple(map(id, documents)), tuple(map(id, sources)))

    def __hash__(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Documents) and other._identity == self._identity


@lru_cache(maxsize=64)
def _profile(loaded: _Documents) -> HardwareProfile:
    data = merged(loaded.documents)
    file = loaded.documents[0].file
    data.setdefault("name", file.stem)
    data.setdefault("title", _title(data))
    sources = {**loaded.sources, **own_sources(data.get("sources"))}
    try:
        spec = ProfileSpec.model_validate(data, context={"sources": sources})
    except ValidationError as error:
        raise HardwareError(*sentences(error, loaded.documents)) from None
    return runtime(spec, file, sources)


def _title(data: Mapping[str, Any]) -> str:
    return f"{data['name']}, a variation of {data['inherits']}" if data.get("inherits") else str(data["name"])


def runtime(spec: ProfileSpec, file: Path, sources: Mapping[str, Source]) -> HardwareProfile:
    """Return the dataclasses of a checked profile."""
    last = list(spec.memory)[-1]
    profile = HardwareProfile(
        name=spec.name,
        title=spec.title,
        default_dtype=spec.default_dtype,
        psum_bits=spec.psum_bits,
        levels=tuple(
            _level(name, level, sources, innermost=name == last) for name, level in spec.memory.items()
        ),
        compute=_compute(spec.compute, sources),
        static_w=spec.static_power.constant("static_power", fields.STATIC_POWER, sources),
        layer_overhead_s=spec.layer_overhead.constant("layer_overhead", fields.LAYER_OVERHEAD, sources),
        overlap=spec.overlap,
        file=file,
        description=spec.description,
    )
    return _with_bibliography(profile, sources)


def _with_bibliography(profile: HardwareProfile, sources: Mapping[str, Source]) -> HardwareProfile:
    cited = {constant.source for constant in profile.constants()}
    return replace(profile, bibliography={key: source for key, source in sources.items() if key in cited})


def _level(name: str, spec: LevelSpec, sources: Mapping[str, Source], *, innermost: bool) -> MemoryLevel:
    def constant(field: str, kind: fields.Field, given: ConstantSpec) -> Constant:
        return given.constant(f"{name}.{field}", kind, sources)

    def limit(field: str, kind: fields.Field, given: ConstantSpec | None) -> Constant | None:
        return None if given is None else constant(field, kind, given)

    return MemoryLevel(
        name=name,
        kind=spec.kind,
        capacity_bytes=limit("capacity", fields.CAPACITY, spec.capacity),
        read_pj_per_byte=constant("read_energy", fields.ENERGY_PER_BYTE, spec.read_energy),
        write_pj_per_byte=constant("write_energy", fields.ENERGY_PER_BYTE, spec.write_energy),
        bandwidth_bytes_per_s=limit("bandwidth", fields.BANDWIDTH, spec.bandwidth),
        double_buffered=spec.double_buffered,
        macs_per_access=_reuse(name, spec, sources) if innermost else {},
    )


def _reuse(level: str, spec: LevelSpec, sources: Mapping[str, Source]) -> dict[str, Constant]:
    """MACs per access for every operand; an operand the profile leaves out has no reuse."""
    prefix = f"{level}.macs_per_access"
    given = {
        str(operand): reuse.constant(f"{prefix}.{operand}", fields.MACS_PER_ACCESS, sources)
        for operand, reuse in spec.macs_per_access.items()
    }
    return {operand: given.get(operand) or _no_reuse(f"{prefix}.{operand}") for operand in OPERANDS}


def _no_reuse(name: str) -> Constant:
    return Constant(name, 1.0, 1.0, 1.0, "MAC", ASSUMED, NO_REUSE, "assumed")


def _compute(spec: ComputeSpec, sources: Mapping[str, Source]) -> Compute:
    return Compute(
        clock_hz=spec.clock.constant("compute.clock", fields.CLOCK, sources),
        macs_per_cycle={
            name: rate.constant(f"compute.macs_per_cycle.{name}", fields.MACS_PER_CYCLE, sources)
            for name, rate in spec.macs_per_cycle.items()
        },
        mac_pj={
            name: energy.constant(f"compute.mac_energy.{name}", fields.MAC_ENERGY, sources)
            for name, energy in spec.mac_energy.items()
        },
        array={name: ArrayAxis(axis.size, tuple(axis.dims)) for name, axis in spec.array.items()}
        if spec.array
        else None,
    )
