"""Design spaces: what they take, how their points are numbered, what is refused, and what their digest depends on."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import costmodel as cm
from costmodel.errors import InputError
from costmodel.explore.indexing import digits, grid_size, number
from costmodel.explore.space import DesignSpace
from tests.unit.spaces import BUILDER, builder, space

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/spaces"

# ---- axes


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        ([0.25, 0.5], [0.25, 0.5]),
        ("0.25,0.5", [0.25, 0.5]),
        ("1:9:4", [1, 5, 9]),
        ("1:16:4x", [1, 4, 16]),
        ({"start": 1, "stop": 10, "step": 4}, [1, 5, 9]),
        ({"start": 0.1, "stop": 0.3, "step": 0.1}, [0.1, 0.2, 0.3]),
        ({"start": 3, "stop": 30, "factor": 3}, [3, 9, 27]),
        ({"low": 0, "high": 8, "count": 5}, [0, 2, 4, 6, 8]),
        ({"low": 1, "high": 3, "count": 9}, [1, 2, 3]),
        ({"low": 0.5, "high": 1, "count": 3}, [0.5, 0.75, 1.0]),
        ({"low": 1, "high": 1000, "count": 4, "log": True}, [1, 10, 100, 1000]),
        ({"low": 0.01, "high": 1.0, "count": 3, "log": True}, [0.01, 0.1, 1]),
        ({"low": 7, "high": 7, "count": 3}, [7]),
    ],
)
def test_values_of_an_axis(spec, values):
    """Lists, texts and ranges by step, factor and number of values; whole bounds give whole values, each once."""
    made = space(axes={"net.num_classes": spec})
    assert made.resolved.values["net.num_classes"] == values
    assert made.columns(0, made.size)["net.num_classes"].tolist() == values


def test_quantities_of_hardware():
    """Constants of the hardware take quantities, in every form, and are columns in base units."""
    made = space(
        axes={
            "hw.sram": {"low": "64 KiB", "high": "256 KiB", "count": 3, "log": True},
            "hw.dram.bandwidth": ["1 GB/s", 2e9],
            "hw.dram.read_energy": {"start": "10 pJ/bit", "stop": "20 pJ/bit", "step": "10 pJ/bit"},
            "hw.glb": "32KiB:64KiB:2x",
        }
    )
    assert made.resolved.values == {
        "hw.sram": [65536, 131072, 262144],
        "hw.dram.bandwidth": [1e9, 2e9],
        "hw.dram.read_energy": [80, 160],
        "hw.glb": [32768, 65536],
    }


def test_words_and_arguments_keep_their_kind():
    """Words stay words; true and false of a builder's argument are truth values, numbers numbers."""
    made = space(axes={"net.bypass": "none,simple", "net.ceil_mode": "true,pool4", "dtype": "int8,int16", "state": ["cold"]})
    assert made.resolved.values["net.bypass"] == ["none", "simple"]
    assert made.resolved.values["net.ceil_mode"] == [True, "pool4"]
    assert made.columns(0, 1)["net.ceil_mode"].dtype == object
    assert made.at(0) == {"net.bypass": "none", "net.ceil_mode": True, "dtype": "int8", "state": "cold"}


def test_several_networks_and_machines_are_axes():
    """A list of networks is the slowest axis, one of hardware the second."""
    made = space(["alexnet", "squeezenet"], ["eyeriss", "snapdragon"], axes={"batch": [1, 4]})
    assert made.names == ("network", "hardware", "batch")
    assert made.size == 8
    assert [made.at(index)["network"] for index in range(8)] == ["alexnet"] * 4 + ["squeezenet"] * 4
    assert made.at(3) == {"network": "alexnet", "hardware": "snapdragon", "batch": 4}


def test_a_single_point():
    """A space in which nothing varies has one point, without values."""
    made = space()
    assert (made.size, made.names, made.at(0), made.columns(0, 1)) == (1, (), {}, {})


# ---- indices


def test_digits_and_numbers_are_inverse():
    """The last axis is the fastest, and every index is met once."""
    lengths = [2, 3, 4]
    columns = digits(np.arange(24), lengths)
    assert number(columns, lengths).tolist() == list(range(24))
    assert columns[2][:5].tolist() == [0, 1, 2, 3, 0]
    assert grid_size(lengths) == 24


def test_index_of_is_the_inverse_of_at():
    """Values lead back to their point."""
    made = space(axes={"net.base_e": [32, 64, 96], "dtype": ["int8", "int16"], "hw.sram": "64KiB:128KiB:2x"})
    assert [made.index_of(made.at(index)) for index in range(made.size)] == list(range(made.size))


def test_large_spaces_are_numbered_without_being_listed():
    """A space of 10**15 points gives any slice."""
    axis = {"low": 1, "high": 1000, "count": 1000}
    made = space(axes=dict.fromkeys(("net.base_e", "net.incr_e", "net.num_classes", "net.freq", "net.input"), axis))
    assert made.size == 10**15
    last = made.columns(made.size - 2, made.size)
    assert {name: column.tolist() for name, column in last.items()} == {
        **{name: [1000, 1000] for name in made.names[:4]}, "net.input": [999, 1000],
    }  # fmt: skip


@pytest.mark.parametrize(("start", "stop"), [(-1, 1), (2, 1), (0, 5)])
def test_slices_outside_a_space(start, stop):
    """Indices that are none are refused."""
    with pytest.raises(InputError, match=rf"test: points {start} to {stop}; it has points 0 to 4"):
        space(axes={"batch": [1, 2, 3, 4]}).columns(start, stop)


def test_values_that_are_no_point():
    """Unknown, missing and impossible values are all told at once."""
    made = space(axes={"batch": [1, 2], "net.base_e": {"low": 1, "high": 100, "count": 100}})
    with pytest.raises(InputError) as refused:
        made.index_of({"batch": 3, "depth": 1})
    assert refused.value.problems == (
        "test: no axis 'depth'; the axes are batch, net.base_e",
        "test: batch does not take 3; it takes 1, 2",
        "test: no value for net.base_e; give one of every axis",
    )


# ---- what is refused


def problems(**fields):
    """The problems of a space."""
    with pytest.raises(InputError) as refused:
        space(**fields)
    return [text.removeprefix("design space: ") for text in refused.value.problems]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"axes": {"net.sqeeze_ratio": [1]}}, "axes.net.sqeeze_ratio: squeezenet has no argument 'sqeeze_ratio'"),
        ({"axes": {"hw.dram.bandwith": [1]}}, "cannot vary on eyeriss-168 (did you mean 'hw.dram.bandwidth'?)"),
        ({"axes": {"hw.array.row": [1]}}, "axes.hw.array.row: cannot vary on eyeriss-168 (did you mean 'hw.array.rows'?)"),
        ({"axes": {"hw.array.rows": [0]}}, "axes.hw.array.rows: 0 is no size of an array; give whole numbers from 1"),
        ({"axes": {"hw.array.rows": [1.5]}}, "axes.hw.array.rows: 1.5 is no size of an array"),
        ({"axes": {"hw.sram": [0]}}, "axes.hw.sram: eyeriss-168: glb.capacity: 0.0 B is zero: write more than 0"),
        ({"axes": {"hw.sram": ["64 kW"]}}, "axes.hw.sram: '64 kW' is a power, not a number of bytes"),
        ({"axes": {"batch": [0]}}, "axes.batch: 0 given; give a whole number from 1"),
        ({"axes": {"batch": [1.5]}}, "axes.batch: 1.5 given; give a whole number from 1"),
        ({"axes": {"dtype": ["int9"]}}, "axes.dtype: 'int9' is not known (did you mean 'int8'?)"),
        ({"axes": {"dtype": ["fp32"]}}, "axes.dtype: eyeriss-168 has no multiplier for fp32"),
        ({"axes": {"dtype": [1]}}, "axes.dtype: give a list of words; it takes int4"),
        ({"axes": {"bits.wieght": [1]}}, "axes.bits.wieght: 'wieght' is not an operand (did you mean 'weight'?)"),
        ({"axes": {"bits.weight": [0]}}, "axes.bits.weight: 0 bits; give whole numbers from 1 to 64"),
        ({"axes": {"network": ["a"]}}, "axes.network: no axis of that name (a list of them is an axis by itself)"),
        ({"axes": {"bacth": [1]}}, "axes.bacth: no axis of that name (did you mean 'batch'?)"),
        ({"axes": {"batch": []}}, "axes.batch: [] given, which is too short: write at least 1 of them"),
        ({"axes": {"batch": [1, 2, 1]}}, "axes.batch: 1 is given twice; give every value once"),
        ({"axes": {"batch": {"low": 1, "count": 3}}}, "axes.batch.high: missing: add it (the last value)"),
        ({"axes": {"batch": {"low": 1, "high": 4, "count": 0}}}, "axes.batch.count: 0 given: input should be greater"),
        ({"axes": {"batch": {"low": 4, "high": 1, "count": 3}}}, "axes.batch: low must not exceed high"),
        ({"axes": {"net.base_e": {"low": 0, "high": 1, "count": 3, "log": True}}}, "must be more than 0 for log: true"),
        ({"axes": {"batch": {"start": 1, "stop": 4, "step": 0}}}, "axes.batch: start must not exceed stop, and step"),
        ({"axes": {"batch": {"start": 1, "stop": 4, "factor": 1}}}, "factor must be more than 1"),
        ({"axes": {"batch": {"start": 1, "stop": 4, "step": 1, "by": 1}}}, "batch.by: unknown field: known here are start"),
        ({"axes": {"batch": {"start": 1, "stop": 10**6, "step": 1}}}, "batch: takes more than 10000 values; take longer"),
        ({"axes": {"batch": "1:2"}}, "is not START:STOP:STEP"),
        ({"axes": {"batch": 3}}, "axes.batch: 3 given: write a list"),
        ({"network": "squeznet"}, "network: no network called 'squeznet'; did you mean 'squeezenet'?"),
        ({"network": "alexnet@alexnet-deep-compression"}, "a space takes networks without a compression scheme"),
        ({"network": []}, "network: an empty list; give at least one"),
        ({"network": ["vgg", "vgg"]}, "network.1: vgg is given twice; give it once"),
        ({"hardware": "eyerss"}, "hardware: no hardware profile 'eyerss' (did you mean 'eyeriss'?)"),
        ({"batch": 0}, "batch: 0 given; give a whole number from 1"),
        ({"dtype": "fp32"}, "dtype: eyeriss-168 has no multiplier for fp32"),
        ({"schedule": "layers"}, "schedule: 'layers'"),
        ({"state": "warm"}, "state: 'warm'"),
        ({"name": ""}, "name: '' given, which is too short"),
        ({"constrains": []}, "constrains: unknown field (did you mean 'constraints'?)"),
        ({"constraints": ["batch > 1"]}, "constraints.0: no axis 'batch'; the axes are none"),
    ],
)  # fmt: skip
def test_one_message_per_mistake(fields, message):
    """Each mistake is met with its field, what was given and what to do."""
    found = problems(**fields)
    assert len(found) == 1
    assert message in found[0]


def test_all_problems_at_once():
    """Networks and hardware first, since axes mean nothing without; then every axis."""
    first = problems(network="x", hardware="y", batch=0)
    assert [text.partition(":")[0] for text in first] == ["network", "hardware", "batch"]
    assert [text.partition(":")[0] for text in problems(axes={"batch": [0], "hw.x": [1], "dtype": ["int9"]})] == [
        "axes.batch", "axes.hw.x", "axes.dtype",
    ]  # fmt: skip


def test_too_many_points():
    """A grid whose indices leave 64 bits is refused."""
    axis = {"low": 1, "high": 10000, "count": 10000}
    names = ("net.base_e", "net.incr_e", "net.num_classes", "net.freq", "net.input")
    assert "points; take fewer values" in problems(axes=dict.fromkeys(names, axis))[0]


def test_a_frozen_space():
    """A space does not change after its digest was taken."""
    with pytest.raises(ValueError, match="frozen"):
        space().batch = 2


# ---- files

FILE = """\
name: small
network: squeezenet
hardware: eyeriss-168
axes:
  net.squeeze_ratio: {low: 0.125, high: 0.5, count: 4}
  hw.sram: 64KiB:128KiB:2x
constraints:
  - net.squeeze_ratio <= 0.25 or hw.sram > 64KiB
"""


def written(directory, text=FILE):
    """A file with a space."""
    path = directory / "space.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_the_same_space(tmp_path):
    """From YAML, from plain data and from Python the space and its digest are equal."""
    loaded = DesignSpace.load(written(tmp_path))
    made = DesignSpace(
        name="small", network="squeezenet", hardware="eyeriss-168",
        axes={"net.squeeze_ratio": {"low": 0.125, "high": 0.5, "count": 4}, "hw.sram": "64KiB:128KiB:2x"},
        constraints=["net.squeeze_ratio <= 0.25 or hw.sram > 64KiB"],
    )  # fmt: skip
    assert loaded == made
    assert loaded.digest == made.digest == DesignSpace.of(made.model_dump()).digest
    assert loaded.feasible(loaded.columns(0, 8)).tolist() == [True, True, True, True, False, True, False, True]


def test_paths_are_relative_to_the_file(tmp_path, monkeypatch):
    """A network beside the file is found from anywhere."""
    builder(tmp_path)
    path = written(tmp_path, FILE.replace("network: squeezenet", "network: tiny.py:depth=2").replace("squeeze_ratio", "share"))
    monkeypatch.chdir("/")
    assert DesignSpace.load(path).resolved.subjects[0].build().name == "tiny"


def test_problems_have_their_place(tmp_path):
    """Each problem names file, line and column."""
    path = written(tmp_path, FILE.replace("high: 0.5, count: 4", "high: 0.5").replace("name:", "nme:"))
    with pytest.raises(InputError) as refused:
        DesignSpace.load(path)
    assert [text.split(": ")[:2] for text in refused.value.problems] == [
        [f"{path}:1:1", "name"],
        [f"{path}:5:3", "axes.net.squeeze_ratio.count"],
        [f"{path}:1:1", "nme"],
    ]
    path = written(tmp_path, FILE.replace("hw.sram: 64KiB", "hw.srm: 64KiB"))
    with pytest.raises(InputError, match=r"space.yaml:6:3: axes.hw.srm: cannot vary on eyeriss-168"):
        DesignSpace.load(path)


@pytest.mark.parametrize(
    ("text", "message"), [(None, "no such file"), ("- a", "a list at the top"), ("a: [", "not valid YAML")]
)
def test_files_that_are_no_space(tmp_path, text, message):
    """Missing files, lists and broken YAML are told apart, and nothing speaks of profiles."""
    path = tmp_path / "space.yaml" if text is None else written(tmp_path, text)
    with pytest.raises(InputError, match=message) as refused:
        DesignSpace.load(path)
    assert "profile" not in str(refused.value)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_spaces_load(path):
    """Every example is a space of at least a thousand points."""
    assert DesignSpace.load(path).size >= 1000


# ---- digest


def test_the_digest_follows_content(tmp_path):
    """It changes with the builder's file, and not with the place of that file."""
    path = builder(tmp_path)
    before = space(path).digest
    (tmp_path / "other").mkdir()
    assert space(builder(tmp_path / "other")).digest == before
    builder(tmp_path, BUILDER.replace("12, 10", "12, 11"))
    assert space(path).digest != before


def test_the_digest_follows_the_hardware(tmp_path):
    """It changes with a constant that a profile inherits or overrides."""
    profile = tmp_path / "mine.yaml"
    text = "inherits: eyeriss-168\nmemory:\n  glb:\n    capacity: {} KiB | assumed | a what-if\n"
    profile.write_text(text.format(128), encoding="utf-8")
    before = space(hardware=str(profile)).digest
    profile.write_text(text.format(256), encoding="utf-8")
    assert space(hardware=str(profile)).digest != before


@pytest.mark.parametrize(
    "fields",
    [
        {"batch": 2}, {"axes": {"batch": [2, 1]}}, {"constraints": ["batch < 2"]}, {"state": "cold"}, {"dtype": "int16"},
        {"name": "x"},
    ],
)
def test_the_digest_follows_every_field(fields):
    """No two different spaces share it."""
    assert space(**{"axes": {"batch": [1, 2]}, **fields}).digest != space(axes={"batch": [1, 2]}).digest


def test_the_digest_follows_the_version(monkeypatch):
    """Figures of another version are not mixed in."""
    before = space().digest
    monkeypatch.setattr("costmodel.explore.space.version", lambda: "99")
    assert space().digest != before


def test_a_space_travels(tmp_path):
    """Another process has the same space; networks are loaded there."""
    made = space(builder(tmp_path), axes={"net.share": {"low": 0.25, "high": 1.0, "count": 4}}, constraints=["net.share < 1"])
    there = pickle.loads(pickle.dumps(made))
    assert there == made
    assert there.digest == made.digest
    assert there.feasible(there.columns(0, 4)).tolist() == [True, True, True, False]


def test_the_public_name():
    """The class is part of the library's surface."""
    assert cm.DesignSpace is DesignSpace
