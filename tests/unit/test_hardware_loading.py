"""Loading profiles: names, files, inheritance, and every mistake with its place and its remedy."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.data import data_dir
from costmodel.errors import HardwareError, InputError
from costmodel.hardware import Constant, load_hardware, profile_file, profile_names, shipped_sources
from costmodel.hardware.inheritance import merge

WHOLE = """\
name: toy
title: a toy accelerator
default_dtype: int8
overlap: true
memory:
  dram:
    kind: backing
    capacity: unlimited
    bandwidth: 10 GB/s | assumed | a plain choice
    read_energy: 160 pJ/B | han2015 | Figure 1
    write_energy: 160 pJ/B | han2015 | Figure 1
  sram:
    kind: scratchpad
    capacity: 64 KiB | assumed | a plain choice
    bandwidth: unlimited
    read_energy: 1.25 pJ/B | han2015 | Figure 1
    write_energy: 1.25 pJ/B | han2015 | Figure 1
compute:
  clock: 500 MHz | assumed | a plain choice
  macs_per_cycle: {int8: 64 | assumed | a plain choice}
  mac_energy: {int8: 0.23 pJ | horowitz2014 | multiply plus add}
static_power: 0 W | assumed | left out
layer_overhead: 0 s | assumed | left out
"""


def write(directory: Path, text: str, name: str = "toy.yaml") -> Path:
    """Write a profile file."""
    file = directory / name
    file.write_text(text)
    return file


def refusals(file: Path | str) -> list[str]:
    """Return the problems of a profile, without the directory of its file."""
    with pytest.raises(HardwareError) as error:
        load_hardware(file)
    return [problem.replace(f"{Path(file).parent}/", "") for problem in error.value.problems]


def test_a_whole_profile_in_twenty_lines(tmp_path):
    """Everything that is needed, and what it becomes."""
    profile = load_hardware(write(tmp_path, WHOLE))
    dram, sram = profile.levels
    assert (
        profile.name,
        profile.title,
        profile.default_dtype,
        profile.psum_bits,
        profile.overlap,
    ) == ("toy", "a toy accelerator", "int8", 32, True)
    assert (
        dram.capacity_bytes,
        dram.read_pj_per_byte.value,
        dram.write_pj_per_byte.value,
        dram.bandwidth_bytes_per_s.value,
    ) == (None, 160.0, 160.0, 1e10)
    assert (
        sram.capacity_bytes.value,
        sram.bandwidth_bytes_per_s,
        sram.double_buffered,
    ) == (65536.0, None, False)
    assert dram.macs_per_access == {}
    assert {k: c.value for k, c in sram.macs_per_access.items()} == {
        "weight": 1.0,
        "ifmap": 1.0,
        "ofmap": 1.0,
    }
    assert (
        profile.compute.clock_hz.value,
        profile.compute.macs_per_cycle["int8"].value,
        profile.compute.mac_pj["int8"].value,
    ) == (5e8, 64.0, 0.23)
    assert profile.compute.array is None
    assert [source.key for source in profile.sources()] == ["han2015", "horowitz2014"]
    assert sram is profile.level("sram")


def test_long_form_of_a_constant(tmp_path):
    """Fields instead of one line, with a range and a tier."""
    text = WHOLE.replace(
        "160 pJ/B | han2015 | Figure 1\n    w",
        "{value: 20 pJ/bit, low: 10 pJ/bit, high: 0.3 nJ/B, source: han2015, where: abc, tier: scaled}\n    w",
    )
    expected = Constant("dram.read_energy", 160.0, 80.0, 300.0, "pJ/B", "han2015", "abc", "scaled")
    assert expected == load_hardware(write(tmp_path, text)).levels[0].read_pj_per_byte


def test_array(tmp_path):
    """Axes of the array with the loop dimensions unrolled along them."""
    text = WHOLE.replace(
        "  mac_energy",
        "  array: {rows: {size: 12, dims: [r, c]}, columns: {size: 14, dims: [p]}}\n  mac_energy",
    )
    array = load_hardware(write(tmp_path, text)).compute.array
    assert {k: (a.size, a.dims) for k, a in array.items()} == {
        "rows": (12, ("r", "c")),
        "columns": (14, ("p",)),
    }


def changed(line: str, new: str) -> str:
    """Replace one line (or part) of the whole profile."""
    assert WHOLE.count(line) == 1, line
    return WHOLE.replace(line, new)


def with_sram(line: str) -> str:
    """Return the whole profile with one more line in its buffer."""
    return changed("    kind: scratchpad", f"    kind: scratchpad\n    {line}")


ONE_MISTAKE = {
    "misspelt field": (
        changed("    kind: backing", "    knid: backing"),
        [
            "toy.yaml:6:3: memory.dram.kind: missing: add it ('backing' for the outermost store, ",
            "toy.yaml:7:5: memory.dram.knid: unknown field (did you mean 'kind'?): known here are kind, "
            "capacity, read_energy, write_energy, bandwidth, double_buffered, macs_per_access",
        ],
    ),
    "misspelt top field": (
        changed("overlap: true", "overlap: true\nlayer_overhaed: 1"),
        ["toy.yaml:5:1: layer_overhaed: unknown field (did you mean 'layer_overhead'?): known"],
    ),
    "misspelt compute field": (
        changed("  clock:", "  clcok: 1\n  clock:"),
        ["toy.yaml:19:3: compute.clcok: unknown field (did you mean 'clock'?)"],
    ),
    "misspelt constant field": (
        changed(
            "500 MHz | assumed | a plain choice", "{valeu: 500 MHz, source: assumed, where: a plain choice}"
        ),
        [
            "toy.yaml:19:3: compute.clock.value: missing",
            "toy.yaml:19:11: compute.clock.valeu: unknown field (did you mean 'value'?)",
        ],
    ),
    "misspelt axis field": (
        changed("  mac_energy", "  array: {rows: {sise: 12, dims: [r]}}\n  mac_energy"),
        [
            "toy.yaml:21:11: compute.array.rows.size: missing",
            "toy.yaml:21:18: compute.array.rows.sise: unknown field (did you mean 'size'?)",
        ],
    ),
    "missing field": (
        changed("static_power: 0 W | assumed | left out\n", ""),
        ["toy.yaml:1:1: static_power: missing: add it (such as '0.1 W')"],
    ),
    "missing level field": (
        changed("    capacity: 64 KiB | assumed | a plain choice\n", ""),
        ["toy.yaml:12:3: memory.sram.capacity: missing: add it (such as '8 MiB', or 'unlimited' for"],
    ),
    "empty field": (
        changed("    kind: backing", "    kind:"),
        ["toy.yaml:7:5: memory.dram.kind: missing: add it"],
    ),
    "bare number": (
        changed("500 MHz | assumed", "500 | assumed"),
        ["toy.yaml:19:3: compute.clock.value: '500' has no unit: write for example 787 MHz"],
    ),
    "bare YAML number": (
        changed("500 MHz | assumed | a plain choice", "500"),
        ["toy.yaml:19:3: compute.clock: '500' does not say where it comes from: write 'VALUE"],
    ),
    "no source": (
        changed("500 MHz | assumed | a plain choice", "500 MHz"),
        ["toy.yaml:19:3: compute.clock: '500 MHz' does not say where it comes from"],
    ),
    "empty where": (
        changed("500 MHz | assumed | a plain choice", "{value: 500 MHz, source: assumed, where: ''}"),
        ["toy.yaml:19:44: compute.clock.where: '' given, which is too short: write at least 3 of them"],
    ),
    "wrong unit": (
        changed("500 MHz", "500 mA"),
        ["toy.yaml:19:3: compute.clock.value: '500 mA': 'mA' is not a unit"],
    ),
    "wrong dimension": (
        changed("10 GB/s", "10 GB"),
        ["toy.yaml:9:5: memory.dram.bandwidth.value: '10 GB' is a number of bytes, not a bandwidth"],
    ),
    "negative": (
        changed("0.23 pJ", "-0.23 pJ"),
        ["toy.yaml:21:16: compute.mac_energy.int8.value: -0.23 pJ is negative: write 0 or more"],
    ),
    "zero": (
        changed("64 KiB", "0 KiB"),
        ["toy.yaml:14:5: memory.sram.capacity.value: 0 KiB is zero: write more than 0"],
    ),
    "not a number": (
        changed("500 MHz", "nan MHz"),
        ["toy.yaml:19:3: compute.clock.value: 'nan MHz' is not a finite number"],
    ),
    "infinite": (
        changed("int8: 64 | assumed", "int8: inf | assumed"),
        ["toy.yaml:20:20: compute.macs_per_cycle.int8.value: inf is not a finite number"],
    ),
    "YAML infinity": (
        changed(
            "500 MHz | assumed | a plain choice", "{value: .inf, source: assumed, where: a plain choice}"
        ),
        ["toy.yaml:19:11: compute.clock.value: inf is not a finite number"],
    ),
    "unordered range": (
        changed("500 MHz", "500 (600 to 550) MHz"),
        ["toy.yaml:19:3: compute.clock.low: 600 MHz is above the value 500 MHz: low <= value <= high"],
    ),
    "unknown source": (
        changed("| horowitz2014 |", "| horovitz2014 |"),
        [
            "toy.yaml:21:16: compute.mac_energy.int8.source: 'horovitz2014' is not in the bibliography "
            "(did you mean 'horowitz2014'?): use one of its keys, add it under 'sources:', or write 'assumed'"
        ],
    ),
    "unknown tier": (
        changed("500 MHz | assumed | a plain choice", "500 MHz | assumed | why | asumed"),
        ["toy.yaml:19:3: compute.clock.tier: 'asumed' is not known (did you mean 'assumed'?): write"],
    ),
    "tier without source": (
        changed("500 MHz | assumed | a plain choice", "500 MHz | assumed | why | measured"),
        ["toy.yaml:19:3: compute.clock.tier: 'measured' given with the source 'assumed'"],
    ),
    "unknown kind": (
        changed("kind: scratchpad", "kind: scratch"),
        [
            "toy.yaml:13:5: memory.sram.kind: 'scratch' is not known (did you mean 'scratchpad'?): "
            "write 'backing', 'scratchpad' or 'cache'"
        ],
    ),
    "unknown format": (
        changed("default_dtype: int8", "default_dtype: int9"),
        ["toy.yaml:3:1: default_dtype: 'int9' is not known (did you mean 'int8'?)"],
    ),
    "unknown format of MACs": (
        changed("mac_energy: {int8", "mac_energy: {itn8"),
        ["toy.yaml:21:16: compute.mac_energy.itn8: 'itn8' is not known (did you mean 'int8'?)"],
    ),
    "format without energy": (
        changed("macs_per_cycle: {", "macs_per_cycle: {fp16: 32 | assumed | half, "),
        ["toy.yaml:21:3: compute.mac_energy: fp16 in only one of macs_per_cycle and mac_energy: give both"],
    ),
    "no format": (
        changed("{int8: 0.23 pJ | horowitz2014 | multiply plus add}", "{}"),
        ["toy.yaml:21:3: compute.mac_energy: {} given, which is too short: write at least 1 of them"],
    ),
    "default format without MACs": (
        changed("default_dtype: int8", "default_dtype: fp16"),
        ["toy.yaml:20:3: compute.macs_per_cycle: no fp16, which is the default_dtype: give it, or choose"],
    ),
    "text for a switch": (
        changed("overlap: true", "overlap: yes"),
        ["toy.yaml:4:1: overlap: 'yes' given: write true or false"],
    ),
    "text for a number": (
        changed("name: toy", "name: toy\npsum_bits: wide"),
        ["toy.yaml:2:1: psum_bits: 'wide' given: write a whole number"],
    ),
    "number out of bounds": (
        changed("name: toy", "name: toy\npsum_bits: 0"),
        ["toy.yaml:2:1: psum_bits: 0 given: input should be greater than or equal to 1"],
    ),
    "number for a name": (changed("name: toy", "name: 12"), ["toy.yaml:1:1: name: 12 given: write text"]),
    "text for a mapping": (
        changed("  macs_per_cycle: {int8: 64 | assumed | a plain choice}", "  macs_per_cycle: 64"),
        ["toy.yaml:20:3: compute.macs_per_cycle: 64 given: write a mapping of names to values"],
    ),
    "list for a level": (
        WHOLE.replace(WHOLE[WHOLE.index("  sram:") : WHOLE.index("compute:")], "  sram: [64 KiB]\n"),
        ["toy.yaml:12:3: memory.sram: ['64 KiB'] given: write a mapping, or 'VALUE | SOURCE"],
    ),
    "one level": (
        WHOLE.replace(WHOLE[WHOLE.index("  sram:") : WHOLE.index("compute:")], ""),
        ["toy.yaml:5:1: memory: {'dram': {'kind': 'backing'"],
    ),
    "no backing store": (
        changed("kind: backing", "kind: cache"),
        ["toy.yaml:7:5: memory.dram.kind: 'cache' at position 1: the first level, and only it, is 'backing'"],
    ),
    "two backing stores": (
        changed("kind: scratchpad", "kind: backing"),
        ["toy.yaml:13:5: memory.sram.kind: 'backing' at position 2"],
    ),
    "unlimited buffer": (
        changed("64 KiB | assumed | a plain choice", "unlimited"),
        ["toy.yaml:14:5: memory.sram.capacity: 'unlimited' given: only the backing store may be"],
    ),
    "unlimited energy": (
        changed("0.23 pJ | horowitz2014 | multiply plus add", "unlimited"),
        ["toy.yaml:21:16: compute.mac_energy.int8: 'unlimited' does not say where it comes from"],
    ),
    "reuse in an outer level": (
        changed("    kind: backing", "    kind: backing\n    macs_per_access: {weight: 2 | assumed | why}"),
        ["toy.yaml:8:5: memory.dram.macs_per_access: only the innermost level has it: move it there"],
    ),
    "unknown operand": (
        changed(
            "    kind: scratchpad", "    kind: scratchpad\n    macs_per_access: {weigth: 2 | assumed | why}"
        ),
        ["toy.yaml:14:23: memory.sram.macs_per_access.weigth: 'weigth' is not known (did you mean 'weight'"],
    ),
    "reserved level name": (
        changed("  sram:", "  compute:"),
        ["toy.yaml:12:3: memory.compute: 'compute' cannot name a memory level: use small letters"],
    ),
    "unknown loop dimension": (
        changed("  mac_energy", "  array: {rows: {size: 12, dims: [x]}}\n  mac_energy"),
        ["toy.yaml:21:35: compute.array.rows.dims.0: 'x' is not known: write 'n', 'g',"],
    ),
    "array of size zero": (
        changed("  mac_energy", "  array: {rows: {size: 0, dims: [r]}}\n  mac_energy"),
        ["toy.yaml:21:18: compute.array.rows.size: 0 given: input should be greater than 0"],
    ),
    "array that unrolls nothing": (
        changed("  mac_energy", "  array: {rows: {size: 12, dims: []}}\n  mac_energy"),
        ["toy.yaml:21:28: compute.array.rows.dims: [] given, so that 12 units unroll nothing: name loop dimensions"],
    ),
    "dimension unrolled twice along a side": (
        changed("  mac_energy", "  array: {rows: {size: 12, dims: [k, c, k]}}\n  mac_energy"),
        ["toy.yaml:21:28: compute.array.rows.dims: k given more than once: each loop dimension once is enough"],
    ),
    "multicast that is no yes or no": (
        changed("  mac_energy", "  array: {rows: {size: 12, dims: [k], multicast: 2}}\n  mac_energy"),
        ["toy.yaml:21:39: compute.array.rows.multicast: 2 given: "],
    ),
    "unknown objective": (
        changed("overlap: true", "overlap: true\nobjective: enrgy"),
        ["toy.yaml:5:1: objective: 'enrgy' is not known (did you mean 'energy'?): write 'energy', 'latency', 'edp'"],
    ),
    "parts beyond the capacity": (
        with_sram("parts: {weight: 60 KiB | assumed | why, ofmap: 8 KiB | assumed | why}"),
        ["toy.yaml:14:5: memory.sram.parts: weight 61440 B, ofmap 8192 B are 69632 B together, the capacity is 65536 B: "],
    ),
    "no room beside the parts": (
        with_sram("parts: {weight: 64 KiB | assumed | why}"),
        ["toy.yaml:12:3: memory.sram.holds: no room for ifmap and ofmap: the parts take all 65536 B; give ifmap and ofmap a"],
    ),
    "part without end": (
        with_sram("parts: {weight: unlimited}"),
        ["toy.yaml:14:13: memory.sram.parts.weight: 'unlimited' given: write its size"],
    ),
    "innermost memory without an operand": (
        with_sram("holds: [weight, ofmap]"),
        ["toy.yaml:14:5: memory.sram.holds: no home for ifmap, which multipliers read here: add it, or write per_element"],
    ),
    "memory that holds nothing": (
        with_sram("holds: []"),
        ["toy.yaml:14:5: memory.sram.holds: [] given, which makes the level hold nothing: name operands"],
    ),
    "operand held twice": (
        with_sram("holds: [weight, ifmap, weight, ofmap]"),
        ["toy.yaml:14:5: memory.sram.holds: weight given more than once: once is enough"],
    ),
    "unknown operand held": (
        with_sram("holds: [weights]"),
        ["toy.yaml:14:13: memory.sram.holds.0: 'weights' is not known (did you mean 'weight'?)"],
    ),
    "bypass of the innermost memory": (
        with_sram("bypass: [weight]"),
        ["toy.yaml:14:5: memory.sram.bypass: weight cannot pass by the innermost level, where the multipliers read"],
    ),
    "no operand stays": (
        with_sram("stationary: weights"),
        ["toy.yaml:14:5: memory.sram.stationary: 'weights' is not known (did you mean 'weight'?)"],
    ),
    "something stays in the backing store": (
        changed("    kind: backing", "    kind: backing\n    stationary: weight"),
        ["toy.yaml:8:5: memory.dram.stationary: the backing store holds everything: leave it out"],
    ),
    "elements without an array": (
        with_sram("per_element: true"),
        ["toy.yaml:14:5: memory.sram.per_element: true, but compute has no array, so that there are no elements"],
    ),
    "operands of the backing store": (
        changed("    kind: backing", "    kind: backing\n    holds: [weight]\n    bypass: [ifmap]"),
        [
            "toy.yaml:8:5: memory.dram.holds: the backing store holds everything: leave it out",
            "toy.yaml:9:5: memory.dram.bypass: the backing store holds everything: leave it out",
        ],
    ),
    "bad source entry": (
        WHOLE + "sources:\n  mine: {titel: My bench}\n",
        [
            "toy.yaml:25:3: sources.mine.title: missing",
            "toy.yaml:25:10: sources.mine.titel: unknown field (did you mean 'title'?)",
        ],
    ),
    "duplicate key": (
        changed("    kind: backing", "    kind: backing\n    kind: cache"),
        ["toy.yaml:8:5: 'kind' is given twice, first on line 7: keep one of them"],
    ),
}


@pytest.mark.parametrize("case", ONE_MISTAKE)
def test_each_mistake_has_its_place_and_remedy(tmp_path, case):
    """File, line, column, what was given, what to do; and nothing else is reported."""
    text, expected = ONE_MISTAKE[case]
    found = refusals(write(tmp_path, text))
    assert len(expected) == len(found), found
    for start, problem in zip(expected, found, strict=True):
        assert problem.startswith(start)


def test_all_problems_at_once_in_the_order_of_the_file(tmp_path):
    """One run shows everything there is to repair."""
    text = (
        WHOLE.replace("500 MHz", "500")
        .replace("| han2015 |", "| hann2015 |")
        .replace("0 s |", "0 kg |")
        .replace("name", "nmae", 1)
    )
    found = refusals(write(tmp_path, text))
    assert [re.match(r"toy.yaml:(\d+:\d+):", p)[1] for p in found] == [
        "1:1",
        "10:5",
        "11:5",
        "16:5",
        "17:5",
        "19:3",
        "23:1",
    ]


def test_own_sources_extend_the_bibliography(tmp_path):
    """A profile may bring its own sources; they are part of its bibliography."""
    text = changed("500 MHz | assumed | a plain choice", "500 MHz | bench | run 3") + (
        "sources:\n  bench: {title: My bench, authors: Me, year: 2026, tier: measured}\n"
    )
    profile = load_hardware(write(tmp_path, text))
    assert (
        profile.compute.clock_hz.source,
        profile.compute.clock_hz.tier,
        profile.compute.clock_hz.low,
    ) == ("bench", "measured", 5e8)
    assert "Me: My bench. 2026" in [source.reference for source in profile.sources()]


def test_name_defaults_to_the_file_name(tmp_path):
    """A profile without name and title has those of its file."""
    profile = load_hardware(
        write(tmp_path, WHOLE.replace("name: toy\ntitle: a toy accelerator\n", ""), "board.yaml")
    )
    assert (profile.name, profile.title) == ("board", "board")


# Names and paths


def test_unknown_names_list_the_shipped_ones():
    """A name that is no profile is answered with those that are."""
    (problem,) = refusals("snapdragn")
    assert problem.startswith(
        "no hardware profile 'snapdragn' (did you mean 'snapdragon'?): shipped are edge-tpu, "
    )
    assert problem.endswith("; or give a .yaml file")


def test_missing_files_directories_and_binaries(tmp_path):
    """What is given as a path is not looked up by name."""
    assert refusals(tmp_path / "nothing.yaml") == [
        "nothing.yaml: no such file: check the path of the profile"
    ]
    assert refusals(str(tmp_path / "nothing.yaml")) == [
        "nothing.yaml: no such file: check the path of the profile"
    ]
    with pytest.raises(HardwareError, match=r"is a directory: give the \.yaml file"):
        load_hardware(tmp_path)
    (tmp_path / "a.yaml").write_bytes(b"\x00\x01")
    assert refusals(tmp_path / "a.yaml") == ["a.yaml: binary file: give a YAML file"]


def test_not_a_mapping(tmp_path):
    """A list is valid YAML and no profile."""
    assert refusals(write(tmp_path, "- 1\n")) == [
        "toy.yaml:1:1: a list at the top: write a mapping, lines such as 'name: value'"
    ]


def test_names_and_paths_reach_the_same_file(tmp_path, monkeypatch):
    """Bare names are shipped profiles; a file of any name in the working directory is found too."""
    assert data_dir("hw_profiles") / "snapdragon.yaml" == profile_file("snapdragon")
    assert Path("hw/mine.yaml") == profile_file("hw/mine.yaml")
    assert Path("mine.yml") == profile_file("mine.yml")
    write(tmp_path, WHOLE, "mine")
    monkeypatch.chdir(tmp_path)
    assert load_hardware("mine").file.name == "mine"
    assert load_hardware(str(data_dir("hw_profiles") / "snapdragon.yaml")).name == "snapdragon"


def test_data_dir_knows_five_kinds():
    """Networks, profiles, links, sparsity, published figures, and nothing else."""
    assert "snapdragon.yaml" in {file.name for file in data_dir("hw_profiles").iterdir()}
    with pytest.raises(
        InputError,
        match=r"no shipped data called 'weights': choose one of nets, hw_profiles, link_profiles, sparsity, published",
    ):
        data_dir("weights")


def test_data_dir_without_data(tmp_path, monkeypatch):
    """An installation that lost its data says where it looked; a wheel's own data come first."""
    monkeypatch.setattr("costmodel.data._PACKAGE", tmp_path / "costmodel")
    with pytest.raises(InputError, match=r"the shipped nets are missing .* install costmodel again"):
        data_dir("nets")
    (tmp_path / "nets").mkdir()
    assert tmp_path / "nets" == data_dir("nets")
    (tmp_path / "costmodel" / "_data" / "nets").mkdir(parents=True)
    assert tmp_path / "costmodel" / "_data" / "nets" == data_dir("nets")


# Inheritance


def test_inheriting_profile_states_only_what_differs(tmp_path):
    """Memory levels are merged by name; constants are replaced whole, names and titles are not inherited."""
    write(tmp_path, WHOLE)
    child = write(
        tmp_path,
        "inherits: toy.yaml\nmemory:\n  sram: {capacity: 1 MiB | assumed | ours, double_buffered: true}\n",
        "ours.yaml",
    )
    profile = load_hardware(child)
    assert (profile.name, profile.title) == ("ours", "ours, a variation of toy.yaml")
    assert (
        profile.levels[1].capacity_bytes.value,
        profile.levels[1].double_buffered,
        profile.levels[1].read_pj_per_byte.value,
    ) == (2.0**20, True, 1.25)
    assert load_hardware(tmp_path / "toy.yaml").levels[0] == profile.levels[0]


def test_inheriting_from_a_shipped_profile(tmp_path):
    """A bare name after `inherits` is a shipped profile; new levels come innermost."""
    text = (
        "inherits: horowitz-45nm\nmemory:\n  rf: null\n"
        "  l0: {kind: scratchpad, capacity: 1 KiB | assumed | why, bandwidth: unlimited,\n"
        "       read_energy: 1 pJ/B | assumed | why, write_energy: 1 pJ/B | assumed | why}\n"
    )
    assert [level.name for level in load_hardware(write(tmp_path, text)).levels] == ["dram", "sram", "l0"]


def test_a_replaced_value_does_not_keep_the_old_source(tmp_path):
    """Giving a value without a source is an error even where the parent had one."""
    write(tmp_path, WHOLE)
    child = write(tmp_path, "inherits: toy.yaml\ncompute: {clock: {value: 1 GHz}}\n", "ours.yaml")
    assert refusals(child) == [
        "ours.yaml:2:11: compute.clock.source: missing: add it (key of the bibliography, or 'assumed')",
        "ours.yaml:2:11: compute.clock.where: missing: add it (place in the source, or the reason)",
    ]


def test_problems_point_into_the_file_that_has_them(tmp_path):
    """A parent's mistake is placed in the parent, the child's in the child."""
    write(tmp_path, changed("500 MHz", "500"))
    child = write(tmp_path, "inherits: ./toy.yaml\noverlap: 1\n", "ours.yaml")
    assert [re.match(r"[\w.]+:\d+:\d+", problem)[0] for problem in refusals(child)] == [
        "ours.yaml:2:1",
        "toy.yaml:19:3",
    ]


def test_inheritance_in_a_circle(tmp_path):
    """The circle is written out, at the line that closes it."""
    write(tmp_path, "inherits: b.yaml\n", "a.yaml")
    write(tmp_path, "\ninherits: a.yaml\n", "b.yaml")
    assert refusals(tmp_path / "a.yaml") == [
        "b.yaml:2:1: inherits: a.yaml -> b.yaml -> a.yaml is a circle: let one of them stand alone"
    ]
    write(tmp_path, "inherits: c.yaml\n", "c.yaml")
    assert refusals(tmp_path / "c.yaml") == [
        "c.yaml:1:1: inherits: c.yaml -> c.yaml is a circle: let one of them stand alone"
    ]


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        ("snapdragn", "toy.yaml:1:1: inherits: no hardware profile 'snapdragn' (did you mean 'snapdragon'?)"),
        ("[a, b]", "toy.yaml:1:1: inherits: ['a', 'b'] given: write the name of one profile, or a file"),
        (
            "gone.yaml",
            "toy.yaml:1:1: inherits: gone.yaml is no file: write a shipped profile's name, or a file",
        ),
    ],
)
def test_missing_parents(tmp_path, parent, expected):
    """What follows `inherits` must exist."""
    (problem,) = refusals(write(tmp_path, f"inherits: {parent}\n"))
    assert problem.startswith(expected)


def test_merge():
    """Mappings deep, constants whole, null takes away, lists and values replace."""
    parent = {"a": {"x": {"value": "1 W", "low": "0 W"}, "y": 1}, "b": 2, "c": [1, 2]}
    child = {"a": {"x": {"value": "2 W"}, "z": {"k": None, "m": 1}}, "b": None, "c": [3]}
    assert merge(parent, child) == {"a": {"x": {"value": "2 W"}, "y": 1, "z": {"m": 1}}, "c": [3]}
    assert merge({"x": {"value": "1 W"}}, {"x": {"k": 1}}) == {"x": {"k": 1}}
    assert parent == {"a": {"x": {"value": "1 W", "low": "0 W"}, "y": 1}, "b": 2, "c": [1, 2]}


MAPPINGS = st.recursive(
    st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=3),
    lambda below: st.dictionaries(st.sampled_from("abc"), below | st.integers() | st.none(), max_size=3),
    max_leaves=6,
)


@given(MAPPINGS, MAPPINGS)
def test_merge_has_the_last_word(parent, child):
    """Merging nothing changes nothing; merging twice is merging once; no null is left."""
    clean = merge({}, parent)
    assert merge(clean, {}) == clean
    assert merge(merge(clean, child), child) == merge(clean, child)
    assert "None" not in repr(merge(clean, child))


# Robustness


LINES = WHOLE.splitlines(keepends=True)


@given(
    st.lists(st.tuples(st.integers(0, len(LINES) - 1), st.integers(0, 30), st.text(max_size=3)), max_size=4)
)
def test_damaged_profiles_load_or_are_refused(tmp_path_factory, damage):
    """Whatever is written over a profile, the answer is a profile or a HardwareError whose problems have a place."""
    lines = list(LINES)
    for line, column, text in damage:
        lines[line] = lines[line][:column] + text + lines[line][column + len(text) :]
    file = tmp_path_factory.mktemp("damaged") / "toy.yaml"
    file.write_bytes("".join(lines).encode("utf-8", "surrogatepass"))
    try:
        constants, problems = load_hardware(file).constants(), ()
    except HardwareError as error:
        constants, problems = (), error.problems
    assert all(problem.startswith(str(file)) for problem in problems)
    assert all(constant.low <= constant.value <= constant.high for constant in constants)


@pytest.mark.parametrize("line", [n for n, text in enumerate(LINES) if "|" in text or "kind" in text])
def test_no_constant_may_be_left_out(tmp_path, line):
    """Without any one of its constants the profile is refused, and the message says which field to add."""
    field = LINES[line].split(":")[0].strip()
    found = refusals(write(tmp_path, "".join(LINES[:line] + LINES[line + 1 :])))
    assert len(found) == 1
    assert f"{field}: missing: add it" in found[0]


# Speed


def test_a_profile_is_loaded_once(tmp_path):
    """The same object until one of its files changes, a parent's included."""
    parent = write(tmp_path, WHOLE)
    child = write(tmp_path, "inherits: toy.yaml\n", "ours.yaml")
    first = load_hardware(child)
    assert first is load_hardware(child)
    parent.write_text(WHOLE.replace("500 MHz", "1.5 GHz"))
    assert load_hardware(child).compute.clock_hz.value == 1.5e9


def test_loading_is_fast():
    """A profile that is asked for again costs less than two milliseconds."""
    shipped_sources()
    text = (data_dir("hw_profiles") / "snapdragon.yaml").read_text()
    best = min(_seconds(lambda: load_hardware("snapdragon")) for _ in range(5))
    assert len(text) < 10_000
    assert best < 2e-3


def _seconds(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def test_profile_names_are_sorted_and_hold_no_bibliography():
    """The bibliography is no profile."""
    assert profile_names() == (
        "edge-tpu",
        "ethos-u55-128",
        "ethos-u65-512",
        "ethos-u85-512",
        "eyeriss",
        "eyeriss-168",
        "eyeriss-calibrated",
        "horowitz-45nm",
        "k20x",
        "os-16x16",
        "snapdragon",
        "snapdragon-cpu",
        "stm32h743",
        "stm32n6",
        "tpu-v1",
        "ws-16x16",
    )


def test_a_broken_shipped_bibliography_says_where(tmp_path, monkeypatch):
    """Even the bibliography is checked, with places."""
    (tmp_path / "sources.yaml").write_text("sources:\n  a: {titel: x}\n")
    (tmp_path / "toy.yaml").write_text(WHOLE)
    monkeypatch.setattr("costmodel.hardware.bibliography.data_dir", lambda _: tmp_path)
    found = refusals(tmp_path / "toy.yaml")
    assert [re.match(r".*?: .*?: \w+", problem)[0] for problem in found] == [
        "sources.yaml:2:3: sources.a.title: missing",
        "sources.yaml:2:7: sources.a.titel: unknown",
    ]
