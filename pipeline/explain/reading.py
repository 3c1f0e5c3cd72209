"""How a subject is read, step by step, and which number of the answer is explained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from pipeline import batches
from pipeline.examples import Compute
from pipeline.models import seq2seq

Array = npt.NDArray[Any]
Inputs = Mapping[str, Array]
Tensor = Any


# What a subject looks like.


@dataclass(frozen=True)
class Text:
    """A text in tokens, as the reader knows them; `between` stands between two of them."""

    tokens: Sequence[str]
    between: str = " "


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors, `[steps, features]`, such as the spectrum of sound over time."""

    values: Array
    feature: str


@dataclass(frozen=True, eq=False)
class Numbers:
    """Numbers `[steps]`, some of which are `marked`."""

    values: Array
    marked: Array


@dataclass(frozen=True, eq=False)
class Path:
    """Positions `[steps, 3]` in metres, `rate` a second, and where they went on if it is known.

    After each step, the answers say where the path will be, `[steps, moments, 3]`.
    """

    positions: Array
    rate: float
    future: Array | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels `[height, width, channels]`, from 0 to 255."""

    pixels: Array


Strip = Vectors | Numbers  # what is drawn along the steps
View = Text | Strip | Path | Picture


# What of the answer is explained.


class Explained(NamedTuple):
    """What of an answer is explained.

    Attributes:
        name: of the number that is explained.
        score: that number, of the model's outputs; if it is several, `[n]`, one for each step.
        curves: by name, what the answers say after each step, `[steps]`; the first is explained.
        quantity: what the curves count.
        said: what the model says after each step, in words.
        answer: what it says of the whole subject.
    """

    name: str
    score: Callable[[Tensor], Tensor]
    curves: Mapping[str, Array]
    quantity: str
    said: Sequence[str]
    answer: str


@dataclass(frozen=True, eq=False)
class Reading:
    """How a subject is read.

    Attributes:
        model: what reads it: the model of a run, or all of it that comes after these inputs.
        name: what the subject is called.
        inputs: the subject, a batch of its own, by the names of the model's inputs.
        time: name of the input whose second axis is the steps, or ends with them.
        steps: what each step is, in a word.
        noun: what the steps are called.
        running: gives what the model, a function, answers after each step: `after_prefixes`,
            `after_prefixes_one_by_one` or `at_every_step`.
        explain: says what of these answers is explained.
        view: what the subject looks like.
        source: name of the input on which the answer is seen to depend.
        read: what each step of `source` is, if the answers are not given after each of these.
        ahead: whether the answer at a step depends on those after it.
    """

    model: keras.Model
    name: str
    inputs: Inputs
    time: str
    steps: Sequence[str]
    noun: str
    running: Callable[[Compute, "Reading"], Array]
    explain: Callable[[Array], Explained]
    view: View
    source: str
    read: Sequence[str] | None = None
    ahead: bool = False


# Answers after each step.


def after_prefixes(compute: Compute, reading: Reading) -> Array:
    """Ask a model that takes zeros for padding about each beginning, of one step, of two, ..."""
    (rows,) = reading.inputs[reading.time]
    lengths = np.arange(1, 1 + len(rows))
    return batches.mapped(compute, batches.frames([rows[:each] for each in lengths], lengths))


def after_prefixes_one_by_one(compute: Compute, reading: Reading) -> Array:
    """Ask a model that knows no padding about each beginning, of one step, of two, and so on."""
    inputs = reading.inputs[reading.time]
    lengths = range(1, 1 + inputs.shape[1])
    return np.concatenate([compute(inputs[:, :length]) for length in lengths])


def at_every_step(compute: Compute, reading: Reading) -> Array:
    """Take the outputs of a model that has one at each step."""
    outputs: Array = compute(given(reading.inputs))[0]
    return outputs


def given(inputs: Inputs) -> Any:
    """Return what the model is called with: an array, or arrays by name if it takes several."""
    return inputs if len(inputs) > 1 else next(iter(inputs.values()))


# Answers that several tasks give.


def choice(labels: Sequence[str]) -> Callable[[Array], Explained]:
    """Explain the most probable of `labels`: by how much its logarithm beats all others."""

    def explain(answers: Array) -> Explained:
        chosen = int(answers[-1].argmax())
        likely = np.argsort(-answers.max(0), kind="stable").tolist()
        order = [chosen, *(place for place in likely if place != chosen)]
        said = [f"{labels[row.argmax()]} {row.max():.3f}" for row in answers]
        return Explained(
            f"the log odds of {labels[chosen]}",
            lambda outputs: _log_odds(outputs[:, chosen], outputs, chosen),
            {labels[place]: answers[:, place] for place in order},
            "probability",
            said,
            answer=said[-1],
        )

    return explain


def likeliest(labels: Sequence[str]) -> Callable[[Array], Explained]:
    """Explain the most probable of `labels`, each of which has a probability of its own."""

    def explain(answers: Array) -> Explained:
        chosen = int(answers[-1].argmax())
        order = np.argsort(-answers[-1], kind="stable").tolist()
        said = [f"{labels[row.argmax()]} {row.max():.3f}" for row in answers]

        def log_odds(outputs: Tensor) -> Tensor:
            return ops.log(outputs[:, chosen]) - ops.log(1 - outputs[:, chosen])

        curves = {labels[place]: answers[:, place] for place in order}
        name = f"the log odds of {labels[chosen]}"
        return Explained(name, log_odds, curves, "probability", said, answer=said[-1])

    return explain


def amount(answers: Array) -> Explained:
    """Explain the number that is answered."""
    (numbers,) = answers.T
    said = [f"{each:.3f}" for each in numbers]
    return Explained(
        "the answer",
        lambda outputs: outputs[:, 0],
        {"the answer": numbers},
        "answer",
        said,
        answer=said[-1],
    )


def each_of(
    symbols: Sequence[int], names: Sequence[str], what: str, answer: Callable[[Array], str]
) -> Callable[[Array], Explained]:
    """Explain how probable each of `symbols` is, one at each step."""
    steps = np.arange(len(symbols))

    def explain(answers: Array) -> Explained:
        return Explained(
            f"the log-probability of each {what}",
            lambda outputs: ops.log(
                ops.take_along_axis(outputs[0], ops.convert_to_tensor(symbols)[:, None], axis=-1)
            )[:, 0],
            {f"the {what}": answers[steps, symbols]},
            "probability",
            [f"{names[row.argmax()]} {row.max():.3f}" for row in answers],
            answer(answers),
        )

    return explain


def coming(ids: Array, names: Sequence[str], what: str) -> Callable[[Array], Explained]:
    """Explain the likeliest to come after all `ids`; each of them may have been expected or not."""

    def explain(answers: Array) -> Explained:
        likeliest = int(answers[-1].argmax())
        expected = answers[np.arange(len(ids) - 1), ids[1:]]
        said = [f"{names[row.argmax()]} {row.max():.3f} comes next" for row in answers]
        return Explained(
            f"the log odds that {names[likeliest]} comes next",
            lambda outputs: _log_odds(outputs[:, -1, likeliest], outputs[:, -1], likeliest),
            {f"the {what}, before it was read": np.concatenate([[np.nan], expected])},
            "probability",
            said,
            answer=said[-1],
        )

    return explain


def _log_odds(chosen: Tensor, probabilities: Tensor, place: int) -> Tensor:
    """Return log p / (1 - p), exact for any p."""
    others = ops.concatenate([probabilities[:, :place], probabilities[:, place + 1 :]], axis=-1)
    return ops.log(chosen) - ops.log(ops.sum(others, axis=-1))


# How several tasks read.


def written(
    model: keras.Model,
    name: str,
    given: Inputs,
    symbols: Sequence[int],
    names: Sequence[str],
    noun: str,
    view: View | None = None,
    read: Sequence[str] | None = None,
) -> Reading:
    """Read what is `given` to a model that then writes `symbols`, one after the other.

    Args:
        model: takes what is given, and the symbols that are `previous`.
        name: what the subject is called.
        given: one input.
        symbols: what it writes, without the boundaries.
        names: of all symbols.
        noun: what a symbol is called.
        view: what the subject looks like; None: as the symbols do.
        read: what each step of the input is, if it has steps.
    """
    (source,) = given
    told = [*symbols, seq2seq.BOUNDARY]
    steps = [names[each] for each in told]
    return Reading(
        model=model,
        name=name,
        inputs={**given, "previous": np.array([[seq2seq.BOUNDARY, *symbols]], np.int32)},
        time="previous",
        steps=steps,
        noun=f"{noun}s",
        running=at_every_step,
        explain=each_of(told, names, f"{noun} that is written", lambda _: " ".join(steps[:-1])),
        view=view or Text(steps),
        source=source,
        read=read,
    )
