"""Findings about labels of steps: sentences in which the wrong ones are marked, and entities."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from exports.answers import Entity
from pipeline import entities
from pipeline.entities import Difference
from pipeline.error_analysis import measure
from pipeline.error_analysis.findings import Cell, Finding, Piece, Table, Text

_BESIDE = 6  # words on either side of what is shown of a sentence
_LONGEST = 100  # words of a sentence that are shown
_EXAMPLES = 3  # of each kind of error


class PredictedSteps(NamedTuple):
    """An example with the labels of its steps.

    Attributes:
        name: what it is called, if it has no words.
        words: what its steps are, if they are words.
        truth: the right label of each step; None where it is not known.
        predicted: the label that the model gives each.
    """

    name: str
    words: Sequence[str] | None
    truth: Sequence[str | None]
    predicted: Sequence[str]

    @property
    def notes(self) -> list[str]:
        """What is wrong with each step, if anything."""
        return [
            "" if truth in (None, predicted) else f"{truth}, not {predicted}"
            for truth, predicted in zip(self.truth, self.predicted, strict=True)
        ]

    @property
    def wrong(self) -> list[int]:
        """The steps whose label is wrong."""
        return [step for step, note in enumerate(self.notes) if note]

    @property
    def tags(self) -> tuple[list[str], list[str]]:
        """Both tags of each step; a step whose tag is not known is outside of entities."""
        pairs = [
            (truth, predicted) if truth else (entities.OUTSIDE, entities.OUTSIDE)
            for truth, predicted in zip(self.truth, self.predicted, strict=True)
        ]
        return [truth for truth, _ in pairs], [predicted for _, predicted in pairs]

    def around(self, first: int, last: int) -> list[Piece]:
        """Show the steps from `first` to `last` between their neighbours."""
        if self.words is None:
            return [Piece(f"{self.name}, step {first + 1}")]
        return self._between(max(0, first - _BESIDE), min(len(self.words), last + 1 + _BESIDE))

    def whole(self) -> list[Piece]:
        """Show all steps; of many, those around the first that are wrong."""
        if self.words is None:
            stretches = _separated(itertools.islice(self._stretches(), _LONGEST), ", ")
            return [Piece(f"{self.name}: "), *stretches]
        if len(self.words) <= _LONGEST:
            return self._between(0, len(self.words))
        wrong = self.wrong
        return self.around(wrong[0], min(wrong[-1], wrong[0] + _LONGEST))

    def _between(self, start: int, end: int) -> list[Piece]:
        """Show the words from `start` to before `end`."""
        assert self.words is not None
        shown = map(Piece, self.words[start:end], self.notes[start:end])
        return _cut_out(_separated(shown, " "), start > 0, end < len(self.words))

    def _stretches(self) -> Iterator[Piece]:
        """Show from which step to which both labels stay as they are."""
        start = 1
        for (predicted, note), same in itertools.groupby(
            zip(self.predicted, self.notes, strict=True)
        ):
            end = start + len([*same]) - 1
            span = f"{start}-{end}" if end > start else f"{start}"
            yield Piece(span if note else f"{span} {predicted}", note)
            start = end + 1


def of_entities(examples: Sequence[PredictedSteps]) -> Finding:
    """Show how well entities of each kind are found, and what is wrong with those that are not."""
    tags = [each.tags for each in examples]
    found = entities.by_kind(*zip(*tags, strict=True))
    rows = [
        [
            kind,
            *(f"{each[name]:.4f}" for name in ("precision", "recall", "f1")),
            *(f"{each[name]:,}" for name in ("true", "found")),
        ]
        for kind, each in found.items()
    ]
    heads = ["kind", "precision", "recall", "F1", "support", "predicted"]
    caption = "How well entities are found; one is right if its span and its kind are"
    by_kind = Table(caption, heads, rows)
    return Finding("Entities", [by_kind, _differences(examples)])


def _differences(examples: Sequence[PredictedSteps]) -> Table | Text:
    """List kinds of errors, each with a few examples in their sentence."""
    kinds: dict[str, list[tuple[PredictedSteps, Difference]]] = {}
    for example in examples:
        for difference in entities.differences(*example.tags):
            kinds.setdefault(difference.error, []).append((example, difference))
    if not kinds:
        return Text("All entities are found, and no others.")
    rows: list[list[Cell]] = [
        [error, f"{len(found):,}", measure.lines(_shown(*each) for each in found[:_EXAMPLES])]
        for error, found in sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    return Table("What is wrong with entities", ["error", "entities", "the first ones"], rows)


def _shown(example: PredictedSteps, difference: Difference) -> list[Piece]:
    """Show an entity in its sentence: the right one, and what the model found."""
    both = [each for each in (difference.true, difference.found) if each]
    start, end = min(each.start for each in both), max(each.end for each in both)
    right, said = (_named(example, each) for each in (difference.true, difference.found))
    note = f"right: {right}; the model: {said}"
    if example.words is None:
        return [Piece(f"{example.name}: "), Piece(f"steps {start + 1}-{end}", note)]
    first, last = max(0, start - _BESIDE), min(len(example.words), end + _BESIDE)
    spans = [(first, start), (start, end), (end, last)]
    before, inside, after = (" ".join(example.words[slice(*span)]) for span in spans)
    pieces = [*([Piece(before)] if before else []), Piece(inside, note)]
    pieces += [Piece(after)] if after else []
    return _cut_out(_separated(pieces, " "), first > 0, last < len(example.words))


def _named(example: PredictedSteps, entity: Entity | None) -> str:
    if entity is None:
        return "none"
    if example.words is None:
        return f"{entity.kind} {entity.start + 1}-{entity.end}"
    return f"{entity.kind} “{' '.join(example.words[entity.start : entity.end])}”"


def _cut_out(pieces: Sequence[Piece], before: bool, after: bool) -> list[Piece]:
    """Say whether there is more before and after."""
    return [*([Piece("… ")] if before else []), *pieces, *([Piece(" …")] if after else [])]


def _separated(pieces: Iterator[Piece] | Sequence[Piece], separator: str) -> list[Piece]:
    """Put a separator between pieces, and join those that are plain."""
    joined: list[Piece] = []
    for piece in pieces:
        for each in [Piece(separator), piece] if joined else [piece]:
            if joined and not joined[-1].note and not each.note:
                joined[-1] = Piece(joined[-1].text + each.text)
            else:
                joined.append(each)
    return joined
