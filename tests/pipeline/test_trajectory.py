"""The trajectory task: it learns from physics, keeps its symmetries, and answers about any path."""

import re
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

import exports
from exports.runtime import Predictor
from pipeline import batches, config, recipes
from pipeline.config.trajectory import TrajectoryConfig
from pipeline.data import trajectories
from pipeline.data.trajectories import Window
from pipeline.run import Run
from tests.pipeline.small import Outcome, trained

Command = Callable[..., Outcome]

SMALL = {"limit": 300, "simulated": 1000, "epochs": 6, "units": 16, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Run[TrajectoryConfig]:
    """A run on 300 windows and 1,000 simulated ones, trained and tested. Leave it as it is."""
    settings = config.merge(recipes.get("trajectory").presets["hawkeye"](), SMALL)
    return trained(tmp_path_factory.mktemp("runs") / "run", settings)


@pytest.fixture(scope="module")
def model(followed: Run[TrajectoryConfig]) -> keras.Model:
    return followed.model()


@pytest.fixture(scope="module")
def windows(followed: Run[TrajectoryConfig]) -> list[Window]:
    """All windows of the test split."""
    return trajectories.load("hawkeye", followed.config.window).test


@pytest.fixture
def past(windows: list[Window]) -> np.ndarray:
    """What was seen of a few of them, one after the other."""
    return np.stack([window.past for window in windows[::200]])


def ahead(model: keras.Model, past: np.ndarray) -> np.ndarray:
    return np.array(model(past.astype(np.float32)))


def test_it_is_better_than_all_that_physics_extrapolates(followed: Run[TrajectoryConfig]) -> None:
    """A model that has learnt nothing takes the velocity for constant."""
    results = followed.results
    assert results["examples"] == {"train": 1600, "validation": 300, "test": 300}
    assert list(results["baselines"]) == [
        "stand still",
        "constant velocity",
        "constant acceleration",
        "Kalman filter",
        "feed-forward network",
    ]
    for figure in ("metres_at_0.2_s", "metres_at_0.5_s"):
        *physics, network = (each[figure] for each in results["baselines"].values())
        assert results["model"][figure] < 0.9 * min(physics)
        assert network < min(physics)
    assert followed.task.better == "lower"


def test_a_figure_is_the_mean_distance_in_metres(
    followed: Run[TrajectoryConfig], model: keras.Model
) -> None:
    data = followed.task.data(followed)
    off = batches.outputs(model, data.test) - data.test.targets.numpy()
    for place, figure in enumerate(("metres_at_0.2_s", "metres_at_0.5_s")):
        mean = np.mean([np.sqrt((each**2).sum()) for each in off[:, place]])
        assert followed.results["model"][figure] == pytest.approx(mean, rel=1e-5)


def test_where_the_ball_is_and_goes_changes_nothing_else(
    model: keras.Model, past: np.ndarray
) -> None:
    """The prediction is shifted and turned with the path."""
    turn, shift = np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1]]), np.array([20.0, -7.0, 0.0])
    expected = ahead(model, past) @ turn + shift
    np.testing.assert_allclose(ahead(model, past @ turn + shift), expected, atol=2e-3)


def test_untrained_it_takes_the_velocity_for_constant(
    followed: Run[TrajectoryConfig], past: np.ndarray
) -> None:
    untrained = followed.task.model(followed.config, followed.task.data(followed))
    velocity = 50 * (past[:, -1:] - past[:, -2:-1])
    expected = past[:, -1:] + velocity * np.array([[0.2], [0.5]])
    np.testing.assert_allclose(ahead(untrained, past), expected, atol=1e-3)


def test_any_number_of_positions_will_do_and_the_last_ones_count(
    followed: Run[TrajectoryConfig], model: keras.Model, past: np.ndarray
) -> None:
    longer = np.concatenate([np.full((len(past), 40, 3), 30.0), past], axis=1)
    np.testing.assert_allclose(ahead(model, longer), ahead(model, past), atol=1e-5)
    for few in (1, 2, followed.config.window - 1):
        assert np.isfinite(ahead(model, past[:, -few:])).all()
    (still,) = ahead(model, np.array([[[4.0, 5.0, 0.1]]]))
    np.testing.assert_allclose(still[:, :2], [[4, 5]] * 2, atol=0.01)


def test_a_checkpoint_goes_on_with_its_loss(followed: Run[TrajectoryConfig]) -> None:
    model, done = followed.restore()
    assert model is not None and done == 6
    validation = followed.task.data(followed).validation
    plan = batches.in_order(validation.lengths)
    loss = model.evaluate(batches.dataset(validation, plan), verbose=0)
    assert loss == pytest.approx(followed.metrics[-1]["validation_loss"], rel=1e-5)


def test_the_export_agrees_and_takes_raw_positions(
    recurrent: Command,
    followed: Run[TrajectoryConfig],
    model: keras.Model,
    past: np.ndarray,
    tmp_path: Path,
) -> None:
    outcome = recurrent("export", followed.path, f"--to={tmp_path / 'ball'}")
    assert outcome.status == 0, outcome.err
    exports.verify(tmp_path / "ball")
    predictor = Predictor(tmp_path / "ball")
    for positions in (1, 7, 200):
        path = np.repeat(past, 25, axis=1)[:, :positions]
        (found,) = predictor({"positions": path}).values()
        np.testing.assert_allclose(found, ahead(model, path), atol=1e-4)


def test_a_test_window_and_files_of_it_have_one_answer(
    recurrent: Command,
    followed: Run[TrajectoryConfig],
    tmp_path: Path,
    windows: list[Window],
) -> None:
    plain, titled = tmp_path / "a.csv", tmp_path / "b.csv"
    plain.write_text("".join(f"{x},{y},{z}\n" for x, y, z in windows[0].past))
    titled.write_text(f"x, y, z\n{plain.read_text()}\n")
    outcome = recurrent("predict", followed.path, "1", plain, titled, len(windows))
    assert outcome.status == 0, outcome.err
    first, *same, last = (line.split("\t") for line in outcome.out.splitlines())
    assert same == [[*first[:2], str(plain)], [*first[:2], str(titled)]]
    off = [
        np.linalg.norm(np.array(said.split(), float) - true)
        for said, true in zip(first[:2], windows[0].future, strict=True)
    ]
    found = re.fullmatch(r"test window 1, (\S+) and (\S+) m off", first[2])
    assert found
    np.testing.assert_allclose([float(each) for each in found.groups()], off, atol=0.02)
    assert last[2].startswith(f"test window {len(windows)}, ")


def test_a_path_that_is_short_is_noted(followed: Run[TrajectoryConfig], tmp_path: Path) -> None:
    (tmp_path / "two.csv").write_text("0,0,0\n1,0,0\n")
    (answer,) = followed.task.predict(followed, [str(tmp_path / "two.csv")])
    (note,) = answer.notes
    assert note.startswith("it has 2 positions, and the model learnt with")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("0", "test windows are 1 to "),
        ("99999", "and 99999 is none"),
        ("9" * 5000, "is no file of positions"),
        ("left", "'left' is no file of positions: give a .csv file of x,y,z in metres"),
        ("none.csv", "is no file of positions"),
        ("path.json", "is no file of positions"),
        ("one.csv", "holds 1 x 3 numbers"),
        ("wide.csv", "holds 2 x 4 numbers"),
        ("empty.csv", "holds 0 numbers"),
        ("words.csv", "holds no table of numbers"),
        ("ragged.csv", "holds no table of numbers"),
        ("octets.csv", "is damaged: it is not UTF-8 text"),
        ("nan.csv", "holds what is no position within 1000 m"),
        ("millimetres.csv", "holds what is no position within 1000 m"),
    ],
)
def test_what_is_no_path_is_answered_in_one_line(
    recurrent: Command,
    followed: Run[TrajectoryConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("path.json").write_text("[[1, 2, 3], [1, 2, 3]]")
    Path("one.csv").write_text("1,2,3\n")
    Path("wide.csv").write_text("1,2,3,4\n1,2,3,4\n")
    Path("empty.csv").write_text("")
    Path("words.csv").write_text("1,2,3\n1,2,up\n")
    Path("ragged.csv").write_text("1,2,3\n1,2\n")
    Path("octets.csv").write_bytes(b"\xff\xfe")
    Path("nan.csv").write_text("1,2,3\n1,2,nan\n")
    Path("millimetres.csv").write_text("1000,2000,300\n1100,2000,300\n")
    outcome = recurrent("predict", followed.path, given)
    assert outcome.status == 1 and outcome.out == ""
    assert said in outcome.err and len(outcome.err.splitlines()) == 1
