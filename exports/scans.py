"""The scans that a user wrote, as loops that have a form in ONNX."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from custom_layers.engine import backend

Tensor = Any


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """Compute `keras.ops.scan`, which on TensorFlow carries its state in arrays that ONNX lacks.

    Sequences are turned around before and after the loop, because a Loop of ONNX collects what its
    steps give in the order that they are done.
    """
    first = [tf.convert_to_tensor(each) for each in keras.tree.flatten(init)]
    given = [] if xs is None else [tf.convert_to_tensor(each) for each in keras.tree.flatten(xs)]
    steps = backend.length(given[0]) if length is None else int(length)

    def in_order(tensor: Tensor) -> Tensor:
        return tf.reverse(tensor, [0]) if reverse else tensor

    def body(carry: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        x = None if xs is None else keras.tree.pack_sequence_as(xs, now)
        new, y = step(keras.tree.pack_sequence_as(init, carry), x)
        # Keras gives zeros for the outputs of a step that has none.
        outputs = [tf.zeros_like(each) for each in carry] if y is None else keras.tree.flatten(y)
        return keras.tree.flatten(new), outputs

    sequences = [backend.unstack(in_order(each)) for each in given]
    final, collected = backend.scan(body, first, sequences, first, length=steps)
    outputs = [in_order(backend.stack(each)) for each in collected]
    return keras.tree.pack_sequence_as(init, final), keras.tree.pack_sequence_as(init, outputs)


def associative_scan(
    f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0
) -> Any:
    """Compute `keras.ops.associative_scan` step by step.

    What Keras does on TensorFlow does not end in a graph where the number of steps is free.
    """
    given = [tf.convert_to_tensor(each) for each in keras.tree.flatten(elems)]
    axis %= len(given[0].shape)
    # Steps first; each keeps an axis of one step where `f` looks for it.
    steps = [tf.expand_dims(ops.moveaxis(each, axis, 0), axis + 1) for each in given]

    def step(carry: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        has_begun, *before = carry
        packed = (keras.tree.pack_sequence_as(elems, each) for each in (before, now))
        joined = zip(keras.tree.flatten(f(*packed)), now, strict=True)
        new = [tf.constant(True), *(tf.where(has_begun, *pair) for pair in joined)]
        return new, new

    first = [tf.constant(False), *(each[0] for each in steps)]
    _, (_, *outputs) = scan(step, first, steps, reverse=reverse)
    outputs = [ops.moveaxis(tf.squeeze(each, axis + 1), 0, axis) for each in outputs]
    return keras.tree.pack_sequence_as(elems, outputs)
