"""What the outputs of a model mean: labels, spans, numbers. `answers.mjs` is its twin.

`config.json` holds one of the kinds below as `answer`, with all that turns the first output of a
row into an answer of plain data. The labels are those of `labels.json`.
"""

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from exports.signature import Array

SCRIPT = Path(__file__).with_suffix(".mjs")

Row = np.ndarray | Sequence[str] | str  # of the first input: an array, words or a text
Names = Annotated[tuple[str, ...], Meta(min_length=1)]
Level = Annotated[float, Meta(gt=0, lt=1)]

_BYTES = "uint8"
_PARTS = 4  # of a forecast: the mean and three quantiles


class _Kind(msgspec.Struct, frozen=True, tag_field="type", tag=str.lower):
    has_labels: ClassVar[bool]  # whether it is said in those of `labels.json`


class Label(_Kind, frozen=True):
    """One label for each row: the one with the highest score, `[batch, labels]`.

    An answer is `{"label": "good", "score": 0.9}`.
    """

    has_labels: ClassVar[bool] = True

    def check(self, inputs: Sequence[Array], output: Array) -> None:
        """Raise ValueError unless the output has a score for each label."""
        _scores(output, "[batch, labels]")

    def answer(self, output: np.ndarray, labels: Sequence[str], row: Row) -> dict[str, Any]:
        """Say which label has the highest score, `[labels]`."""
        return _best(output.tolist(), labels)


class Labels(_Kind, frozen=True):
    """All labels whose score, `[batch, labels]`, is above their threshold.

    An answer is `[{"label": "billing", "score": 0.9}, ...]`, the highest score first.

    Attributes:
        thresholds: one for each label, in their order.
    """

    has_labels: ClassVar[bool] = True
    thresholds: Annotated[tuple[float, ...], Meta(min_length=1)]

    def check(self, inputs: Sequence[Array], output: Array) -> None:
        """Raise ValueError unless each score has a threshold."""
        if _scores(output, "[batch, labels]") != len(self.thresholds):
            raise ValueError(
                f"{output.name!r} has {output.shape[-1]} scores, and there are "
                f"{len(self.thresholds)} thresholds"
            )

    def answer(self, output: np.ndarray, labels: Sequence[str], row: Row) -> list[dict[str, Any]]:
        """List the labels whose score, `[labels]`, is above their threshold."""
        found = [
            {"label": label, "score": score}
            for label, score, threshold in zip(
                labels, output.tolist(), self.thresholds, strict=True
            )
            if score > threshold
        ]
        return sorted(found, key=operator.itemgetter("score"), reverse=True)


class Spans(_Kind, frozen=True):
    """A label for each step, `[batch, time, labels]`, and the spans that they make.

    An answer is `{"labels": ["B-PER", "I-PER", "O"], "spans": [{"start": 0, "end": 2, "label":
    "PER", "score": 0.9, "text": "Mary Jones"}]}`. A span ends before the step `end`; its score is
    that of its least probable step. It has a `text` where the steps are words.

    Attributes:
        scheme: what a span is. "entities": of labels such as B-PER, I-PER and O, by the rule of the
            CoNLL shared tasks; "runs": neighbours with one label; "steps": each step.
        padded: whether steps of zeros at the end of the first input are padding, and have no label.
        words: whether the first input has the bytes of words, `[batch, time, bytes]` in UTF-8.
    """

    has_labels: ClassVar[bool] = True
    scheme: Literal["entities", "runs", "steps"] = "runs"
    padded: bool = True
    words: bool = False

    def check(self, inputs: Sequence[Array], output: Array) -> None:
        """Raise ValueError unless the output has scores for each step of the first input."""
        _scores(output, "[batch, time, labels]")
        first = inputs[0]
        if first.dimensions()[1:2] != output.dimensions()[1:2]:
            raise ValueError(f"{output.name!r} has not the steps of {first.name!r}")
        sizes = [len(each.shape) == 3 and each.shape[2] for each in inputs]
        if self.words and (first.dtype != _BYTES or not sizes[0] or sizes[1:]):
            raise ValueError(f"words are one input [batch, time, bytes] of {_BYTES}")

    def answer(self, output: np.ndarray, labels: Sequence[str], row: Row) -> dict[str, Any]:
        """Label each step by its scores, `[time, labels]`, and join the steps to spans.

        `row` is the first input, or the words that it was made of.
        """
        steps = row[: _length(row)] if self.padded else row
        best = [_best(scores, labels) for scores in output[: len(steps)].tolist()]
        texts = words_of(steps) if self.words else None
        tags = [each["label"] for each in best]
        spans = []
        for start, end, label in _SCHEMES[self.scheme](tags):
            score = min(each["score"] for each in best[start:end])
            text = {"text": " ".join(texts[start:end])} if texts else {}
            spans.append({"start": start, "end": end, "label": label, "score": score, **text})
        return {"labels": tags, "spans": spans}


class Numbers(_Kind, frozen=True):
    """Numbers in the units of the data, `[batch, names]`, with intervals `[batch, names, parts]`.

    The parts are the mean, and quantiles that rise: an interval is from the first to the last.
    An answer is `{"height": {"value": 1.7, "interval": [1.6, 1.9], "level": 0.8, "unit": "m"}}`.

    Attributes:
        names: of the numbers.
        level: the fraction of true numbers that an interval should hold; None: without intervals.
        units: of the numbers that have one, by name.
    """

    has_labels: ClassVar[bool] = False
    names: Names
    level: Level | None = None
    units: Mapping[str, str] = msgspec.field(default_factory=dict)

    def check(self, inputs: Sequence[Array], output: Array) -> None:
        """Raise ValueError unless the output has these numbers."""
        _reject_other_names(self.units, self.names)
        wanted = (len(self.names), *([] if self.level is None else ["mean and quantiles"]))
        fits = output.shape[1:2] == (len(self.names),) and len(output.shape) == 1 + len(wanted)
        if not fits or (self.level is not None and (output.shape[-1] or 0) < 3):
            raise ValueError(
                f"numbers are [batch, {', '.join(map(str, wanted))}], and {output.name!r} is "
                f"{list(output.dimensions())}"
            )

    def answer(self, output: np.ndarray, labels: Sequence[str], row: Row) -> dict[str, Any]:
        """Name the numbers, `[names]` or `[names, parts]`."""
        return _named(output.tolist(), self.names, self.level, self.units)


class Forecast(_Kind, frozen=True):
    """How series go on: what a model that forecasts them is given and gives.

    It takes `values` and `known`, `[batch, window, columns]`: what is not known is 0 in `known`. If
    columns are known in advance, it takes them as `future`, `[batch, horizon, columns]`, too. It
    gives the mean and the quantiles 0.1, 0.5 and 0.9, `[batch, horizon, targets, 4]`.

    An answer is `{"step": "1 hour", "ahead": [{"load": {"value": 510.0, "interval": [480.0, 560.0],
    "level": 0.8}}, ...]}`, a mapping for each step ahead.

    Attributes:
        targets: names of the columns that are forecast; they come first in `values`.
        past: names of the columns that are known until now; they come next.
        future: names of the columns that are known in advance; they come last.
        step: the time from one step to the next, in words.
        level: the fraction of true numbers that an interval should hold.
        units: of the targets that have one, by name.
    """

    has_labels: ClassVar[bool] = False
    targets: Names
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    step: str = "1"
    level: Level = 0.8
    units: Mapping[str, str] = msgspec.field(default_factory=dict)

    def check(self, inputs: Sequence[Array], output: Array) -> None:
        """Raise ValueError unless the model has these columns."""
        _reject_other_names(self.units, self.targets)
        columns = len((*self.targets, *self.past, *self.future))
        expected = {"values": columns, "known": columns}
        if self.future:
            expected["future"] = len(self.future)
        found = {each.name: each.shape[-1] for each in inputs}
        ahead = output.shape[2:]
        if found != expected or ahead != (len(self.targets), _PARTS):
            raise ValueError(
                f"a forecast has inputs with these numbers of columns, {expected}, and four "
                f"numbers for each target, and the model has {found} and {list(ahead)}"
            )

    def answer(self, output: np.ndarray, labels: Sequence[str], row: Row) -> dict[str, Any]:
        """Name the numbers of each step ahead, `[horizon, targets, 4]`."""
        ahead = [_named(each, self.targets, self.level, self.units) for each in output.tolist()]
        return {"step": self.step, "ahead": ahead}


Answer = Label | Labels | Spans | Numbers | Forecast


class Entity(NamedTuple):
    """A span of steps, from `start` to before `end`, of one kind."""

    start: int
    end: int
    kind: str


def entities(tags: Sequence[str]) -> Iterator[Entity]:
    """Give the entities in tags such as B-PER, I-PER and O, by the rule of the CoNLL shared tasks.

    One begins at B, and at an I whose kind is not that of the entity before it. So a sequence of
    tags that is not well-formed has entities, too.
    """
    start, kind = 0, ""
    for place, tag in enumerate([*tags, "O"]):
        _, _, now = tag.partition("-")
        continues = tag.startswith("I-") and now == kind
        if kind and not continues:
            yield Entity(start, place, kind)
        if not continues:
            start, kind = place, now


def spell(sentences: Sequence[Sequence[str]], length: int) -> np.ndarray:
    """Return the first bytes of words in UTF-8, zeros behind them, `[sentences, words, length]`."""
    spelled = np.zeros((len(sentences), max(map(len, sentences)), length), np.uint8)
    for row, words in zip(spelled, sentences, strict=True):
        for place, word in zip(row, words, strict=False):
            octets = word.encode()[:length]
            place[: len(octets)] = np.frombuffer(octets, np.uint8)
    return spelled


def words_of(row: Row) -> list[str]:
    """Return the words that bytes spell, `[words, length]`; a list of words is what it is."""
    if not isinstance(row, np.ndarray):
        return [*row]
    return [bytes(word).rstrip(b"\0").decode(errors="replace") for word in row.tolist()]


def _runs(tags: Sequence[str]) -> Iterator[Entity]:
    start = 0
    for tag, same in itertools.groupby(tags):
        end = start + len([*same])
        yield Entity(start, end, tag)
        start = end


def _steps(tags: Sequence[str]) -> Iterator[Entity]:
    for place, tag in enumerate(tags):
        yield Entity(place, place + 1, tag)


_SCHEMES: Mapping[str, Callable[[Sequence[str]], Iterator[Entity]]] = {
    "entities": entities,
    "runs": _runs,
    "steps": _steps,
}


def _best(scores: Sequence[float], labels: Sequence[str]) -> dict[str, Any]:
    place = max(range(len(scores)), key=scores.__getitem__)
    return {"label": labels[place], "score": scores[place]}


def _length(row: Row) -> int:
    """Count the steps of a row, without those of zeros at its end."""
    if not isinstance(row, np.ndarray):
        return len(row)
    filled = np.flatnonzero(row.reshape(len(row), -1).any(-1))
    return int(filled[-1]) + 1 if len(filled) else 0


def _named(
    numbers: Iterable[Any], names: Sequence[str], level: float | None, units: Mapping[str, str]
) -> dict[str, Any]:
    """Name numbers, each the mean and rising quantiles if there is a `level`."""
    named: dict[str, Any] = {}
    for name, number in zip(names, numbers, strict=True):
        unit = {"unit": units[name]} if name in units else {}
        if level is None:
            named[name] = {"value": number, **unit}
        else:
            mean, low, *_, high = number
            named[name] = {"value": mean, "interval": [low, high], "level": level, **unit}
    return named


def _scores(output: Array, wanted: str) -> int:
    """Return how many scores there are in the shape `wanted`."""
    size = output.shape[-1]
    if len(output.shape) != wanted.count(",") + 1 or size is None:
        raise ValueError(
            f"scores of labels are {wanted}, and {output.name!r} is {list(output.dimensions())}"
        )
    return size


def _reject_other_names(units: Mapping[str, str], names: Sequence[str]) -> None:
    if unknown := units.keys() - {*names}:
        raise ValueError(f"the unit of {min(unknown)!r} is that of no number: there are {names}")
