"""Searches that are kept: the same points for a seed, stopped or killed and continued; what is refused; what is reported."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time

import optuna
import pytest

import costmodel as cm
from costmodel.errors import InputError
from costmodel.explore import study as module
from costmodel.explore.optuna_adapter import POINT
from costmodel.explore.study import Settings, opened, quiet, search_of
from tests.architecture.source import ROOT
from tests.unit.searched import SMALL, best, shared, small

BUDGET = ("max_energy=130uJ", "max_params=1.6 M")
RANDOM = Settings("random", 0, 10)


def tried(storage):
    """Points that a study has tried, in the order of their trials."""
    with quiet(), opened(storage) as kept:
        trials = optuna.load_study(storage=kept, study_name="costmodel").get_trials(deepcopy=False)
    return [trial.user_attrs[POINT] for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_a_search_finds_the_front_of_enumeration(sampler):
    """What it reports is on the front of everything, and with enough trials all of it."""
    found = search_of(shared(), "energy,macs", 400, BUDGET, "macs", None, Settings(sampler, 1, 40))
    whole = best(shared(), "energy", "macs", budget=BUDGET, maximise="macs")
    figures = {tuple(record[name] for name in ("energy_j", "macs")) for record in found.records()}
    expected = search_of(shared(), "energy,macs", 2000, BUDGET, "macs", None, Settings("random", 0, 500))
    assert set(found.points) <= whole
    assert set(expected.points) == whole
    assert figures == {tuple(record[name] for name in ("energy_j", "macs")) for record in expected.records()}
    assert found.trials == 400
    assert found.feasible < found.distinct <= 72


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_a_seed_decides_the_points(sampler, tmp_path):
    """Twice the same, another seed differs."""
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        search_of(shared(), "energy,macs", 24, None, "macs", tmp_path / f"{name}.journal", Settings(sampler, seed, 12))
    a, b, c = (tried(tmp_path / f"{name}.journal") for name in "abc")
    assert a == b
    assert a != c


@pytest.mark.parametrize(
    ("sampler", "suffix"), [("tpe", "journal"), ("nsga2", "journal"), ("random", "journal"), ("nsga2", "db")]
)
def test_a_search_goes_on(sampler, suffix, tmp_path):
    """Stopped after whole batches and continued, it tries what an uninterrupted one tries, wherever trials are kept."""
    settings = Settings(sampler, 0, 8)
    whole = search_of(shared(), "energy,macs", 24, BUDGET, "macs", tmp_path / "whole.journal", settings)
    parts = tmp_path / f"parts.{suffix}"
    first = search_of(shared(), "energy,macs", 16, BUDGET, "macs", parts, settings)
    second = search_of(shared(), "energy,macs", 24, BUDGET, "macs", parts, settings)
    assert (first.trials, second.trials) == (16, 24)
    assert tried(parts) == tried(tmp_path / "whole.journal")
    assert second.records() == whole.records()


def test_enough_trials_are_not_tried_again(tmp_path, monkeypatch):
    """A study that has them is only read."""
    before = search_of(shared(), "params", 20, None, (), tmp_path / "s.journal", RANDOM)
    monkeypatch.setattr(module, "tell", None)
    again = search_of(shared(), "params", 10, None, (), tmp_path / "s.journal", RANDOM)
    assert (again.trials, again.points) == (20, before.points)


@pytest.mark.parametrize("asked", [3, 10, 17])
def test_a_search_that_died_goes_on(asked, tmp_path, monkeypatch):
    """Killed while it asks or after it has asked a batch: the trials that wait are part of the next batch."""
    settings = Settings("tpe", 0, 10)
    search_of(shared(), "energy", 30, None, (), tmp_path / "whole.journal", settings)
    calls = []

    class Dying(optuna.study.Study):
        def ask(self, *given):
            if len(calls) == asked:
                raise KeyboardInterrupt
            calls.append(1)
            return super().ask(*given)

    monkeypatch.setattr(optuna.study, "Study", Dying)
    monkeypatch.setattr(optuna.study.study, "Study", Dying)
    with pytest.raises(KeyboardInterrupt):
        search_of(shared(), "energy", 30, None, (), tmp_path / "s.journal", settings)
    monkeypatch.undo()
    assert len(tried(tmp_path / "s.journal")) == asked // 10 * 10
    search_of(shared(), "energy", 30, None, (), tmp_path / "s.journal", settings)
    assert tried(tmp_path / "s.journal") == tried(tmp_path / "whole.journal")


def test_a_search_that_died_while_it_tells_goes_on(tmp_path, monkeypatch):
    """Trials that were priced and not all told are told."""
    settings = Settings("tpe", 0, 10)
    search_of(shared(), "energy", 30, None, (), tmp_path / "whole.journal", settings)
    real, calls = optuna.study.Study.tell, []

    def dying(self, *given, **options):
        calls.append(1)
        if len(calls) == 14:
            raise KeyboardInterrupt
        return real(self, *given, **options)

    monkeypatch.setattr(optuna.study.Study, "tell", dying)
    with pytest.raises(KeyboardInterrupt):
        search_of(shared(), "energy", 30, None, (), tmp_path / "s.journal", settings)
    monkeypatch.undo()
    assert len(tried(tmp_path / "s.journal")) == 13
    search_of(shared(), "energy", 30, None, (), tmp_path / "s.journal", settings)
    assert tried(tmp_path / "s.journal") == tried(tmp_path / "whole.journal")


def test_a_trial_that_was_half_asked_for_is_given_up(tmp_path):
    """A trial without all of its parameters is failed, and does not count."""
    search_of(shared(), "energy", 10, None, (), tmp_path / "s.journal", RANDOM)
    with quiet(), opened(tmp_path / "s.journal") as kept:
        optuna.load_study(storage=kept, study_name="costmodel").ask()
    found = search_of(shared(), "energy", 20, None, (), tmp_path / "s.journal", RANDOM)
    search_of(shared(), "energy", 20, None, (), tmp_path / "whole.journal", RANDOM)
    assert found.trials == 20
    assert tried(tmp_path / "s.journal") == tried(tmp_path / "whole.journal")


def test_a_killed_process_goes_on(tmp_path):
    """SIGKILL in the middle of a run, then the same command: what an uninterrupted run finds."""
    (tmp_path / "space.yaml").write_text(json.dumps(SMALL), encoding="utf-8")  # JSON is YAML
    command = [
        sys.executable, "-m", "costmodel", "search", str(tmp_path / "space.yaml"), "--objective", "energy,macs", "--maximise",
        "macs", "--trials", "50", "--batch", "5", "--format", "json", "--storage",
    ]  # fmt: skip
    journal = tmp_path / "s.journal"
    process = subprocess.Popen([*command, str(journal)], cwd=ROOT, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (journal.exists() and journal.read_text(encoding="utf-8").count("\n") > 120):
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert 0 < len(tried(journal)) < 50
    again = subprocess.run([*command, str(journal)], cwd=ROOT, capture_output=True, check=True)
    whole = subprocess.run([*command, str(tmp_path / "whole.journal")], cwd=ROOT, capture_output=True, check=True)
    assert again.stdout == whole.stdout
    assert tried(journal) == tried(tmp_path / "whole.journal")


# ---- what is refused


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"objectives": "energy"}, r"its study has objectives \['params'\], not \['energy_j'\]"),
        ({"budget": ("max_macs=1G",)}, "its study has budget {}, not {'max_macs': 1000000000.0}"),
        ({"settings": Settings("random", 1, 10)}, "its study has seed 0, not 1"),
        ({"settings": Settings("tpe", 0, 10)}, "its study has sampler 'random', not 'tpe'"),
        ({"settings": Settings("random", 0, 5)}, "its study has batch 10, not 5"),
        ({"space": small(hardware="eyeriss-168")}, "its study is of another space, or the space, a network, a profile"),
        ({"space": small(constraints=["net.base_e <= 96"])}, "its study is of another space"),
    ],
)
def test_a_study_of_something_else_is_refused(changed, message, tmp_path):
    """One message per difference, and the study stays as it is."""
    usual = {"space": shared(), "objectives": "params", "trials": 10, "settings": RANDOM, "storage": tmp_path / "s.journal"}
    search_of(**usual)
    before = (tmp_path / "s.journal").read_bytes()
    with pytest.raises(InputError, match=message) as error:
        search_of(**{**usual, "trials": 20, **changed})
    assert len(error.value.problems) == 1
    assert (tmp_path / "s.journal").read_bytes() == before


def test_studies_of_others_are_refused(tmp_path):
    """A storage that holds other studies is left alone."""
    address = f"sqlite:///{tmp_path / 'o.db'}"
    with quiet():
        optuna.create_study(storage=address, study_name="mine")._storage.remove_session()
    with pytest.raises(InputError, match=r"holds studies of others \(mine\)"):
        search_of(shared(), "params", 10, storage=address, settings=RANDOM)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("s.txt", "give a file .db, .sqlite, .sqlite3, .journal, .log, or the address of a data base"),
        ("gone/s.db", "the directory .* does not exist"),
        ("dir.db", "is a directory"),
        ("text.db", "cannot be opened: .*file is not a database"),
        ("text.journal", "cannot be opened: "),
    ],
)
def test_storages_that_cannot_be_used(name, message, tmp_path):
    """One line that names the storage."""
    (tmp_path / "dir.db").mkdir()
    for file in ("text.db", "text.journal"):
        (tmp_path / file).write_text("no study, but a text that is long enough to be none\n" * 40, encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        search_of(shared(), "params", 10, storage=tmp_path / name, settings=RANDOM)
    assert len(error.value.problems) == 1
    assert "\n" not in str(error.value)
    assert name in str(error.value)


def test_addresses_that_lead_nowhere():
    """An address without a driver or a host."""
    with pytest.raises(InputError, match="--storage nosuch://host/db: cannot be opened"):
        search_of(shared(), "params", 10, storage="nosuch://host/db", settings=RANDOM)


@pytest.mark.parametrize(
    ("trials", "settings", "messages"),
    [
        (0, Settings(), ["trials is 0; give a whole number from 1"]),
        (1.5, Settings(), ["trials is 1.5"]),
        (True, Settings(), ["trials is True"]),
        (10, Settings("tpr", -1, 0), ["seed is -1", "batch is 0", "no sampler 'tpr' (did you mean 'tpe'?); use tpe, nsga2"]),
    ],
)
def test_numbers_that_make_no_sense(trials, settings, messages):
    """All problems at once."""
    with pytest.raises(InputError) as error:
        search_of(shared(), "params", trials, settings=settings)
    assert len(error.value.problems) == len(messages)
    assert all(message in problem for message, problem in zip(messages, error.value.problems, strict=True))


def test_nothing_within_the_budget():
    """The message says which point is closest, and by how much it exceeds which limit."""
    with pytest.raises(InputError) as error:
        search_of(shared(), "energy", 400, ("max_params=500 k", "max_macs=1 G"), settings=Settings("random", 0, 100))
    text = str(error.value)
    fewest = cm.analyze("squeezenet:version=1.1,input=64,base_e=32", "snapdragon").totals.params
    assert text.startswith("search: none of 72 points tried is within the budget; the closest, point 0 (net.base_e=32, ")
    assert f"exceeds max_params by {100 * (fewest / 5e5 - 1):.3g} %" in text
    assert "max_macs" not in text


def test_nothing_that_can_be_priced():
    """The builder's reason, or that constraints exclude everything."""
    refused = small(axes={"net.squeeze_ratio": [9.0, 10.0]})
    with pytest.raises(InputError, match=r"none of 2 points tried can be priced; the first: .*squeeze_ratio"):
        search_of(refused, "params", 20, settings=RANDOM)
    excluded = small(axes={"net.base_e": [32, 64]}, constraints=["net.base_e > 64"])
    with pytest.raises(InputError, match="the constraints of the space exclude all of them"):
        search_of(excluded, "params", 20, settings=RANDOM)


# ---- what is reported


def test_records_are_those_of_an_analysis():
    """A best design costs what an analysis of it says; counts are whole numbers."""
    found = cm.search(SMALL, ["energy", "params"], 300, sampler="random", batch=100)
    record = found.records()[0]
    spec = "squeezenet:version=1.1,input=64,base_e={net.base_e},squeeze_ratio={net.squeeze_ratio},bypass={net.bypass}"
    for name in ("net.base_e", "net.squeeze_ratio", "net.bypass"):
        spec = spec.replace(f"{{{name}}}", str(record[name]))
    hardware = cm.load_hardware("snapdragon").with_constant("vtcm.capacity", record["hw.sram"])
    totals = cm.analyze(spec, hardware, objective="none").totals
    assert record["params"] == totals.params
    assert isinstance(record["params"], int)
    assert record["energy_j"] == pytest.approx(totals.energy_j.value, rel=1e-12)
    assert shared().at(record["point"]) == {name: record[name] for name in shared().names}


def test_best_designs_are_in_order():
    """By the first objective; ties by the others, then by their index."""
    found = search_of(shared(), "energy,macs", 600, None, "macs", None, Settings("random", 0, 200))
    rows = [(record["energy_j"], -record["macs"], record["point"]) for record in found.records()]
    assert rows == sorted(rows)
    assert len(rows) > 5
    assert found.to_frame()["point"].tolist() == list(found.points)


def test_plain_data():
    """JSON says what was searched for, how, and what was found."""
    found = search_of(shared(), "params", 30, ("max_energy=1 J",), (), None, RANDOM)
    data = json.loads(json.dumps(found.to_dict()))
    assert data["digest"] == shared().digest
    assert (data["space"], data["size"], data["trials"], data["sampler"], data["seed"]) == ("small", 72, 30, "random", 0)
    assert (data["objectives"], data["maximise"], data["budget"]) == (["params"], [], {"max_energy": 1.0})
    assert data["best"] == found.records()
    assert {record["params"] for record in data["best"]} == {min(record["params"] for record in data["best"])}


def test_the_report():
    """Title, table, what was tried."""
    text = repr(search_of(shared(), "energy,macs", 80, BUDGET, "macs", None, Settings("nsga2", 0, 20)))
    assert text.startswith("Search of small: least energy and most macs, within max_energy 130 uJ and\nmax_params 1.6 M")
    assert "80 trials with the sampler nsga2, seed 0:" in text
    assert "KiB" in text
    assert "of them can be priced and keep within the budget" in text


def test_optuna_is_as_loud_as_before(capfd):
    """Nothing on stderr, and the verbosity of others is left as it was."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        search_of(shared(), "params", 10, settings=RANDOM)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(before)
    assert capfd.readouterr() == ("", "")


def test_a_data_base_is_a_file_of_sqlite(tmp_path):
    """Others can read it."""
    search_of(shared(), "params", 10, storage=tmp_path / "s.db", settings=RANDOM)
    connection = sqlite3.connect(tmp_path / "s.db")
    try:
        assert connection.execute("select count(*) from trials").fetchone() == (10,)
    finally:
        connection.close()
