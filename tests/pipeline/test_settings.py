"""Settings: each one that a model is made from changes the model."""

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline import config, recipes
from pipeline.run import Run

SMALL = {"cell": "gru", "units": 4, "dropout": 0.5, "limit": 16}
COMMON: dict[str, Any] = {"cell": "lstm", "units": 5, "dropout": 0.25}
BOTH_WAYS: dict[str, Any] = {**COMMON, "bidirectional": True}
# For each task and preset, other values of the settings that its model is made from.
OTHERS: dict[str, dict[str, Any]] = {
    "sentiment rotten_tomatoes": {
        **BOTH_WAYS,
        "embedding_dim": 5,
        "word_dropout": 0.25,
        "bigram_buckets": 2**10,
        "regression_weight": 0.25,
    },
    "digits digits": {**BOTH_WAYS, "noise": 0.25},
    "memory rows": {
        **BOTH_WAYS,
        "chrono_steps": 30,
        "clip_state_gradient": 2.0,
        "readout": "pooled",
    },
    "trajectory hawkeye": {**BOTH_WAYS, "window": 5},
    "pronounce pronounce": {**BOTH_WAYS, "embedding_dim": 5},
    "spell digits": {**COMMON, "filters": 3, "embedding_dim": 5, "size": 20},
    "next_char next_char": {**COMMON, "embedding_dim": 5},
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_setting_of_a_model_changes_it(name: str, tmp_path: Path) -> None:
    task, preset = name.split()
    chosen = config.merge(recipes.get(task).presets[preset](), SMALL, both_off(name))
    run = Run.create(tmp_path / "run", chosen)
    data = run.task.data(run)

    def made(**changes: Any) -> str:
        """The model as Keras describes it, but for the numbers that tell its layers apart."""
        model = run.task.model(chosen.model_copy(update=changes), data)
        return re.sub(r'_\d+(?=["/])', "", model.to_json())

    assert made() == made()
    assert [each for each in OTHERS[name].items() if made(**dict([each])) == made()] == []


def both_off(name: str) -> dict[str, Any]:
    return {"bidirectional": False} if "bidirectional" in OTHERS[name] else {}
