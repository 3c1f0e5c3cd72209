"""Models that write one symbol after another: what they learn from, and the search in them."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from exports.runtime.generation import Hypothesis, Integers, Scores, Step, beam_search
from pipeline import batches
from pipeline.examples import Compute, Data, Examples, InMemoryRagged, Ragged
from pipeline.models.stepwise import Stepwise

BOUNDARY = 1  # the symbol before the first one, and after the last one; 0 is padding
FIRST = 2  # the first of the symbols between


def examples(given: Mapping[str, Any], sequences: Sequence[Sequence[int]]) -> Examples:
    """Make examples of the inputs `given` and of the sequences of symbols that they lead to.

    The targets are the symbols up to their end. The input `previous` has those before each of them.
    What is ragged of `given` counts for the length of an example, as the targets do. If nothing is,
    all count as of one length: batches of texts of one length would show few kinds of image at a
    time, and batch normalization would measure those alone.
    """
    previous = ragged([[BOUNDARY, *symbols] for symbols in sequences])
    targets = ragged([[*symbols, BOUNDARY] for symbols in sequences])
    uneven = [each for each in given.values() if each.shape[1] is None]
    lengths = np.ones(len(sequences), int)
    if uneven:
        lengths = np.sum([each.lengths for each in (*uneven, targets)], axis=0)
    return Examples({**given, "previous": previous}, targets, lengths)


def ragged(rows: Sequence[Sequence[int]]) -> Ragged:
    """Put rows of ids together."""
    values = np.fromiter(chain.from_iterable(rows), np.int32)
    return InMemoryRagged(values, list(map(len, rows)))


def loss() -> keras.losses.Loss:
    """Cross-entropy: how little the model believed in each symbol; padding does not count."""
    return keras.losses.SparseCategoricalCrossentropy(ignore_class=0)


def search(
    compute: Compute,
    examples: Examples,
    *,
    width: int,
    longest: int,
    eval_batch_size: int = Data.eval_batch_size,
    length_penalty: float = 0.0,
) -> list[list[Hypothesis]]:
    """Find the most probable sequences for each of `examples`: up to `width`, the best one first.

    A `Stepwise` model reads its input once and advances by its states. Any other, such as an
    exported file, is asked anew about each prefix.
    """
    begin = compute.begin if isinstance(compute, Stepwise) else partial(_begin_whole, compute)
    plan = batches.in_order(examples.lengths, eval_batch_size=eval_batch_size)
    found: list[list[Hypothesis]] = []
    for inputs, _ in batches.dataset(examples, plan):
        step, states = begin(inputs)
        found += beam_search(
            step,
            states,
            len(inputs["previous"]),
            start=BOUNDARY,
            end=BOUNDARY,
            width=width,
            longest=longest,
            length_penalty=length_penalty,
        )
    return [found[place] for place in np.argsort(np.concatenate(plan))]


def sequences(examples: Examples) -> list[list[int]]:
    """Return the symbols that each of `examples` leads to."""
    return [targets[:-1].tolist() for targets in examples.targets]


def _begin_whole(compute: Compute, inputs: Mapping[str, Any]) -> tuple[Step, Any]:
    """Begin a search in a whole model, whose states are the prefixes of the rows `inputs`."""

    def step(symbols: Integers, parents: Integers, states: Any) -> tuple[Scores, Any]:
        rows, prefixes = (each[parents] for each in states)
        prefixes = np.concatenate([prefixes, symbols[:, None]], axis=1)
        asked = {name: tf.gather(values, rows) for name, values in inputs.items()}
        asked["previous"] = tf.constant(prefixes, tf.int32)
        following = compute(asked)[:, -1].astype(np.float64)
        following[:, 0] = 0.0  # padding is never written
        with np.errstate(divide="ignore"):
            return np.log(following), (rows, prefixes)

    count = len(inputs["previous"])
    return step, (np.arange(count), np.empty((count, 0), np.int64))
