"""Examples of any length, and the batches that training and evaluation go through."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipeline.examples import Compute, Data, Examples, InMemoryRagged, Integers, Ragged

Plan = list[Integers]

_POOL = 50  # batches that are sorted by length together


def sequences(rows: Sequence[Integers], targets: Any) -> Examples:
    """Make examples of integer sequences. One without any step becomes one step of padding, 0."""
    rows = [row if len(row) else np.zeros(1, np.int32) for row in rows]
    return frames([np.asarray(row, np.int32) for row in rows], targets)


def frames(rows: Sequence[npt.NDArray[Any]], targets: Any) -> Examples:
    """Make examples of sequences of vectors, `[steps, features]`, or of numbers, `[steps]`.

    Each has one step or more. Targets may be `Ragged`, with one for each step.
    """
    return examples(InMemoryRagged(np.concatenate(rows), [len(row) for row in rows]), targets)


def examples(inputs: Ragged, targets: Any) -> Examples:
    """Make examples of sequences that are put together already."""
    if not isinstance(targets, Ragged):
        targets = tf.convert_to_tensor(targets)
    return Examples(inputs, targets, inputs.lengths)


def shuffled(lengths: Integers, batch_size: int, *, seed: int, epoch: int) -> Plan:
    """Plan an epoch: batches of like length, in an order that `seed` and `epoch` alone decide.

    A batch that is short of examples, if there is one, is the last.
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths))
    plan: Plan = []
    for pool in _pieces(order, _POOL * batch_size):
        plan += _pieces(_by_length(pool, lengths), batch_size)
    order = random.permutation(len(plan))
    return sorted((plan[place] for place in order), key=len, reverse=True)


def in_order(
    lengths: Integers, replicas: int = 1, eval_batch_size: int = Data.eval_batch_size
) -> Plan:
    """Plan one pass over all examples, by length, in batches that `replicas` devices can share."""
    size = min(eval_batch_size, len(lengths)) // replicas * replicas
    return _pieces(_by_length(np.arange(len(lengths)), lengths), size)


def one_after_the_other(count: int, eval_batch_size: int) -> Plan:
    """Plan one pass over `count` examples in their own order, so many in a batch."""
    return _pieces(np.arange(count), eval_batch_size)


def steps(examples: Examples, batch_size: int) -> int:
    """How many batches an epoch has."""
    return -(-len(examples) // batch_size)


def dataset(examples: Examples, plan: Plan) -> tf.data.Dataset:
    """The batches of `plan`: pairs of inputs and targets, padded with zeros to the longest."""
    rows = tf.RaggedTensor.from_row_lengths(np.concatenate(plan), [len(batch) for batch in plan])
    taken = (examples.inputs, examples.targets)
    specs = tf.nest.map_structure(_spec, taken)
    flat_specs = tf.nest.flatten(specs)
    kept = [
        each if isinstance(each, Ragged) else np.asarray(each) for each in tf.nest.flatten(taken)
    ]

    def gather(indices: Integers) -> list[npt.NDArray[Any]]:
        return [
            each.padded(indices) if isinstance(each, Ragged) else each[indices] for each in kept
        ]

    def batch(indices: Any) -> tuple[Any, Any]:
        arrays = tf.numpy_function(gather, [indices], [spec.dtype for spec in flat_specs])
        for array, spec in zip(arrays, flat_specs, strict=True):
            array.set_shape(spec.shape)
        return tf.nest.pack_sequence_as(specs, arrays)

    batches = tf.data.Dataset.from_tensor_slices(rows)
    return batches.map(batch, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def compute(model: keras.Model) -> Compute:
    """Return `model` as a function of the inputs of a batch, traced once for every size."""
    specs = {each.name: tf.TensorSpec(each.shape, each.dtype) for each in model.inputs}
    signature = specs if len(specs) > 1 else next(iter(specs.values()))
    step = tf.function(lambda inputs: model(inputs, training=False), input_signature=[signature])
    return lambda inputs: step(inputs).numpy()


def outputs(model: keras.Model, examples: Examples) -> npt.NDArray[Any]:
    """What `model` makes of `examples`, in their order."""
    return mapped(compute(model), examples)


def mapped(function: Compute, examples: Examples) -> npt.NDArray[Any]:
    """What `function` makes of batches of the inputs of `examples`, in their order."""
    plan = in_order(examples.lengths)
    made = np.concatenate([function(inputs) for inputs, _ in dataset(examples, plan)])
    return made[np.argsort(np.concatenate(plan))]


def at_each_step(function: Compute, examples: Examples) -> list[npt.NDArray[Any]]:
    """What `function` makes of each step of `examples`, in their order, without the padding."""
    plan = in_order(examples.lengths)
    made: dict[int, npt.NDArray[Any]] = {}
    for indices, (inputs, _) in zip(plan, dataset(examples, plan), strict=True):
        for place, row in zip(indices.tolist(), function(inputs), strict=True):
            made[place] = row[: examples.lengths[place]]
    return [made[place] for place in range(len(examples))]


def _spec(values: Any) -> tf.TensorSpec:
    """Describe a batch of `values`."""
    dtype = values.like.dtype if isinstance(values, Ragged) else values.dtype
    return tf.TensorSpec([None, *values.shape[1:]], dtype)


def _by_length(indices: Integers, lengths: Integers) -> Integers:
    return indices[np.argsort(lengths[indices], kind="stable")]


def _pieces(indices: Integers, size: int) -> Plan:
    return [indices[start : start + size] for start in range(0, len(indices), size)]
