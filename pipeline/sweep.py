"""A sweep: trials of a task with other settings, which many processes may share."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import shutil
import time
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from sqlalchemy import create_engine, func, make_url, select
from sqlalchemy.exc import SQLAlchemyError

from exports import extras, ownership
from exports.errors import reason
from pipeline import config as configs
from pipeline import files, schema, tasks, train
from pipeline.config import Config
from pipeline.errors import Diverged, PipelineError
from pipeline.run import Run
from pipeline.space import Space, searched
from pipeline.tables import Sheet

# Seconds. A process that was silent for so long is taken for dead, and its trial begins again.
_HEARTBEAT, _SILENCE = 10, 60
_RETRIES = 2
_SHOWN = 10  # best trials
# What optuna, and what reads its answers, raise for a database that is damaged.
_STUMBLES = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError),
    *(RuntimeError, TypeError, ValueError),
)
_LOCK = int.from_bytes(b"recurren")  # of a database: any number that others hardly take


@dataclass(frozen=True)
class Sweep:
    """What all trials share.

    sweep.db     the trials, unless another database has them
    trials/      the runs that are not done
    best.json    the best settings
    trials.md    the best trials

    Attributes:
        path: the directory with these files.
        config: the settings that no trial changes, and those of the first trial.
        spaces: where each setting that the trials change is looked for.
        study: the trials so far.
    """

    path: Path
    config: Config
    spaces: Mapping[str, Space]
    study: optuna.Study


@contextlib.contextmanager
def joined(
    config: Config,
    given: Collection[str],
    path: Path | None = None,
    storage: str | None = None,
    name: str | None = None,
) -> Iterator[Sweep]:
    """Begin a sweep, or join one of the same name and settings, for as long as the block runs.

    Args:
        config: what the first trial is made from.
        given: settings that keep their value; the others are searched if they have a space.
        path: directory of the processes on this machine; by default named after `name`.
        storage: URL of a database; by default a file in `path`.
        name: name of the sweep in it; by default that of `path`, or else in a database of your own
            one that follows from the settings.

    Raises:
        PipelineError: `config` names what is not there, nothing is left to search, the sweep of
            this name has other settings, or the database fails, in the block too.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = tasks.get(config.kind)
    task.check(config)
    settled = {*given, *task.unused(config)}
    spaces = {
        setting: found
        for setting, found in searched(type(config)).items()
        if setting not in settled
    }
    if not spaces:
        raise PipelineError("nothing is left to search: every setting that could be is given")
    plan = config.model_dump() | {setting: repr(found) for setting, found in spaces.items()}
    by_settings = f"{config.task}-{configs.digest(json.dumps(plan))}"
    name = name or (path.absolute().name if path and not storage else by_settings)
    path = path or Path("runs") / f"sweep-{name}"
    url = storage or f"sqlite:///{_made(path) / 'sweep.db'}"
    known = config.model_dump(include=set(spaces)).items()
    first = {key: value for key, value in known if value in spaces[key]}
    with _explained(), contextlib.ExitStack() as stack:
        with _one_at_a_time(url), _undamaged(name):
            study = _study(stack.enter_context(_storage(url)), name, plan, first)
            _reject_damaged(study.trials, spaces)
        yield Sweep(path, config, spaces, study)


def search(sweep: Sweep, trials: int, seconds: float = math.inf) -> None:
    """Train until `sweep` has so many trials, from whichever process, or the time is over.

    A trial that falls behind the median of the others is stopped, and so is one that diverges.
    The trial of a process that died, or that the user stopped, is begun again, where it stood if
    its files are here. Processes that share a sweep may each end one trial more. Whatever happens,
    `best.json` and `trials.md` are written if any trial came to its end.

    Raises:
        PipelineError: the data cannot be had, or a file cannot be written.
    """
    console, deadline = Console(stderr=True), time.monotonic() + seconds

    def tidy(study: optuna.Study, trial: FrozenTrial) -> None:
        shutil.rmtree(_directory(sweep, trial))
        line = f"{_told(sweep, trial)}; {len(_done(sweep))} of {trials} trials are done"
        console.print(line, highlight=False, soft_wrap=True)

    try:
        while len(_done(sweep)) < trials and time.monotonic() < deadline:
            sweep.study.optimize(lambda trial: _try(sweep, trial), 1, callbacks=[tidy])
    finally:
        _write(sweep)


def best_trials(sweep: Sweep) -> Sheet:
    """Lay out the best trials, the best one first, with the settings that were searched.

    Raises:
        PipelineError: no trial came to its end.
    """
    best = _ranked(sweep)[:_SHOWN]
    if not best:
        raise PipelineError(f"no trial of the sweep {sweep.study.study_name} came to its end")
    figures = [name for name in best[0].user_attrs["figures"] if "validation_" in name]
    heads = (name.replace("_", " ") for name in (*figures, *sweep.spaces))
    rows = [
        [
            str(trial.number),
            *(f"{trial.user_attrs['figures'][name]:.4f}" for name in figures),
            *(_shown(trial.params[name]) for name in sweep.spaces),
        ]
        for trial in best
    ]
    return Sheet(("trial", *heads), rows)


def _try(sweep: Sweep, trial: optuna.Trial) -> float:
    """Train with settings that `trial` chooses, and return the rank of the best epoch."""
    try:
        drawn = {name: space.draw(trial, name) for name, space in sweep.spaces.items()}
        run = Run.create(_directory(sweep, trial), configs.merge(sweep.config, drawn))
        return _rank(run, trial)
    except (KeyboardInterrupt, PipelineError):
        _again(trial.study, trial)
        raise


def _rank(run: Run[Any], trial: optuna.Trial) -> float:
    try:
        with contextlib.closing(train.epochs(run, f"trial {trial.number}")) as epochs:
            for figures in itertools.chain(run.metrics, epochs):
                trial.report(run.rank(figures), int(figures["epoch"]))
                trial.set_user_attr("figures", run.best)
                if trial.should_prune():
                    raise optuna.TrialPruned
    except Diverged as error:
        trial.set_user_attr("diverged", str(error))
        raise optuna.TrialPruned from error
    return run.rank(run.best)


def _again(study: optuna.Study, trial: optuna.Trial | FrozenTrial) -> None:
    """Queue the settings of `trial`, whose process died or was stopped, if not for too often."""
    tries = [*trial.user_attrs.get("tries", []), trial.number]
    if len(tries) <= _RETRIES:
        study.enqueue_trial(trial.params, {"tries": tries})


def _directory(sweep: Sweep, trial: optuna.Trial | FrozenTrial) -> Path:
    """Where the run of `trial` is: if it is begun again, where the first one stood."""
    tries: list[int] = trial.user_attrs.get("tries", [])
    return sweep.path / "trials" / f"{[*tries, trial.number][0]:04d}"


def _done(sweep: Sweep) -> list[FrozenTrial]:
    return sweep.study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def _ranked(sweep: Sweep) -> list[FrozenTrial]:
    """The trials that came to their end, the best one first."""
    complete = sweep.study.get_trials(states=(TrialState.COMPLETE,))
    return sorted(complete, key=lambda trial: trial.values[0], reverse=True)


def _write(sweep: Sweep) -> None:
    for best in _ranked(sweep)[:1]:
        settings = configs.merge(sweep.config, best.params)
        files.write(_made(sweep.path) / "best.json", configs.to_json(settings))
        files.write(sweep.path / "trials.md", best_trials(sweep).markdown())


def _told(sweep: Sweep, trial: FrozenTrial) -> str:
    """Say how `trial` ended, whose epochs the user has seen."""
    if "diverged" in trial.user_attrs:
        ended = trial.user_attrs["diverged"]
    elif trial.state is TrialState.PRUNED:
        ended = f"stopped after epoch {trial.last_step}"
    else:
        ended = f"the best is trial {_ranked(sweep)[0].number}"
    return f"trial {trial.number}: {ended}"


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _agree(study: optuna.Study, plan: Mapping[str, Any]) -> None:
    """Hold to the settings and spaces of the sweep that `study` is; a new one has none yet."""
    theirs = study.user_attrs.get("plan")
    if theirs is None:
        study.set_user_attr("plan", dict(plan))
    elif theirs != plan:
        names = [name for name in {**theirs, **plan} if theirs.get(name) != plan.get(name)]
        differing = ", ".join(f"{name} = {theirs.get(name)!r}" for name in names)
        raise PipelineError(
            f"the sweep {study.study_name} is one with {differing}; "
            "name another one, or another directory"
        )


def _study(
    storage: RDBStorage, name: str, plan: Mapping[str, Any], first: Mapping[str, Any]
) -> optuna.Study:
    """Begin the study called `name` with the settings of its `first` trial, or join it."""
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        pruner=optuna.pruners.MedianPruner(),
        direction="maximize",
        load_if_exists=True,
    )
    _agree(study, plan)
    if not study.trials:
        study.enqueue_trial(dict(first))
    return study


@contextlib.contextmanager
def _undamaged(name: str) -> Iterator[None]:
    """Say that the sweep called `name` cannot be read, whatever optuna stumbles over in it."""
    try:
        yield
    except _STUMBLES as error:
        raise PipelineError(f"the sweep {name} cannot be read: {reason(error)}") from error


def _reject_damaged(trials: Collection[FrozenTrial], spaces: Collection[str]) -> None:
    """Raise ValueError for trials that are not as a sweep over `spaces` leaves them."""
    notes = [msgspec.convert(trial.user_attrs, schema.Trial) for trial in trials]
    figures = set()
    for trial, noted in zip(trials, notes, strict=True):
        if trial.state is TrialState.COMPLETE:
            figures.add(frozenset(noted.get("figures", ())))
            if not trial.values or not trial.params.keys() >= set(spaces):
                raise ValueError(f"trial {trial.number} has no rank, or not all of its settings")
    if len(figures) > 1 or frozenset() in figures:
        raise ValueError("its trials have not all the same figures")


@contextlib.contextmanager
def _one_at_a_time(url: str) -> Iterator[None]:
    """Let no two processes make the tables of a database, or begin its study, at once."""
    database = make_url(url)
    with contextlib.ExitStack() as stack:
        if database.get_backend_name() == "postgresql":
            engine = create_engine(database)
            stack.callback(engine.dispose)
            connection = stack.enter_context(engine.begin())
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        elif database.get_backend_name() == "sqlite" and database.database:
            file = Path(database.database)
            if file.exists() and not file.is_file():
                raise PipelineError(f"{file} is not a regular file")
            stack.enter_context(ownership.draft(file, waiting=ownership.silently))
        yield


@contextlib.contextmanager
def _storage(url: str) -> Iterator[RDBStorage]:
    storage = _opened(url)
    try:
        yield storage
    finally:
        storage.engine.dispose()


def _opened(url: str) -> RDBStorage:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of the heartbeat
        return RDBStorage(
            url,
            heartbeat_interval=_HEARTBEAT,
            grace_period=_SILENCE,
            heartbeat_stale_trial_callback=_again,
        )


def _made(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise PipelineError(f"{path} exists and is not a directory; name another one") from error
    return path


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (ImportError, SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        raise PipelineError(
            f"the database of the sweep cannot be used: {str(cause).splitlines()[0]}. PostgreSQL "
            f"takes {extras.install_command('postgresql')} and a URL like postgresql+psycopg://user@host/name"
        ) from error
