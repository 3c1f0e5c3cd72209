"""Texts for texts, by methods that keep the order of tokens, or repeat what they have seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.neighbors import NearestNeighbors

from exports.runtime.generation import Hypothesis
from pipeline.baselines import Fit, g2p
from pipeline.config.transduce import TransduceConfig
from pipeline.examples import Examples
from pipeline.features.tokens import PairData, Tokens
from pipeline.models import seq2seq

_WINDOW_EPOCHS = 5  # of the feed-forward network, which sees every character as an example

Baseline = Callable[[TransduceConfig, PairData[Tokens], Fit], npt.NDArray[Any]]


def n_grams(config: TransduceConfig, data: PairData[Tokens], fit: Fit) -> npt.NDArray[Any]:
    """Runs of up to 7 characters, each with the tokens that it stands for, counted and smoothed."""
    size = max(_sizes(data))
    return objects(g2p.by_joint_symbols(_pairs(data.train), _sources(data.test), size=size))


def feed_forward(config: TransduceConfig, data: PairData[Tokens], fit: Fit) -> npt.NDArray[Any]:
    """A network of two hidden layers that sees a character and the five on either side."""
    found = g2p.by_windows(
        _pairs(data.train),
        _sources(data.test),
        size=max(_sizes(data)),
        units=config.units,
        epochs=_WINDOW_EPOCHS,
        batch_size=2 * config.batch_size,
    )
    return objects(found)


def word_by_word(config: TransduceConfig, data: PairData[Tokens], fit: Fit) -> npt.NDArray[Any]:
    """For each token the one that goes with it best, by Dice's coefficient, in the same order."""
    sources, targets = zip(*_pairs(data.train), strict=True)
    read, written = map(_occurrences, (sources, targets), _sizes(data))
    counts = (read.T @ written).tocoo()
    sizes = read.sum(0).A1[counts.row] + written.sum(0).A1[counts.col]
    best = np.zeros(read.shape[1], int)
    order = np.argsort(2 * counts.data / sizes, kind="stable")
    best[counts.row[order]] = counts.col[order]  # the last one, which is the best, stays
    told = (best[ids] for ids in _sources(data.test))
    return objects([only(each.tolist()) for each in told])


def nearest_source(config: TransduceConfig, data: PairData[Tokens], fit: Fit) -> npt.NDArray[Any]:
    """The target of the training source that shares the most informative tokens."""
    sources, targets = zip(*_pairs(data.train), strict=True)
    size, _ = _sizes(data)
    weigh = TfidfTransformer(sublinear_tf=True)
    known = weigh.fit_transform(_occurrences(sources, size))
    asked = weigh.transform(_occurrences(_sources(data.test), size))
    neighbours = NearestNeighbors(n_neighbors=1).fit(known)
    ((*places,),) = neighbours.kneighbors(asked, return_distance=False).T
    return objects([only(targets[place]) for place in places])


def objects(found: Sequence[Any]) -> npt.NDArray[Any]:
    """Make an array of lists, which may have one length."""
    return np.fromiter(found, dtype=object, count=len(found))


def only(symbols: Sequence[int]) -> list[Hypothesis]:
    """Make one hypothesis of symbols, without those that are not known."""
    return [Hypothesis(tuple(filter(None, symbols)), 0.0)]


def _sources(examples: Examples) -> list[list[int]]:
    return [each.tolist() for each in examples.inputs["source"]]


def _pairs(examples: Examples) -> list[tuple[list[int], list[int]]]:
    """The ids of each source, and those of its target."""
    return list(zip(_sources(examples), seq2seq.sequences(examples), strict=True))


def _sizes(data: PairData[Tokens]) -> tuple[int, int]:
    """How many ids sources have, and targets."""
    return len(data.source.known) + 2, len(data.target.symbols)


def _occurrences(texts: Sequence[Sequence[int]], size: int) -> Any:
    """Mark which ids are in which text, in a sparse matrix `[texts, ids]`."""
    rows = np.repeat(np.arange(len(texts)), list(map(len, texts)))
    places = np.fromiter(chain.from_iterable(texts), int)
    counts = csr_matrix((np.ones(len(rows)), (rows, places)), (len(texts), size))
    return (counts > 0).astype(float)
