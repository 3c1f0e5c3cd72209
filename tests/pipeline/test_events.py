"""Curves for TensorBoard: those of the run, each epoch once."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from pipeline import compute, models
from pipeline.config.classify import ClassifyConfig
from pipeline.run import Run
from tests.pipeline.small import SMALL, Outcome, copy, interrupted, options

Command = Callable[..., Outcome]


def curves(folder: Path) -> list[dict[str, float]]:
    """What a reader of event files finds, in its order: the values at each step."""
    events = [
        event
        for path in sorted(folder.glob("*tfevents*"))
        for event in tf.compat.v1.train.summary_iterator(str(path))
    ]
    return [
        {"epoch": event.step} | {each.tag: each.simple_value for each in event.summary.value}
        for event in events
        if event.HasField("summary")
    ]


def last_rate(run: Run[ClassifyConfig]) -> float:
    """The learning rate of the optimizer after the last epoch."""
    with compute.scope(run.config):
        path = next((run.path / "checkpoints").glob("*.keras"))
        return float(models.load(path, run.config, with_optimizer=True).optimizer.learning_rate)


def test_a_run_that_was_stopped_has_each_epoch_once(tmp_path: Path, recurrent: Command) -> None:
    arguments = ["train", "sentiment", f"--run={tmp_path / 'run'}", "--preset=demo", *options()]
    with interrupted():
        assert recurrent(*arguments, "--tensorboard").status == 130
    run = Run.open(tmp_path / "run")
    (first,) = curves(run.path / "tensorboard")
    assert first["learning_rate"] == pytest.approx(last_rate(run))
    assert 0 < first["learning_rate"] < run.config.learning_rate
    assert recurrent(*arguments, "--tensorboard").status == 0
    found = curves(run.path / "tensorboard")
    assert len(found) == SMALL["epochs"] and found[0] == first
    for curve, metrics in zip(found, run.metrics, strict=True):
        assert curve == pytest.approx({**metrics, "learning_rate": curve["learning_rate"]})
    assert found[-1]["learning_rate"] == pytest.approx(last_rate(run), abs=1e-9)


def test_a_finished_run_is_drawn_later_and_stays_the_same_run(
    trained: Run[ClassifyConfig], tmp_path: Path, recurrent: Command
) -> None:
    run = copy(trained, tmp_path / "run")
    arguments = ["train", "sentiment", f"--run={run.path}", "--preset=demo", *options()]
    assert recurrent(*arguments).status == 0 and not run.tensorboard.exists()
    outcome = recurrent(*arguments, "--tensorboard")
    assert outcome.status == 0 and "is trained already" in outcome.err
    assert [curve["epoch"] for curve in curves(run.tensorboard)] == [1, 2]
