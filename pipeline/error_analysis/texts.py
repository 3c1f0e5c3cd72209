"""Findings about texts that a model writes, beside those that were right."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rapidfuzz.distance import Levenshtein

from pipeline.error_analysis import measure
from pipeline.error_analysis.findings import Cell, Finding, Matrix, Passage, Piece, Table, Text
from pipeline.error_analysis.measure import Array

_SHOWN = 10  # predictions from the best to the worst
_CONFUSIONS = 15  # kinds of wrong tokens
_NOTHING = "nothing"

Join = Callable[[Sequence[str]], str]


@dataclass(frozen=True)
class Written:
    """A text that was written, in tokens.

    Attributes:
        tokens: of the text.
        references: those of each right one.
        probability: that the model gives the text.
    """

    tokens: Sequence[str]
    references: Sequence[Sequence[str]]
    probability: float

    @cached_property
    def reference(self) -> Sequence[str]:
        """The nearest right text: the one with the fewest tokens to replace, insert and delete."""
        return min(
            self.references, key=lambda each: (Levenshtein.distance(self.tokens, each), len(each))
        )

    @cached_property
    def wrong(self) -> int:
        """How many tokens to replace, insert and delete."""
        return Levenshtein.distance(self.tokens, self.reference)

    def compared(self, join: Join) -> list[Piece]:
        """Show the text, with what is wrong marked."""
        pieces: list[Piece] = []
        for step in Levenshtein.opcodes(self.tokens, self.reference):
            said = join(self.tokens[step.src_start : step.src_end])
            right = join(self.reference[step.dest_start : step.dest_end])
            note = {
                "equal": "",
                "replace": f"right: {right}",
                "delete": "too much",
                "insert": f"missing: {right}",
            }[step.tag]
            if pieces and (gap := join(["", ""])):
                pieces.append(Piece(gap))
            pieces.append(Piece(said or "…", note))
        return pieces or [Piece(_NOTHING)]


def findings(
    written: Sequence[Written], shown: Callable[[int], Sequence[Cell]], unit: str, join: Join
) -> list[Finding]:
    """Show texts beside the right ones, which tokens are wrong, and how sure the model is.

    Args:
        written: all of them.
        shown: shows the source of one, and what is right, by its number.
        unit: what the tokens are.
        join: makes a text of tokens.
    """
    errors = np.array([each.wrong for each in written])
    probabilities = np.clip([each.probability for each in written], 0, 1)

    def row(place: int) -> list[Cell]:
        return [*shown(place), Passage(written[place].compared(join))]

    heads = ["source", "right is", "the model writes"]
    places = evenly(written)
    rows = [[*row(place), f"{errors[place]}"] for place in places]
    caption = f"{len(rows)} predictions from the best to the worst, at even distances"
    sure = measure.calibration(probabilities, errors == 0, "texts", "are right")
    return [
        Finding("Predictions and references", [Table(caption, [*heads, f"wrong {unit}"], rows)]),
        Finding(f"Wrong {unit}", [_confusions(written, unit)]),
        Finding("Calibration", sure),
        Finding("Errors", measure.distribution(errors, f"wrong {unit}")),
        Finding("Worst mistakes", [measure.worst(errors, f"wrong {unit}", heads, row)]),
    ]


def evenly(written: Sequence[Written]) -> list[int]:
    """Choose texts from the best to the worst by their wrong tokens per token."""
    rates = [each.wrong / max(len(each.reference), 1) for each in written]
    order = np.argsort(rates, kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, min(_SHOWN, len(order))).round().astype(int))
    found: list[int] = order[places].tolist()
    return found


def _confusions(written: Sequence[Written], unit: str) -> Table | Text:
    """List which tokens are written for which."""
    counts: Counter[tuple[str, str]] = Counter()
    for each in written:
        for step in Levenshtein.editops(each.tokens, each.reference):
            right = _NOTHING if step.tag == "delete" else f"“{each.reference[step.dest_pos]}”"
            said = _NOTHING if step.tag == "insert" else f"“{each.tokens[step.src_pos]}”"
            counts[right, said] += 1
    if not counts:
        return Text("No prediction is wrong.")
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [[right, said, f"{count:,}"] for (right, said), count in ranked[:_CONFUSIONS]]
    caption = f"Wrong {unit}, the most frequent first{measure.few(len(rows), len(counts))}"
    return Table(caption, ["right is", "the model writes", "times"], rows)


def attention(weights: Array, read: Sequence[str], wrote: Sequence[str], caption: str) -> Matrix:
    """Show on what of the source each token that is written rests, `[written, read]`."""
    return Matrix(caption, wrote, read, weights.astype(float).round(2).tolist())
