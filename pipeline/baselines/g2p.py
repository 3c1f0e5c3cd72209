"""Sequences written letter by letter, without a recurrent network: what `align` makes possible."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from exports.runtime.generation import Hypothesis, beam_search
from pipeline.baselines import alignment
from pipeline.baselines.alignment import Ids, Pair
from pipeline.baselines.kneser_ney import KneserNey

_AROUND = 5  # letters on either side that the network sees
_BOUNDARY = 1  # before and after a word of joint symbols; 0 is none
_SEARCH_BATCH_SIZE = 256  # words of a search
_RARE = 5  # times that a joint symbol must occur to be a candidate
_WIDTH = 8  # candidates that the search keeps


def by_windows(
    train: Sequence[Pair],
    test: Sequence[Sequence[int]],
    *,
    size: int,
    units: int,
    epochs: int,
    batch_size: int,
) -> list[list[Hypothesis]]:
    """Let a feed-forward network tell the chunk of each letter from the letters around it.

    Its two hidden layers have `units`; it learns from what `align` finds, in batches of
    `batch_size` letters (Sejnowski & Rosenberg, 1987, "Parallel networks that learn to pronounce
    English text"). Each of `test` has one answer.
    """
    aligned = _aligned(train, size)
    chunks, classes = np.unique(
        np.concatenate([found for _, found in aligned]), return_inverse=True
    )
    model = keras.Sequential(
        [
            keras.Input((2 * _AROUND + 1,), dtype="int32"),
            keras.layers.Embedding(size, 32),
            keras.layers.Flatten(),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(len(chunks), activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    seen = np.concatenate([_windows(letters) for letters, _ in aligned])
    model.fit(seen, classes, batch_size=batch_size, epochs=epochs, verbose=0)
    told = model.predict(np.concatenate(list(map(_windows, test))), batch_size=4096, verbose=0)
    ends = np.cumsum([len(letters) for letters in test])[:-1]
    return [
        [_hypothesis(chunks[each.argmax(-1)], float(np.log(each.max(-1)).sum()), size)]
        for each in np.split(told, ends)
    ]


def by_joint_symbols(
    train: Sequence[Pair], test: Sequence[Sequence[int]], *, size: int, order: int = 7
) -> list[list[Hypothesis]]:
    """Find the most probable sequence of letters with their chunks, by counts of `order` of them.

    (Bisani & Ney, 2008, "Joint-sequence models for grapheme-to-phoneme conversion"; here a letter
    has one chunk, and the counts are smoothed as in `KneserNey`.) Any letter may be silent.
    """
    between = np.full(order - 1, _BOUNDARY)
    joint = [np.array(letters) * size**2 + found for letters, found in _aligned(train, size)]
    silent = np.arange(size) * size**2
    codes, counts = np.unique(np.concatenate([*joint, silent]), return_counts=True)
    words = [_BOUNDARY + 1 + np.searchsorted(codes, each) for each in joint]
    text = np.concatenate([part for word in words for part in (between, word)] + [between])
    symbols = _BOUNDARY + 1 + len(codes)
    model = KneserNey(text, order, symbols)
    usable = (counts >= _RARE) | np.isin(codes, silent)
    candidates = {
        letter: _BOUNDARY + 1 + np.flatnonzero(usable & (codes // size**2 == letter))
        for letter in range(size)
    }

    def step(last: Ids, parents: Ids, states: Any) -> tuple[np.ndarray, Any]:
        """Go on from the words, the symbols behind each, and how many letters are done."""
        rows, known, done = states[0][parents], states[1][parents], states[2]
        known = np.column_stack([known[:, 1:], last])
        following = [
            candidates[test[row][done]] if done < len(test[row]) else np.array([_BOUNDARY])
            for row in rows.tolist()
        ]
        choices = list(map(len, following))
        asked = np.column_stack([np.repeat(known, choices, axis=0), np.concatenate(following)])
        found = np.full((len(rows), symbols), -np.inf)
        places = np.repeat(np.arange(len(rows)), choices), asked[:, -1]
        found[places] = model.log_probabilities(asked.ravel())[order - 1 :: order]
        return found, (rows, known, done + 1)

    predictions: list[list[Hypothesis]] = []
    for start in range(0, len(test), _SEARCH_BATCH_SIZE):
        rows = np.arange(start, min(start + _SEARCH_BATCH_SIZE, len(test)))
        predictions += beam_search(
            step,
            (rows, np.tile(between, (len(rows), 1)), 0),
            len(rows),
            start=_BOUNDARY,
            end=_BOUNDARY,
            width=_WIDTH,
            longest=max(len(test[row]) for row in rows.tolist()),
        )
    return [
        [
            _hypothesis(codes[np.array(each.symbols) - _BOUNDARY - 1] % size**2, each.score, size)
            for each in found
        ]
        for found in predictions
    ]


def _aligned(train: Sequence[Pair], size: int) -> list[tuple[Sequence[int], list[int]]]:
    """The letters of each word and their chunks, where it can be aligned."""
    found = alignment.align(train, size)
    return [
        (letters, chunks)
        for (letters, _), chunks in zip(train, found, strict=True)
        if chunks is not None
    ]


def _windows(letters: Sequence[int]) -> Ids:
    """Each letter among those around it, `[letters, window]`; 0 is beyond the word."""
    padded = np.pad(letters, _AROUND).astype("int32")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1)


def _hypothesis(chunks: Ids, score: float, size: int) -> Hypothesis:
    spoken = (alignment.phonemes(chunk, size) for chunk in chunks.tolist())
    return Hypothesis(tuple(phoneme for each in spoken for phoneme in each), score)
