"""A Keras model as a TensorFlow function of named tensors."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from exports.parity import Arrays, Run
from exports.signature import Signature

_FLOATS = ("bfloat16", "float16", "float64")


def specifications(signature: Signature) -> list[tf.TensorSpec]:
    """Return the inputs as TensorFlow specifies them."""
    return [tf.TensorSpec(shape, dtype, name) for name, shape, dtype in signature.inputs]


def function(model: keras.Model, signature: Signature) -> Callable[..., dict[str, Any]]:
    """Return `model` as a function from its inputs, in order, to its outputs, by name.

    A stateful model begins with zero states at every call.
    """
    # A Sequential model has one input, and no `input` before it is called.
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input

    def call(*inputs: Any) -> dict[str, Any]:
        packed = keras.tree.pack_sequence_as(structure, inputs)
        with _stateless(model), _time_folded(model):
            outputs = keras.tree.flatten(model(packed, training=False))
        names = (array.name for array in signature.outputs)
        return dict(zip(names, outputs, strict=True))

    return call


@contextlib.contextmanager
def replaced(target: Any, name: str, value: Any) -> Iterator[None]:
    """Let an attribute of `target` be `value` for a while."""
    before = {name: vars(target)[name]} if name in vars(target) else {}
    vars(target)[name] = value
    try:
        yield
    finally:
        del vars(target)[name]
        vars(target).update(before)


@contextlib.contextmanager
def _stateless(model: keras.Model) -> Iterator[None]:
    """Let no layer of `model` read or write a state of its own."""
    with contextlib.ExitStack() as stack:
        for layer in model._flatten_layers():
            if getattr(layer, "stateful", False):
                stack.enter_context(replaced(layer, "stateful", False))
        yield


@contextlib.contextmanager
def _time_folded(model: keras.Model) -> Iterator[None]:
    """Let `TimeDistributed` apply its layer to the steps of all sequences at once.

    Keras 3.15 does so step by step, and where the number of steps is free it takes that of rows.
    """
    with contextlib.ExitStack() as stack:
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.TimeDistributed):
                call = functools.partial(_apply_to_all_steps, layer, layer.call)
                stack.enter_context(replaced(layer, "call", call))
        yield


def _apply_to_all_steps(
    layer: keras.layers.TimeDistributed,
    step_by_step: Callable[..., Any],
    inputs: Any,
    training: bool | None = None,
    mask: Any = None,
) -> Any:
    if inputs.shape[1] is not None:
        return step_by_step(inputs, training=training, mask=mask)
    options = {} if mask is None or not layer.layer._call_has_mask_arg else {"mask": _folded(mask)}
    outputs = layer.layer.call(_folded(inputs), **options)
    return tf.reshape(outputs, tf.concat([tf.shape(inputs)[:2], tf.shape(outputs)[1:]], 0))


def _folded(tensor: Any) -> Any:
    """Make one axis of batch and time."""
    folded = tf.reshape(tensor, tf.concat([[-1], tf.shape(tensor)[2:]], 0))
    return tf.ensure_shape(folded, [None, *tensor.shape[2:]])


def are_zeros(tensors: Any) -> bool:
    """Tell whether tensors are known to hold zeros alone, such as Keras begins sequences with."""
    fills = (
        tensor.op.inputs[1] if tensor.op.type == "Fill" else tensor
        for tensor in keras.tree.flatten(tensors)
    )
    values = [tf.get_static_value(tensor) for tensor in fills]
    return all(value is not None and not np.any(value) for value in values)


def run(model: keras.Model, signature: Signature) -> Run:
    """Return `model` as a function of arrays."""
    compiled = tf.function(
        function(model, signature), input_signature=specifications(signature), autograph=False
    )

    def call(inputs: Arrays) -> Arrays:
        outputs = compiled(*(tf.constant(inputs[array.name]) for array in signature.inputs))
        return {name: output.numpy() for name, output in outputs.items()}

    return call


def in_float32(model: keras.Model) -> keras.Model:
    """Return a copy of `model` that computes in float32, with the same weights.

    Training may compute in half precision; what ships is one model for every machine.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # of Functional models: it is not in their config
    try:
        copy = type(model).from_config(_all_float32(model.get_config()))
    finally:
        keras.config.set_dtype_policy(policy)
    copy.set_weights(model.get_weights())
    return copy


def _all_float32(config: Any) -> Any:
    """Put float32 in place of every dtype policy and floating type in a configuration."""
    if isinstance(config, list | tuple):
        return type(config)(_all_float32(item) for item in config)
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        return {**config, "config": {"name": "float32"}}
    return {
        key: "float32" if key == "dtype" and value in _FLOATS else _all_float32(value)
        for key, value in config.items()
    }
