"""Texts out of a model that gives the probability of one symbol after another."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from exports.errors import InvalidArgumentError
from exports.runtime.tokens import TOKENIZERS, UNKNOWN
from exports.schema import Source, Writing
from exports.signature import Arrays, Run, Signature

Integers = npt.NDArray[np.integer[Any]]
Scores = npt.NDArray[np.floating[Any]]
Step = Callable[[Integers, Integers, Any], tuple[Scores, Any]]

# The same for JavaScript, held to this module by tests.
SCRIPT = Path(__file__).with_suffix(".mjs")
_HOTTEST = 100  # where all symbols are as good as alike


class Hypothesis(NamedTuple):
    """A whole sequence, without its start and its end, and its log-probability, end included."""

    symbols: tuple[int, ...]
    score: float


@dataclass(frozen=True)
class Sampling:
    """How a symbol is drawn.

    Attributes:
        temperature: below 1, likely symbols become more likely; 0 takes the likeliest.
        top_p: only the likeliest symbols that together have this probability may be drawn.
        top_k: only so many of the likeliest symbols may be drawn; 0: all.
        seed: the same one draws the same.

    Raises:
        InvalidArgumentError: one of them is out of bounds.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Hold the numbers to their bounds."""
        if not 0 <= self.temperature <= _HOTTEST:
            raise InvalidArgumentError(
                f"the temperature must be 0 to {_HOTTEST}, not {self.temperature}"
            )
        if not 0 < self.top_p <= 1:
            raise InvalidArgumentError(f"top_p must be above 0 and at most 1, not {self.top_p}")
        for name in ("top_k", "seed"):
            if getattr(self, name) < 0:
                raise InvalidArgumentError(
                    f"the {name} must be 0 or more, not {getattr(self, name)}"
                )

    def draw(self, probabilities: Scores, random: np.random.Generator) -> int:
        """Draw a symbol from the probabilities of all of them, whatever these add up to."""
        if self.temperature == 0:
            return int(probabilities.argmax())
        with np.errstate(divide="ignore", over="ignore"):
            logarithms = np.log(probabilities.astype("float64") / probabilities.max())
            weights = np.exp(logarithms / self.temperature)
        order = np.argsort(-weights, kind="stable")
        ordered = weights[order] / weights.sum()
        before = np.cumsum(ordered) - ordered
        ordered[before >= self.top_p] = 0.0
        if self.top_k:
            ordered[self.top_k :] = 0.0
        return int(random.choice(order, p=ordered / ordered.sum()))


class Written(NamedTuple):
    """A text that a model wrote.

    Attributes:
        text: without its start and its end.
        probability: that the model gives it, its end included.
        symbols: the numbers of its tokens.
    """

    text: str
    probability: float
    symbols: tuple[int, ...]


class Writer:
    """Writes texts by the two halves of a model: what it reads, and one symbol more.

    Args:
        writing: how the model writes.
        labels: the name of each symbol.
        step: `decode_step`, or `step` of a model that goes on with a text.
        signature: of `step`.
        encode: reads the inputs; None: the model goes on with a text.
    """

    def __init__(
        self,
        writing: Writing,
        labels: Sequence[str],
        step: Run,
        signature: Signature,
        encode: Run | None = None,
    ) -> None:
        self.writing, self._labels, self._step, self._encode = writing, labels, step, encode
        self._tokenizer = TOKENIZERS[writing.unit]
        self._places = {token: place for place, token in enumerate(labels)}
        (self._previous,) = (each for each in signature.inputs if each.name == writing.previous)
        self._output = signature.outputs[0].name
        after = {each.name for each in signature.outputs}
        self._states = [each for each in signature.inputs if f"{each.name}.next" in after]
        others = {writing.previous, *(state.name for state in self._states)}
        self._memory = [each.name for each in signature.inputs if each.name not in others]

    def search(self, inputs: Arrays, width: int, longest: int) -> list[list[Written]]:
        """Return the most probable texts for each row of what is read, the best one first."""
        writing = self.writing
        assert self._encode is not None and writing.start is not None and writing.end is not None
        found = beam_search(
            self._advance,
            self._encode(inputs),
            len(next(iter(inputs.values()))),
            start=writing.start,
            end=writing.end,
            width=width,
            longest=longest,
            length_penalty=writing.length_penalty,
        )
        return [[self._written(*each) for each in row] for row in found]

    def draw(self, inputs: Arrays, sampling: Sampling, longest: int) -> Iterator[str]:
        """Draw a text for a single row of what is read, and give each piece once it is there."""
        assert self._encode is not None and self.writing.start is not None
        yield from self._drawn(
            "", *self._next(self.writing.start, self._encode(inputs)), sampling, longest
        )

    def go_on(self, text: str, sampling: Sampling, longest: int) -> Iterator[str]:
        """Draw what comes behind a text, and give each piece once it is there.

        An empty text is begun behind a line break.
        """
        tokens = self._tokenizer.split(text) or ["\n"]
        ids = np.array(
            [[self._places.get(token, UNKNOWN) for token in tokens]], self._previous.dtype
        )
        states = {
            each.name: np.zeros([size or 1 for size in each.shape], each.dtype)
            for each in self._states
        }
        outputs = self._step({self._previous.name: ids, **states})
        yield from self._drawn(
            text, outputs[self._output][0, -1], self._carried(outputs), sampling, longest
        )

    def _drawn(
        self, text: str, probabilities: Scores, states: Arrays, sampling: Sampling, longest: int
    ) -> Iterator[str]:
        random = np.random.default_rng(sampling.seed)
        for _ in range(longest):
            possible = probabilities.copy()
            possible[list(self.writing.never)] = 0.0
            symbol = sampling.draw(possible, random)
            if symbol == self.writing.end:
                return
            piece = self._tokenizer.spelled(self._labels[symbol], text)
            yield piece
            text += piece
            probabilities, states = self._next(symbol, states)

    def _next(self, symbol: int, states: Arrays) -> tuple[Scores, Arrays]:
        """Write a symbol of a single text; return what may come next, the memory and the states."""
        symbols = np.full((1,) * len(self._previous.shape), symbol, self._previous.dtype)
        outputs = self._step({self._previous.name: symbols, **states})
        probabilities = outputs[self._output].reshape(-1)
        return probabilities, {**self._kept(states), **self._carried(outputs)}

    def _advance(
        self, symbols: Integers, parents: Integers, states: Arrays
    ) -> tuple[Scores, Arrays]:
        """Write a symbol for each hypothesis, as `beam_search` wants it."""
        before = {name: values[parents] for name, values in states.items()}
        given = symbols.astype(self._previous.dtype)
        outputs = self._step({self._previous.name: given, **before})
        odds = outputs[self._output].astype("float64")
        odds[:, list(self.writing.never)] = 0.0
        with np.errstate(divide="ignore"):
            scores = np.log(odds)
        return scores, {**self._kept(before), **self._carried(outputs)}

    def _kept(self, states: Arrays) -> Arrays:
        return {name: states[name] for name in self._memory}

    def _carried(self, outputs: Arrays) -> Arrays:
        return {each.name: outputs[f"{each.name}.next"] for each in self._states}

    def _written(self, symbols: tuple[int, ...], score: float) -> Written:
        text = self._tokenizer.join(self._labels[symbol] for symbol in symbols)
        return Written(text, math.exp(score), symbols)


def source_ids(source: Source, texts: Sequence[str]) -> Arrays:
    """Return the ids of the tokens of texts, padded to the longest `[batch, time]`."""
    places = {token: place for place, token in enumerate(source.known, start=1)}
    unknown, split = len(source.known) + 1, TOKENIZERS[source.unit].split
    rows = [[places.get(token, unknown) for token in split(text)] for text in texts]
    ids = np.zeros((len(rows), max([1, *map(len, rows)])), "int32")
    for row, known in zip(ids, rows, strict=True):
        row[: len(known)] = known
    return {source.input: ids}


def beam_search(
    step: Step,
    states: Any,
    rows: int,
    *,
    start: int,
    end: int,
    width: int,
    longest: int,
    length_penalty: float = 0.0,
) -> list[list[Hypothesis]]:
    """Find probable sequences for each of so many `rows`.

    All rows are searched together. After each symbol, the `width` most probable hypotheses of a row
    are kept, those that came to their end among them; a row is done once all of its own have. So a
    `width` of 1 is the greedy search, and one of as many sequences as there are misses none.

    Args:
        step: takes the last `symbols` `[n]` of some hypotheses, their `parents` `[n]` and the
            states of all parents: those that it returned last, or at first `states`. It returns
            the log-probability of each next symbol `[n, symbols]`, minus infinity where there can
            be none, and the states of these hypotheses, one after the other.
        states: of the rows, before the first symbol; the parents are the numbers of the rows.
        rows: how many there are.
        start: the symbol before the first one.
        end: the symbol after the last one.
        width: hypotheses kept for each row.
        longest: symbols of a sequence, at most, besides its start and its end.
        length_penalty: alpha in score / length ** alpha, by which whole sequences are ordered; the
            end counts for the length (Wu et al., 2016, "Google's neural machine translation
            system", without its constant). At 0, they are ordered by their probability.

    Returns:
        For each row, up to `width` hypotheses, the best one first. There are fewer where no more
        are possible.
    """
    symbols = np.full((rows, width, 1), start)
    scores = np.full((rows, width), -np.inf)
    scores[:, 0] = 0.0
    places = np.repeat(np.arange(rows)[:, None], width, axis=1)  # of their parents in `states`
    for number in range(longest + 1):
        live = (scores > -np.inf) & ((symbols[:, :, -1] != end) | (number == 0))
        if not live.any():
            break
        gains, states = step(symbols[live][:, -1], places[live], states)
        totals = np.full((*live.shape, gains.shape[-1]), -np.inf)
        totals[live] = scores[live][:, None] + gains
        totals[~live, end] = scores[~live]  # what has ended ends again, at no cost
        if number == longest:
            totals[:, :, np.arange(gains.shape[-1]) != end] = -np.inf
        places[live] = np.arange(len(gains))
        best = _best(totals.reshape(rows, -1), width)
        parents, following = np.divmod(best, gains.shape[-1])
        symbols = np.take_along_axis(symbols, parents[:, :, None], axis=1)
        symbols = np.concatenate([symbols, following[:, :, None]], axis=2)
        scores = np.take_along_axis(totals.reshape(rows, -1), best, axis=1)
        places = np.take_along_axis(places, parents, axis=1)

    def rank(hypothesis: Hypothesis) -> float:
        return hypothesis.score / (1 + len(hypothesis.symbols)) ** length_penalty

    return [
        sorted(
            (_hypothesis(*pair, end) for pair in zip(*row, strict=True) if pair[1] > -np.inf),
            key=rank,
            reverse=True,
        )
        for row in zip(symbols, scores, strict=True)
    ]


def _best(values: Scores, count: int) -> Integers:
    """The places of the `count` largest numbers of each row, the largest first."""
    places = np.argpartition(-values, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(values, places, axis=1), axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1)


def _hypothesis(symbols: Integers, score: float, end: int) -> Hypothesis:
    """Cut `symbols` behind the start and before the first end."""
    inner = symbols[1:].tolist()
    return Hypothesis(tuple(inner[: inner.index(end)]), float(score))
