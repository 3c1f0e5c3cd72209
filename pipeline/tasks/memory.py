"""Long-term dependency: what came long ago decides the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from custom_layers import Chrono
from pipeline import batches, models
from pipeline.baselines import Baseline, Fit
from pipeline.config.memory import MemoryConfig
from pipeline.data import remembering
from pipeline.data.loading import Splits
from pipeline.data.remembering import Episode
from pipeline.error_analysis import ErrorAnalysis
from pipeline.errors import PipelineError
from pipeline.examples import Data, Examples
from pipeline.explain.reading import Reading
from pipeline.tasks.base import Answer, Figures, Run, SampleTask
from pipeline.tasks.shared import problems, subjects
from pipeline.tasks.shared.problems import NEAR, Choice, Problem

Array = npt.NDArray[Any]

_COMPARED = 100  # test examples that exported formats are compared on
_CLIP = 1.0  # largest norm of dL/dstate of an example, so that no cell's training explodes


@dataclass(frozen=True, eq=False)
class MemoryData(Data):
    """Episodes as examples, and as they were loaded."""

    episodes: Splits[Episode]


class Memory(SampleTask[MemoryConfig, MemoryData]):
    """Remembers for long."""

    subject = "question"
    accepts = "the number of a test example or, for country, a text to go on with"

    @property
    def datasets(self) -> Sequence[str]:
        """The problems; that of the rows has MNIST, and the sample of it in a package."""
        return remembering.DATASETS

    def check(self, config: MemoryConfig) -> None:
        """Look whether the problem has such a gap, and the layer such an initialisation."""
        super().check(config)
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
        targets = examples.targets.numpy()
        if targets.dtype.kind != "f":
            return {"accuracy": float((answers.argmax(-1) == targets).mean())}
        errors = answers[:, 0] - targets
        explained = 1 - np.square(errors).mean() / targets.var()
        return {"accuracy": float((abs(errors) < NEAR).mean()), "r_squared": float(explained)}

    def error_analysis(
        self, config: MemoryConfig, data: MemoryData, answers: Array
    ) -> ErrorAnalysis:
        """Mark as the goal does; a sequence is shown as the problem does."""
        problem, test = _problem(config), data.episodes.test
        return problem.goal.error_analysis(
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
        problem, model = _problem(run.config), run.model()
        asked = _asked(run.config, subjects)
        examples = problem.inputs.examples([each.inputs for each in asked], np.zeros(len(asked)))
        answers = batches.outputs(model, examples)
        return [_answer(problem, *pair) for pair in zip(asked, answers, strict=True)]

    def reading(self, run: Run[MemoryConfig], model: keras.Model, subject: str) -> Reading:
        """Read step by step; the goal says which steps answer."""
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
    problem = _problem(config)
    inputs, sequences = problem.inputs.enter(config.units)
    pooled = keras.layers.GlobalAveragePooling1D()(sequences)
    hidden = keras.layers.Dense(4 * config.units, activation="relu")(pooled)
    steps = ops.repeat(hidden[:, None], problem.goal.steps, axis=1)
    model = keras.Model(inputs, problem.goal.answers(steps), name="feed_forward_network")
    return batches.outputs(fit(model, config), data.test)


def _problem(config: MemoryConfig) -> Problem:
    return problems.BY_DATASET[config.dataset]


def _episodes(config: MemoryConfig) -> Splits[Episode]:
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
