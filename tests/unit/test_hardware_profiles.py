"""The shipped profiles: complete, cited, consistent, and what their issue asks of each."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path
from typing import Any

import pytest

from costmodel.data import data_dir
from costmodel.hardware import TIERS, json_schema, load_hardware, profile_names, shipped_sources
from costmodel.hardware.documents import read_document
from costmodel.hardware.link_loading import link_names, load_link
from costmodel.hardware.profile import FORMATS, LOOP_DIMS, OPERANDS

NAMES = profile_names()


@pytest.fixture(params=NAMES)
def profile(request):
    """Load each shipped profile in turn."""
    return load_hardware(request.param)


def value(name: str, path: str) -> float:
    """Return one constant of a shipped profile."""
    return next(constant.value for constant in load_hardware(name).constants() if constant.name == path)


# Every profile


def test_every_constant_has_source_place_tier_and_range(profile):
    """No number without where it comes from, and low <= value <= high."""
    for constant in profile.constants():
        assert constant.source in shipped_sources(), constant
        assert len(constant.where) > 5, constant
        assert constant.tier in TIERS, constant
        assert 0 <= constant.low <= constant.value <= constant.high, constant


def test_what_has_no_source_is_assumed_and_says_why(profile):
    """An assumption is visible as one, with its reasoning."""
    for constant in profile.constants():
        if constant.source == "assumed":
            assert constant.tier == "assumed", constant
            assert len(constant.where) > 10, constant
    assert set(profile.assumptions()) == {c for c in profile.constants() if c.tier == "assumed"}


def test_scaled_energies_have_a_range(profile):
    """A scaled constant is not exact."""
    assert [str(c) for c in profile.constants() if c.tier == "scaled" and c.exact] == []


def test_names_are_unique_and_settable(profile):
    """A constant's name leads to it."""
    names = [constant.name for constant in profile.constants()]
    assert sorted(set(names)) == sorted(names)
    assert set(names) <= set(profile.settable_names())


def test_levels_nest(profile):
    """The backing store first, then ever smaller memories; inner accesses cost less."""
    backing, *inner = profile.levels
    assert backing.kind == "backing"
    assert inner
    sizes = [level.capacity_bytes.value for level in inner]
    assert sizes == sorted(sizes, reverse=True)
    energies = [level.read_pj_per_byte.value for level in profile.levels]
    assert energies == sorted(energies, reverse=True)


def test_only_the_innermost_level_has_reuse(profile):
    """Every operand has a reuse there, and nowhere else."""
    *outer, innermost = profile.levels
    assert [{}] * len(outer) == [level.macs_per_access for level in outer]
    assert tuple(innermost.macs_per_access) == OPERANDS


def test_formats_have_rate_and_energy(profile):
    """MACs per cycle and energy per MAC for the same formats, the default among them."""
    compute = profile.compute
    assert set(compute.macs_per_cycle) == set(compute.mac_pj) <= set(FORMATS)
    assert profile.default_dtype in compute.mac_pj


def test_wider_formats_cost_no_less(profile):
    """Energy per MAC grows from int8 over int16 to fp32."""
    energies = [
        profile.compute.mac_pj[f].value for f in ("int8", "int16", "fp32") if f in profile.compute.mac_pj
    ]
    assert energies == sorted(energies)


def test_units_are_the_base_units(profile):
    """What a formula reads needs no conversion."""
    endings = {
        "capacity": "B",
        "bandwidth": "B/s",
        "read_energy": "pJ/B",
        "write_energy": "pJ/B",
        "clock": "Hz",
    }
    for constant in profile.constants():
        expected = endings.get(constant.name.split(".")[-1])
        assert expected in (None, constant.unit), constant


def test_sources_are_those_cited(profile):
    """The bibliography of a profile: each source once, none without use."""
    cited = {constant.source for constant in profile.constants()} - {"assumed"}
    assert cited == {source.key for source in profile.sources()}
    assert len(cited) == len(profile.sources())


def test_title_says_what_it_is(profile):
    """A profile is listed with a title, and documented by more than that."""
    assert len(profile.title) > 20
    assert profile.name == profile.file.stem


def test_arrays_hold_the_macs(profile):
    """Where there is an array, its size is the MACs per cycle of the default format."""
    if profile.compute.array:
        sizes = [axis.size for axis in profile.compute.array.values()]
        assert prod(sizes) == profile.compute.macs_per_cycle[profile.default_dtype].value
        assert all(set(axis.dims) <= set(LOOP_DIMS) for axis in profile.compute.array.values())


# Each profile


def test_snapdragon_is_the_hexagon_npu():
    """8 MiB of double-buffered VTCM, int8 by default, and four formats."""
    profile = load_hardware("snapdragon")
    assert (
        profile.levels[1].capacity_bytes.value,
        profile.levels[1].double_buffered,
        profile.default_dtype,
    ) == (8 * 2.0**20, True, "int8")
    assert {"int8", "int16", "fp16", "fp32"} <= set(profile.compute.mac_pj)
    assert value("snapdragon", "dram.bandwidth") == 67.2e9


def test_snapdragon_dram_range_covers_what_sources_disagree_on():
    """3.7 to 14 pJ per bit of LPDDR."""
    constant = load_hardware("snapdragon").levels[0].read_pj_per_byte
    assert pytest.approx((constant.low, constant.high)) == (3.7 * 8, 14 * 8)


def test_snapdragon_cpu_has_three_caches():
    """The caches of one prime core."""
    levels = load_hardware("snapdragon-cpu").levels[1:]
    assert [(x.name, x.capacity_bytes.value) for x in levels] == [
        ("l3", 8 * 2.0**20),
        ("l2", 2.0**20),
        ("l1", 65536.0),
    ]
    assert {"cache"} == {level.kind for level in levels}


def test_eyeriss_168_is_hardware_a():
    """12 x 14 elements, 55,296 and 168 x 260 words, energies 1, 1, 6, 200 per 16-bit word."""
    profile = load_hardware("eyeriss-168")
    dram, glb, rf = profile.levels
    assert (glb.total_bytes, rf.total_bytes) == (55296 * 2, 168 * (12 + 224 + 24) * 2)
    assert {operand: part.value / 2 for operand, part in rf.parts.items()} == {"weight": 224, "ifmap": 12, "ofmap": 24}
    assert (rf.per_element, rf.instances, glb.bypass, profile.objective) == (True, 168, ("weight",), None)
    assert [2 * level.read_pj_per_byte.value for level in profile.levels] == [400 / 2, 12 / 2, 2 / 2]
    assert [2 * level.write_pj_per_byte.value for level in profile.levels] == [200, 6, 1]
    assert (profile.compute.mac_pj["int16"].value, profile.compute.macs_per_cycle["int16"].value) == (
        1.0,
        168.0,
    )
    assert (profile.default_dtype, profile.psum_bits, dram.bandwidth_bytes_per_s) == ("int16", 16, None)
    assert not glb.double_buffered
    assert {name: axis.size for name, axis in profile.compute.array.items()} == {"rows": 12, "columns": 14}
    assert all(constant.exact for constant in profile.constants())


def test_eyeriss_chip_has_the_published_ratios():
    """1, 6 and 200 times the energy of a MAC, 33.6 GMAC/s at the peak."""
    profile = load_hardware("eyeriss")
    unit = profile.compute.mac_pj["int16"].value
    assert pytest.approx([2 * level.read_pj_per_byte.value / unit for level in profile.levels]) == [200, 6, 1]
    assert profile.compute.clock_hz.value * profile.compute.macs_per_cycle["int16"].value == 33.6e9


STATIONARY = {
    "ws-16x16": ("weight", 16, {"rows": ("c",), "columns": ("k",)}),
    "os-16x16": ("ofmap", 32, {"rows": ("p",), "columns": ("q",)}),
}
"""What an element keeps, its bits, and what is unrolled along the sides."""


@pytest.mark.parametrize("name", STATIONARY)
def test_what_an_element_keeps_makes_an_array_stationary(name):
    """One value of one operand in each of 16 x 16 elements, and a buffer of 128 KiB."""
    operand, bits, dims = STATIONARY[name]
    profile = load_hardware(name)
    _, buffer, pe = profile.levels
    assert (pe.holds, pe.total_bytes, buffer.total_bytes) == ((operand,), 256 * bits // 8, 128 * 1024)
    assert {axis: entry.dims for axis, entry in profile.compute.array.items()} == dims
    assert [2 * level.read_pj_per_byte.value for level in profile.levels] == [200, 6, 1]


def test_tpu_is_as_published():
    """65,536 MACs at 700 MHz are 92 TOPS; 28 MiB on chip; a tile of 64 KiB of weights, and one for double buffering."""
    profile = load_hardware("tpu-v1")
    rate_hz = value("tpu-v1", "compute.clock") * value("tpu-v1", "compute.macs_per_cycle.int8")
    _, buffer, accumulators, pe = profile.levels
    assert round(2 * rate_hz / 1e12) == 92
    assert buffer.total_bytes + accumulators.total_bytes == 28 * 2**20
    assert accumulators.total_bytes == 4096 * 256 * profile.psum_bits // 8
    assert (pe.total_bytes, pe.double_buffered) == (2 * 64 * 1024, True)
    assert [level.holds for level in profile.levels[1:]] == [("ifmap", "ofmap"), ("ofmap",), ("weight",)]


def test_horowitz_shows_a_hundredfold_dram():
    """A 32-bit word from DRAM costs more than 100 multiply-accumulates at 32 bits, by the published figures."""
    word = 4 * value("horowitz-45nm", "dram.read_energy")
    assert (
        word,
        4 * value("horowitz-45nm", "sram.read_energy"),
        4 * value("horowitz-45nm", "rf.read_energy"),
    ) == (640.0, 5.0, 1.0)
    assert pytest.approx(3.7 + 0.9) == value("horowitz-45nm", "compute.mac_energy.fp32")
    assert pytest.approx(0.2 + 0.03) == value("horowitz-45nm", "compute.mac_energy.int8")
    assert word / value("horowitz-45nm", "compute.mac_energy.fp32") > 100


def test_stm32_fits_no_large_network():
    """3 MB behind the bus, 128 KiB of TCM, 400 MHz."""
    assert (
        value("stm32h743", "axi.capacity"),
        value("stm32h743", "dtcm.capacity"),
        value("stm32h743", "compute.clock"),
    ) == (3 * 2.0**20, 128 * 1024.0, 4e8)


# vela.ini and architecture_features.py of Vela 5.2.0: system configuration, memory mode and accelerator of each profile.
VELA = {
    "ethos-u55-128": {"clock_hz": 500e6, "macs": 128, "sram_bytes_per_s": 4e9, "backing_bytes_per_s": 0.5e9},
    "ethos-u65-512": {"clock_hz": 1e9, "macs": 512, "sram_bytes_per_s": 16e9, "backing_bytes_per_s": 3.75e9},
    "ethos-u85-512": {"clock_hz": 1e9, "macs": 512, "sram_bytes_per_s": 64e9, "backing_bytes_per_s": 24e9},
}
ARENA_BYTES = {"ethos-u55-128": 2 * 2**20, "ethos-u65-512": 393216, "ethos-u85-512": 524288}
BUFFER_BYTES = {"ethos-u55-128": 24 * 1024, "ethos-u65-512": 2 * 48 * 1024, "ethos-u85-512": 16384 + 32768 + 4096 + 3072}


@pytest.mark.parametrize("name", VELA)
def test_ethos_is_as_vela_configures_it(name):
    """Clock, multipliers and both ports."""
    profile = load_hardware(name)
    backing, sram, _ = profile.levels
    assert {
        "clock_hz": profile.compute.clock_hz.value,
        "macs": profile.compute.macs_per_cycle["int8"].value,
        "sram_bytes_per_s": sram.bandwidth_bytes_per_s.value,
        "backing_bytes_per_s": backing.bandwidth_bytes_per_s.value,
    } == VELA[name]


@pytest.mark.parametrize("name", VELA)
def test_memories_of_ethos(name):
    """The arena, and the buffers inside the core."""
    _, sram, buffers = load_hardware(name).levels
    assert (sram.capacity_bytes.value, buffers.capacity_bytes.value) == (ARENA_BYTES[name], BUFFER_BYTES[name])


@pytest.mark.parametrize("name", VELA)
def test_reuse_of_ethos_is_its_array(name):
    """What one operand feeds is what the others are unrolled over: weights pixels, inputs channels, sums the dot product."""
    profile = load_hardware(name)
    sizes = {axis: entry.size for axis, entry in profile.compute.array.items()}
    reuse = {operand: constant.value for operand, constant in profile.levels[-1].macs_per_access.items()}
    pixels = sizes.get("pixels") or sizes["rows"] * sizes["columns"]
    assert reuse == {"weight": pixels, "ifmap": sizes["depth"], "ofmap": sizes["dot"]}


def test_only_the_u55_stores_weights_in_flash():
    """The others read and write DRAM."""
    assert {name: load_hardware(name).levels[0].name for name in VELA} == {
        "ethos-u55-128": "flash",
        "ethos-u65-512": "dram",
        "ethos-u85-512": "dram",
    }


def test_stm32n6_has_the_pools_of_its_compiler():
    """1 MiB of the processor's memory and four banks of 448 KiB; 128 MB of flash and 32 MB of RAM outside."""
    assert value("stm32n6", "axisram.capacity") == (1024 + 4 * 448) * 1024
    assert value("stm32n6", "external.capacity") == (128 + 32) * 2**20


def test_stm32n6_reads_weights_as_fast_as_measured():
    """MobileNet v2 0.35 at 128 and 224 pixels: 1000 classes instead of 101 add 1125 KiB and 3.02 ms."""
    added_bytes, added_s = (1840.94 - 715.67) * 1024, (6.35e-3 - 3.33e-3, 9.14e-3 - 6.12e-3)
    assert [added_bytes / s for s in added_s] == pytest.approx([value("stm32n6", "external.bandwidth")] * 2, rel=0.01)


def test_edge_tpu_streams_what_does_not_fit():
    """Inception v4 takes about the time of its weights beyond 8 MiB across the link, and of its arithmetic."""
    beyond_s = (42_616_648 - value("edge-tpu", "sram.capacity")) / value("edge-tpu", "host.bandwidth")
    rate_hz = value("edge-tpu", "compute.clock") * value("edge-tpu", "compute.macs_per_cycle.int8")
    assert 84.25e-3 < beyond_s + 12.25e9 / rate_hz < 100.33e-3
    assert rate_hz <= 4e12 / 2


# Bibliography


def test_every_source_is_used_and_can_be_found():
    """No dead entries; each leads to a place, by DOI or address."""
    profiles = [*map(load_hardware, NAMES), *map(load_link, link_names())]
    used = {constant.source for profile in profiles for constant in profile.constants()}
    mentioned = " ".join(constant.where for profile in profiles for constant in profile.constants())
    for key, source in shipped_sources().items():
        assert key in used or key in mentioned, key
        assert source.doi or source.url or key == "assumed", key
        assert source.tier in TIERS


def test_references_end_in_a_link():
    """The bibliography prints as lines with links."""
    links = [source.reference.split()[-1] for key, source in shipped_sources().items() if key != "assumed"]
    assert all(re.fullmatch(r"https://\S+", link) for link in links)


# JSON Schema


def schema_problems(data: Any, schema: dict[str, Any], root: dict[str, Any], path: str = "$") -> list[str]:
    """Check data against the few keywords the schema uses; an empty list means it is accepted."""
    if "$ref" in schema:
        return schema_problems(data, root["$defs"][schema["$ref"].split("/")[-1]], root, path)
    found = []
    if "anyOf" in schema and all(schema_problems(data, one, root, path) for one in schema["anyOf"]):
        found.append(f"{path}: no alternative fits {data!r}")
    if "const" in schema and data != schema["const"]:
        found.append(f"{path}: {data!r} is not {schema['const']!r}")
    if "enum" in schema and data not in schema["enum"]:
        found.append(f"{path}: {data!r} is not one of {schema['enum']}")
    kinds = {
        "object": dict,
        "string": str,
        "boolean": bool,
        "integer": int,
        "array": list,
        "number": (int, float),
        "null": type(None),
    }
    if "type" in schema and not isinstance(data, kinds[schema["type"]]):
        return [*found, f"{path}: {data!r} is no {schema['type']}"]
    if "pattern" in schema and isinstance(data, str) and not re.search(schema["pattern"], data):
        found.append(f"{path}: {data!r} does not match {schema['pattern']}")
    if isinstance(data, dict):
        found += object_problems(data, schema, root, path)
    return found


def object_problems(data: dict, schema: dict[str, Any], root: dict[str, Any], path: str) -> list[str]:
    """Check the keys and values of a mapping."""
    known = schema.get("properties", {})
    found = [f"{path}: no {name}" for name in schema.get("required", []) if name not in data]
    names = schema.get("propertyNames", {}).get("enum")
    for name, item in data.items():
        below = known.get(name, schema.get("additionalProperties", {}))
        if below is False or (names and name not in names):
            found.append(f"{path}: unknown {name}")
        elif isinstance(below, dict):
            found += schema_problems(item, below, root, f"{path}.{name}")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_json_schema_accepts_the_shipped_profiles(name):
    """An editor that checks a shipped profile finds nothing."""
    data = read_document(data_dir("hw_profiles") / f"{name}.yaml").data
    assert schema_problems(data, json_schema(), json_schema()) == []


def test_json_schema_accepts_an_inheriting_profile():
    """A profile that inherits may leave out what it does not change."""
    data = {"inherits": "snapdragon", "memory": {"vtcm": {"capacity": "4 MiB | assumed | half"}}}
    assert schema_problems(data, json_schema(), json_schema()) == []


@pytest.mark.parametrize(
    "data",
    [
        {"name": "x"},
        {"inherits": "snapdragon", "memroy": {}},
        {"inherits": "snapdragon", "static_power": "1 W"},
        {"inherits": "snapdragon", "static_power": {"value": "1 W", "source": "assumed"}},
        {"inherits": "snapdragon", "default_dtype": "int9"},
        {"inherits": "snapdragon", "compute": {"mac_energy": {"int9": "1 pJ | a | bcd"}}},
        {"inherits": "snapdragon", "memory": {"vtcm": {"bandwidth": "unlimitd"}}},
        {"inherits": "snapdragon", "overlap": "yes"},
    ],
)
def test_json_schema_refuses_mistakes(data):
    """What the loader refuses for its structure, an editor underlines."""
    assert schema_problems(data, json_schema(), json_schema())


def test_profiles_name_no_place_of_this_machine():
    """Shipped data mention files of the sources, never paths of the machine they were written on."""
    for file in Path(data_dir("hw_profiles")).glob("*.yaml"):
        assert not re.search(r"(^|\s)/(work|tmp|home|shared)\b", file.read_text()), file
