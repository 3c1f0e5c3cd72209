"""Models that write one symbol after another: what they learn from, and the search in them."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline import batches
from pipeline.examples import Compute, Data, Examples
from pipeline.models.decoding import Hypothesis, Integers, Scores, beam_search

BOUNDARY = 1  # the symbol before the first one, and after the last one; 0 is padding
FIRST = 2  # the first of the symbols between


def examples(given: Mapping[str, Any], sequences: Sequence[Sequence[int]]) -> Examples:
    """Make examples of the inputs `given` and of the sequences of symbols that they lead to.

    The targets are the symbols up to their end. The input `previous` has those before each of them.
    What is ragged of `given` counts for the length of an example, as the targets do.
    """
    previous = ragged([[BOUNDARY, *symbols] for symbols in sequences])
    targets = ragged([[*symbols, BOUNDARY] for symbols in sequences])
    uneven = [each for each in (*given.values(), targets) if isinstance(each, tf.RaggedTensor)]
    lengths = np.sum([each.row_lengths() for each in uneven], axis=0)
    return Examples({**given, "previous": previous}, targets, lengths)


def ragged(rows: Sequence[Sequence[int]]) -> tf.RaggedTensor:
    """Make one tensor of rows of ids, in a fifth of the time that `tf.ragged.constant` takes."""
    values = np.fromiter(chain.from_iterable(rows), np.int32)
    return tf.RaggedTensor.from_row_lengths(values, list(map(len, rows)))


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
) -> list[list[Hypothesis]]:
    """Find the most probable sequences for each of `examples`: up to `width`, the best one first.

    The model is asked anew about each prefix, which it allows in any format, and about `together`
    examples at once.
    """
    plan = batches.in_order(examples.lengths, eval_batch_size=eval_batch_size)
    found = [
        hypotheses
        for inputs, _ in batches.dataset(examples, plan)
        for hypotheses in _searched(compute, inputs, width, longest)
    ]
    return [found[place] for place in np.argsort(np.concatenate(plan))]


def sequences(examples: Examples) -> list[list[int]]:
    """Return the symbols that each of `examples` leads to."""
    return [targets[:-1] for targets in examples.targets.to_list()]


def _searched(
    compute: Compute, inputs: Mapping[str, Any], width: int, longest: int
) -> list[list[Hypothesis]]:
    """Search for all examples of a batch together."""

    def log_probabilities(prefixes: Integers, rows: Integers) -> Scores:
        asked = {name: tf.gather(values, rows) for name, values in inputs.items()}
        asked["previous"] = tf.constant(prefixes, tf.int32)
        following = compute(asked)[:, -1].astype(np.float64)
        following[:, 0] = 0.0  # padding is never written
        with np.errstate(divide="ignore"):
            return np.log(following)

    rows = range(len(inputs["previous"]))
    return beam_search(
        log_probabilities, rows, start=BOUNDARY, end=BOUNDARY, width=width, longest=longest
    )
