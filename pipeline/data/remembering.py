"""Sequences whose end asks about something long before it. The generated ones never change.

The text of `country` has a grammar of its own. `adding` and `copying` are those of Hochreiter &
Schmidhuber, 1997, "Long short-term memory", as later papers have them.
"""

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.data import handwritten, loading
from pipeline.data.handwritten import Handwritten
from pipeline.data.loading import Splits
from pipeline.data.splits import fingerprint, in_test, in_validation

Array = npt.NDArray[Any]
Random = np.random.Generator

VERSION = "1.0.0"
SIZES = {"train": 20_000, "validation": 1_000, "test": 2_000}


class Episode(NamedTuple):
    """A sequence, `[steps]` or `[steps, features]`, and what its end asks for."""

    inputs: Array
    target: Any


# Country: "i grew up in france ... i speak fluent" asks for french.

LANGUAGES = {
    "denmark": "danish",
    "france": "french",
    "germany": "german",
    "greece": "greek",
    "hungary": "hungarian",
    "italy": "italian",
    "japan": "japanese",
    "poland": "polish",
    "spain": "spanish",
    "turkey": "turkish",
}
HOME, END = ["i", "grew", "up", "in"], ["i", "speak", "fluent"]
_ABROAD = [
    text.split()
    for text in (
        "he grew up in",
        "we once flew to",
        "she wrote letters from",
        "they sold shoes to",
        "my aunt moved to",
        "the wine came from",
    )
]
_NOUNS = ["baker", "cat", "clock", "door", "garden", "market", "river", "street"]
_ADJECTIVES = ["cold", "little", "new", "old", "quiet", "red"]
_VERBS = ["changed", "closed", "opened", "slept", "turned", "waited"]
_TIMES = ["again", "early", "late", "today"]
_FILLER: dict[int, list[tuple[str, ...]]] = {
    1: [(time,) for time in _TIMES],
    3: list(product(["the"], _NOUNS, _VERBS)),
    4: list(product(["the"], _ADJECTIVES, _NOUNS, _VERBS)),
    5: list(product(["the"], _ADJECTIVES, _NOUNS, _VERBS, _TIMES)),
}
_SENTENCE = 5  # words of a sentence about a country, whether the home or another
SHORTEST = _SENTENCE  # of the gaps: a sentence about another country fits
_LEAD = 2 * _SENTENCE  # words before that of the home

COUNTRIES = tuple(LANGUAGES)
_KNOWN = {*LANGUAGES, *HOME, *END, *_NOUNS, *_ADJECTIVES, *_VERBS, *_TIMES, "the"}
WORDS = ("", *sorted(_KNOWN.union(*_ABROAD)))  # 0 is padding
IDS = {word: number for number, word in enumerate(WORDS)}


def country(random: Random, gap: int) -> Episode:
    """Write a text with `gap` words between the home and the question; its words as ids.

    Two other countries are named, in the ten words before the home's sentence or in the gap.
    """
    home, *others = random.permutation(len(COUNTRIES))[:3]
    before = random.integers(2 - min(gap // _SENTENCE, 2), 3)
    lead = _filled(random, [COUNTRIES[other] for other in others[:before]], _LEAD)
    rest = _filled(random, [COUNTRIES[other] for other in others[before:]], gap)
    text = [*lead, *HOME, COUNTRIES[home], *rest, *END]
    return Episode(np.array([IDS[word] for word in text], np.int32), int(home))


def _filled(random: Random, named: list[str], words: int) -> list[str]:
    """Write `words` words: a sentence about each country of `named`, and filler around them."""
    sentences = [(*_ABROAD[random.integers(len(_ABROAD))], country) for country in named]
    left = words - _SENTENCE * len(sentences)
    for first, second in random.random((left, 2)).tolist():  # one draw is faster than many
        if left:
            lengths = [length for length in (3, 4, 5) if length <= left] or [1]
            choices = _FILLER[lengths[int(first * len(lengths))]]
            sentences.append(choices[int(second * len(choices))])
            left -= len(sentences[-1])
    return [word for place in random.permutation(len(sentences)) for word in sentences[place]]


# Adding: the sum of the two numbers that are marked.


def adding(random: Random, gap: int) -> Episode:
    """Draw `gap` numbers in [0, 1), one of each half marked; the target is the sum of the two.

    As in Le, Jaitly & Hinton, 2015, "A simple way to initialize recurrent networks of rectified
    linear units".
    """
    numbers, marks = random.random(gap, np.float32), np.zeros(gap, np.float32)
    marked = [random.integers(0, gap // 2), random.integers(gap // 2, gap)]
    marks[marked] = 1
    return Episode(np.stack([numbers, marks], axis=-1), numbers[marked].sum())


# Copying: ten symbols, and after the blanks the same again.

COPIED = 10
SYMBOLS = 8
_BLANK, _GO = SYMBOLS + 1, SYMBOLS + 2
NAMES = ("", *map(str, range(SYMBOLS)), "blank", "go")  # 0 is padding
SIGNS = len(NAMES)


def copying(random: Random, gap: int) -> Episode:
    """Draw ten symbols, `gap` blanks and ten signs to go; the target is the symbols from zero.

    As in Arjovsky, Shah & Bengio, 2016, "Unitary evolution recurrent neural networks", but for
    that the sign to go stays on.
    """
    symbols = random.integers(SYMBOLS, size=COPIED).astype(np.int32)
    blanks, go = np.full(gap, _BLANK, np.int32), np.full(COPIED, _GO, np.int32)
    return Episode(np.concatenate([1 + symbols, blanks, go]), symbols)


# All of them.

DRAWN = {"country": country, "adding": adding, "copying": copying}
DATASETS = (*DRAWN, *handwritten.SOURCES)


def load(name: str, gap: int, limit: int | None = None) -> Splits[Episode]:
    """Draw or read the episodes of `name`, one of `DATASETS`, with `gap` steps to remember over.

    `limit` keeps that many examples of each split, the same ones every time.

    Raises:
        PipelineError: the pictures cannot be had.
    """
    if name in DRAWN:
        return _generated(DRAWN[name], gap, limit)
    return _rows(name, gap, limit)


def _generated(
    draw: Callable[[Random, int], Episode], gap: int, limit: int | None
) -> Splits[Episode]:
    """Draw distinct episodes until each split has its size, or `limit` if that is less.

    The SHA-1 of an episode's inputs decides its split.
    """
    random = np.random.default_rng(0)
    found: dict[str, dict[bytes, Episode]] = {split: {} for split in SIZES}
    sizes = {split: min(size, limit or size) for split, size in SIZES.items()}
    while any(len(found[split]) < size for split, size in sizes.items()):
        episode = draw(random, gap)
        content = episode.inputs.tobytes()
        split = _split(content)
        if len(found[split]) < sizes[split]:
            found[split][content] = episode
    parts = (sorted(found[split].items(), key=lambda item: fingerprint(item[0])) for split in SIZES)
    return Splits(draw.__name__, VERSION, *([episode for _, episode in part] for part in parts))


def _split(content: bytes) -> str:
    if in_test(content):
        return "test"
    return "validation" if in_validation(content) else "train"


def _rows(name: str, gap: int, limit: int | None) -> Splits[Episode]:
    """Read the pictures of `name` as rows of numbers in [0, 1], with `gap` rows of zeros below."""
    loaded = loading.load(name, handwritten.SOURCES, limit)

    def episodes(split: list[Handwritten]) -> list[Episode]:
        below = [(0, gap), (0, 0)]
        return [
            Episode(np.pad(pixels.astype(np.float32) / 255, below), label)
            for pixels, label in split
        ]

    parts = (loaded.train, loaded.validation, loaded.test)
    return Splits(loaded.name, loaded.version, *map(episodes, parts))
