"""Many to one, in metres: where a ball will be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from exports import Motion
from pipeline import batches, files, models
from pipeline.baselines import Baseline, Fit, extrapolation
from pipeline.baselines.extrapolation import Extrapolation, distances
from pipeline.config.trajectory import TrajectoryConfig
from pipeline.data import trajectories
from pipeline.data.bouncing_ball import GRAVITY, RATE
from pipeline.data.trajectories import AHEAD, Positions, Window
from pipeline.error_analysis import ErrorAnalysis, Mistake
from pipeline.errors import PipelineError
from pipeline.examples import Data, Examples
from pipeline.explain.reading import (
    Array,
    Explained,
    Reading,
    Tensor,
    after_prefixes_one_by_one,
)
from pipeline.explain.reading import Path as Followed
from pipeline.metrics import Distance
from pipeline.tasks.base import Answer, Figures, Run, SampleTask
from pipeline.tasks.shared import subjects

_SPEED = 5.0  # metres a second; over it, most speeds are near 1, and so is the way of a second
_STANDING = 1e-6  # the square of a speed, below which a ball goes nowhere
_FAR = 1000.0  # metres; who is farther off than that gave other units


class Trajectory(SampleTask[TrajectoryConfig, Data]):
    """Tells where a ball will be in 0.2 and in 0.5 seconds."""

    subject = "window"
    accepts = "a .csv file of x,y,z in metres, 50 lines a second, or the number of a test window"
    better = "lower"

    @property
    def datasets(self) -> Sequence[str]:
        """Two minutes of football that come with a package, and simulated balls."""
        return trajectories.NAMES

    def data(self, run: Run[TrajectoryConfig]) -> Data:
        """Cut the paths into windows; training windows are mirrored, and simulated ones join."""
        config = run.config
        loaded = trajectories.load(config.dataset, config.window, config.limit)
        seen = [*loaded.train, *map(trajectories.mirrored, loaded.train)]
        played = trajectories.football(config.simulated, config.window)
        train, validation, test = (
            batches.frames([each.past for each in split], [each.future for each in split])
            for split in ([*seen, *played], loaded.validation, loaded.test)
        )
        return Data(train, validation, test)

    def model(self, config: TrajectoryConfig, data: Data) -> keras.Model:
        """Follow the ball; the last output and the mean of all decide how to correct its speed."""
        positions = keras.Input((None, 3), dtype="float32", name="positions")
        view = _seen(positions[:, -config.window :])
        outputs = models.recurrent(config)(view.features)
        state = ops.concatenate([outputs[:, -1], ops.mean(outputs, axis=1)], axis=-1)
        return _corrected(positions, view, state, config, name="trajectory")

    def loss(self, config: TrajectoryConfig, data: Data) -> Any:
        """By how many metres a second the mean velocity until each moment is off."""
        return Distance([1 / seconds for seconds in AHEAD])

    def metrics(self, config: TrajectoryConfig) -> Sequence[str]:
        """None but the loss."""
        return ()

    def score(self, answers: npt.NDArray[Any], examples: Examples) -> Figures:
        """Measure how many metres the answers are off, in the mean, at each moment."""
        off = distances(answers, examples.targets.numpy()).mean(0).tolist()
        return {f"metres_at_{moment}_s": each for moment, each in zip(AHEAD, off, strict=True)}

    def error_analysis(
        self, config: TrajectoryConfig, data: Data, answers: npt.NDArray[Any]
    ) -> ErrorAnalysis:
        """Measure how far the last answer about a window is off."""
        test, targets = data.test, data.test.targets.numpy()

        def read(place: int) -> Mistake:
            path = " → ".join(map(_position, test.inputs[place].numpy()))
            name = f"test window {place + 1}: {path}"
            return Mistake(name, _position(targets[place, -1]), _position(answers[place, -1]))

        errors = distances(answers, targets)[:, -1]
        return ErrorAnalysis(errors, f"metres at {AHEAD[-1]} s", test.lengths, "positions", read)

    def baselines(self, run: Run[TrajectoryConfig]) -> Mapping[str, Baseline]:
        """What physics knows, and a network that knows nothing of time."""
        return {
            "stand still": partial(polynomial, degree=0),
            "constant velocity": partial(polynomial, degree=1),
            "constant acceleration": partial(polynomial, degree=2),
            "Kalman filter": kalman_filter,
            "feed-forward network": feed_forward,
        }

    def predict(self, run: Run[TrajectoryConfig], subjects: Sequence[str]) -> list[Answer]:
        """Give both positions, what was followed, and how far off that was if it is known.

        Each of `subjects` is the number of a window of the test split, from 1, or else the path of
        a `.csv` file of positions: x, y and the height z in metres, 50 a second.
        """
        compute = batches.compute(run.model())
        return [
            _answer(each, compute(each.past[None])[0], run.config.window)
            for each in _subjects(run.config, subjects)
        ]

    def reading(self, run: Run[TrajectoryConfig], model: keras.Model, subject: str) -> Reading:
        """Follow the ball position by position."""
        (followed,) = _subjects(run.config, [subject])
        past = followed.past
        return Reading(
            model=model,
            name=followed.name,
            inputs={"positions": past[None]},
            time="positions",
            steps=[f"{each / RATE:.2f} s" for each in range(1 - len(past), 1)],
            noun="positions",
            running=after_prefixes_one_by_one,
            explain=_explained,
            view=Followed(past, RATE, followed.future),
            source="positions",
        )

    def artifact(self, run: Run[TrajectoryConfig]) -> Mapping[str, Any]:
        """Say what the positions mean; compare on the test split."""
        config = run.config
        loaded = trajectories.load(config.dataset, config.window, config.limit)
        return {
            "examples": np.stack([each.past for each in loaded.test]),
            "motion": Motion(RATE, config.window, trajectories.AHEAD),
            "card": {
                "data set": f"{loaded.name} {loaded.version}",
                "input": f"x, y and the height z in metres, 50 times a second, as often as you "
                f"like; the last {config.window} positions count",
                "output": "x, y, z in 0.2 s, and in 0.5 s",
            },
        }


class _View(NamedTuple):
    """A path as the ball sees it, which is at the origin and moves along the first axis."""

    features: Any  # [batch, time, 7]
    position: Any  # the last one, [batch, 1, 3]
    velocity: Any  # the last one, [batch, 1, 3]
    direction: tuple[Any, Any]  # cosine and sine, [batch, 1, 1] each; of no length if it stands


def _seen(positions: Any) -> _View:
    """Return the view from the ball. Where on the pitch it is, and to which side it goes, is lost.

    The features of a step are the way from there to the ball, its velocity, and its height.
    """
    velocities = RATE * ops.pad(positions[:, 1:] - positions[:, :-1], [[0, 0], [1, 0], [0, 0]])
    position, velocity = positions[:, -1:], velocities[:, -1:]
    x, y = velocity[..., :1], velocity[..., 1:2]
    speed = ops.sqrt(ops.square(x) + ops.square(y) + _STANDING)
    direction, back = (x / speed, y / speed), (x / speed, -y / speed)
    way, velocities = _turned(position - positions, back), _turned(velocities, back)
    features = [way / _SPEED, velocities / _SPEED, positions[..., 2:]]
    return _View(ops.concatenate(features, axis=-1), position, velocity, direction)


def _corrected(
    positions: Any, view: _View, state: Any, config: TrajectoryConfig, *, name: str
) -> keras.Model:
    """Finish a model of `positions` that has come to `state`: a mean velocity until each moment.

    Untrained, it takes the velocity for constant.
    """
    state = keras.layers.Dropout(config.dropout)(state)
    numbers = keras.layers.Dense(
        3 * len(AHEAD), kernel_initializer="zeros", dtype="float32", name="correction"
    )(state)
    change = _SPEED * _turned(keras.layers.Reshape((len(AHEAD), 3))(numbers), view.direction)
    moments = np.array(AHEAD, np.float32)[:, None]
    ahead = view.position + (view.velocity + change) * moments
    return keras.Model(positions, keras.layers.Identity(name="ahead")(ahead), name=name)


def _turned(vectors: Any, direction: tuple[Any, Any]) -> Any:
    """Turn vectors `[batch, any, 3]` about the vertical axis."""
    cosine, sine = direction
    x, y, z = vectors[..., :1], vectors[..., 1:2], vectors[..., 2:]
    return ops.concatenate([cosine * x - sine * y, sine * x + cosine * y, z], axis=-1)


def polynomial(config: TrajectoryConfig, data: Data, fit: Fit, *, degree: int) -> npt.NDArray[Any]:
    """The polynomial of time that fits the last positions best; validation says how many."""
    lengths = range(degree + 1, config.window + 1)
    return _best(
        [extrapolation.polynomial(degree, length, AHEAD, 1 / RATE) for length in lengths], data
    )


def kalman_filter(config: TrajectoryConfig, data: Data, fit: Fit) -> npt.NDArray[Any]:
    """A filter that takes touches for noise; validation says how much, and whether balls fall."""
    return _best(
        [
            extrapolation.kalman_filter(noise, np.array([0, 0, -fall]), AHEAD, 1 / RATE)
            for noise in np.logspace(0, 10, 21)
            for fall in (0.0, GRAVITY)
        ],
        data,
    )


def _best(ways: Sequence[Extrapolation], data: Data) -> npt.NDArray[Any]:
    """Answer about the test split in the way that is best on the validation split."""
    past, test = (split.inputs.to_tensor().numpy() for split in (data.validation, data.test))
    return extrapolation.best(ways, past, data.validation.targets.numpy())(test)


def feed_forward(config: TrajectoryConfig, data: Data, fit: Fit) -> npt.NDArray[Any]:
    """A network of one hidden layer over all that the model sees of a window."""
    positions = keras.Input((config.window, 3), dtype="float32", name="positions")
    view = _seen(positions)
    flat = keras.layers.Flatten()(view.features)
    hidden = keras.layers.Dense(4 * config.units, activation="relu")(flat)
    model = _corrected(positions, view, hidden, config, name="feed_forward_network")
    return batches.outputs(fit(model, config), data.test)


@dataclass(frozen=True, eq=False)
class _Subject:
    """Positions, what to call them, and where the ball went if that is known."""

    past: Positions
    name: str
    future: Positions | None = None


def _subjects(config: TrajectoryConfig, given: Sequence[str]) -> list[_Subject]:
    def test() -> Sequence[Window]:
        return trajectories.load(config.dataset, config.window).test

    return subjects.resolve(given, "window", test, _tested, _read)


def _tested(window: Window, name: str) -> _Subject:
    return _Subject(window.past, name, window.future)


def _read(name: str) -> _Subject:
    """Read the positions in a file; its first line may name the columns."""
    path = Path(name)
    if path.suffix != ".csv" or not path.is_file():
        raise PipelineError(f"{name!r} is no file of positions: give {task.accepts}")
    lines = files.read(path).replace(" ", "").split()
    rows = [line.split(",") for line in lines[lines[:1] == ["x,y,z"] :]]
    try:
        positions = np.array(rows, np.float64)
    except ValueError as error:
        raise PipelineError(f"{path} holds no table of numbers: give {task.accepts}") from error
    if positions.shape[1:] != (3,) or len(positions) < 2:
        shape = " x ".join(map(str, positions.shape))
        raise PipelineError(
            f"{path} holds {shape} numbers, not two positions or more: give {task.accepts}"
        )
    if not (np.abs(positions) < _FAR).all():
        raise PipelineError(
            f"{path} holds what is no position within {_FAR:g} m: give {task.accepts}"
        )
    return _Subject(positions.astype(np.float32), name)


def _explained(answers: Array) -> Explained:
    """Explain how far the ball comes, in the direction between the last two answers."""

    def score(outputs: Tensor) -> Tensor:
        return ops.sum(outputs[:, -1] * direction)

    last = answers[-1, -1] - answers[-1, -2]
    direction = (last / (np.linalg.norm(last) or 1.0)).astype(np.float32)
    names = [f"{axis} in {seconds} s" for seconds in AHEAD for axis in "xyz"]
    curves = dict(zip(names, answers.reshape(len(answers), -1).T, strict=True))
    said = [f"x, y, z {_position(each[-1])} in {AHEAD[-1]} s" for each in answers]
    return Explained(
        f"how far the ball is on its way in {AHEAD[-1]} s",
        score,
        curves,
        "metres",
        said,
        answer=said[-1],
    )


def _position(position: npt.NDArray[Any]) -> str:
    return " ".join(f"{each:.2f}" for each in position)


def _answer(subject: _Subject, ahead: npt.NDArray[Any], window: int) -> Answer:
    near, far = map(_position, ahead)
    name, given = subject.name, len(subject.past)
    if subject.future is not None:
        off = distances(ahead, subject.future)
        name += f", {off[0]:.2f} and {off[1]:.2f} m off"
    short = f"it has {given} positions, and the model learnt with {window}"
    return Answer(f"{near}\t{far}\t{name}", (short,) if given < window else ())


task = Trajectory()
