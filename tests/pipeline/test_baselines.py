"""Published figures: nothing is learnt from the test split, neither by baselines."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline import batches, compute, config, recipes, train
from pipeline.data import captions, labelled, pairs, store
from pipeline.data.labelled import Labelled, Pairs
from pipeline.examples import Data, Examples
from pipeline.run import Run

TINY = {"epochs": 1, "units": 4, "batch_size": 16, "limit": 16}
SETTINGS: dict[str, tuple[ModuleType, dict[str, Any]]] = {
    "sentiment rotten_tomatoes": (
        labelled,
        {"embedding_dim": 4, "bigram_buckets": 64, "vocabulary_size": 200},
    ),
    "digits digits": (labelled, {}),
    "memory adding": (labelled, {"data": "tfds:adding/gap_4"}),
    "memory copying": (labelled, {"data": "tfds:copying/gap_1"}),
    "memory rows": (labelled, {}),
    "pronounce pronounce": (pairs, {"embedding_dim": 4}),
    "spell digits": (captions, {"filters": 2, "embedding_dim": 4}),
}


def scrambled(examples: Sequence[Any]) -> list[Any]:
    """The same examples with other answers, which come last in each, as long as theirs.

    How often each label occurs changes, too.
    """
    predictions = [example[-1] for example in examples]
    if isinstance(predictions[0], int):
        others = [predictions[0]] * len(predictions)
    elif isinstance(predictions[0], str | tuple):
        others = [_backwards(answer) for answer in predictions]
    else:
        others = [np.flip(answer).copy() if np.ndim(answer) else -answer for answer in predictions]
    return [
        example._replace(**{example._fields[-1]: other})
        for example, other in zip(examples, others, strict=True)
    ]


def _backwards(answer: Any) -> Any:
    if isinstance(answer, tuple):
        return tuple(
            " ".join(reversed(text.split())) if " " in text else text[::-1] for text in answer
        )
    return answer[::-1]


def answers_of_baselines(run: Run[Any], data: Data) -> dict[str, Any]:
    """As `train.evaluate` gets them, but for that they are not scored."""
    task, found = run.task, {}

    def fit(model: keras.Model, config: Any) -> keras.Model:
        return train.fit(task, data, model, config)

    for name, baseline in task.baselines(run).items():
        compute.be_reproducible(run.config.seed)
        found[name] = baseline(run.config.model_copy(update={"epochs": 1}), data, fit)
    return found


def with_another_test_split(load: Callable[..., Any]) -> Callable[..., Any]:
    """Load half of the test examples, with other answers."""

    def loaded(*given: Any, **options: Any) -> Any:
        splits = load(*given, **options)
        if isinstance(splits, Labelled):
            inputs = splits.test.inputs[: len(splits.test.inputs) // 2]
            wrong = [splits.test.targets[0]] * len(inputs)
            return replace(splits, test=Pairs(inputs, wrong))
        other = replace(splits, test=scrambled(splits.test[: len(splits.test) // 2]))
        assert any(
            not np.array_equal(one[-1], two[-1])
            for one, two in zip(splits.test, other.test, strict=False)
        )
        return other

    return loaded


@pytest.mark.parametrize("name", SETTINGS)
def test_nothing_is_learnt_from_the_test_split(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer of a baseline depends on the test examples beside it, or on their answers."""
    task, preset = name.split()
    home, settings = SETTINGS[name]
    chosen = config.merge(recipes.get(task).presets[preset](), TINY, settings)
    runs = [Run.create(tmp_path / name, chosen) for name in ("true", "other")]
    monkeypatch.setattr(store, "_folder", lambda: tmp_path / "true store")
    whole = runs[0].task.data(runs[0])
    true = answers_of_baselines(runs[0], whole)
    monkeypatch.setattr(store, "_folder", lambda: tmp_path / "other store")
    monkeypatch.setattr(home, "load", with_another_test_split(home.load))
    part = runs[1].task.data(runs[1])
    other = answers_of_baselines(runs[1], part)
    assert runs[0].vocabulary == runs[1].vocabulary
    for one, two in zip(fresh_weights(runs[0], whole), fresh_weights(runs[1], part), strict=True):
        np.testing.assert_array_equal(one, two)
    for split in ("train", "validation"):
        assert_same_examples(getattr(whole, split), getattr(part, split))
    assert true.keys() == other.keys() == set(runs[0].task.baselines(runs[0]))
    for baseline, predictions in other.items():
        assert 0 < len(predictions) < len(true[baseline])
        assert_same_answers(true[baseline][: len(predictions)], predictions, baseline)


def fresh_weights(run: Run[Any], data: Data) -> list[Any]:
    """The weights that training starts from, and the numbers that layers are made with."""
    compute.be_reproducible(run.config.seed)
    model = run.task.model(run.config, data)
    scales = [each.scale for each in model.layers if isinstance(each, keras.layers.Rescaling)]
    return [*model.get_weights(), *scales]


def assert_same_answers(some: Any, others: Any, baseline: str) -> None:
    """Batches of another size may round in another way."""
    if others.dtype.kind == "f":
        np.testing.assert_allclose(some, others, rtol=1e-5, atol=1e-6, err_msg=baseline)
    else:
        np.testing.assert_array_equal(some, others, err_msg=baseline)


def assert_same_examples(some: Examples, others: Examples) -> None:
    whole = [next(iter(batches.dataset(each, [np.arange(len(each))]))) for each in (some, others)]
    for one, other in zip(*map(tf.nest.flatten, whole), strict=True):
        assert bool(tf.reduce_all(one == other))
