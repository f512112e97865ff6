"""Fronts under constants that are not known exactly: draws, figures under them, and marks, each beside the plain way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.analysis import analysis_of
from costmodel.errors import InputError
from costmodel.explore.evaluate import evaluate
from costmodel.explore.grouping import groups
from costmodel.explore.pareto import pareto_of
from costmodel.explore.space import DesignSpace
from costmodel.explore.uncertainty import (
    Uncertainty,
    candidates,
    checked,
    depends,
    drawn,
    draws,
    ranged,
    sampled_figures,
)
from costmodel.hardware import load_hardware, profile_names
from costmodel.importers import load_network
from tests.unit.searched import shared
from tests.unit.test_pareto import peeled

FEW = Uncertainty(samples=16, seed=3, near=10**9)
"""Every row is looked at."""


def table(space, *metrics):
    """Figures of every point."""
    return pd.DataFrame(evaluate(space, 0, space.size, metrics))


def plain_figures(space, point, sample, uncertainty):
    """Energy and latency of a point under one draw, by analysing the network on a profile of the drawn constants."""
    at = space.at(point)
    hardware = load_hardware(at.get("hardware", space.hardware))
    spec = at.get("network", space.network)
    for name, value in at.items():
        if name == "hw.sram":
            hardware = hardware.with_constant(f"{hardware.levels[1].name}.capacity", float(value))
        elif name.startswith("hw."):
            hardware = hardware.with_constant(name.removeprefix("hw."), float(value))
        elif name.startswith("net."):
            spec += (":" if ":" not in spec else ",") + f"{name.removeprefix('net.')}={value}"
    for constant in hardware.constants():
        if constant.low < constant.high:
            place = draws(hardware.name, constant.name, uncertainty)[sample]
            value = drawn(np.array(constant.low), np.array(constant.high), place)
            hardware = hardware.with_constant(constant.name, float(value))
    totals = analysis_of(load_network(spec), hardware, space.batch, space.dtype, None, space.schedule, objective="none").totals
    return totals.energy_j.value, totals.latency_s


# ---- draws


@given(st.integers(2, 300), st.integers(0, 5))
def test_draws_are_one_in_each_part(samples, seed):
    """As many equal parts as samples, one draw in each."""
    found = draws("a", "dram.read_energy", Uncertainty(samples, seed))
    assert sorted(np.floor(found * samples).astype(int).tolist()) == list(range(samples))


def test_draws_depend_on_names_and_seed_alone():
    """The same constant of the same profile always has the same draws, others have others."""
    one = draws("a", "x", Uncertainty(50, 0))
    assert one.tolist() == draws("a", "x", Uncertainty(50, 0, 9)).tolist()
    for profile, constant, seed in (("b", "x", 0), ("a", "y", 0), ("a", "x", 1)):
        assert abs(np.corrcoef(one, draws(profile, constant, Uncertainty(50, seed)))[0, 1]) < 0.5


@given(st.floats(0, 1e6), st.floats(1, 100), st.floats(0, 1))
def test_drawn_values_are_within_the_range(low, factor, place):
    """Even in the logarithm; in the value where the range begins at zero."""
    high = low * factor or factor
    value = drawn(np.array(low), np.array(high), np.array(place)).item()
    assert low * (1 - 1e-12) <= value <= high * (1 + 1e-12)
    if low > 1e-300:
        assert np.log(value / low) == pytest.approx(place * np.log(high / low), abs=1e-9)
    else:
        assert value == pytest.approx(low + place * (high - low))


@pytest.mark.parametrize("name", profile_names())
def test_every_ranged_constant_of_a_shipped_profile_can_be_drawn(name):
    """Names of constants are those that a variation knows."""
    profile = load_hardware(name)
    assert {constant.name for constant in ranged(profile)} <= set(profile.settable_names())
    assert all(constant.low < constant.high for constant in ranged(profile))


# ---- figures


SPACES = {
    "layer": shared,
    "array": lambda: DesignSpace(
        name="array", network="squeezenet:version=1.1,input=64", hardware="eyeriss",
        axes={"net.base_e": [32, 64], "hw.array.rows": [6, 12], "hw.dram.read_energy": ["100 pJ/B", "200 pJ/B"]},
    ),
    "several": lambda: DesignSpace(
        name="several", network=["squeezenet:version=1.1,input=64", "squeezenet:input=64"],
        hardware=["snapdragon", "stm32h743"], axes={"net.bypass": ["none", "simple"]}, batch=2,
    ),
    "resident": lambda: DesignSpace(
        name="resident", network="squeezenet:version=1.1,input=64", hardware="snapdragon", schedule="resident",
        axes={"net.base_e": [32, 64], "hw.sram": ["64KiB", "1MiB"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ["layer", "several", "resident"])
def test_figures_under_draws_are_those_of_analyses(name):
    """Energy and latency under a draw are what an analysis on a profile of the drawn constants gives."""
    space = SPACES[name]()
    points = np.arange(space.size)[:: max(space.size // 6, 1)]
    found = sampled_figures(space, points, ["energy_j", "latency_s"], FEW)
    for row, point in enumerate(points.tolist()):
        for sample in (0, 7, 15):
            energy_j, latency_s = plain_figures(space, point, sample, FEW)
            assert found["energy_j"][row, sample] == pytest.approx(energy_j, rel=1e-9)
            assert found["latency_s"][row, sample] == pytest.approx(latency_s, rel=1e-9)


def test_what_an_axis_sets_is_exact():
    """A constant that varies has no range beside; sizes of the array scale what is drawn for the MACs per cycle."""
    space = SPACES["array"]()
    points = np.arange(space.size)
    (_, group), = groups(space, space.positions(points))
    names = {constant.name for constant in ranged(group.hardware(points))}
    assert "dram.read_energy" not in names
    assert "dram.write_energy" in names
    found = sampled_figures(space, points, ["energy_j", "latency_s"], FEW)
    nominal = table(space, "latency_s", "latency_low_s", "latency_high_s", "energy_low_j", "energy_high_j")
    for metric, low, high in (("latency_s", "latency_low_s", "latency_high_s"), ("energy_j", "energy_low_j", "energy_high_j")):
        assert (found[metric] >= nominal[low].to_numpy()[:, None] * (1 - 1e-12)).all()
        assert (found[metric] <= nominal[high].to_numpy()[:, None] * (1 + 1e-12)).all()
    assert (found["latency_s"][points % 4 < 2] >= found["latency_s"][points % 4 >= 2]).all()


def test_draws_do_not_depend_on_the_parts(monkeypatch):
    """Priced in small parts, every figure is the same."""
    points = np.arange(0, 72, 5)
    whole = sampled_figures(shared(), points, ["energy_j"], FEW)["energy_j"]
    monkeypatch.setattr("costmodel.explore.uncertainty.CHUNK_POINTS", 4)
    assert sampled_figures(shared(), points, ["energy_j"], FEW)["energy_j"] == pytest.approx(whole, rel=1e-12)


# ---- marks


def test_shares_are_those_of_brute_force():
    """Ranks by definition under every draw; ``certain`` where all draws agree."""
    space, by = shared(), ["energy_j", "latency_s", "macs"]
    frame = table(space, *by)
    front = pareto_of(frame, by, "macs", None, space, FEW).frame
    under = sampled_figures(space, np.arange(space.size), by[:2], FEW)
    counts = np.zeros(space.size)
    for sample in range(FEW.samples):
        rows = np.column_stack([under["energy_j"][:, sample], under["latency_s"][:, sample], frame["macs"]])
        counts += np.array(peeled(rows.tolist(), [False, False, True])) == 0
    assert len(front) == space.size
    assert front["front_share"].to_dict() == dict(enumerate((counts / FEW.samples).tolist()))
    assert (front["certain"] == front["front_share"].isin([0.0, 1.0])).all()
    assert 0 < front["certain"].sum() < len(front)


def test_contenders_are_shown():
    """A row that is on the front in some draw is shown with rank -1 beyond the fronts asked for."""
    space = shared()
    frame = table(space, "energy_j", "macs")
    plain, marked = (pareto_of(frame, "energy,macs", "macs", 1, *more) for more in ((), (space, FEW)))
    ranked = marked.frame[marked.frame["rank"] == 0]
    others = marked.frame[marked.frame["rank"] != 0]
    assert ranked.index.tolist() == plain.frame.index.tolist()
    assert len(others) > 0
    assert (others["rank"] == -1).all()
    assert (others["front_share"] > 0).all()
    assert not plain.frame.columns.isin(["front_share", "certain"]).any()


def test_figures_that_no_constant_touches_are_certain():
    """Counts do not depend on constants."""
    frame = table(shared(), "params", "macs")
    front = pareto_of(frame, "params,macs", "macs", 2, shared(), FEW).frame
    assert set(front["front_share"]) == {0.0, 1.0}
    assert front["certain"].all()
    assert (front["front_share"] == (front["rank"] == 0)).all()


def test_columns_of_others_are_taken_as_they_are():
    """An accuracy that was measured is compared beside energies under every draw."""
    frame = table(shared(), "energy_j").assign(accuracy=lambda f: f["net.squeeze_ratio"])
    front = pareto_of(frame, "energy,accuracy", "accuracy", 1, shared(), FEW).frame
    assert set(front["net.squeeze_ratio"]) == {0.125, 0.25, 0.5}
    assert (front["front_share"] > 0).all()


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=30), st.integers(1, 30))
def test_candidates_are_whole_fronts(rows, near):
    """The fewest of the first fronts that hold so many rows; never fewer than those known."""
    rank = np.array(peeled(rows, [False] * 2))
    found = candidates(np.array(rows, dtype=float), rank == 0, near)
    sizes = np.cumsum(np.bincount(rank))
    last = int(np.argmax(sizes >= min(near, len(rows))))
    assert found.tolist() == (rank <= last).tolist()


def test_fewer_rows_looked_at_never_lower_a_share():
    """Rows that are not looked at beat nothing: a share is an upper bound, exact where all rows are looked at."""
    space = shared()
    frame = table(space, "energy_j", "latency_s", "macs")
    usual, whole = (
        pareto_of(frame, "energy,latency,macs", "macs", 1, space, replace(FEW, near=near)).frame for near in (1, 72)
    )
    first = whole[whole["rank"] == 0]
    assert usual.index.tolist() == first.index.tolist()
    assert (usual["front_share"] >= first["front_share"]).all()
    assert len(whole) > len(first)


def test_constants_without_ranges_leave_nothing_open():
    """On a profile whose constants are exact, every mark is certain, and that of the rank."""
    space = DesignSpace.of({**shared().model_dump(), "hardware": "eyeriss-168", "axes": {"net.base_e": [32, 64, 96]}})
    front = pareto_of(table(space, "energy_j", "macs"), "energy", (), None, space, FEW).frame
    assert front["rank"].tolist() == [0, 1, 2]
    assert front["front_share"].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("energy_j", True), ("latency_s", True), ("energy_bound_j", True), ("macs", False), ("dram_bytes", False),
     ("x_s", False)],
)  # fmt: skip
def test_which_metrics_depend_on_constants(metric, expected):
    """Energies and times of this project."""
    assert depends(metric) is expected


# ---- what is refused


def test_a_table_of_another_space():
    """Figures that the space does not give, points that it does not have, points that it excludes."""
    frame = table(shared(), "energy_j", "params")
    other = DesignSpace.of({**shared().model_dump(), "hardware": "eyeriss-168"})
    with pytest.raises(InputError, match=r"energy_j of point \d+ is [\d.e-]+ in the table and [\d.e-]+ in small;"):
        pareto_of(frame, "energy,params", space=other, uncertainty=FEW)
    with pytest.raises(InputError, match="column point has numbers that are no points of small"):
        pareto_of(frame.assign(point=frame["point"] + 1), "energy", space=shared(), uncertainty=FEW)
    with pytest.raises(InputError, match="no column point, so rows are not found in small"):
        pareto_of(frame.drop(columns="point"), "energy", space=shared(), uncertainty=FEW)
    thinned = DesignSpace.of({**shared().model_dump(), "constraints": ["net.base_e > 64"]})
    with pytest.raises(InputError, match="the table has points that the constraints of small exclude"):
        pareto_of(frame, "energy", space=thinned, uncertainty=FEW)


@pytest.mark.parametrize(
    ("uncertainty", "messages"),
    [
        (Uncertainty(1), ["samples is 1; give a whole number from 2"]),
        (Uncertainty(2.5, -1, 0), ["samples is 2.5", "seed is -1", "near is 0; give a whole number from 1"]),
        (Uncertainty(near=0.25), ["near is 0.25"]),
    ],
)
def test_numbers_that_make_no_sense(uncertainty, messages):
    """All problems at once."""
    with pytest.raises(InputError) as error:
        checked(uncertainty)
    assert len(error.value.problems) == len(messages)
    assert all(message in problem for message, problem in zip(messages, error.value.problems, strict=True))


def test_the_report_marks():
    """Text says which designs are certain, JSON how constants were drawn."""
    front = cm.pareto(table(shared(), "energy_j", "macs"), "energy,macs", "macs", space=shared(), samples=16, seed=3)
    text = repr(front)
    assert "of draws" in text
    assert "certain" in text
    assert "in all 16 draws of the constants within their ranges" in " ".join(text.split())
    assert front.to_dict()["uncertainty"] == {"samples": 16, "seed": 3, "near": 1000}
