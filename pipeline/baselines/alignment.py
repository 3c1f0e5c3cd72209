"""Which letters of a word stand for which of its phonemes, found by expectation maximisation."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]
Pair = tuple[Sequence[int], Sequence[int]]

_MOST = 2  # phonemes that a letter stands for, at most


class _Alike(NamedTuple):
    """Words of the same number of letters, and of phonemes.

    Attributes:
        places: where they are among all words.
        letters: `[words, letters]`.
        chunks: for 0, 1 and 2 phonemes, the number of the chunk that ends after each phoneme,
            `[words, phonemes + 1]`; 0 where there are too few.
    """

    places: list[int]
    letters: Ids
    chunks: list[Ids]


def align(pairs: Sequence[Pair], size: int, rounds: int = 8) -> list[list[int] | None]:
    """Give each letter of a word its chunk, which is none, one or two phonemes, in their order.

    The probability of a chunk depends on its letter alone, and is what makes the words most
    probable.

    Args:
        pairs: the letters of each word, and its phonemes; both are numbers below `size`, phonemes
            from 1 on.
        size: see there.
        rounds: of expectation maximisation.

    Returns:
        For each word the chunk of each letter, as `phonemes` reads it; None for a word of more
        phonemes than its letters can stand for.
    """
    groups = list(_alike(pairs, size))
    probabilities = np.full((size, size**_MOST), 1.0)
    for _ in range(rounds):
        counts = np.zeros_like(probabilities)
        for group in groups:
            _count(group, probabilities, counts)
        probabilities = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
    found: list[list[int] | None] = [None] * len(pairs)
    for group in groups:
        for place, chunks in zip(group.places, _best(group, probabilities).tolist(), strict=True):
            found[place] = chunks
    return found


def phonemes(chunk: int, size: int) -> tuple[int, ...]:
    """Return the phonemes of a chunk."""
    return tuple(each for each in divmod(chunk, size) if each)


def _alike(pairs: Sequence[Pair], size: int) -> Iterator[_Alike]:
    shapes: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, (letters, spoken) in enumerate(pairs):
        if len(spoken) <= _MOST * len(letters):
            shapes[len(letters), len(spoken)].append(place)
    for places in shapes.values():
        ends = np.pad(np.array([pairs[place][1] for place in places]), [(0, 0), (1, 0)])
        before = np.pad(ends[:, :-1], [(0, 0), (1, 0)])
        chunks = [np.zeros_like(ends), ends, np.where(before, before * size + ends, 0)]
        yield _Alike(places, np.array([pairs[place][0] for place in places]), chunks)


def _steps(group: _Alike, probabilities: Floats) -> list[Floats]:
    """The probability that a letter stands for the last 0, 1 or 2 phonemes before a place.

    Each is `[letters, words, phonemes + 1]`.
    """
    letters = group.letters.T[:, :, None]
    steps = [probabilities[letters, chunks] for chunks in group.chunks]
    for count, step in enumerate(steps):
        step[:, :, :count] = 0.0
    return steps


def _shifted(values: Floats, count: int) -> Floats:
    """Move the last axis on by `count`; zeros follow."""
    return values if not count else np.pad(values[..., :-count], [(0, 0), (count, 0)])


def _forward(steps: list[Floats], combine: Any) -> list[Floats]:
    """The probability of the phonemes before each place, after each number of letters."""
    first = np.zeros(steps[0].shape[1:])
    first[:, 0] = 1.0
    forward = [first]
    for number in range(len(steps[0])):
        ways = [_shifted(forward[-1], count) * step[number] for count, step in enumerate(steps)]
        forward.append(combine(ways))
    return forward


def _count(group: _Alike, probabilities: Floats, counts: Floats) -> None:
    """Add how often each letter is expected to stand for each chunk."""
    steps = _steps(group, probabilities)
    forward = _forward(steps, sum)
    backward = np.zeros_like(forward[0])
    backward[:, -1] = 1.0 / np.maximum(forward[-1][:, -1], 1e-300)
    for number in reversed(range(group.letters.shape[1])):
        before = np.zeros_like(backward)
        for count, step in enumerate(steps):
            way = step[number] * backward
            share = _shifted(forward[number], count) * way
            np.add.at(counts, (group.letters[:, number, None], group.chunks[count]), share)
            before[:, : before.shape[1] - count] += way[:, count:]
        backward = before


def _best(group: _Alike, probabilities: Floats) -> Ids:
    """The most probable chunk of each letter, `[words, letters]`."""
    steps = _steps(group, probabilities)
    forward = _forward(steps, lambda ways: np.max(ways, axis=0))
    words = np.arange(len(group.places))
    place = np.full(len(words), forward[0].shape[1] - 1)
    found = np.zeros_like(group.letters)
    for number in reversed(range(group.letters.shape[1])):
        ways = [_shifted(forward[number], count) * step[number] for count, step in enumerate(steps)]
        taken = np.argmax([way[words, place] for way in ways], axis=0)
        found[:, number] = np.stack(group.chunks)[taken, words, place]
        place = place - taken
    return found
