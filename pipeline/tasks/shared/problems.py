"""What there is to remember: how each problem's sequences enter a model, and what their end asks.

A problem puts together what its steps are, `Inputs`, and what is asked for at the end, a `Goal`.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple, final

import keras
import numpy as np
import numpy.typing as npt

from pipeline import batches
from pipeline.data import handwritten, remembering
from pipeline.error_analysis import Choices, ErrorAnalysis, Mistake, Picture, of_choices
from pipeline.errors import PipelineError
from pipeline.examples import Compute, Examples
from pipeline.explain import reading
from pipeline.explain.reading import Explained

Array = npt.NDArray[Any]
Example = Callable[[int], str | Picture]
Tensor = Any

NEAR = 0.04  # an error that Hochreiter & Schmidhuber, 1997, count as none


# What the steps of a sequence are.


class Inputs(ABC):
    """What the steps of a sequence are."""

    @abstractmethod
    def examples(self, rows: Sequence[Array], targets: Array) -> Examples:
        """Make examples of sequences."""

    @abstractmethod
    def enter(self, units: int) -> tuple[Tensor, Tensor]:
        """Return the model's input, and the `[batch, steps, features]` made of it."""

    @abstractmethod
    def running(self, compute: Compute, whole: reading.Reading) -> Array:
        """Give what a model, a function, answers after each step."""


@final
class Words(Inputs):
    """Ids of words or signs, of which there are `size`; 0 is padding."""

    def __init__(self, size: int) -> None:
        self.size = size

    def examples(self, rows: Sequence[Array], targets: Array) -> Examples:
        """Make examples of sequences of ids."""
        return batches.sequences(rows, targets)

    def enter(self, units: int) -> tuple[Tensor, Tensor]:
        """Embed the ids in `units` numbers each."""
        ids = keras.Input((None,), dtype="int32", name="tokens")
        return ids, keras.layers.Embedding(self.size, units, mask_zero=True, name="words")(ids)

    def running(self, compute: Compute, whole: reading.Reading) -> Array:
        """Ask about all beginnings at once, padded."""
        return reading.after_prefixes(compute, whole)


@final
class Vectors(Inputs):
    """Vectors of `features` numbers."""

    def __init__(self, features: int) -> None:
        self.features = features

    def examples(self, rows: Sequence[Array], targets: Array) -> Examples:
        """Make examples of sequences of vectors."""
        return batches.frames(rows, targets)

    def enter(self, units: int) -> tuple[Tensor, Tensor]:
        """Take the vectors as they are."""
        vectors = keras.Input((None, self.features), dtype="float32", name="vectors")
        return vectors, vectors

    def running(self, compute: Compute, whole: reading.Reading) -> Array:
        """Ask about each beginning, as no vector is padding."""
        return reading.after_prefixes_one_by_one(compute, whole)


# What is asked at the end.


class Goal(ABC):
    """What the end of a sequence asks for.

    Attributes:
        steps: how many of the last steps answer.
        loss: what training makes small.
        metrics: what is measured after each epoch.
    """

    steps: int = 1
    loss: ClassVar[str] = "sparse_categorical_crossentropy"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)

    @abstractmethod
    def answers(self, outputs: Tensor) -> Tensor:
        """Make answers of the outputs `[batch, steps, units]` of the last steps."""

    @abstractmethod
    def guess(self, targets: Array) -> Array:
        """Return the one answer that is best if nothing is known but the `targets` of others."""

    @abstractmethod
    def error_analysis(
        self, answers: Array, targets: Array, lengths: Array, example: Example
    ) -> ErrorAnalysis:
        """Say how right each answer is; the report shows each sequence as `example` gives it."""

    @abstractmethod
    def right(self, answer: Array, target: Any) -> bool:
        """Say whether `answer` is that for `target`."""

    @abstractmethod
    def explain(self, target: Any) -> Callable[[Array], Explained]:
        """Say what is explained of answers to which `target` would be right."""

    def reading(self, whole: reading.Reading, target: Any) -> reading.Reading:
        """Say after which steps of `whole` there is an answer: here, after each."""
        return whole

    @abstractmethod
    def text(self, answer: Array) -> str:
        """Write an answer for a reader."""

    @abstractmethod
    def name(self, target: Any) -> str:
        """Write a target for a reader."""


@final
class Choice(Goal):
    """One of several labels."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)

    def answers(self, outputs: Tensor) -> Tensor:
        """Give each label a probability."""
        return _dense(len(self.labels), "softmax")(outputs[:, 0])

    def guess(self, targets: Array) -> Array:
        """Return how frequent each label is."""
        return np.bincount(targets, minlength=len(self.labels)) / len(targets)

    def error_analysis(
        self, answers: Array, targets: Array, lengths: Array, example: Example
    ) -> ErrorAnalysis:
        """Compare labels."""
        return of_choices(Choices(self.labels, targets, answers), lengths, "steps", example)

    def right(self, answer: Array, target: Any) -> bool:
        """Say whether the most probable label is `target`."""
        return bool(answer.argmax() == target)

    def explain(self, target: Any) -> Callable[[Array], Explained]:
        """Explain the most probable label."""
        return reading.choice(self.labels)

    def text(self, answer: Array) -> str:
        """Name the most probable label and its probability."""
        return f"{self.labels[answer.argmax()]}\t{answer.max():.3f}"

    def name(self, target: Any) -> str:
        """Return the label."""
        return self.labels[target]


@final
class Recall(Goal):
    """Several symbols, one at each of the last steps."""

    def __init__(self, steps: int, symbols: int) -> None:
        self.steps = steps
        self.symbols = symbols

    def answers(self, outputs: Tensor) -> Tensor:
        """Give each symbol a probability at each step."""
        return _dense(self.symbols, "softmax")(outputs)

    def guess(self, targets: Array) -> Array:
        """Return how frequent each symbol is, for each step."""
        counts = np.bincount(targets.ravel(), minlength=self.symbols)
        return np.tile(counts / targets.size, (self.steps, 1))

    def error_analysis(
        self, answers: Array, targets: Array, lengths: Array, example: Example
    ) -> ErrorAnalysis:
        """Count the symbols that are wrong."""
        wrong = (answers.argmax(-1) != targets).sum(-1)
        return _measured(self, wrong, "wrong symbols", answers, targets, lengths, example)

    def right(self, answer: Array, target: Any) -> bool:
        """Say whether all symbols are right."""
        return bool((answer.argmax(-1) == target).all())

    def explain(self, target: Any) -> Callable[[Array], Explained]:
        """Explain how probable each right symbol is."""
        names = [str(symbol) for symbol in range(self.symbols)]
        return reading.each_of(target, names, "right symbol", self.text)

    def reading(self, whole: reading.Reading, target: Any) -> reading.Reading:
        """Take the last steps, one for each symbol, which depend on all that is read."""
        steps = [str(symbol) for symbol in target]
        running = reading.at_every_step
        return replace(whole, steps=steps, noun="symbols", running=running, read=whole.steps)

    def text(self, answer: Array) -> str:
        """List the most probable symbols."""
        return self.name(answer.argmax(-1))

    def name(self, target: Any) -> str:
        """List the symbols."""
        return " ".join(map(str, target))


@final
class Amount(Goal):
    """A number."""

    loss = "mean_squared_error"
    metrics = ("mean_absolute_error",)

    def answers(self, outputs: Tensor) -> Tensor:
        """Give a number."""
        return _dense(1, "linear")(outputs[:, 0])

    def guess(self, targets: Array) -> Array:
        """Return the mean."""
        return targets.mean(keepdims=True)

    def error_analysis(
        self, answers: Array, targets: Array, lengths: Array, example: Example
    ) -> ErrorAnalysis:
        """Measure how far the numbers are off."""
        off = abs(answers[:, 0] - targets)
        return _measured(self, off, "the number", answers, targets, lengths, example)

    def right(self, answer: Array, target: Any) -> bool:
        """Say whether the number is near `target`."""
        return bool(abs(answer[0] - target) < NEAR)

    def explain(self, target: Any) -> Callable[[Array], Explained]:
        """Explain the number."""
        return reading.amount

    def text(self, answer: Array) -> str:
        """Write the number."""
        return self.name(answer[0])

    def name(self, target: Any) -> str:
        """Write the number."""
        return f"{target:.3f}"


def _measured(
    goal: Goal,
    errors: Array,
    unit: str,
    answers: Array,
    targets: Array,
    lengths: Array,
    example: Example,
) -> ErrorAnalysis:
    def read(place: int) -> Mistake:
        return Mistake(example(place), goal.name(targets[place]), goal.text(answers[place]))

    return ErrorAnalysis(errors, unit, lengths, "steps", read)


def _dense(size: int, activation: str) -> keras.layers.Layer:
    return keras.layers.Dense(size, activation=activation, dtype="float32", name="answers")


# The problems.


class Reading(NamedTuple):
    """A text of the user's as inputs, and what the reader should know about it."""

    inputs: Array
    notes: tuple[str, ...] = ()


class Problem(ABC):
    """One thing to remember.

    Attributes:
        inputs: what the steps of its sequences are.
        goal: what their end asks for.
        noun: what the steps are called.
        shortest: the smallest gap that there is.
    """

    inputs: ClassVar[Inputs]
    goal: ClassVar[Goal]
    noun: ClassVar[str]
    shortest: ClassVar[int] = 0

    @abstractmethod
    def shown(self, inputs: Array, name: str) -> str | Picture:
        """Write or draw a sequence called `name` for a reader."""

    @abstractmethod
    def steps(self, inputs: Array) -> Sequence[str]:
        """Name each step of a sequence."""

    @abstractmethod
    def view(self, inputs: Array) -> reading.View:
        """Say what a sequence looks like."""

    def read(self, text: str) -> Reading:
        """Make inputs of what the user types.

        Raises:
            PipelineError: it cannot be understood; most problems have no words at all.
        """
        raise PipelineError(
            f"{text!r} is no number of a test example, and this problem has no words"
        )


@final
class Country(Problem):
    """The country where the narrator grew up is asked for by its language."""

    inputs = Words(len(remembering.WORDS))
    goal = Choice(tuple(remembering.LANGUAGES.values()))
    noun = "words"
    shortest = remembering.SHORTEST

    def shown(self, inputs: Array, name: str) -> str:
        """Write the words."""
        return f"{name}: {' '.join(self.steps(inputs))}"

    def steps(self, inputs: Array) -> Sequence[str]:
        """Name the words."""
        return [remembering.WORDS[each] for each in inputs]

    def view(self, inputs: Array) -> reading.View:
        """Show the words."""
        return reading.Text(self.steps(inputs))

    def read(self, text: str) -> Reading:
        """Look up the words, in any case; those that are unknown are left out, with a note."""
        words = re.findall(r"\w+", text.lower())
        known = [remembering.IDS[word] for word in words if word in remembering.IDS]
        if not known:
            raise PipelineError(
                f"the model knows no word of {text!r}: recurrent predict RUN 1 has some"
            )
        unknown = dict.fromkeys(word for word in words if word not in remembering.IDS)
        notes = (f"the model does not know {', '.join(unknown)}",) if unknown else ()
        return Reading(np.array(known, np.int32), notes)


@final
class Adding(Problem):
    """Two of many numbers are marked; their sum is asked for."""

    inputs = Vectors(2)
    goal = Amount()
    noun = "numbers"
    shortest = 2

    def shown(self, inputs: Array, name: str) -> str:
        """Tell the marked numbers and their places."""
        numbers, marks = inputs.T
        places = np.flatnonzero(marks)
        told = " and ".join(f"{numbers[place]:.3f} at step {place + 1}" for place in places)
        return f"{name}: {told} of {len(inputs)}"

    def steps(self, inputs: Array) -> Sequence[str]:
        """Write the numbers."""
        return [f"{number:.3f}{', marked' if mark else ''}" for number, mark in inputs]

    def view(self, inputs: Array) -> reading.View:
        """Show numbers and marks."""
        numbers, marks = inputs.T
        return reading.Numbers(numbers, marks == 1)


@final
class Copying(Problem):
    """Ten symbols are asked for after many blanks."""

    inputs = Words(remembering.SIGNS)
    goal = Recall(remembering.COPIED, remembering.SYMBOLS)
    noun = "signs"

    def shown(self, inputs: Array, name: str) -> str:
        """Name the symbols and what follows."""
        symbols = self.goal.name(inputs[: remembering.COPIED] - 1)
        return f"{name}: {symbols}, and {len(inputs) - remembering.COPIED} steps more"

    def steps(self, inputs: Array) -> Sequence[str]:
        """Name the signs."""
        return [remembering.NAMES[each] for each in inputs]

    def view(self, inputs: Array) -> reading.View:
        """Show the signs."""
        return reading.Text(self.steps(inputs))


@final
class Rows(Problem):
    """A digit is asked for whose picture was read row by row."""

    inputs = Vectors(handwritten.SIZE)
    goal = Choice(handwritten.LABELS)
    noun = "rows"

    def shown(self, inputs: Array, name: str) -> Picture:
        """Draw the picture, without the rows of nothing after it."""
        pixels = inputs[: handwritten.SIZE]
        return Picture((255 * pixels).astype(np.uint8), name)

    def steps(self, inputs: Array) -> Sequence[str]:
        """Number the rows."""
        return [str(row) for row in range(1, 1 + len(inputs))]

    def view(self, inputs: Array) -> reading.View:
        """Show the rows."""
        return reading.Vectors(inputs, "column")


BY_DATASET: dict[str, Problem] = {
    "country": Country(),
    "adding": Adding(),
    "copying": Copying(),
    **dict.fromkeys(handwritten.SOURCES, Rows()),
}
