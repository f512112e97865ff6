"""Search libraries on a space that can be enumerated: each finds what enumeration finds, within the budget."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import InputError
from costmodel.explore import nevergrad_adapter, optuna_adapter, pymoo_adapter
from costmodel.explore.budget import Budget
from costmodel.explore.goal import SPACE, UNPRICED, goal_of, ordered, point_at, priced
from tests.unit.searched import best, enumerated, figures, shared, small

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # libraries of others warn of each other while they load
    import nevergrad
    import optuna
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.algorithms.soo.nonconvex.ga import GA
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

optuna.logging.set_verbosity(optuna.logging.ERROR)
BUDGET = ("max_energy=130uJ", "max_params=1.6 M")


@pytest.fixture(scope="module")
def space():
    """72 points."""
    return shared()


def constrained():
    """Build a space with points that a constraint excludes, and others that the builder refuses."""
    axes = {"net.base_e": [32, 64, 96], "net.squeeze_ratio": [0.125, 0.5, 9.0], "net.pct_3x3": [0.25, 0.5]}
    return small(axes=axes, constraints=["net.base_e <= 64 or net.pct_3x3 < 0.5"])


# ---- candidates


@given(st.lists(st.integers(0, 71), min_size=1, max_size=12))
def test_candidates_are_priced_in_any_order(points):
    """Repeated and unsorted ones: the same figures as the slice has, the same violations as the budget says."""
    goal = goal_of("energy,params", BUDGET, "params")
    whole, found = figures(*goal.metrics), priced(shared(), points, goal)
    assert found.points.tolist() == points
    assert found.losses[:, 0] == pytest.approx(whole["energy_j"][points], rel=1e-12)
    assert found.losses[:, 1].tolist() == (-whole["params"][points]).tolist()
    expected = goal.budget.matrix({name: whole[name][points] for name in goal.metrics}, len(points))
    assert found.violations[:, 1:] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert (found.violations[:, 0] == 0).all()
    assert found.feasible.tolist() == (expected <= 0).all(axis=1).tolist()


def test_points_without_figures_are_worst():
    """What a constraint excludes or the builder refuses violates everything; the builder's reason is kept."""
    space = constrained()
    found = priced(space, range(space.size), goal_of("params", ("max_macs=1G",)))
    points = [space.at(point) for point in range(space.size)]
    excluded = [at["net.base_e"] > 64 and at["net.pct_3x3"] >= 0.5 for at in points]
    refused = [at["net.squeeze_ratio"] > 8 for at in points]
    worst = [out or bad for out, bad in zip(excluded, refused, strict=True)]
    assert (found.losses[:, 0] == UNPRICED).tolist() == worst
    assert (found.violations == UNPRICED).all(axis=1).tolist() == worst
    assert found.priced.tolist() == [not bad for bad in worst]
    reasons = [bad and not out for out, bad in zip(excluded, refused, strict=True)]
    assert [bool(text) for text in found.problems] == reasons
    assert all("squeeze_ratio" in text for text in found.problems if text)


def test_positions_are_points(space):
    """A position on every axis is the point that the space has there."""
    for point in range(space.size):
        positions = {name: int(column[0]) for name, column in space.positions(np.array([point])).items()}
        assert point_at(space, positions) == point


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1], True), ([1, 2.5], True), ([3, 2, 1], True), ([1, 3, 2], False), (["1", "2"], False), ([False, True], False)],
)
def test_axes_in_order(values, expected):
    """Numbers that rise or fall, not words, truth values or a mixture."""
    assert ordered(values) is expected


def test_goals():
    """Names in full, metrics without repetition, signs and names of violations."""
    goal = goal_of("energy,macs", Budget(max_energy="1 J", max_ram="1 MB"), "macs")
    assert goal.metrics == ("energy_j", "macs", "peak_ram_bytes")
    assert goal.signs.tolist() == [1.0, -1.0]
    assert goal.violated == (SPACE, "max_energy", "max_ram")
    assert goal.to_dict() == {
        "objectives": ["energy_j", "macs"], "maximise": ["macs"], "budget": {"max_energy": 1.0, "max_ram": 1e6},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given_goal", "message"),
    [
        (("energi",), "objective: 'energi' is not known"),
        (("energy", ("max_enrgy=1J",)), r"no limit 'max_enrgy' \(did you mean 'max_energy'\?\)"),
        (("energy", None, "macs"), "maximise: macs is no objective"),
        (("energy", None, "mac"), "maximise: 'mac' is not known"),
    ],
)
def test_goals_that_make_no_sense(given_goal, message):
    """One message for each, for every library."""
    with pytest.raises(InputError, match=message):
        goal_of(*given_goal)


# ---- Optuna


def test_optuna_suggests_points(space):
    """Integers for numbers in order, categories for words; a trial and its parameters are the same point."""
    kinds = {name: type(kind).__name__ for name, kind in optuna_adapter.distributions(space).items()}
    assert kinds == {
        "net.base_e": "IntDistribution", "net.squeeze_ratio": "IntDistribution", "net.bypass": "CategoricalDistribution",
        "hw.sram": "IntDistribution",
    }  # fmt: skip
    params = {"net.base_e": 2, "net.squeeze_ratio": 1, "net.bypass": "simple", "hw.sram": 2}
    point = optuna_adapter.suggest(space, optuna.trial.FixedTrial(params))
    assert space.at(point) == {"net.base_e": 96, "net.squeeze_ratio": 0.25, "net.bypass": "simple", "hw.sram": 262144}
    assert optuna_adapter.point_of(space, params) == point


def test_optuna_enumerates(space):
    """An objective for ``study.optimize``: every point once, the values and constraints those of enumeration."""
    axes = optuna_adapter.distributions(space)
    grid = {name: list(range(kind.high + 1)) if hasattr(kind, "high") else list(kind.choices) for name, kind in axes.items()}
    study = optuna.create_study(sampler=optuna.samplers.GridSampler(grid, seed=0))
    study.optimize(optuna_adapter.objective(space, "energy", BUDGET), n_trials=100)
    goal = goal_of("energy", BUDGET)
    found = priced(space, range(space.size), goal)
    trials = sorted(study.trials, key=lambda trial: trial.user_attrs["point"])
    assert [trial.user_attrs["point"] for trial in trials] == list(range(space.size))
    assert [trial.value for trial in trials] == pytest.approx(found.losses[:, 0], rel=1e-12)
    for name, column in zip(goal.violated, found.violations.T, strict=True):
        assert [trial.constraints[name] for trial in trials] == pytest.approx(column, rel=1e-9, abs=1e-12)
    assert study.best_trial.user_attrs["point"] in best(space, "energy", budget=BUDGET)


@pytest.mark.parametrize("sampler", ["TPESampler", "NSGAIISampler"])
def test_optuna_asks_and_tells_in_batches(space, sampler, monkeypatch):
    """Several objectives within a budget: the front of enumeration; one vectorised call per batch."""
    goal, calls = goal_of("energy,macs", BUDGET, "macs"), []
    real = optuna_adapter.priced
    monkeypatch.setattr(optuna_adapter, "priced", lambda *given: calls.append(len(given[1])) or real(*given))
    study = optuna.create_study(
        directions=optuna_adapter.directions(goal), sampler=getattr(optuna.samplers, sampler)(seed=1)
    )
    optuna_adapter.ask_and_tell(study, space, goal, 310, batch=50)
    assert calls == [50] * 6 + [10]
    assert {trial.user_attrs["point"] for trial in study.best_trials} <= best(
        space, "energy", "macs", budget=BUDGET, maximise="macs"
    )
    values = {tuple(trial.values) for trial in study.best_trials}
    points, losses = enumerated(space, "energy", "macs", budget=BUDGET, maximise="macs")
    front = best(space, "energy", "macs", budget=BUDGET, maximise="macs")
    assert values == {(e, -m) for p, (e, m) in zip(points, losses.tolist(), strict=True) if p in front}


def test_optuna_steers_around_points_without_figures():
    """Refused and excluded points end as trials that violate the space, with the reason where there is one."""
    space = constrained()
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(optuna_adapter.objective(space, "macs"), n_trials=60)
    assert study.best_trial.user_attrs["point"] in best(space, "macs")
    violated = [trial for trial in study.trials if trial.constraints[SPACE] > 0]
    assert violated
    assert any("squeeze_ratio" in trial.user_attrs.get("problem", "") for trial in violated)


# ---- pymoo


def test_pymoo_problem(space):
    """Variables, their bounds, and F and G of a population as enumeration has them."""
    problem = pymoo_adapter.problem(space, "energy,macs", BUDGET, "macs")
    assert (problem.n_var, problem.n_obj, problem.n_ieq_constr) == (4, 2, 3)
    assert (problem.xl.tolist(), problem.xu.tolist()) == ([0, 0, 0, 0], [3, 2, 1, 2])
    variables = np.stack(list(space.positions(np.arange(space.size)).values()), axis=1)
    losses, violations = problem.evaluate(variables, return_values_of=["F", "G"])
    found = priced(space, range(space.size), goal_of("energy,macs", BUDGET, "macs"))
    assert losses.tolist() == found.losses.tolist()
    assert violations.tolist() == found.violations.tolist()


@given(st.integers(0, 71), st.lists(st.floats(-0.49, 0.49), min_size=4, max_size=4))
def test_pymoo_variables_are_rounded(point, noise):
    """Real variables belong to the nearest point, also beyond the ends."""
    space = shared()
    exact = np.array([column[0] for column in space.positions(np.array([point])).values()])
    assert pymoo_adapter.points_of(space, (exact + noise)[None]).tolist() == [point]
    assert pymoo_adapter.points_of(space, np.array([[-7, -7, -7, -7], [99, 99, 99, 99]])).tolist() == [0, 71]


def operators():
    """Build integer operators."""
    return {
        "sampling": IntegerRandomSampling(),
        "crossover": SBX(prob=0.9, eta=3.0, vtype=float, repair=RoundingRepair()),
        "mutation": PM(prob=0.9, eta=3.0, vtype=float, repair=RoundingRepair()),
        "eliminate_duplicates": True,
    }


def test_pymoo_finds_the_best(space):
    """A genetic algorithm finds the optimum of enumeration within the budget."""
    problem = pymoo_adapter.problem(space, "energy", BUDGET)
    result = minimize(problem, GA(pop_size=20, **operators()), ("n_gen", 12), seed=1)
    _, losses = enumerated(space, "energy", budget=BUDGET)
    assert result.F.item() == losses.min()
    assert pymoo_adapter.points_of(space, result.X).item() in best(space, "energy", budget=BUDGET)


def test_pymoo_finds_the_front(space):
    """NSGA-II finds the front of enumeration within the budget."""
    problem = pymoo_adapter.problem(space, "energy,macs", BUDGET, "macs")
    result = minimize(problem, NSGA2(pop_size=40, **operators()), ("n_gen", 20), seed=1)
    points, losses = enumerated(space, "energy", "macs", budget=BUDGET, maximise="macs")
    front = best(space, "energy", "macs", budget=BUDGET, maximise="macs")
    assert set(map(tuple, result.F.tolist())) == {tuple(x) for p, x in zip(points, losses.tolist(), strict=True) if p in front}


def test_pymoo_with_points_without_figures():
    """Points that cannot be priced never win."""
    space = constrained()
    result = minimize(pymoo_adapter.problem(space, "params"), GA(pop_size=10, **operators()), ("n_gen", 8), seed=1)
    assert pymoo_adapter.points_of(space, result.X).item() in best(space, "params")


# ---- Nevergrad


def test_nevergrad_parametrization(space):
    """One integer per axis in order, one choice per other axis; every sample is a point."""
    parameters = nevergrad_adapter.parametrization(space)
    assert {name: type(parameters[name]).__name__ for name in parameters.value} == {
        "net.base_e": "Scalar", "net.squeeze_ratio": "Scalar", "net.bypass": "Choice", "hw.sram": "Scalar",
    }  # fmt: skip
    parameters.random_state.seed(3)
    points = {point_at(space, parameters.sample().value) for _ in range(400)}
    assert len(points) > 30
    assert points <= set(range(space.size))


@pytest.mark.parametrize("algorithm", ["DiscreteOnePlusOne", "DE"])
def test_nevergrad_finds_the_best(space, algorithm):
    """The optimum of enumeration within the budget, asked and told in batches."""
    parameters = nevergrad_adapter.parametrization(space)
    parameters.random_state.seed(0)
    optimizer = nevergrad.optimizers.registry[algorithm](parameters, budget=250)
    found = nevergrad_adapter.ask_and_tell(optimizer, space, "energy", BUDGET, batch=8)
    assert (optimizer.num_ask, optimizer.num_tell, len(found.points)) == (250, 250, 250)
    _, losses = enumerated(space, "energy", budget=BUDGET)
    assert found.losses[found.feasible, 0].min() == losses.min()


def test_nevergrad_with_several_objectives(space):
    """The front of all candidates is that of enumeration."""
    parameters = nevergrad_adapter.parametrization(space)
    parameters.random_state.seed(0)
    optimizer = nevergrad.optimizers.DE(parameters, budget=240)
    found = nevergrad_adapter.ask_and_tell(optimizer, space, "energy,macs", None, "macs", batch=20)
    points, losses = enumerated(space, "energy", "macs", maximise="macs")
    chosen = best(space, "energy", "macs", maximise="macs")
    front = {tuple(x) for p, x in zip(points, losses.tolist(), strict=True) if p in chosen}
    assert front <= set(map(tuple, found.losses.tolist()))
    assert {tuple(each.losses.tolist()) for each in optimizer.pareto_front()} == front


def test_nevergrad_axes_of_one_value():
    """An axis that does not vary is a choice of one."""
    space = small(axes={"net.base_e": [64], "net.squeeze_ratio": [0.25, 0.125]})
    optimizer = nevergrad.optimizers.RandomSearch(nevergrad_adapter.parametrization(space), budget=10)
    assert set(nevergrad_adapter.ask_and_tell(optimizer, space, "params").points.tolist()) == {0, 1}
