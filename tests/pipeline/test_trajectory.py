"""The recipe trajectory: it learns where a ball goes, and old commands and runs are understood."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import exports
from pipeline import config, recipes
from pipeline.config.forecast import ForecastConfig
from pipeline.run import Run
from tests.pipeline.small import Outcome, trained

Command = Callable[..., Outcome]

SMALL = {"limit": 6000, "epochs": 4, "units": 16, "batch_size": 32, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Run[ForecastConfig]:
    """A run on 6,000 windows, trained and tested. Leave it as it is."""
    settings = config.merge(recipes.get("trajectory").presets["hawkeye"](), SMALL)
    return trained(tmp_path_factory.mktemp("runs") / "run", settings, ["persistence", "drift"])


def test_it_is_better_than_a_ball_that_stands_still_or_keeps_its_velocity(
    followed: Run[ForecastConfig],
) -> None:
    results = followed.results
    assert results["examples"] == {"train": 6000, "validation": 487, "test": 2652}
    still, drift = results["baselines"].values()
    for figure in ("mae", "rmse", "pinball", "mae_at_the_end"):
        assert results["model"][figure] < min(still[figure], drift[figure])
    assert drift["mae"] < still["mae"]


def test_a_test_window_and_a_file_of_it_have_one_answer(
    recurrent: Command, followed: Run[ForecastConfig], tmp_path: Path
) -> None:
    data = followed.task.data(
        Run(followed.path, followed.config.model_copy(update={"limit": None}))
    )
    series, origin = (each[16] for each in data.test.places)
    values = data.whole.series[series].values[:origin]
    rows = [f"{step / 50:.2f},{x},{y},{z}" for step, (x, y, z) in enumerate(values)]
    (tmp_path / "path.csv").write_text("\n".join(["time,x,y,z", *rows]))
    numbered, read = (
        recurrent("predict", followed.path, each) for each in ("17", tmp_path / "path.csv")
    )
    assert numbered.status == read.status == 0, numbered.err + read.err
    assert len(read.out.splitlines()) == 25
    for one, other in zip(numbered.out.splitlines(), read.out.splitlines(), strict=True):
        assert one.split("\t")[2:] == other.split("\t")[1:]
    assert read.out.splitlines()[0].split("\t")[0] == f"{origin / 50:g}"
    said = read.out.splitlines()[-1].split("\t")[1].split()
    predicted = float(said[1])
    assert np.isfinite(predicted) and said[0] == "x"


def test_the_export_agrees_and_names_its_columns(
    recurrent: Command, followed: Run[ForecastConfig], tmp_path: Path
) -> None:
    outcome = recurrent("export", followed.path, f"--to={tmp_path / 'ball'}", "--format=onnx")
    assert outcome.status == 0, outcome.err
    exports.verify(tmp_path / "ball")
    assert exports.load(tmp_path / "ball").config.forecast == exports.Forecast(
        ("x", "y", "z"), step="0.02"
    )


def test_old_names_of_settings_are_understood(recurrent: Command) -> None:
    outcome = recurrent("init", "trajectory", "--dataset=bouncing_ball", "--window=5")
    assert outcome.status == 0, outcome.err
    assert 'data: "tfds:bouncing_ball"' in outcome.out and "window: 5" in outcome.out


def test_an_old_run_is_refused_in_one_line(recurrent: Command, tmp_path: Path) -> None:
    old = {"task": "trajectory", "dataset": "hawkeye", "window": 8, "simulated": 5000}
    (tmp_path / "config.json").write_text(json.dumps(old))
    outcome = recurrent("predict", tmp_path, "1")
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert "begin anew with recurrent train trajectory" in outcome.err
