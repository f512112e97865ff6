"""A search on Optuna that can be stopped and goes on: the same trials for a seed, wherever they are kept and however often."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.analysis import SCHEMA_VERSION
from costmodel.errors import InputError
from costmodel.explore.evaluate import evaluate_points
from costmodel.explore.goal import SPACE, Goal, goal_of
from costmodel.explore.libraries import library
from costmodel.explore.optuna_adapter import BATCH, POINT, PROBLEM, directions, distributions, tell
from costmodel.explore.ranking import ranks
from costmodel.hardware.profile import did_you_mean
from costmodel.results import Recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

    from costmodel.explore.budget import Budget
    from costmodel.explore.space import DesignSpace

LOCKED_S: Final = 5
"""Time after which the lock of a journal is that of a process that was killed: writing one takes milliseconds."""
SAMPLERS: Final = {"tpe": "TPESampler", "nsga2": "NSGAIISampler", "random": "RandomSampler"}
"""Samplers of Optuna by the name they have here."""
SQLITE: Final = (".db", ".sqlite", ".sqlite3")
JOURNAL: Final = (".journal", ".log")
NAME: Final = "costmodel"
"""Name of the study in its storage, and of the attribute that says what it is for."""
MOST_TRIALS: Final = 10_000_000


@dataclass(frozen=True)
class Settings:
    """What decides which points a study tries, besides the number of trials."""

    sampler: str = "tpe"
    seed: int = 0
    batch: int = BATCH


@dataclass(frozen=True, repr=False)
class Search(Recorded):
    """What a search has found.

    Attributes
    ----------
    space
        The design space.
    goal, settings
        What was searched for, and how.
    trials
        Points tried, those included that were tried before.
    distinct
        Different ones among them.
    feasible
        Different ones within the budget.
    points
        The best of these by their indices: those that no other one dominates, by the first objective.
    """

    space: DesignSpace
    goal: Goal
    settings: Settings
    trials: int
    distinct: int
    feasible: int
    points: tuple[int, ...]

    @cached_property
    def columns(self) -> dict[str, list[Any]]:
        """The best points: index, value of every axis, metrics; plain Python values."""
        indices = np.array(self.points, dtype=np.int64)
        found = evaluate_points(self.space, np.sort(indices), self.goal.metrics)
        place = np.searchsorted(found["point"], indices)
        columns = {name: found[name][place].tolist() for name in ("point", *self.space.names, *self.goal.metrics)}
        whole = [name for name in self.goal.metrics if not name.endswith(("_j", "_s"))]
        return columns | {name: [int(value) for value in columns[name]] for name in whole}

    def records(self) -> list[dict[str, Any]]:
        """One record per best point."""
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*self.columns.values(), strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with ``schema_version``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "space": self.space.name,
            "digest": self.space.digest,
            "size": self.space.size,
            **self.goal.to_dict(),
            **vars(self.settings),
            "trials": self.trials,
            "distinct": self.distinct,
            "feasible": self.feasible,
            "best": self.records(),
        }


def search_of(
    space: DesignSpace,
    objectives: str | Iterable[str],
    trials: int,
    budget: Budget | Iterable[str] | None = None,
    maximise: str | Iterable[str] = (),
    storage: str | Path | None = None,
    settings: Settings | None = None,
) -> Search:
    """Search a space until its study has so many trials; see :func:`costmodel.search`."""
    goal, chosen = goal_of(objectives, budget, maximise), checked(trials, settings or Settings())
    with quiet(), opened(storage) as kept:
        study = study_of(kept, space, goal, chosen, storage)
        proceed(study, space, goal, trials, chosen)
        return outcome(study.get_trials(deepcopy=False), space, goal, chosen)


def checked(trials: int, settings: Settings) -> Settings:
    """Refuse numbers that are none, and samplers that do not exist."""
    problems = []
    for name, value, least in (("trials", trials, 1), ("seed", settings.seed, 0), ("batch", settings.batch, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST_TRIALS:
            problems.append(f"search: {name} is {value!r}; give a whole number from {least} to {MOST_TRIALS}")
    if settings.sampler not in SAMPLERS:
        hint = did_you_mean(settings.sampler, SAMPLERS)
        problems.append(f"search: no sampler {settings.sampler!r}{hint}; use {', '.join(SAMPLERS)}")
    if problems:
        raise InputError(*problems)
    return settings


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna without its progress lines, and without warnings of what it calls experimental."""
    logging = library("optuna.logging")
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", library("optuna.exceptions").ExperimentalWarning)
            warnings.filterwarnings("ignore", "The constraint value is ignored")  # a killed run set it: to the same value
            yield
    finally:
        logging.set_verbosity(before)


# ---- where trials are kept


@contextmanager
def opened(storage: str | Path | None) -> Iterator[BaseStorage]:
    """A storage in memory, in a file of SQLite or of Optuna's journal, or behind the address of a data base.

    Raises
    ------
    InputError
        It cannot be opened, or another kind of file.
    """
    storages = library("optuna.storages")
    if storage is None:
        yield storages.InMemoryStorage()
        return
    text, path = str(storage), Path(storage)
    if "://" not in text:
        checked_file(path)
    try:
        kept = database(text if "://" in text else f"sqlite:///{path.resolve()}") if not journal(text) else journalled(path)
    except Exception as error:  # every data base has errors of its own, and all mean that the storage cannot be used
        raise InputError(f"--storage {text}: cannot be opened: {first_line(error)}") from None
    try:
        yield kept
    finally:
        kept.remove_session()


def journal(storage: str) -> bool:
    """Whether a storage is a file of Optuna's journal."""
    return "://" not in storage and Path(storage).suffix.lower() in JOURNAL


def checked_file(path: Path) -> None:
    """Refuse files of another kind, and those in directories that do not exist."""
    if path.suffix.lower() not in SQLITE + JOURNAL:
        raise InputError(f"--storage {path}: give a file {', '.join(SQLITE + JOURNAL)}, or the address of a data base")
    if path.is_dir():
        raise InputError(f"--storage {path}: is a directory; give a file in it")
    if not path.resolve().parent.is_dir():
        raise InputError(f"--storage {path}: the directory {path.parent} does not exist; create it first")


def database(address: str) -> BaseStorage:
    """A storage in a relational data base."""
    kept: BaseStorage = library("optuna.storages").RDBStorage(address)
    return kept


def journalled(path: Path) -> BaseStorage:
    """A storage in a file of lines, which is many times faster than a data base."""
    journal = library("optuna.storages.journal")
    lock = journal.JournalFileSymlinkLock(str(path), grace_period=LOCKED_S)
    backend = journal.JournalFileBackend(str(path), lock_obj=lock)
    kept: BaseStorage = library("optuna.storages").JournalStorage(backend)
    return kept


def first_line(error: Exception) -> str:
    """What an error says first."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


# ---- the study


def study_of(kept: BaseStorage, space: DesignSpace, goal: Goal, settings: Settings, storage: str | Path | None) -> Study:
    """The study in a storage, made where there is none.

    Raises
    ------
    InputError
        It is of another space, another goal or other settings.
    """
    optuna = library("optuna")
    said = {"digest": space.digest, **goal.to_dict(), **vars(settings)}
    names = [summary.study_name for summary in optuna.get_all_study_summaries(kept, include_best_trial=False)]
    if names and NAME not in names:
        raise InputError(f"--storage {storage}: holds studies of others ({', '.join(names)}); give a new file")
    if not names:
        made: Study = optuna.create_study(storage=kept, study_name=NAME, directions=directions(goal))
        made.set_user_attr(NAME, said)
        return made
    found: Study = optuna.load_study(storage=kept, study_name=NAME)
    check_same(found.user_attrs.get(NAME, {}), said, storage)
    return found


def check_same(before: dict[str, Any], now: dict[str, Any], storage: str | Path | None) -> None:
    """Refuse to go on with a study that was made for something else."""
    problems = [
        f"--storage {storage}: its study has {name} {before.get(name)!r}, not {now[name]!r}; give what it has, or a new file"
        for name in now
        if name != "digest" and before.get(name) != now[name]
    ]
    if before.get("digest") != now["digest"]:
        problems.insert(
            0,
            f"--storage {storage}: its study is of another space, or the space, a network, a profile or costmodel has changed "
            f"since (digest {str(before.get('digest'))[:12]}, now {now['digest'][:12]}); give a new file",
        )
    if problems:
        raise InputError(*problems)


def proceed(study: Study, space: DesignSpace, goal: Goal, trials: int, settings: Settings) -> None:
    """Ask and tell until there are so many trials.

    Every trial has a sampler of its own whose seed is that of the search and the number of the trial, and batches end at
    multiples of their size; the trials of a killed run that wait for their figures are the beginning of the next batch. So a
    search that was killed tries the same points as one that was not.
    """
    sampler, axes, state = sampler_of(settings), distributions(space), library("optuna.trial").TrialState
    asked = waiting(study, axes)
    done = len(study.get_trials(deepcopy=False, states=(state.COMPLETE,)))
    while done < trials or asked:
        known = done + len(asked)
        stop = max(min(-(-max(known, done + 1) // settings.batch) * settings.batch, trials), known)
        for number in range(known, stop):
            study.sampler = sampler(number)
            asked.append(study.ask(axes))
        tell(study, asked, space, goal)
        done, asked = stop, []


def waiting(study: Study, axes: dict[str, BaseDistribution]) -> list[Trial]:
    """Trials that a killed run had asked for and not told; one that was not even asked for in full is given up."""
    trials = library("optuna.trial")
    found = []
    for each in study.get_trials(deepcopy=False, states=(trials.TrialState.RUNNING,)):
        if each.params.keys() == axes.keys():
            found.append(trials.Trial(study, each._trial_id))
        else:
            study.tell(each.number, state=trials.TrialState.FAIL)
    return found


def sampler_of(settings: Settings) -> Callable[[int], BaseSampler]:
    """What makes the sampler of a trial from its number."""
    kind = getattr(library("optuna.samplers"), SAMPLERS[settings.sampler])

    def made(number: int) -> BaseSampler:
        seed = int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0])
        sampler: BaseSampler = kind(seed=seed)
        return sampler

    return made


# ---- what it found


def outcome(trials: list[FrozenTrial], space: DesignSpace, goal: Goal, settings: Settings) -> Search:
    """The best points of a study.

    Raises
    ------
    InputError
        No point is within the budget.
    """
    told = [trial for trial in trials if trial.values]
    each = {trial.user_attrs[POINT]: trial for trial in told}
    feasible = {point: trial for point, trial in each.items() if max(trial.constraints.values()) <= 0}
    if not feasible:
        raise InputError(nothing_found(list(each.values()), space, goal))
    points = np.array(list(feasible), dtype=np.int64)
    values = np.array([trial.values for trial in feasible.values()])
    more = [name in goal.maximise for name in goal.objectives]
    best = np.flatnonzero(ranks(values, more, 1) == 0)
    order = np.lexsort([points[best], *(values[best] * goal.signs).T[::-1]])
    chosen = tuple(points[best][order].tolist())
    return Search(space, goal, settings, len(told), len(each), len(feasible), chosen)


def nothing_found(trials: list[FrozenTrial], space: DesignSpace, goal: Goal) -> str:
    """Why nothing was found: the point that exceeds the budget least, or why points cannot be priced."""
    figured = [trial for trial in trials if trial.constraints[SPACE] <= 0]
    if not figured:
        reasons = [trial.user_attrs[PROBLEM] for trial in trials if PROBLEM in trial.user_attrs]
        why = f"the first: {reasons[0]}" if reasons else "the constraints of the space exclude all of them"
        return f"search: none of {len(trials)} points tried can be priced; {why}"
    closest = min(figured, key=lambda trial: (max(trial.constraints.values()), trial.user_attrs[POINT]))
    point = closest.user_attrs[POINT]
    where = ", ".join(f"{name}={value}" for name, value in space.at(point).items())
    over = ", ".join(
        f"{name} by {100 * closest.constraints[name]:.3g} %" for name in goal.budget.limits if closest.constraints[name] > 0
    )
    return (
        f"search: none of {len(trials)} points tried is within the budget; the closest, point {point} ({where}), exceeds "
        f"{over}; loosen the budget, widen the space, or try more"
    )
