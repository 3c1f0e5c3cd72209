"""Checkpoints inside an epoch: a killed run ends as if it had never been interrupted."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline import checkpoints, train
from pipeline.config.classify import ClassifyConfig
from pipeline.errors import PipelineError
from pipeline.progress import TrainingBar
from pipeline.run import Run
from tests import damage
from tests.pipeline.small import Outcome, options, small
from tests.pipeline.test_train import assert_same, names

Command = Callable[..., Outcome]
AT_ONCE = 1e-9  # minutes
STEPS = {"batch_size": 4}  # 12 in each of two epochs


class Killed(BaseException):
    """What ends a process without a word."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run[ClassifyConfig]:
    """A run that was never interrupted, and wrote no checkpoint inside an epoch."""
    run = Run.create(tmp_path_factory.mktemp("whole") / "run", small(**STEPS))
    train.train(run)
    return run


def kill(run: Run[Any], monkeypatch: pytest.MonkeyPatch, epoch: int, step: int) -> None:
    """Train `run`, and kill it right after the checkpoint at a step of an epoch."""
    write = checkpoints._write

    def dying(path: Path, position: checkpoints.Position) -> None:
        write(path, position)
        if path == run.inside(epoch) and position.step == step:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_write", dying)
        with pytest.raises(Killed):
            train.train(run, checkpoint_minutes=AT_ONCE)
    assert len(run.metrics) == epoch - 1 and run.inside(epoch).exists()


def test_a_run_killed_twice_inside_its_epochs_ends_the_same(
    whole: Run[ClassifyConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dropout, the metrics and the time of the whole epoch among it."""
    run = Run.create(tmp_path / "run", whole.config)
    kill(run, monkeypatch, epoch=1, step=5)
    kill(Run.open(run.path), monkeypatch, epoch=1, step=11)
    kill(Run.open(run.path), monkeypatch, epoch=2, step=1)
    kept = checkpoints._read(run.inside(2), steps=12)
    checkpoints._write(run.inside(2), kept._replace(seconds=kept.seconds + 100))
    train.train(Run.open(run.path))
    assert_same(run, whole)
    assert run.metrics[1]["seconds"] > 100
    assert names(run) == names(whole)


@pytest.mark.slow
def test_mixed_float16_resumes_inside_an_epoch_with_its_loss_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Run.create(tmp_path / "whole", small(**STEPS, precision="mixed_float16"))
    train.train(whole)
    run = Run.create(tmp_path / "run", whole.config)
    kill(run, monkeypatch, epoch=1, step=5)
    kill(run, monkeypatch, epoch=2, step=5)
    train.train(run)
    assert_same(run, whole)


def test_a_checkpoint_is_written_every_so_many_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch takes a minute here."""
    batches, written = list[int](), list[int]()
    clock = SimpleNamespace(perf_counter=lambda: 60 * len(batches))

    def tick(bar: TrainingBar, batch: int, logs: Any) -> None:
        batches.append(batch)

    monkeypatch.setattr(checkpoints, "time", clock)
    monkeypatch.setattr(TrainingBar, "on_train_batch_end", tick)
    monkeypatch.setattr(checkpoints, "_write", lambda _, position: written.append(position.step))
    run = Run.create(tmp_path / "run", small(**STEPS, epochs=1))
    train.train(run, checkpoint_minutes=3)
    assert written == [3, 6, 9]  # not at the end of the epoch


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_stopped_by_the_system_inside_an_epoch_ends_the_same(
    whole: Run[ClassifyConfig],
    tmp_path: Path,
    recurrent: Command,
    interruptible: None,
    number: signal.Signals,
) -> None:
    path = tmp_path / "run"
    arguments = ["train", "sentiment", f"--run={path}", "--preset=demo", *options(**STEPS)]
    program = [sys.executable, "-m", "pipeline.cli", *arguments, f"--checkpoint-minutes={AT_ONCE}"]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not Run(path, whole.config).inside(2).exists():
            time.sleep(0.001)
        process.send_signal(number)
        said = process.communicate()[1]
    run = Run.open(path)
    assert len(run.metrics) == 1 and run.inside(2).exists()
    if number is signal.SIGINT:
        assert process.returncode == 130
        assert f"1 of 2 epochs and a part of the next are kept in {path}" in said
    assert recurrent(*arguments).status == 0
    assert_same(run, whole)


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def save(*arrays: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path, *arrays)


def bomb(path: Path) -> None:
    np.savez_compressed(path, np.array([1, 0.5, 0.1]), zeros(10**6))


DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda path: path.write_text("no archive"), "is damaged"),
    "cut off": (lambda path: os.truncate(path, path.stat().st_size // 2), "is damaged"),
    "a directory": (lambda path: damage.become(path, "directory"), "is not a regular file"),
    "objects": (save(np.array([object()])), "is damaged"),
    "after the epoch": (save(np.array([12, 0.5, 0.1])), "is damaged"),
    "before the epoch": (save(np.array([0, 0.5, 0.1])), "is damaged"),
    "no time": (save(np.array([1, np.nan, 0.1])), "is damaged"),
    "another model": (save(np.array([1, 0.5, 0.1]), zeros(2, 3)), "the state of another model"),
    "a bomb": (bomb, "is damaged"),
}


def test_a_damaged_checkpoint_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path / "run", small(**STEPS, epochs=1))
    kill(run, monkeypatch, epoch=1, step=3)
    path = run.inside(1)
    whole = path.read_bytes()
    for kind, (change, what) in DAMAGED.items():
        change(path)
        with pytest.raises(PipelineError, match=what) as raised:
            train.train(run)
        assert str(path) in str(raised.value), kind
        if path.is_dir():
            path.rmdir()
        path.write_bytes(whole)
    path.unlink()
    train.train(run)
    assert run.finished
