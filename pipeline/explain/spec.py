"""How an input is read, step by step, and which number of the answer is explained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from pipeline import batches, distribution
from pipeline.examples import Compute
from pipeline.models import seq2seq

Array = npt.NDArray[Any]
Inputs = Mapping[str, Array]
Tensor = Any


# What an input looks like.


@dataclass(frozen=True)
class Text:
    """A text in tokens, as the reader knows them; `between` stands between two of them."""

    tokens: Sequence[str]
    between: str = " "


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors, `[steps, features]`, such as the spectrum of sound over time.

    Attributes:
        values: the vectors.
        feature: what one of the features is called.
        names: of the features, if they have some.
    """

    values: Array
    feature: str
    names: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels `[height, width, channels]`, from 0 to 255."""

    pixels: Array


View = Text | Vectors | Picture


# What of the answer is explained.


class Explained(NamedTuple):
    """What of an answer is explained.

    Attributes:
        name: of the number that is explained.
        score: that number, of the model's outputs; if it is several, `[n]`, one for each step.
        curves: by name, what the answers say after each step, `[steps]`; the first is explained.
        quantity: what the curves count.
        said: what the model says after each step, in words.
        answer: what it says of the whole input.
    """

    name: str
    score: Callable[[Tensor], Tensor]
    curves: Mapping[str, Array]
    quantity: str
    said: Sequence[str]
    answer: str


@dataclass(frozen=True, eq=False)
class ExplainSpec:
    """How an input is read.

    Attributes:
        model: what reads it: the model of a run, or all of it that comes after these inputs.
        name: what the input is called.
        inputs: the input, a batch of its own, by the names of the model's inputs.
        time: name of the input whose second axis is the steps, or ends with them.
        steps: what each step is, in a word.
        noun: what the steps are called.
        running: gives what the model, a function, answers after each step: `after_prefixes`,
            `after_prefixes_one_by_one` or `at_every_step`.
        explain: says what of these answers is explained.
        view: what the input looks like.
        source: name of the input on which the answer is seen to depend.
        read: what each step of `source` is, if the answers are not given after each of these.
        ahead: whether the answer at a step depends on those after it.
        attention: a model of the same inputs, of how much each step attends to each of `read`,
            `[batch, steps, read]`; None: the model has no attention.
        notes: what the reader should know about the input.
    """

    model: keras.Model
    name: str
    inputs: Inputs
    time: str
    steps: Sequence[str]
    noun: str
    running: Callable[[Compute, "ExplainSpec"], Array]
    explain: Callable[[Array], Explained]
    view: View
    source: str
    read: Sequence[str] | None = None
    ahead: bool = False
    attention: keras.Model | None = None
    notes: Sequence[str] = ()


# Answers after each step.


def after_prefixes(compute: Compute, spec: ExplainSpec) -> Array:
    """Ask a model that takes zeros for padding about each beginning, of one step, of two, ..."""
    (rows,) = spec.inputs[spec.time]
    lengths = np.arange(1, 1 + len(rows))
    return batches.mapped(compute, batches.frames([rows[:each] for each in lengths], lengths))


def after_prefixes_one_by_one(compute: Compute, spec: ExplainSpec) -> Array:
    """Ask a model that knows no padding about each beginning, of one step, of two, and so on."""
    inputs = spec.inputs[spec.time]
    lengths = range(1, 1 + inputs.shape[1])
    return np.concatenate([compute(inputs[:, :length]) for length in lengths])


def at_every_step(compute: Compute, spec: ExplainSpec) -> Array:
    """Take the outputs of a model that has one at each step."""
    outputs: Array = compute(given(spec.inputs))[0]
    return outputs


def given(inputs: Inputs) -> Any:
    """Return what the model is called with: an array, or arrays by name if it takes several."""
    return inputs if len(inputs) > 1 else next(iter(inputs.values()))


# Answers that several tasks give.


def choice(labels: Sequence[str]) -> Callable[[Array], Explained]:
    """Explain the most probable of `labels`: by how much its logarithm beats all others."""

    def explain(predictions: Array) -> Explained:
        chosen = int(predictions[-1].argmax())
        likely = np.argsort(-predictions.max(0), kind="stable").tolist()
        order = [chosen, *(place for place in likely if place != chosen)]
        said = [f"{labels[row.argmax()]} {row.max():.3f}" for row in predictions]
        return Explained(
            f"the log odds of {labels[chosen]}",
            lambda outputs: _log_odds(outputs[:, chosen], outputs, chosen),
            {labels[place]: predictions[:, place] for place in order},
            "probability",
            said,
            answer=said[-1],
        )

    return explain


def likeliest(labels: Sequence[str]) -> Callable[[Array], Explained]:
    """Explain the most probable of `labels`, each of which has a probability of its own."""

    def explain(predictions: Array) -> Explained:
        chosen = int(predictions[-1].argmax())
        order = np.argsort(-predictions[-1], kind="stable").tolist()
        said = [f"{labels[row.argmax()]} {row.max():.3f}" for row in predictions]

        def log_odds(outputs: Tensor) -> Tensor:
            return ops.log(outputs[:, chosen]) - ops.log(1 - outputs[:, chosen])

        curves = {labels[place]: predictions[:, place] for place in order}
        name = f"the log odds of {labels[chosen]}"
        return Explained(name, log_odds, curves, "probability", said, answer=said[-1])

    return explain


def mean_of(
    name: str, quantity: str, taken: Callable[[Any], Any], answer: Callable[[Array], str]
) -> Callable[[Array], Explained]:
    """Explain the mean of a number that is predicted with its quantiles.

    Args:
        name: of the number.
        quantity: what it counts.
        taken: takes its mean and quantiles `[rows, 4]` from the outputs.
        answer: says in words what a row of the outputs predicts.
    """

    def explain(predictions: Array) -> Explained:
        rows = taken(predictions)
        _, low, _, high = distribution.NAMES
        return Explained(
            name,
            lambda outputs: taken(outputs)[:, 0],
            {name: rows[:, 0], low: rows[:, 1], high: rows[:, 3]},
            quantity,
            list(map(distribution.told, rows)),
            answer(predictions[-1]),
        )

    return explain


def each_of(
    symbols: Sequence[int], names: Sequence[str], what: str, answer: str
) -> Callable[[Array], Explained]:
    """Explain how probable each of `symbols` is, one at each step."""
    steps = np.arange(len(symbols))

    def explain(predictions: Array) -> Explained:
        return Explained(
            f"the log-probability of each {what}",
            lambda outputs: ops.log(
                ops.take_along_axis(outputs[0], ops.convert_to_tensor(symbols)[:, None], axis=-1)
            )[:, 0],
            {f"the {what}": predictions[steps, symbols]},
            "probability",
            [f"{names[row.argmax()]} {row.max():.3f}" for row in predictions],
            answer,
        )

    return explain


def coming(ids: Array, names: Sequence[str], what: str) -> Callable[[Array], Explained]:
    """Explain the likeliest to come after all `ids`; each of them may have been expected or not."""

    def explain(predictions: Array) -> Explained:
        likeliest = int(predictions[-1].argmax())
        expected = predictions[np.arange(len(ids) - 1), ids[1:]]
        said = [f"{names[row.argmax()]} {row.max():.3f} comes next" for row in predictions]
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
    answer: str,
    view: View | None = None,
    read: Sequence[str] | None = None,
    attention: keras.Model | None = None,
    notes: Sequence[str] = (),
) -> ExplainSpec:
    """Read what is `given` to a model that then writes `symbols`, one after the other.

    Args:
        model: takes what is given, and the symbols that are `previous`.
        name: what the input is called.
        given: one input.
        symbols: what it writes, without the boundaries.
        names: of all symbols.
        noun: what a symbol is called.
        answer: the text that the symbols make.
        view: what the input looks like; None: as the symbols do.
        read: what each step of the input is, if it has steps.
        attention: a model of how much each symbol attends to each of them, if it does.
        notes: what the reader should know about the input.
    """
    (source,) = given
    told = [*symbols, seq2seq.BOUNDARY]
    steps = [names[each] for each in told]
    return ExplainSpec(
        model=model,
        name=name,
        inputs={**given, "previous": np.array([[seq2seq.BOUNDARY, *symbols]], np.int32)},
        time="previous",
        steps=steps,
        noun=f"{noun}s",
        running=at_every_step,
        explain=each_of(told, names, f"{noun} that is written", answer),
        view=view or Text(steps),
        source=source,
        read=read,
        attention=attention,
        notes=notes,
    )
