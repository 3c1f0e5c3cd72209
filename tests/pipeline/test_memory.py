"""The recipe `memory`: each problem is learnt by a task that knows nothing of it, and exported."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exports
from pipeline import config, quiet, recipes
from pipeline.data import sources
from pipeline.errors import PipelineError
from pipeline.run import Run
from tests.pipeline.small import Outcome, trained

Command = Callable[..., Outcome]

SMALL = {"units": 32, "batch_size": 16, "learning_rate": 0.01}
COUNTRY = {"data": "tfds:country/gap_10", "chrono_steps": 30, "limit": 400, "epochs": 8}
PLAIN = {"cell": "rnn", "chrono_steps": None, "units": 16}
ADDING = {**PLAIN, "data": "tfds:adding/gap_4", "limit": 1000, "epochs": 4}
COPYING = {"data": "tfds:copying/gap_1", "chrono_steps": 20, "limit": 1000, "epochs": 8}


def small(preset: str, **settings: object) -> Any:
    return config.merge(recipes.get("memory").presets[preset](), SMALL, settings)


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Run[Any]:
    """A run on short texts, trained and tested. Leave it as it is."""
    path = tmp_path_factory.mktemp("runs") / "country"
    return trained(path, small("country", **COUNTRY), ["averaged embeddings"])


def test_a_country_is_remembered_where_a_bag_of_words_cannot_know(country: Run[Any]) -> None:
    assert country.results["model"]["accuracy"] > 0.9
    assert country.results["baselines"]["averaged embeddings"]["accuracy"] < 0.6


def test_sums_are_learnt(tmp_path: Path) -> None:
    results = trained(tmp_path / "run", small("adding", **ADDING), ["mean"]).results
    assert results["model"]["r_squared"] > 0.7
    assert results["baselines"]["mean"]["r_squared"] == pytest.approx(0, abs=0.02)


def test_symbols_are_learnt(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", small("copying", **COPYING), ["most frequent label"])
    assert run.results["model"]["accuracy"] > 0.4
    assert run.results["baselines"]["most frequent label"]["accuracy"] < 0.2


def test_the_export_agrees(recurrent: Command, country: Run[Any], tmp_path: Path) -> None:
    outcome = recurrent("export", country.path, f"--to={tmp_path / 'out'}")
    assert outcome.status == 0, outcome.err
    assert exports.verify(tmp_path / "out")["model"].worst < 2e-5


def test_a_text_is_gone_on_with(recurrent: Command, country: Run[Any]) -> None:
    text = sources.read("tfds:country/gap_10").column("text")[0]
    outcome = recurrent("predict", country.path, text, text.upper())
    assert outcome.status == 0, outcome.err
    same, loud = (line.split("\t")[:2] for line in outcome.out.splitlines())
    assert same == loud


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"gap": 4}, "The gap is in the name of the data: --data tfds:country/gap_50"),
        ({"initialisation": "chrono"}, "Give the steps to remember: --chrono-steps"),
        ({"dataset": "adding"}, "Choose a preset: --preset adding"),
        ({"task": "memory"}, "begin anew with recurrent train memory"),
    ],
)
def test_settings_of_older_versions_say_what_replaced_them(
    settings: dict[str, object], said: str
) -> None:
    with pytest.raises(PipelineError, match=said):
        small("country", **settings)


def test_a_layer_without_gates_leaves_no_run(tmp_path: Path) -> None:
    quiet.load_tensorflow()
    with pytest.raises(PipelineError, match="irnn has no gate that keeps or overwrites its state"):
        Run.create(tmp_path / "run", small("country", **{**COUNTRY, "cell": "irnn"}))
    assert not (tmp_path / "run").exists()


def test_chrono_remembers_for_up_to_the_steps_from_the_start(tmp_path: Path) -> None:
    quiet.load_tensorflow()
    chosen = small("country", data=COUNTRY["data"], chrono_steps=117, limit=16, units=256)
    run = Run.create(tmp_path / "run", chosen)
    model = run.task.model(run.config, run.task.data(run))
    layer = next(layer for layer in model.layers if "lstm" in layer.name)
    forget = layer.get_weights()[2][256:512]
    kept = np.exp(forget)  # steps
    assert 1 <= kept.min() < 10 and 100 < kept.max() <= 117
