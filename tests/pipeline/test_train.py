"""Training: it learns, and an interruption changes nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from exports import ownership
from pipeline import batches, compute, models, train
from pipeline.config.classify import ClassifyConfig
from pipeline.errors import PipelineError
from pipeline.run import Run
from tests.pipeline.small import Outcome, copy, options, rank_by, small

Command = Callable[..., Outcome]


def arguments(path: Path, **settings: Any) -> list[str]:
    return ["train", "sentiment", f"--run={path}", "--preset=demo", *options(**settings)]


def interrupt(run: Run[Any], monkeypatch: pytest.MonkeyPatch, how: type[BaseException]) -> None:
    """Train the first epoch of `run`, and be interrupted after it."""
    commit = Run.commit

    def interrupted(run: Run[Any], model: keras.Model, figures: Any) -> None:
        commit(run, model, figures)
        raise how

    with monkeypatch.context() as patch:
        patch.setattr(Run, "commit", interrupted)
        with pytest.raises(how):
            train.train(run)
    assert len(run.metrics) == 1


def checkpoint(run: Run[Any]) -> list[np.ndarray]:
    """Weights and optimizer after the last of two epochs."""
    with compute.scope(run.config):
        path = run.path / "checkpoints" / "epoch-0002.keras"
        model = models.load(path, run.config, with_optimizer=True)
    weights = [item for item in model.variables if "seed_generator" not in item.path]
    return [item.numpy() for item in (*weights, *model.optimizer.variables)]


def assert_same(run: Run[Any], other: Run[Any]) -> None:
    """To the last bit, in everything but the time it took."""
    for one, two in zip(checkpoint(run), checkpoint(other), strict=True):
        np.testing.assert_array_equal(one, two)
    for one, two in zip(run.model().get_weights(), other.model().get_weights(), strict=True):
        if one.dtype == np.float32:
            np.testing.assert_array_equal(one, two)
    for line, same in zip(run.metrics, other.metrics, strict=True):
        times = {"seconds": 0, "waited": 0}
        assert {**line, **times} == {**same, **times}


def names(run: Run[Any]) -> set[str]:
    return {str(path.relative_to(run.path)) for path in run.path.rglob("*")}


def test_a_finished_run_has_its_files(trained: Run[ClassifyConfig]) -> None:
    assert trained.finished
    assert [line["epoch"] for line in trained.metrics] == [1, 2]
    assert {"loss", "accuracy", "validation_accuracy"} <= trained.metrics[0].keys()
    assert names(trained) == {
        "columns.json",
        "config.json",
        "vocabulary.txt",
        "metrics.jsonl",
        "checkpoints",
        "checkpoints/epoch-0002.keras",
        "model.keras",
        "environment.json",
        "report.html",
    }


def test_the_model_is_that_of_the_best_epoch(trained: Run[ClassifyConfig]) -> None:
    validation = trained.task.data(trained).validation
    scores = trained.task.score(batches.outputs(trained.model(), validation), validation)
    best = max(line["validation_accuracy"] for line in trained.metrics)
    assert scores["accuracy"] == pytest.approx(best)
    assert trained.best["validation_accuracy"] == best


def test_the_best_epoch_counts_wherever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of three, for a run and for a baseline, which is trained in the same way."""
    run = Run.create(tmp_path / "run", small(epochs=3))
    rank_by(monkeypatch, run, lambda figures: -abs(figures["epoch"] - 2))
    fit, after = keras.Model.fit, []

    def recorded(model: keras.Model, *given: Any, **options: Any) -> Any:
        history = fit(model, *given, **options)
        after.append(model.get_weights())
        return history

    def same(weights: list[np.ndarray], others: list[np.ndarray]) -> bool:
        return all(map(np.array_equal, trainable(weights), trainable(others)))

    def trainable(weights: list[np.ndarray]) -> list[np.ndarray]:
        return [each for each in weights if each.dtype == np.float32]

    monkeypatch.setattr(keras.Model, "fit", recorded)
    train.train(run)
    assert run.best["epoch"] == 2
    assert [same(run.model().get_weights(), each) for each in after] == [False, True, False]

    def baseline(config: ClassifyConfig, data: Any, fit: Any) -> np.ndarray:
        after.clear()
        fitted = fit(run.task.model(config, data), config)
        assert [same(fitted.get_weights(), each) for each in after] == [False, True, False]
        return batches.outputs(fitted, data.test)

    train.evaluate(run, {"another": baseline})


def test_of_epochs_that_are_as_good_the_first_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures of the best epoch are those of the model."""
    run = Run.create(tmp_path / "run", small())
    rank_by(monkeypatch, run, lambda figures: 0.0)
    for figures in train.epochs(run):
        if figures["epoch"] == 1:
            first = run.model().get_weights()
    assert run.best["epoch"] == 1
    for one, other in zip(first, run.model().get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_checkpoint_that_a_killed_process_left_is_removed(
    trained: Run[ClassifyConfig], tmp_path: Path
) -> None:
    """Between the figures of an epoch and the removal of the checkpoint before."""
    run = copy(trained, tmp_path / "run")
    left = run.path / "checkpoints" / "epoch-0001.keras"
    left.write_bytes((run.path / "checkpoints" / "epoch-0002.keras").read_bytes())
    train.train(run)
    assert names(run) == names(trained)


def test_the_seed_decides_where_training_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[list[np.ndarray]] = []

    def begun(model: keras.Model, *_: Any, **__: Any) -> None:
        starts.append([each.numpy() for each in model.trainable_variables])
        raise Killed

    monkeypatch.setattr(keras.Model, "fit", begun)
    for number, seed in enumerate((0, 0, 1)):
        with pytest.raises(Killed):
            train.train(Run.create(tmp_path / f"run {number}", small(seed=seed)))
    first, again, other = starts
    assert all(map(np.array_equal, first, again))
    assert not all(map(np.array_equal, first, other))


def test_training_a_finished_run_does_nothing(trained: Run[ClassifyConfig]) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.path.rglob("*")}
    train.train(trained)
    assert {path: path.stat().st_mtime_ns for path in trained.path.rglob("*")} == before


def test_the_vocabulary_is_made_of_training_texts_alone(trained: Run[ClassifyConfig]) -> None:
    texts = " ".join(trained.task.data(trained).raw.train.inputs).lower()
    words = trained.vocabulary
    assert words is not None and len(words) == 500
    assert all(word in texts for word in words[2:])


def test_it_learns(tmp_path: Path) -> None:
    learning = small(limit=200, epochs=8, embedding=16, learning_rate=0.03, word_dropout=0.0)
    run = Run.create(tmp_path / "run", learning)
    train.train(run)
    assert run.metrics[-1]["accuracy"] > 0.9


class Killed(BaseException):
    """What ends a process without a word."""


@pytest.mark.parametrize("file", ["model.keras", "epoch-0002.keras", "metrics.jsonl"])
def test_a_run_killed_before_a_file_is_in_place_ends_the_same(
    trained: Run[ClassifyConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """In the second epoch, which is made the best one so that it writes every file."""
    rank_by(monkeypatch, trained, lambda figures: figures["epoch"])
    run, replace = Run.create(tmp_path / "run", trained.config), os.replace

    def dying(source: Path, target: Path) -> None:
        if target.name == file and run.metrics:
            raise Killed
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying)
        patch.setattr(Path, "unlink", lambda path, missing_ok=False: None)
        patch.setattr(ownership, "_discard", lambda folder: None)
        with pytest.raises(Killed):
            train.train(run)
    assert len(run.metrics) == 1
    assert any(run.path.rglob(f".draft-{file}/{file}"))
    train.train(Run.open(run.path))
    assert names(run) == names(trained)
    for one, two in zip(checkpoint(run), checkpoint(trained), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.slow
def test_a_run_killed_by_the_system_ends_the_same(
    trained: Run[ClassifyConfig], tmp_path: Path, recurrent: Command
) -> None:
    program = [sys.executable, "-m", "pipeline.cli", *arguments(tmp_path / "run")]
    with subprocess.Popen(program, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (tmp_path / "run" / "metrics.jsonl").exists():
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    run = Run.open(tmp_path / "run")
    assert process.returncode == -signal.SIGKILL and len(run.metrics) == 1
    assert recurrent(*arguments(tmp_path / "run")).status == 0
    assert_same(run, trained)


def test_ctrl_c_leaves_a_run_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recurrent: Command
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    interrupt(Run.create(tmp_path / "run", small()), monkeypatch, KeyboardInterrupt)
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", interrupted)
        stopped = recurrent(*arguments(tmp_path / "run"))
    assert stopped.status == 130
    assert f"stopped: 1 of 2 epochs are kept in {tmp_path / 'run'}, and the same" in stopped.err
    ended = recurrent(*arguments(tmp_path / "run"))
    assert ended.status == 0
    assert "training 2/2" in ended.err and "training 1/2" not in ended.err


def assert_mixed(run: Run[Any]) -> None:
    model, halved = run.model(), run.config.precision.removeprefix("mixed_")
    assert {layer.compute_dtype for layer in model.layers} == {halved, "float32"}
    assert {item.dtype for item in model.trainable_variables} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_mixed_bfloat16_trains(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", small(precision="mixed_bfloat16", epochs=1))
    train.train(run)
    assert_mixed(run)


@pytest.mark.slow
def test_mixed_float16_goes_on_with_its_loss_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Run.create(tmp_path / "whole", small(precision="mixed_float16"))
    train.train(whole)
    assert_mixed(whole)
    parted = Run.create(tmp_path / "parted", whole.config)
    interrupt(parted, monkeypatch, Killed)
    train.train(parted)
    assert_same(whole, parted)


MIRRORED = """
import sys, tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from pathlib import Path
from pipeline.run import Run
from pipeline.train import train
from tests.pipeline.small import small
for limit in (48, 49):
    settings = small(limit=limit, strategy="mirrored", dropout=0.0, word_dropout=0.0)
    train(Run.create(Path(sys.argv[1]) / str(limit), settings))
"""


@pytest.mark.slow
def test_two_devices_train_the_same_model_together(tmp_path: Path) -> None:
    """The last of 49 examples makes a batch of its own, of which one device gets nothing."""
    program = [sys.executable, "-c", MIRRORED, str(tmp_path)]
    subprocess.run(program, check=True, capture_output=True)
    alone = Run.create(tmp_path / "alone", small(dropout=0.0, word_dropout=0.0))
    train.train(alone)
    mirrored, uneven = Run.open(tmp_path / "48"), Run.open(tmp_path / "49")
    for line, other in zip(mirrored.metrics, alone.metrics, strict=True):
        assert line["loss"] == pytest.approx(other["loss"], abs=1e-5)
    for one, two in zip(mirrored.model().get_weights(), alone.model().get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)
    assert uneven.finished
    assert all(np.isfinite(weights).all() for weights in uneven.model().get_weights())


def test_divergence_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def poison(model: keras.Model, seed: int, epoch: int) -> None:
        weight = model.trainable_variables[epoch]
        weight.assign(weight * np.nan)

    monkeypatch.setattr(compute, "reseed", poison)
    run = Run.create(tmp_path / "run", small(learning_rate=0.5))
    with pytest.raises(PipelineError, match=r"in epoch 1: .*nan.* a learning rate below 0.5 may"):
        train.train(run)
    assert run.metrics == [] and not (run.path / "model.keras").exists()


@pytest.mark.parametrize("cell", ["irnn", "GRU"])
def test_a_layer_is_found_by_its_name_in_either_case(tmp_path: Path, cell: str) -> None:
    run = Run.create(tmp_path / "run", small(cell=cell, epochs=1, bidirectional=True))
    train.train(run)
    assert run.finished and run.model().count_params()


def test_patience_ends_a_run_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = Run.create(tmp_path / "run", small(epochs=6, patience=1))
    rank_by(monkeypatch, run, lambda figures: -figures["epoch"])
    train.train(run)
    assert [figures["epoch"] for figures in run.metrics] == [1, 2] and run.finished
    assert "training 2/6" in capfd.readouterr().err
    train.train(run)
    assert len(run.metrics) == 2 and run.best["epoch"] == 1
