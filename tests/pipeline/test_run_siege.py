"""A run that somebody else made, or that a disk damaged: what is wrong is said in one line."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from exports import artifact
from exports.errors import ExportError
from pipeline import files, report, sweep
from pipeline.config.classify import ClassifyConfig
from pipeline.data import images
from pipeline.data.table import Unusable
from pipeline.errors import PipelineError
from pipeline.features.audio import Audio
from pipeline.features.mfcc import Mfcc
from pipeline.run import Run
from tests import damage
from tests.damage import (
    KINDS,
    NO_TYPE,
    Change,
    becomes,
    besieging,
    bounded,
    has,
    holds,
    lacks,
)
from tests.pipeline import small
from tests.pipeline.small import Outcome

Command = Callable[..., Outcome]
CONFIG, EPOCHS, RESULTS = "config.json", "metrics.jsonl", "results.json"
FINDINGS, COLUMNS = "findings.json", "columns.json"
FILES = (CONFIG, EPOCHS, RESULTS, FINDINGS, COLUMNS, "environment.json", "vocabulary.txt")
BEST, LAST = "model.keras", "checkpoints/epoch-0002.keras"


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Run[ClassifyConfig]:
    """A run with every file that a report is made from."""
    return small.trained(tmp_path_factory.mktemp("tested") / "run", small.small(), baselines=())


def answered(use: Callable[[], object]) -> str:
    """The one line in which a use of what somebody damaged is refused; "" if it is not."""
    said = ""
    with bounded():
        try:
            use()
        except PipelineError as error:
            said = str(error)
    assert said.isprintable()
    return said


def read(path: Path) -> None:
    """Read all that a run says of itself."""
    run = Run.open(path)
    for each in ("best", "results", "findings", "columns", "environment", "vocabulary"):
        getattr(run, each)


@besieging
@given(st.data())
def test_whatever_is_in_a_run_is_answered(
    tested: Run[ClassifyConfig], tmp_path: Path, data: st.DataObject
) -> None:
    path = damage.copied(tested.path, tmp_path / "run")
    damage.damage(data.draw, path / data.draw(st.sampled_from(FILES)))
    answered(lambda: report.write(Run.open(path)))


@besieging
@given(st.data())
def test_whatever_a_model_is_it_is_answered(
    tested: Run[ClassifyConfig], tmp_path: Path, data: st.DataObject
) -> None:
    path = damage.copied(tested.path, tmp_path / "run")
    name = data.draw(st.sampled_from([BEST, LAST]))
    damage.damage(data.draw, path / name)
    run = Run.open(path)
    answered(run.model if name == BEST else run.restore)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two trials."""
    path = tmp_path_factory.mktemp("swept") / "sweep"
    with joined(path) as begun:
        for units in (16, 32):
            drawn = optuna.trial.FixedTrial({"units": units})
            begun.spaces["units"].draw(drawn, "units")
            begun.study.add_trial(
                optuna.create_trial(
                    params=drawn.params,
                    distributions=drawn.distributions,
                    user_attrs={"figures": {"epoch": 1, "validation_accuracy": units / 64}},
                    intermediate_values={1: units / 64},
                    value=units / 64,
                )
            )
    return path


def joined(path: Path) -> Any:
    settings = small.small(units=16)
    return sweep.joined(settings, set(type(settings).model_fields) - {"units"}, path)


def best_trials(path: Path) -> None:
    with joined(path) as begun:
        sweep.search(begun, trials=0)
        sweep.best_trials(begun)


@besieging
@given(st.data())
def test_whatever_the_database_of_a_sweep_is_it_is_answered(
    swept: Path, tmp_path: Path, data: st.DataObject
) -> None:
    path = damage.copied(swept, tmp_path / "sweep")
    damage.damage(data.draw, path / "sweep.db")
    answered(lambda: best_trials(path))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that users give to `predict`."""
    folder = tmp_path_factory.mktemp("recorded")
    noise = np.random.default_rng(0)
    soundfile.write(folder / "sound.wav", noise.normal(scale=0.1, size=4000), 8000)
    np.save(folder / "frames.npy", noise.normal(size=(20, 13)).astype(np.float32))
    for name in ("picture.png", "picture.jpg"):
        Image.fromarray(noise.integers(0, 256, (9, 7, 3), np.uint8)).save(folder / name)
    return folder


def _image(path: Path, size: int) -> Any:
    """Read an image as `predict` does."""
    try:
        return images.load(path, size)
    except Unusable as error:
        raise PipelineError(f"{path} {error}") from error


READERS: dict[str, Callable[[Path], Any]] = {
    "sound.wav": lambda path: (Mfcc(13).read(str(path)), Audio(16_000).read(str(path))),
    "frames.npy": lambda path: Mfcc(13).read(str(path)),
    "picture.png": lambda path: _image(path, 28),
    "picture.jpg": lambda path: _image(path, 64),
}


@besieging
@given(st.data())
def test_whatever_a_user_asks_about_is_answered(
    recorded: Path, tmp_path: Path, data: st.DataObject
) -> None:
    folder = damage.copied(recorded, tmp_path / "files")
    name = data.draw(st.sampled_from(list(READERS)))
    damage.damage(data.draw, folder / name)
    answered(lambda: READERS[name](folder / name))


HOSTILE: dict[str, Change] = {
    **{f"{name} is a {kind}": becomes(name, kind) for name in FILES for kind in KINDS},
    **{f"{name} is cut off": holds(name, b'{"a') for name in FILES},
    **{f"{name} is no text": holds(name, b"\xff\xfe\n") for name in FILES},
    **{f"{name} is deep": holds(name, b"[" * 10**6) for name in FILES if "json" in name},
    **{f"{name} is null": holds(name, b"null") for name in FILES if "json" in name},
    **{f"{name} is a number": holds(name, b"1e999") for name in FILES if "json" in name},
    "one setting twice": holds(CONFIG, b'{"task": "sentiment", "task": "memory"}'),
    "another task": has(CONFIG, "task", "memory"),
    "no task": lacks(CONFIG, "task"),
    "a task that is a path": has(CONFIG, "task", "../tasks/memory"),
    "an unknown setting of colours": has(CONFIG, "\x1b[31m\n", 1),
    "a huge number": has(CONFIG, "units", 10**30),
    "a number that is none": has(CONFIG, "dropout", float("nan")),
    "an epoch too many": holds(EPOCHS, b'{"epoch": 1, "seconds": 1}\n' * 3),
    "an epoch without its rank": holds(EPOCHS, b'{"epoch": 1, "seconds": 1}\n'),
    "a figure that is none": has(EPOCHS, 0, "validation_accuracy", float("nan")),
    "a huge figure": has(EPOCHS, 0, "loss", 10**400),
    "an epoch lacks a figure": lacks(EPOCHS, 1, "loss"),
    "another epoch": has(EPOCHS, 1, "epoch", 7),
    "no model in the results": lacks(RESULTS, "model"),
    "no seconds in the results": lacks(RESULTS, "model", "seconds"),
    "a baseline without figures": has(RESULTS, "baselines", "mine", {}),
    "fewer labels than rows": has(FINDINGS, "findings", 0, "content", 0, "rows", ["neg"]),
    "a table without a column": has(FINDINGS, "findings", 0, "content", 1, "columns", []),
    "a chart of nothing": has(FINDINGS, "findings", 2, "content", 0, "elements", []),
    "a line of one end": has(FINDINGS, "findings", 2, "content", 0, "elements", 0, "y", [1.0]),
    "a number that cannot be drawn": has(
        FINDINGS, "findings", 2, "content", 0, "elements", 0, "y", [1.0, 1e300]
    ),
    "a block of no kind": has(FINDINGS, "findings", 0, "content", 0, "type", "video"),
}


def test_a_hostile_run_is_refused_in_one_line(tested: Run[ClassifyConfig], tmp_path: Path) -> None:
    """A wrong type at every place of the settings, epochs, results and findings, too."""
    types = {
        f"another type of {name}, {place}": has(name, *place, NO_TYPE)
        for name in (CONFIG, EPOCHS, RESULTS, FINDINGS, COLUMNS)
        for place in damage.places(tested.path / name)
    }
    taken = []
    for kind, change in {**HOSTILE, **types}.items():
        path = damage.copied(tested.path, tmp_path / "run")
        change(path)
        if not answered(partial(read, path)):
            taken.append(kind)
    assert not taken


def drafted(path: Path) -> None:
    with artifact.draft(path):
        pass


# What writes where the user says: by `--json` and `--to`, and by `--run`.
WRITERS: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: files.write(path, "new"),
    "an artifact": drafted,
    "a run": lambda path: Run.create(path, small.small()),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", WRITERS)
@pytest.mark.usefixtures("tested")  # what takes memory is loaded
def test_a_target_that_is_something_else_stays(what: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "target"
    damage.become(path, kind)
    if kind == "directory":
        (path / "mine").touch()
    before = identity(path)
    with bounded(), pytest.raises((ExportError, PipelineError)) as raised:
        WRITERS[what](path)
    assert str(path) in str(raised.value) and str(raised.value).isprintable()
    assert identity(path) == before and list(tmp_path.iterdir()) == [path]


def identity(path: Path) -> tuple[int, ...]:
    """What changes if a path becomes something else, but not if somebody reads it."""
    found = path.lstat()
    return found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns


def test_the_model_of_another_run_is_refused(
    tested: Run[ClassifyConfig], recurrent: Command, tmp_path: Path
) -> None:
    shutil.copytree(tested.path, tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps({**config, "units": 5}))
    outcome = recurrent("predict", tmp_path / "run", "fine")
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert "is the model of a run with units = 4, not of this one" in outcome.err


def test_settings_that_are_too_deep(recurrent: Command, tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text('{"a":' * 10**5)
    outcome = recurrent("train", "sentiment", f"--config={tmp_path / 'deep.json'}")
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert "has more than 100 levels" in outcome.err


def test_frames_that_a_file_declares_and_does_not_have(tmp_path: Path) -> None:
    path = tmp_path / "frames.npy"
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**10, 13)}
        np.lib.format.write_array_header_1_0(file, header)
    with bounded(), pytest.raises(PipelineError, match="is damaged or holds no array"):
        Mfcc(13).read(str(path))
