"""Published figures: no baseline knows the answers to the test examples."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest

from pipeline import compute, config, tasks, train
from pipeline.data import loading, remembering, trajectories
from pipeline.data.loading import Splits
from pipeline.run import Run
from tests.pipeline.served import served
from tests.pipeline.talks import told

TINY = {"epochs": 1, "units": 4, "batch_size": 16, "limit": 16}
SETTINGS: dict[str, tuple[ModuleType, dict[str, Any]]] = {
    "sentiment rotten_tomatoes": (loading, {"embedding": 4, "pairs": 64, "vocabulary_size": 200}),
    "digits digits": (loading, {}),
    "memory country": (remembering, {"gap": 10}),
    "memory adding": (remembering, {"gap": 10}),
    "memory copying": (remembering, {"gap": 10}),
    "memory rows": (remembering, {}),
    "pronounce pronounce": (loading, {"embedding": 4}),
    "spell digits": (loading, {"filters": 2, "embedding": 4}),
    "spell emoji": (loading, {"filters": 2, "embedding": 4}),
    "trajectory hawkeye": (trajectories, {"simulated": 20}),
    "translate translate": (loading, {"embedding": 4, "vocabulary_size": 100}),
}


def scrambled(examples: list[Any]) -> list[Any]:
    """The same examples with other answers, which come last in each, as long as theirs.

    How often each label occurs changes, too.
    """
    answers = [example[-1] for example in examples]
    if isinstance(answers[0], int):
        others = [answers[0]] * len(answers)
    elif isinstance(answers[0], str | tuple):
        others = [_backwards(answer) for answer in answers]
    else:
        others = [np.flip(answer).copy() if np.ndim(answer) else -answer for answer in answers]
    return [
        example._replace(**{example._fields[-1]: other})
        for example, other in zip(examples, others, strict=True)
    ]


def _backwards(answer: Any) -> Any:
    if isinstance(answer, tuple) and isinstance(answer[0], tuple):
        return tuple(map(_backwards, answer))
    return answer[::-1]


def answers_of_baselines(run: Run[Any]) -> dict[str, Any]:
    """As `train.evaluate` gets them, but for that they are not scored."""
    task, data, found = run.task, run.task.data(run), {}

    def fit(model: keras.Model, config: Any) -> keras.Model:
        return train.fit(task, data, model, config)

    for name, baseline in task.baselines.items():
        compute.be_reproducible(run.config.seed)
        found[name] = baseline(run.config.model_copy(update={"epochs": 1}), data, fit)
    return found


def with_other_answers(load: Callable[..., Splits[Any]]) -> Callable[..., Splits[Any]]:
    def loaded(*given: Any, **options: Any) -> Splits[Any]:
        splits = load(*given, **options)
        other = replace(splits, test=scrambled(splits.test))
        assert any(
            not np.array_equal(one[-1], two[-1])
            for one, two in zip(splits.test, other.test, strict=True)
        )
        return other

    return loaded


@pytest.mark.parametrize("name", SETTINGS)
def test_no_baseline_knows_the_test_answers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, preset = name.split()
    home, settings = SETTINGS[name]
    chosen = config.merge(tasks.get(task).presets[preset](), TINY, settings)
    run = Run.create(tmp_path / "run", chosen)
    sentences = {"train": told(60, 0), "validation": told(20, 1), "test": told(20, 2)}
    with served(sentences) if task == "translate" else nullcontext():
        true = answers_of_baselines(run)
        monkeypatch.setattr(home, "load", with_other_answers(home.load))
        other = answers_of_baselines(run)
    assert true.keys() == other.keys() == set(run.task.baselines)
    for baseline, answers in true.items():
        np.testing.assert_array_equal(answers, other[baseline], err_msg=baseline)
