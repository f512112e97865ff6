"""Budgets: quantities of every kind, violations of analyses, mappings and frames, and every way to misuse them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.errors import InputError
from costmodel.explore.budget import LIMITED, Budget, limit
from costmodel.explore.objectives import columns_of, metric, numeric, objective_names, unit_of

METRICS = ("params", "macs", "energy_j", "latency_s", "dram_bytes", "weight_bytes")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("max_energy", "5 mJ", 0.005),
        ("max_energy", "5mJ", 0.005),
        ("max_energy", 0.25, 0.25),
        ("max_latency", "10 ms", 0.01),
        ("max_ram", "320 KiB", 327680),
        ("max_ram", "320 kB", 320000),
        ("max_dram", "1 MB", 1e6),
        ("max_storage", "480 KiB", 491520),
        ("max_params", "1.25 M", 1.25e6),
        ("max_params", np.int64(7), 7),
        ("max_macs", "4e8", 4e8),
        ("max_macs", "350M", 3.5e8),
    ],
)
def test_limits_are_read_in_their_unit(name, text, expected):
    """Quantities with units, bare numbers in base units, counts with or without a prefix."""
    assert Budget(**{name: text}).limits == {name: pytest.approx(expected, rel=1e-12)}


def test_nothing_is_limited_by_default():
    """An empty budget needs no metric, and everything fits."""
    budget = Budget()
    assert (budget.limits, budget.metrics, budget.violations({})) == ({}, (), {})
    assert budget.fits({"params": 1e30}) is True
    assert budget.matrix({}, 3).shape == (3, 0)


@pytest.mark.parametrize(
    ("given_limits", "problems"),
    [
        ({"max_energy": "5 MB"}, ["max_energy", "number of bytes"]),
        ({"max_ram": "320"}, ["max_ram: '320' has no unit"]),
        ({"max_ram": "320 KB"}, ["write kB (1000 bytes), KiB (1024 bytes)"]),
        ({"max_params": "5 MB"}, ["max_params: '5 MB' is no count"]),
        ({"max_energy": "0 J"}, ["leaves room for nothing"]),
        ({"max_energy": -1.0}, ["leaves room for nothing"]),
        ({"max_macs": float("nan")}, ["leaves room for nothing, or is no number"]),
        ({"max_macs": True}, ["True is no quantity"]),
        ({"max_macs": [3]}, ["[3] is no quantity; write for example 5 M"]),
        ({"max_energy": (1,)}, ["write for example 5 J"]),
    ],
)
def test_limits_that_make_no_sense_are_refused(given_limits, problems):
    """One message that names the limit and what was given."""
    with pytest.raises(InputError) as error:
        Budget(**given_limits)
    assert len(error.value.problems) == 1
    assert all(part in str(error.value) for part in problems)


def test_all_problems_at_once():
    """Two bad limits give two messages."""
    with pytest.raises(InputError) as error:
        Budget(max_energy="much", max_ram="little", max_params=3)
    assert [problem.split(":")[1].strip() for problem in error.value.problems] == ["max_energy", "max_ram"]


@given(st.floats(1e-12, 1e12), st.floats(0, 1e12))
def test_violations_are_relative(most, value):
    """``(value - limit) / limit``: at most 0 exactly where the value is at most the limit."""
    budget = Budget(max_macs=most)
    found = budget.violations({"macs": value})["max_macs"]
    assert found == (value - most) / most
    assert (found <= 0) == (value <= most)
    assert budget.fits({"macs": value}) == (value <= most)


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)), min_size=1, max_size=20))
def test_arrays_and_frames_are_the_scalars(rows):
    """A frame, a mapping of arrays and single mappings give the same figures."""
    budget = Budget(max_energy=1.0, max_params="1 k")
    frame = pd.DataFrame(rows, columns=["energy_j", "params"])
    each = [budget.violations({"energy_j": energy, "params": params}) for energy, params in rows]
    for found in (budget.violations(frame), budget.violations(frame.to_dict(orient="list"))):
        assert {name: column.tolist() for name, column in found.items()} == {
            name: [one[name] for one in each] for name in ("max_energy", "max_params")
        }
    assert budget.fits(frame).tolist() == [max(one.values()) <= 0 for one in each]
    assert budget.matrix(frame, len(rows)).tolist() == [list(one.values()) for one in each]


def test_a_missing_figure_exceeds_every_limit():
    """A design that could not be priced fits nowhere."""
    budget = Budget(max_energy="1 J")
    assert budget.violations({"energy_j": [0.5, np.nan]})["max_energy"].tolist() == [-0.5, np.inf]
    assert budget.fits({"energy_j": [0.5, np.nan]}).tolist() == [True, False]


@pytest.mark.parametrize("network", ["squeezenet:version=1.1", "mobilenet_v2"])
def test_an_analysis_has_every_limited_metric(network):
    """Limits of exactly what a network costs are met exactly; its memory is that of ``cm.memory``."""
    analysis = cm.analyze(network, "stm32h743")
    totals = analysis.totals
    budget = Budget(
        max_energy=totals.energy_j.value, max_latency=totals.latency_s, max_dram=totals.dram_bytes,
        max_storage=totals.weight_bytes, max_params=totals.params, max_macs=totals.macs,
        max_ram=cm.memory(network, hw="stm32h743").peak_bytes,
    )  # fmt: skip
    assert budget.violations(analysis) == dict.fromkeys(LIMITED, 0.0)
    assert budget.fits(analysis) is True


def test_numbers_beside_arrays():
    """A number stands for every row."""
    budget, mixed = Budget(max_energy="5 mJ", max_params="1 M"), {"energy_j": [0.004, 0.006], "params": 5e5}
    assert budget.fits(mixed).tolist() == [True, False]
    assert budget.matrix(mixed, 2)[:, 1].tolist() == [-0.5, -0.5]


def test_an_analysis_at_another_batch_and_format():
    """The memory of an analysis follows its batch and its number format."""
    analysis = cm.analyze("squeezenet", "snapdragon", batch=4, dtype="fp16")
    peak = cm.memory("squeezenet", "fp16", 4).peak_bytes
    assert Budget(max_ram=peak / 2).violations(analysis) == {"max_ram": 1.0}


def test_columns_that_are_not_there():
    """The message names the column, and one that is close."""
    with pytest.raises(InputError, match=r"budget: no column energy_j \(did you mean 'energy'\?\); the columns are energy"):
        Budget(max_energy="1 J").violations({"energy": 1.0})
    with pytest.raises(InputError, match="the columns are none"):
        Budget(max_energy="1 J").violations({})


def test_columns_that_hold_no_numbers():
    """The message shows what the column holds."""
    frame = pd.DataFrame({"energy_j": ["1 J", "2 J"]})
    with pytest.raises(InputError, match="energy_j is not numeric: it holds '1 J'"):
        Budget(max_energy="1 J").violations(frame)


def test_a_budget_from_texts():
    """As on the command line."""
    assert Budget.parse(["max_energy=5mJ", " max_ram = 320 KiB "]) == Budget(max_energy="5mJ", max_ram="320 KiB")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["max_energie=5mJ"], r"no limit 'max_energie' \(did you mean 'max_energy'\?\); use max_energy, max_latency"),
        (["max_energy"], "'max_energy' is not NAME=QUANTITY"),
        (["max_energy="], "'max_energy=' is not NAME=QUANTITY"),
        (["max_energy=1J", "max_energy=2J"], "max_energy is given twice"),
        (["max_energy=2 s"], "max_energy: '2 s' is a time, not an energy"),
    ],
)
def test_texts_that_are_no_budget(texts, message):
    """One message for each."""
    with pytest.raises(InputError, match=message):
        Budget.parse(texts)


# ---- names


@pytest.mark.parametrize(
    ("name", "expected"),
    [("energy", "energy_j"), ("latency", "latency_s"), ("dram", "dram_bytes"), ("storage", "weight_bytes"),
     ("ram", "peak_ram_bytes"), ("params", "params"), ("energy_j", "energy_j")],
)  # fmt: skip
def test_short_names(name, expected):
    """Every alias, and full names as they are."""
    assert metric(name) == expected


def test_every_limit_is_of_a_metric_with_its_unit():
    """The unit that a limit is read in is that of its metric's name."""
    assert {name: unit_of(column) for name, column in LIMITED.items()} == {
        "max_energy": "J", "max_latency": "s", "max_ram": "B", "max_dram": "B", "max_storage": "B",
        "max_params": "", "max_macs": "",
    }  # fmt: skip


def test_objectives_from_a_text_or_a_list():
    """Separated by commas, blanks do not matter."""
    assert objective_names(" energy , params", METRICS) == ("energy_j", "params")
    assert objective_names(["dram", "macs"], METRICS) == ("dram_bytes", "macs")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("energi", r"objective: 'energi' is not known \(did you mean 'energy'\?\); use energy, latency, dram, storage"),
        ("ram", "'ram' is not known"),
        ("energy,energy_j", "energy_j is given twice"),
        ([], "objective: none given"),
        ("", "'' is not known"),
    ],
)
def test_objectives_that_do_not_exist(names, message):
    """Unknown, given twice, or none; only what is known is offered."""
    with pytest.raises(InputError, match=message):
        objective_names(names, METRICS)


def test_numbers_of_every_kind_are_numeric():
    """Whole numbers, truth values and floats; nothing else."""
    assert numeric("a", [True, False], "x").tolist() == [1.0, 0.0]
    assert columns_of({"a": 3, "b": [0.5]}, ["b"], "x")["b"].tolist() == [0.5]
    with pytest.raises(InputError, match="x: a is not numeric: it holds None"):
        numeric("a", [None, 1], "x")


def test_a_limit_of_numpy():
    """Scalars of NumPy are numbers."""
    assert limit("max_energy", np.float32(0.5)) == 0.5
