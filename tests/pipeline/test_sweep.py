"""Sweeps: settings are searched, bad trials end early, and no death of a process is final."""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import psycopg
import pytest
from optuna.trial import TrialState

from pipeline import config, recipes, space, sweep, tasks, train
from pipeline.run import Run
from pipeline.tasks.base import LOSS
from tests.pipeline.small import Outcome, interrupted

Command = Callable[..., Outcome]

# Units and learning rate are searched.
SETTINGS = (
    *("--limit=32", "--epochs=2", "--cell=rnn", "--no-bidirectional", "--batch-size=32"),
    *("--dropout=0", "--noise=0", "--weight-decay=0"),
)
SEARCHED = {"units", "learning_rate"}


def arguments(path: Path, trials: int, *settings: str) -> list[str]:
    return ["sweep", "digits", f"--trials={trials}", f"--run={path}", *SETTINGS, *settings]


def trials(path: Path) -> list[optuna.trial.FrozenTrial]:
    return trials_in(f"sqlite:///{path / 'sweep.db'}")


def trials_in(url: str) -> list[optuna.trial.FrozenTrial]:
    """The trials of the only study in a database."""
    storage = optuna.storages.RDBStorage(url)
    found = optuna.load_study(study_name=None, storage=storage).trials
    storage.engine.dispose()
    return found


def rank(trial: optuna.trial.FrozenTrial) -> float:
    """What a trial, which has ended, is ranked by."""
    assert trial.value is not None
    return trial.value


def states(path: Path) -> list[str]:
    return [trial.state.name for trial in trials(path)]


class Unread:
    """Examples that nobody may look at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"somebody read {name} of the test split")

    def __len__(self) -> int:
        raise AssertionError("somebody asked how many test examples there are")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a sweep has three trials, made without its test split. Leave it as it is."""
    path, task = tmp_path_factory.mktemp("swept") / "digits", tasks.get("classify")
    data = type(task).data

    def untested(self: Any, run: Run[Any]) -> Any:
        loaded = data(self, run)
        object.__setattr__(loaded, "test", Unread())
        return loaded

    from pipeline import cli

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(task), "data", untested)
        cli.command.main(arguments(path, 3), standalone_mode=False)
    return path


def test_the_first_trial_has_the_settings_that_the_user_gave(swept: Path) -> None:
    preset = recipes.get("digits").presets["digits"]()
    first, *others = trials(swept)
    assert first.params == {name: getattr(preset, name) for name in SEARCHED}
    spaces = space.searched(type(preset))
    for trial in others:
        assert set(trial.params) == SEARCHED
        assert all(value in spaces[name] for name, value in trial.params.items())
    assert len({trial.params["learning_rate"] for trial in trials(swept)}) == 3


def test_a_trial_is_ranked_by_its_best_epoch_on_the_validation_split(swept: Path) -> None:
    for trial in trials(swept):
        losses = {step: -value for step, value in trial.intermediate_values.items()}
        assert list(losses) == [1, 2]
        assert trial.value == -min(losses.values())
        assert trial.user_attrs["figures"]["validation_loss"] == min(losses.values())


def test_each_epoch_is_told_as_it_is_and_the_best_one_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    epochs = [{"epoch": epoch, "validation_loss": loss} for epoch, loss in ((1, 1), (2, 3), (3, 2))]
    monkeypatch.setattr(train, "epochs", lambda *_: (each for each in epochs))
    run: Any = SimpleNamespace(rank=LOSS.rank, metrics=[], best=epochs[0])
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.NopPruner())
    assert sweep._rank(run, study.ask()) == -1
    (trial,) = study.trials
    assert trial.intermediate_values == {1: -1, 2: -3, 3: -2}
    assert trial.user_attrs["figures"] == epochs[0]


def test_the_best_settings_are_a_file_that_train_takes(
    recurrent: Command, swept: Path, tmp_path: Path
) -> None:
    """It trains to the very figures of the trial, as a run depends on its settings alone."""
    best = max(trials(swept), key=rank)
    settings = json.loads((swept / "best.json").read_text())
    assert {name: settings[name] for name in SEARCHED} == best.params
    assert settings["limit"] == 32 and settings["cell"] == "rnn"
    outcome = recurrent("train", "digits", f"--config={swept / 'best.json'}", f"--run={tmp_path}")
    assert outcome.status == 0, outcome.err
    assert Run.open(tmp_path).best["validation_loss"] == -rank(best)


def test_the_same_command_shows_the_best_trials_and_trains_no_more(
    recurrent: Command, swept: Path
) -> None:
    outcome = recurrent(*arguments(swept, 3))
    assert outcome.status == 0 and "trial" not in outcome.err
    assert f"recurrent train digits --config {swept / 'best.json'}" in outcome.err
    ranked = sorted(trials(swept), key=rank, reverse=True)
    for lines in (
        outcome.out.splitlines()[3:6],
        (swept / "trials.md").read_text().splitlines()[2:],
    ):
        numbers = [int(re.findall(r"\d+", line)[0]) for line in lines]
        assert numbers == [trial.number for trial in ranked]
    assert f"{-rank(ranked[0]):.4f}" in outcome.out.splitlines()[3]
    assert list((swept / "trials").iterdir()) == []


def test_no_trial_begins_after_the_timeout(recurrent: Command, swept: Path) -> None:
    outcome = recurrent(*arguments(swept, 99, "--timeout=1e-9"))
    assert outcome.status == 0 and "trial" not in outcome.err
    assert len(trials(swept)) == 3


def test_a_trial_that_falls_behind_is_stopped(tmp_path: Path) -> None:
    """Behind five trials that are far better, which somebody else made."""
    preset = recipes.get("digits").presets["digits"]()
    slow = config.merge(preset, {"limit": 32, "epochs": 3, "learning_rate": 1e-6, "units": 2})
    with sweep.joined(slow, {"learning_rate", "units"}, tmp_path) as joined:
        drawn = optuna.trial.FixedTrial({name: getattr(preset, name) for name in joined.spaces})
        for name, drawn_from in joined.spaces.items():
            drawn_from.draw(drawn, name)
        for _ in range(5):
            better = optuna.create_trial(
                params=drawn.params,
                distributions=drawn.distributions,
                user_attrs={"figures": {"validation_loss": 0.01}},
                intermediate_values={1: -0.01, 2: -0.01, 3: -0.01},
                value=-0.01,
            )
            joined.study.add_trial(better)
        sweep.search(joined, 6)
        (ours,) = (trial for trial in joined.study.trials if trial.value != -0.01)
    assert ours.state is TrialState.PRUNED and list(ours.intermediate_values) == [1]


def test_trainings_that_diverge_do_not_end_the_sweep(recurrent: Command, tmp_path: Path) -> None:
    """Identity and ReLU know no bound, so that a learning rate of 10 is too much for them."""
    outcome = recurrent(*arguments(tmp_path, 2, "--cell=irnn", "--learning-rate=10"))
    assert outcome.status == 1
    assert outcome.err.count("training diverged in epoch") == 2
    assert outcome.err.splitlines()[-1].endswith("came to its end")
    assert states(tmp_path) == ["PRUNED", "PRUNED"]
    assert not (tmp_path / "best.json").exists()


def test_a_trial_stopped_by_ctrl_c_goes_on_where_it_stood(
    recurrent: Command, swept: Path, tmp_path: Path
) -> None:
    path = shutil.copytree(swept, tmp_path / "digits")
    with interrupted():
        outcome = recurrent(*arguments(path, 4))
    assert outcome.status == 130 and "the same command goes on" in outcome.err
    assert states(path) == ["COMPLETE"] * 3 + ["FAIL", "WAITING"]
    outcome = recurrent(*arguments(path, 4))
    assert outcome.status == 0
    assert re.findall(r"trial \d \d/\d", outcome.err) == ["trial 4 2/2"]
    *_, stopped_one, again = trials(path)
    assert again.state is TrialState.COMPLETE and again.params == stopped_one.params
    assert again.intermediate_values[1] == stopped_one.intermediate_values[1]


@pytest.mark.slow
def test_a_trial_whose_process_was_killed_goes_on_where_it_stood(
    recurrent: Command, tmp_path: Path
) -> None:
    command = arguments(tmp_path, 1, "--epochs=4")
    program = [sys.executable, "-m", "pipeline.cli", *command]
    with subprocess.Popen(program, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(tmp_path.glob("trials/*/metrics.jsonl")):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL and states(tmp_path) == ["RUNNING"]
    with contextlib.closing(sqlite3.connect(tmp_path / "sweep.db")) as database, database:
        database.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
    outcome = recurrent(*command)
    assert outcome.status == 0, outcome.err
    assert "trial 1 4/4" in outcome.err and "trial 1 1/4" not in outcome.err
    killed, again = trials(tmp_path)
    assert [killed.state, again.state] == [TrialState.FAIL, TrialState.COMPLETE]
    assert again.params == killed.params and list(again.intermediate_values) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--storage=nonsense"], "the database of the sweep cannot be used: Could not parse"),
        (["--storage=mysql://host/name"], "the database of the sweep cannot be used"),
        (["--dataset=none"], "TFDS has no data set called 'none'"),
        (["--units=0"], "units = 0"),
        (["--units=4", "--learning-rate=0.1"], "nothing is left to search"),
    ],
)
def test_a_mistake_is_answered_in_one_line_and_leaves_nothing(
    recurrent: Command, tmp_path: Path, given: list[str], said: str
) -> None:
    outcome = recurrent(*arguments(tmp_path / "new", 1, *given))
    assert outcome.status == 1 and said in outcome.err and outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_of_other_settings_is_not_joined(recurrent: Command, swept: Path) -> None:
    outcome = recurrent(*arguments(swept, 9, "--seed=3", "--units=5"))
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert (
        "the sweep digits is one with units = 'Logarithmic(low=16, high=256)', seed = 0"
        in outcome.err
    )


# Two processes and a real PostgreSQL


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a database of a server of our own, in a folder that goes when it does."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    # Its own folder: a path of pytest may be too long for a socket, and closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="sweep-"))
    # The server refuses to run as root, and Debian's package has made a user for it.
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(folder, "postgres", "postgres")

    def call(program: str, *options: str) -> None:
        command: list[str | Path] = [programs[-1] / program, "--pgdata", folder / "data", *options]
        subprocess.run(
            command, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=60, **user
        )

    try:
        call("initdb", "--username=recurrent", "--auth=trust", "--no-locale", "--encoding=UTF8")
        settings = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        call("pg_ctl", "start", "--wait", f"--log={folder / 'log'}", f"--options={settings}")
        try:
            yield f"postgresql+psycopg://recurrent@/postgres?host={folder}"
        finally:
            call("pg_ctl", "stop", "--mode=immediate")
    finally:
        shutil.rmtree(folder)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_many_begin_one_sweep_at_once(postgresql: str, tmp_path: Path) -> None:
    """In a database without tables: one makes them, and one first trial waits for all."""
    with psycopg.connect(postgresql.replace("+psycopg", ""), autocommit=True) as server:
        server.execute("CREATE DATABASE new")
    urls = postgresql.replace("/postgres?", "/new?"), f"sqlite:///{tmp_path / 'new.db'}"
    preset = recipes.get("digits").presets["digits"]()
    together = threading.Barrier(4)

    def join(url: str, place: int) -> str:
        together.wait()
        with sweep.joined(preset, set(), tmp_path / str(place), url, "shared") as joined:
            return joined.study.study_name

    with ThreadPoolExecutor(4) as pool:
        for url in urls:
            assert set(pool.map(join, [url] * 4, range(4))) == {"shared"}
            assert [trial.state.name for trial in trials_in(url)] == ["WAITING"]


def told_in_the_end(program: subprocess.Popen[str]) -> str:
    assert program.stderr
    return next((line for line in program.stderr if "trials are done" in line), "")


def said_to_its_end(program: subprocess.Popen[str]) -> str:
    """What a program says to its end. Python loses a Ctrl-C that comes inside a destructor."""
    try:
        return program.communicate(timeout=60)[1]
    except subprocess.TimeoutExpired:
        program.send_signal(signal.SIGINT)
        return program.communicate(timeout=60)[1]


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
def test_two_processes_share_a_sweep(postgresql: str, tmp_path: Path) -> None:
    """Each has a folder of its own, as two machines do, and goes on until the other has a trial."""
    programs = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "pipeline.cli"),
                *arguments(tmp_path / machine, 1000, "--epochs=1", f"--storage={postgresql}"),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        for machine in ("one", "two")
    ]
    told = [told_in_the_end(each) for each in programs]
    for program in programs:
        program.send_signal(signal.SIGINT)
    told = [line + said_to_its_end(program) for line, program in zip(told, programs, strict=True)]
    assert [program.returncode for program in programs] == [130, 130], told
    one, two = ({int(number) for number in re.findall(r"trial (\d+): ", each)} for each in told)
    complete = {
        trial.number for trial in trials_in(postgresql) if trial.state is TrialState.COMPLETE
    }
    assert one and two and not one & two and one | two <= complete
    for machine in ("one", "two"):
        assert (tmp_path / machine / "best.json").exists()
