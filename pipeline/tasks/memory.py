"""Long-term dependency: what came long ago decides the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from pipeline.config import SampleConfig
from pipeline.errors import PipelineError
from pipeline.examples import Data
from pipeline.parts import subjects
from pipeline.tasks.base import Answer, Baseline, Figures, Fit, SampleTask

if TYPE_CHECKING:
    import keras
    import numpy.typing as npt

    from pipeline.data.loading import Splits
    from pipeline.data.remembering import Episode
    from pipeline.examples import Examples
    from pipeline.explain.reading import Reading
    from pipeline.marks import Marks
    from pipeline.parts.problems import Problem
    from pipeline.run import Run

    Array = npt.NDArray[Any]

_COMPARED = 100  # test examples that exported formats are compared on
_CLIP = 1.0  # largest norm of dL/dstate of an example, so that no cell's training explodes


class MemoryConfig(SampleConfig):
    """The settings of a task that remembers; `dataset` names the problem."""

    gap: int = Field(
        default=100,
        ge=0,
        le=100_000,
        description="Steps to remember over: filler words of country, numbers of adding, blanks of "
        "copying, rows of nothing after a picture.",
    )
    initialisation: Literal["default", "chrono"] = Field(
        default="default",
        description="Where the gates start: chrono lets them remember for up to the whole length.",
    )


@dataclass(frozen=True, eq=False)
class MemoryData(Data):
    """Episodes as examples, and as they were loaded."""

    episodes: Splits[Episode]


def country() -> MemoryConfig:
    """Read a country, and say its language after 500 words.

    Seeds 0, 1, 2: all of the 2,000 test texts are right, after 648 to 786 s on one core; after
    half of the epochs, 80 to 100 % are. Other layers and gaps are in docs/memory.md.
    """
    return MemoryConfig(
        task="memory",
        dataset="country",
        cell="lstm",
        initialisation="chrono",
        bidirectional=False,
        gap=500,
        units=32,
        batch_size=32,
        epochs=16,
        learning_rate=3e-3,
    )


def adding() -> MemoryConfig:
    """Add two of 600 numbers.

    Seeds 0, 1, 2, on 2,000 test sums, after 117 to 228 s: the mean squared error is 0.0003, 0.0003,
    0.0008, and 97.6, 98.4, 85.8 % are less than 0.04 off.
    """
    update = {"dataset": "adding", "gap": 600, "cell": "mingru", "epochs": 6, "learning_rate": 0.01}
    return country().model_copy(update=update)


def copying() -> MemoryConfig:
    """Copy ten symbols after 100 blanks.

    Seeds 0, 1, 2: 96.4, 94.4, 97.1 % of the symbols of 2,000 test examples are right, after 104 to
    209 s. A network that sees the mean of the signs has 30.5 %, chance 12.4 %.
    """
    update = {"dataset": "copying", "gap": 100, "units": 64, "epochs": 5, "learning_rate": 0.01}
    return country().model_copy(update=update)


def rows() -> MemoryConfig:
    """Read a picture row by row.

    Seeds 0, 1, 2: 94.9, 94.7, 95.4 % of the 987 test pictures are right, after 15 to 17 s on one
    core. A network that sees the mean of the rows has 50.9 %.
    """
    update = {"dataset": "mnist_5k", "gap": 0, "units": 64, "dropout": 0.2, "epochs": 12}
    return country().model_copy(update={**update, "learning_rate": 5e-3})


class Memory(SampleTask[MemoryConfig, MemoryData]):
    """Remembers for long."""

    summary = "what came long before the question: a country, numbers, symbols, the rows of a digit"
    settings = MemoryConfig
    subject = "question"
    accepts = "the number of a test example or, for country, a text to go on with"

    @property
    def presets(self) -> Mapping[str, Callable[[], MemoryConfig]]:
        """One for each problem."""
        return {"country": country, "adding": adding, "copying": copying, "rows": rows}

    @property
    def datasets(self) -> Sequence[str]:
        """The problems; that of the rows has MNIST, and the sample of it in a package."""
        from pipeline.data import remembering

        return remembering.DATASETS

    def check(self, config: MemoryConfig) -> None:
        """Look whether the problem has such a gap, and the layer such an initialisation."""
        super().check(config)
        from pipeline import models

        shortest = _problem(config).shortest
        if config.gap < shortest:
            raise PipelineError(
                f"gap = {config.gap} is too short for {config.dataset}, which takes {shortest} or "
                "more"
            )
        cell = models.layer(config.cell).cell_class
        if config.initialisation == "chrono" and not (cell.keeping or cell.overwriting):
            raise PipelineError(
                f"{config.cell} has no gate that chrono could start: give --initialisation default"
            )

    def data(self, run: Run[MemoryConfig]) -> MemoryData:
        """Draw or read the episodes."""
        episodes = _episodes(run.config)
        train, validation, test = (
            _problem(run.config).inputs.examples(
                [each.inputs for each in split], np.array([each.target for each in split])
            )
            for split in (episodes.train, episodes.validation, episodes.test)
        )
        return MemoryData(train, validation, test, episodes=episodes)

    def model(self, config: MemoryConfig, data: MemoryData) -> keras.Model:
        """Read from the first step to the last; the outputs of the last steps answer."""
        import keras

        from custom_layers import Chrono
        from pipeline import models

        problem = _problem(config)
        inputs, sequences = problem.inputs.enter(config.units)
        options: dict[str, Any] = {"clip_state_gradient": _CLIP}
        if config.initialisation == "chrono":
            longest = float(data.train.lengths.max())
            options["bias_initializer"] = Chrono(longest, seed=config.seed)
        outputs = models.recurrent(config, **options)(sequences)
        outputs = keras.layers.Dropout(config.dropout)(outputs)
        answers = problem.goal.answers(outputs[:, -problem.goal.steps :])
        return keras.Model(inputs, answers, name="memory")

    def loss(self, config: MemoryConfig, data: Data) -> str:
        """What suits the goal: cross-entropy, or the mean squared error."""
        return _problem(config).goal.loss

    def metrics(self, config: MemoryConfig) -> Sequence[str]:
        """Accuracy, or the mean absolute error."""
        return _problem(config).goal.metrics

    def score(self, answers: Array, examples: Examples) -> Figures:
        """Measure accuracy: of labels, of symbols, or of numbers, which need be near only.

        With numbers comes the part of their variance that is explained.
        """
        from pipeline.parts.problems import NEAR

        targets = examples.targets.numpy()
        if targets.dtype.kind != "f":
            return {"accuracy": float((answers.argmax(-1) == targets).mean())}
        errors = answers[:, 0] - targets
        explained = 1 - np.square(errors).mean() / targets.var()
        return {"accuracy": float((abs(errors) < NEAR).mean()), "r_squared": float(explained)}

    def marks(self, config: MemoryConfig, data: MemoryData, answers: Array) -> Marks:
        """Mark as the goal does; a sequence is shown as the problem does."""
        problem, test = _problem(config), data.episodes.test
        return problem.goal.marks(
            answers,
            data.test.targets.numpy(),
            data.test.lengths,
            lambda place: problem.shown(test[place].inputs, f"test example {place + 1}"),
        )

    def baselines(self, run: Run[MemoryConfig]) -> Mapping[str, Baseline]:
        """Chance, and a network that sees what occurs but not when."""
        return {"chance": chance, "feed-forward network": feed_forward}

    def predict(self, run: Run[MemoryConfig], subjects: Sequence[str]) -> list[Answer]:
        """Give the answer, and its probability where there is one.

        Each of `subjects` is the number of an example of the test split, from 1. For `country` it
        may be a text, too, to be gone on with.
        """
        from pipeline import batches

        problem, model = _problem(run.config), run.model()
        asked = _asked(run.config, subjects)
        examples = problem.inputs.examples([each.inputs for each in asked], np.zeros(len(asked)))
        answers = batches.outputs(model, examples)
        return [_answer(problem, *pair) for pair in zip(asked, answers, strict=True)]

    def reading(self, run: Run[MemoryConfig], model: keras.Model, subject: str) -> Reading:
        """Read step by step; the goal says which steps answer."""
        from pipeline.explain.reading import Reading

        problem = _problem(run.config)
        (asked,) = _asked(run.config, [subject])
        shown = problem.shown(asked.inputs, asked.name)
        (symbolic,) = model.inputs
        whole = Reading(
            model=model,
            name=shown if isinstance(shown, str) else shown.text,
            inputs={symbolic.name: asked.inputs[None].astype(symbolic.dtype)},
            time=symbolic.name,
            steps=problem.steps(asked.inputs),
            noun=problem.noun,
            running=problem.inputs.running,
            explain=problem.goal.explain(asked.target),
            view=problem.view(asked.inputs),
            source=symbolic.name,
        )
        return problem.goal.reading(whole, asked.target)

    def artifact(self, run: Run[MemoryConfig]) -> Mapping[str, Any]:
        """Compare on the test split; put the labels beside the model, if it tells one of them."""
        from pipeline import batches
        from pipeline.parts.problems import Choice

        config, data, goal = run.config, self.data(run), _problem(run.config).goal
        ((inputs, _),) = batches.dataset(data.test, [np.arange(len(data.test))[:_COMPARED]])
        return {
            "labels": goal.labels if isinstance(goal, Choice) else None,
            "examples": inputs.numpy(),
            "card": {
                "data set": f"{config.dataset} {data.episodes.version}, gap {config.gap}",
            },
        }


def chance(config: MemoryConfig, data: MemoryData, fit: Fit) -> Array:
    """The one answer that is best for all: how frequent each is in training, or the mean."""
    guess = _problem(config).goal.guess(data.train.targets.numpy())
    return np.repeat(guess[None], len(data.test), axis=0)


def feed_forward(config: MemoryConfig, data: MemoryData, fit: Fit) -> Array:
    """A network of one hidden layer over the mean of the steps: a bag of words."""
    import keras
    from keras import ops

    from pipeline import batches

    problem = _problem(config)
    inputs, sequences = problem.inputs.enter(config.units)
    pooled = keras.layers.GlobalAveragePooling1D()(sequences)
    hidden = keras.layers.Dense(4 * config.units, activation="relu")(pooled)
    steps = ops.repeat(hidden[:, None], problem.goal.steps, axis=1)
    model = keras.Model(inputs, problem.goal.answers(steps), name="feed_forward_network")
    return batches.outputs(fit(model, config), data.test)


def _problem(config: MemoryConfig) -> Problem:
    from pipeline.parts import problems

    return problems.BY_DATASET[config.dataset]


def _episodes(config: MemoryConfig) -> Splits[Episode]:
    from pipeline.data import remembering

    return remembering.load(config.dataset, config.gap, config.limit)


@dataclass(frozen=True, eq=False)
class _Asked:
    """What the user asks about: a sequence, its name, notes, and the answer if it is known."""

    inputs: Array
    name: str
    notes: tuple[str, ...] = ()
    target: Any = None


def _asked(config: MemoryConfig, given: Sequence[str]) -> list[_Asked]:
    def test() -> Sequence[Episode]:
        return _episodes(config).test

    return subjects.resolve(given, "example", test, _tested, partial(_read, config))


def _tested(episode: Episode, name: str) -> _Asked:
    return _Asked(episode.inputs, name, target=episode.target)


def _read(config: MemoryConfig, text: str) -> _Asked:
    inputs, notes = _problem(config).read(text)
    return _Asked(inputs, text, notes)


def _answer(problem: Problem, asked: _Asked, answer: Array) -> Answer:
    notes = list(asked.notes)
    if asked.target is not None and not problem.goal.right(answer, asked.target):
        notes.append(f"that is wrong: it is {problem.goal.name(asked.target)}")
    return Answer(f"{problem.goal.text(answer)}\t{asked.name}", tuple(notes))


task = Memory()
