"""The search that trains: the network priced is the one trained, budgets hold, and the front is that of what was trained."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.explore.evaluate import evaluate_points

ROOT = Path(__file__).parents[2]
FILE = ROOT / "examples" / "nas_fire_modules.py"
NO_TORCH = 'needs PyTorch: pip install "nn-costmodel[torch]"'
DESIGNS = [
    {"stem": 4, "expand": 8, "squeeze_ratio": 0.5, "pct_3x3": 0.125, "fires": 1},
    {"stem": 8, "expand": 24, "squeeze_ratio": 0.75, "pct_3x3": 0.5, "fires": 2},
    {"stem": 16, "expand": 48, "squeeze_ratio": 0.25, "pct_3x3": 0.75, "fires": 3},
]
SIZES = st.fixed_dictionaries(
    {
        "stem": st.integers(1, 16),
        "expand": st.integers(4, 64),
        "squeeze_ratio": st.sampled_from([0.25, 0.5, 0.75]),
        "pct_3x3": st.sampled_from([0.25, 0.5, 0.75]),
    }
)


@pytest.fixture(scope="module")
def nas():
    """Load the example as a module; it is no package."""
    spec = importlib.util.spec_from_file_location("nas_fire_modules", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def torch():
    """PyTorch, where it is installed."""
    return pytest.importorskip("torch", reason=NO_TORCH)


# ---- the network


@settings(max_examples=20, deadline=None)
@given(designs=st.lists(SIZES, min_size=1, max_size=4), fires=st.integers(1, 3))
def test_one_graph_is_many_networks(nas, designs, fires):
    """Arrays of sizes give what the sizes give one by one."""
    columns = {name: np.array([design[name] for design in designs]) for name in designs[0]}
    together = nas.build(**columns, fires=fires).table()
    for index, design in enumerate(designs):
        alone = nas.build(**design, fires=fires).table()
        for name in ("params", "macs"):
            column = np.broadcast_to(together[name], (len(alone[name]), len(designs)))
            assert column[:, index].tolist() == alone[name][:, 0].tolist()


@pytest.mark.parametrize("design", DESIGNS)
def test_the_network_priced_is_the_one_trained(nas, torch, design):
    """Weights and biases of the convolutions, and the MACs of the module as it is imported, are those of the graph."""
    module = nas.module(**design)
    convolutions = [part for part in module.modules() if isinstance(part, torch.nn.Conv2d)]
    priced = cm.analyze(nas.build(**design), "stm32h743").totals

    assert priced.params == sum(p.numel() for part in convolutions for p in part.parameters())
    assert priced.macs == cm.analyze(cm.from_torch(module.eval(), (1, 1, 8, 8)), "stm32h743").totals.macs


# ---- the search


def test_the_space_is_the_builder(nas):
    """Points of the space are priced as their networks are."""
    space = nas.design_space()
    points = np.flatnonzero(space.feasible(space.columns(0, space.size)))[::400]
    rows = evaluate_points(space, points, ["params", "energy_j"])
    for row, point in enumerate(points.tolist()):
        design = {name.removeprefix("net."): value for name, value in space.at(point).items()}
        totals = cm.analyze(nas.build(**design), "stm32h743", schedule="layer").totals
        assert rows["params"][row] == totals.params
        assert rows["energy_j"][row] == pytest.approx(totals.energy_j.value, rel=1e-12)


def test_prices_name_the_points_that_there_are(nas):
    """What the space excludes is missing, and violations are those of the budget."""
    space, budget = nas.design_space(), cm.Budget(max_params="1 k")
    met = space.feasible(space.columns(0, space.size))
    inside, outside = int(np.flatnonzero(met)[-1]), int(np.flatnonzero(~met)[0])
    found = nas.priced(space, [inside, outside, inside], budget)

    assert list(found) == [inside]
    assert found[inside]["violations"] == budget.violations({"params": found[inside]["params"]})
    assert found[inside]["violations"]["max_params"] > 0


def test_what_exceeds_the_budget_is_not_trained(nas, monkeypatch):
    """Every design trained keeps within it, none is trained twice, and the same seed trains the same ones."""
    pytest.importorskip("optuna")
    trained = []

    def stand_in(**design):
        trained.append(tuple(design.values()))
        return design["expand"] / 64

    monkeypatch.setattr(nas, "trained_accuracy", stand_in)
    budget = cm.Budget(max_params="3 k", max_ram="8 KiB")
    designs = nas.searched(nas.design_space(), budget, trials=40)
    first = list(trained)

    assert 0 < len(designs) < 40
    assert (designs["params"] <= 3000).all()
    assert (designs["peak_ram_bytes"] <= 8192).all()
    assert designs["point"].is_unique
    trained.clear()
    nas.searched(nas.design_space(), budget, trials=40)
    assert trained == first


def test_training_learns_and_repeats(nas, torch):
    """Nine of ten digits after a few seconds, and the same figure again."""
    pytest.importorskip("sklearn")
    torch.manual_seed(nas.SEED)
    first = nas.accuracy(nas.module(**DESIGNS[1]))
    torch.manual_seed(nas.SEED)

    assert first == nas.accuracy(nas.module(**DESIGNS[1]))
    assert first > 0.9


@pytest.mark.usefixtures("torch")
def test_images_are_kept_aside(nas):
    """No image that is learnt is measured on."""
    pytest.importorskip("sklearn")
    learnt, aside = nas.digits()

    assert (len(learnt.labels), len(aside.labels)) == (1200, 597)
    assert learnt.images.shape[1:] == (1, 8, 8)
    assert 0 <= float(learnt.images.min()) < float(learnt.images.max()) == 1
    assert set(aside.labels.tolist()) == set(range(10))


@pytest.mark.usefixtures("torch")
def test_the_example_prints_its_front(nas, capsys):
    """From start to end, with few trials."""
    for library in ("sklearn", "optuna", "moocore"):
        pytest.importorskip(library)

    assert nas.main(["--trials", "4"]) == 0
    shown = capsys.readouterr().out
    assert "of 4 asked for, 2,100 in the grid" in shown
    assert "least energy and most accuracy" in shown


@pytest.mark.usefixtures("torch")
def test_a_budget_that_nothing_keeps_is_an_error(nas, capsys):
    """One line, exit code 2."""
    for library in ("sklearn", "optuna", "moocore"):
        pytest.importorskip(library)

    assert nas.main(["--trials", "2", "--max-params", "10"]) == 2
    assert capsys.readouterr().err == "error: none of 2 designs is within the budget; loosen it, or try more\n"


@pytest.mark.parametrize("missing", ["torch", "sklearn"])
def test_a_missing_library_is_named_with_its_extra(nas, monkeypatch, capsys, missing):
    """Nothing stands in for it."""
    if missing != "torch":
        pytest.importorskip("torch", reason=NO_TORCH)
    monkeypatch.setitem(sys.modules, missing, None)
    extra = {"torch": "torch", "sklearn": "examples"}[missing]

    assert nas.main(["--trials", "1"]) == 2
    assert capsys.readouterr().err == f"error: {missing} is not installed; pip install 'nn-costmodel[{extra}]'\n"
