"""How a network is trained: its rate, its order, its best epoch. Baselines are trained like it."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipeline import models, train
from pipeline.baselines import Fit
from pipeline.config import Config
from pipeline.config.classify import ClassifyConfig
from pipeline.examples import Data
from pipeline.run import Run
from tests.pipeline.small import copy, rank_by


class Observed(keras.Model):
    """A model that notes what it is trained with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.orders: list[list[int]] = []
        self.random_states: list[list[int]] = []
        self.rates: list[float] = []
        self.weights_after: list[list[np.ndarray]] = []

    def fit(self, batches: Any, **options: Any) -> Any:
        self.orders.append([int(target) for _, targets in batches for target in targets])
        states = [each for each in self.variables if each.path.endswith("seed_generator_state")]
        self.random_states.append(np.concatenate([each.numpy() for each in states]).tolist())
        history = super().fit(batches, **options)
        self.rates.append(float(self.optimizer.learning_rate))
        self.weights_after.append(self.get_weights())
        return history


def observed(run: Run[Any], epochs: int, seed: int = 0) -> Observed:
    """A small classifier, trained as a baseline of `run`; the last batch of an epoch is short."""
    made = []

    def baseline(config: Config, data: Data, fit: Fit) -> np.ndarray:
        tokens = keras.Input((None,), dtype="int32")
        pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(500, 4)(tokens))
        scores = keras.layers.Dense(2, "softmax")(keras.layers.Dropout(0.5)(pooled))
        changed = {"epochs": epochs, "learning_rate": 0.01, "batch_size": 20, "seed": seed}
        config = config.model_copy(update=changed)
        made.append(fit(Observed(tokens, scores), config))
        return np.tile([0.5, 0.5], (len(data.test), 1))

    train.evaluate(run, {"observed": baseline})
    return made[0]


@pytest.fixture(scope="module")
def twice(trained: Run[ClassifyConfig], tmp_path_factory: pytest.TempPathFactory) -> list[Observed]:
    """One model, trained twice for four epochs."""
    run = copy(trained, tmp_path_factory.mktemp("fit") / "run")
    return [observed(run, epochs=4) for _ in range(2)]


def test_the_rate_goes_down_along_half_a_cosine_to_zero(twice: list[Observed]) -> None:
    angles = np.pi * np.arange(1, 5) / 4
    np.testing.assert_allclose(twice[0].rates, 0.01 * (1 + np.cos(angles)) / 2, atol=1e-8)


def test_weights_decay_as_the_config_says(
    twice: list[Observed], trained: Run[ClassifyConfig]
) -> None:
    assert twice[0].optimizer.weight_decay == trained.config.weight_decay


def test_every_epoch_has_an_order_and_a_dropout_of_its_own(twice: list[Observed]) -> None:
    one, other = twice
    for orders in (one.orders, one.random_states):
        assert len({tuple(order) for order in orders}) == 4
    assert one.orders == other.orders
    assert one.random_states == other.random_states
    for weights, same in zip(one.weights_after[-1], other.weights_after[-1], strict=True):
        np.testing.assert_array_equal(weights, same)


def test_a_seed_decides_order_and_dropout(
    twice: list[Observed], trained: Run[ClassifyConfig], tmp_path: Path
) -> None:
    other = observed(copy(trained, tmp_path / "run"), epochs=1, seed=1)
    assert other.orders[0] != twice[0].orders[0]
    assert other.random_states[0] != twice[0].random_states[0]


def test_the_best_model_is_measured_and_the_time_of_all_epochs(
    trained: Run[ClassifyConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(_: Any, predictions: np.ndarray, examples: Any) -> dict[str, float]:
        return {"accuracy": float(predictions[:, 0].mean())}

    run = copy(trained, tmp_path / "run")
    monkeypatch.setattr(type(run.task), "score", score)
    model = run.model()
    model.set_weights([0 * each for each in model.get_weights()])
    models.save(model, run.path / "model.keras", run.config, with_optimizer=False)
    lines = [{**line, "seconds": 1.5 * line["epoch"]} for line in run.metrics]
    (run.path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert train.evaluate(run, {})["model"] == {"accuracy": 0.5, "seconds": 1.5 + 3.0}


@pytest.mark.parametrize("best", [1, 2])
def test_a_baseline_is_kept_as_it_was_after_its_best_epoch(
    trained: Run[ClassifyConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, best: int
) -> None:
    rank_by(monkeypatch, trained, lambda figures: float(figures["epoch"] == best))
    run = copy(trained, tmp_path / "run")
    model = observed(run, epochs=3)
    for weights, expected in zip(model.get_weights(), model.weights_after[best - 1], strict=True):
        np.testing.assert_array_equal(weights, expected)
    assert run.results["best_epoch"]["epoch"] == best
