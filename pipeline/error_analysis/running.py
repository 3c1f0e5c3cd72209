"""Findings about running text: how much each token surprises the model, and where most."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.error_analysis.findings import Cell, Finding, Passage, Piece, Table, Text
from pipeline.error_analysis.measure import Array

_TOKENS = 15  # that cost most
_PLACES = 10  # where the surprise is largest
_FAINTEST = 0.05  # of the colours that are told apart


class Surprise(NamedTuple):
    """A token that the model did not expect.

    Attributes:
        before: the text before it.
        token: as it stands there.
        after: the text after it.
        expected: what the model expected instead.
    """

    before: str
    token: str
    after: str
    expected: str


class Sample(NamedTuple):
    """A place of the text: what the model has read there, how it goes on, what the model writes."""

    read: str
    truth: str
    written: str


def samples(made: Sequence[Sample], how: str) -> Finding:
    """Show what the model writes at some places of the text; `how` says by which draws."""
    rows = [[Passage([Piece(text)]) for text in each] for each in made]
    heads = ["the test text, which was read", "goes on", "the model goes on"]
    return Finding("Samples", [Table(f"How the model goes on, {how}", heads, rows)])


def passage(pieces: Sequence[str], nats: Array, vocabulary: int) -> list[Text | Passage]:
    """Colour a part of the text by how much each token surprised the model."""
    most = math.log(vocabulary)
    strengths = np.minimum(nats / most, 1).round(2).tolist()
    said = (
        "A part of the test text: the stronger the colour, the more a token surprised the model. "
        f"The strongest one is that of a guess among all {vocabulary:,} tokens, {most:.2f} nats."
    )
    coloured = [
        Piece(piece, strength=strength if strength >= _FAINTEST else 0.0)
        for piece, strength in zip(pieces, strengths, strict=True)
    ]
    return [Text(said), Passage(coloured)]


def costly(ids: Array, nats: Array, names: Callable[[int], str]) -> Table:
    """List the tokens with the largest share of all surprise.

    Args:
        ids: of the tokens of the text.
        nats: the surprise of each.
        names: writes the token with an id.
    """
    counts, sums = np.bincount(ids), np.bincount(ids, nats)
    order = np.argsort(-sums, kind="stable")[:_TOKENS].tolist()
    rows = [
        [names(each), f"{counts[each]:,}", f"{sums[each] / counts[each]:.3f}", f"{share:.1%}"]
        for each in order
        if counts[each]
        for share in [sums[each] / sums.sum()]
    ]
    heads = ["token", "times", "mean surprise, nats", "share of all surprise"]
    return Table("The tokens that cost the model most", heads, rows)


def largest(nats: Array, surprise: Callable[[int], Surprise]) -> Table:
    """List where the text surprised the model most; `surprise` shows a place, by its number."""
    rows: list[list[Cell]] = []
    for place in np.argsort(-nats, kind="stable")[:_PLACES].tolist():
        found = surprise(place)
        note = f"{nats[place]:.2f} nats"
        shown = Passage([Piece(found.before), Piece(found.token, note), Piece(found.after)])
        rows.append([shown, f"{math.exp(-nats[place]):.2g}", found.expected])
    heads = ["in the text", "its probability", "the model expected"]
    return Table(f"The {len(rows)} tokens that surprised the model most", heads, rows)
