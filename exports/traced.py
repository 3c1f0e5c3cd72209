"""A Keras model as a TensorFlow function of named tensors."""

import contextlib
import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from exports.errors import ExportError
from exports.parity import Arrays, Run
from exports.signature import Array, Signature

_STEPS = 16  # of an input; a convolution or pooling can take its part
_FLOATS = ("bfloat16", "float16", "float64")


def specifications(signature: Signature) -> list[tf.TensorSpec]:
    """Return the inputs as TensorFlow specifies them."""
    return [tf.TensorSpec(each.shape, each.dtype, each.name) for each in signature.inputs]


def function(model: keras.Model, signature: Signature) -> Callable[..., dict[str, Any]]:
    """Return `model` as a function from its inputs, in order, to its outputs, by name.

    A stateful model begins with zero states at every call.
    """
    # A Sequential model has one input, and no `input` before it is called.
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input

    def call(*inputs: Any) -> dict[str, Any]:
        packed = keras.tree.pack_sequence_as(structure, inputs)
        with _for_any_device(model), _stateless(model), _time_folded(model):
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
def in_full_precision() -> Iterator[None]:
    """Let no GPU round what it multiplies to TF32, of 10 bits, as no other machine does so."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Let Keras pass on what layers raise as it is, without styles and lists of arguments."""
    filtered = keras.config.is_traceback_filtering_enabled()
    keras.config.disable_traceback_filtering()
    try:
        yield
    finally:
        if filtered:
            keras.config.enable_traceback_filtering()


@contextlib.contextmanager
def _for_any_device(model: keras.Model) -> Iterator[None]:
    """Let no layer of Keras trace a kernel that only a GPU has, as its files go anywhere."""
    with contextlib.ExitStack() as stack:
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.LSTM | keras.layers.GRU):
                stack.enter_context(replaced(layer, "use_cudnn", False))
        yield


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

    Keras 3.15 writes out the steps that it knows, and else takes the number of rows for theirs.
    """
    with contextlib.ExitStack() as stack:
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.TimeDistributed):
                call = functools.partial(_apply_to_all_steps, layer.layer)
                stack.enter_context(replaced(layer, "call", call))
        yield


def _apply_to_all_steps(
    layer: keras.layers.Layer, inputs: Any, training: bool | None = None, mask: Any = None
) -> Any:
    options: dict[str, Any] = {}
    if mask is not None and layer._call_has_mask_arg:
        options["mask"] = _folded(mask)
    if layer._call_has_training_arg:
        options["training"] = training
    outputs = layer.call(_folded(inputs), **options)
    unfolded = tf.reshape(outputs, tf.concat([tf.shape(inputs)[:2], tf.shape(outputs)[1:]], 0))
    return tf.ensure_shape(unfolded, [*inputs.shape[:2], *outputs.shape[1:]])


def _folded(tensor: Any) -> Any:
    """Make one axis of batch and time."""
    folded = tf.reshape(tensor, tf.concat([[-1], tf.shape(tensor)[2:]], 0))
    return tf.ensure_shape(folded, [None, *tensor.shape[2:]])


def are_zeros(tensors: Any) -> bool:
    """Tell whether tensors are known to hold zeros alone, such as Keras begins sequences with."""
    flat = [tf.convert_to_tensor(tensor) for tensor in keras.tree.flatten(tensors)]
    values = [tf.get_static_value(_filling(tensor)) for tensor in flat]
    return all(value is not None and not np.any(value) for value in values)


def _filling(tensor: Any) -> Any:
    """Return the number that a tensor is filled with, or the tensor."""
    is_filled = tf.is_symbolic_tensor(tensor) and tensor.op.type == "Fill"
    return tensor.op.inputs[1] if is_filled else tensor


def place(operation: str, model: keras.Model) -> str:
    """Say which layer of `model` an operation belongs to; its name is a path of layers."""
    layers = {layer.name for layer in model._flatten_layers()} - {model.name}
    parts = operation.split("/")
    # A layer that is called again gets a number at the end of its name.
    names = [part if part in layers else re.sub(r"_\d+$", "", part) for part in parts]
    found = [name for name in names if name in layers]
    return f"layer {found[-1]!r}" if found else repr(operation)


def failing_place(error: Any, model: keras.Model) -> tuple[str, str]:
    """Say why an operation failed, and which layer of `model` it belongs to."""
    reason, _, operation = error.message.partition("[[{{node ")
    return reason.strip().splitlines()[-1], place(operation.partition("}}")[0], model)


def run(model: keras.Model, signature: Signature) -> Run:
    """Return `model` as a function of arrays.

    It raises an ExportError where an axis that the model says is free is not.
    """
    compiled = tf.function(
        function(model, signature), input_signature=specifications(signature), autograph=False
    )

    def call(inputs: Arrays) -> Arrays:
        shapes = {name: list(values.shape) for name, values in inputs.items()}
        try:
            outputs = compiled(*(tf.constant(inputs[array.name]) for array in signature.inputs))
        except tf.errors.OpError as error:
            reason, where = failing_place(error, model)
            raise ExportError(
                f"{model.name!r} fails in Keras on inputs of shapes {shapes}, in {where}: "
                f"{reason}. An axis that only some sizes fit must be "
                "fixed in its keras.Input."
            ) from error
        rows = {len(values) for values in inputs.values()}
        for name, output in outputs.items():
            if output.shape.rank and len(output) not in rows:
                raise ExportError(
                    f"Output {name!r} of {model.name!r} says that its batch axis is free, but has "
                    f"{len(output)} rows for inputs of shapes {shapes}: let its layer keep the "
                    "batch axis."
                )
        return {name: output.numpy() for name, output in outputs.items()}

    return call


def neighbour(model: keras.Model, signature: Signature) -> Run:
    """Return `model` as a function of arrays, its weights and inputs one unit in the last place up.

    Zeros stay, because they may be padding.
    """

    def moved(tensor: Any) -> Any:
        if not tensor.dtype.is_floating:
            return tensor
        return tf.where(tensor == 0, tensor, tf.math.nextafter(tensor, tensor.dtype.max))

    call = function(model, signature)

    def call_moved(*inputs: Any) -> dict[str, Any]:
        weights = [(each, moved(tf.convert_to_tensor(each.value))) for each in model.variables]
        with keras.StatelessScope(state_mapping=weights):
            return call(*(moved(each) for each in inputs))

    def run_moved(inputs: Arrays) -> Arrays:
        compiled = tf.function(call_moved, autograph=False)
        concrete = compiled.get_concrete_function(*specifications(signature))
        outputs = concrete(*(tf.constant(inputs[array.name]) for array in signature.inputs))
        return {name: output.numpy() for name, output in outputs.items()}

    return run_moved


def signature(model: keras.Model) -> Signature:
    """Read the signature of `model`; of several inputs, find out which share one time.

    The model is run: an input that may have more steps than the others has a time of its own. An
    output has the time of the input that has as many steps as it.
    """
    known = Signature.of(model)
    inputs = [array.name for array in known.inputs if array.has_time]
    if len(inputs) < 2:
        return known
    call = run(model, known)
    own = [name for name in inputs if _fits(call, _zeros(known, {name: _STEPS + 1}))]
    if not own:
        return known
    steps = {name: _STEPS + number for number, name in enumerate(own, start=1)}
    outputs = call(_zeros(known, steps))
    times = {_STEPS: "time", **{size: f"{name}_time" for name, size in steps.items()}}

    def named(array: Array, size: int) -> Array:
        return dataclasses.replace(array, time=times.get(size, f"{array.name}_time"))

    return Signature(
        tuple(named(array, steps.get(array.name, _STEPS)) for array in known.inputs),
        tuple(
            named(array, outputs[array.name].shape[1]) if array.has_time else array
            for array in known.outputs
        ),
    )


def _fits(call: Run, inputs: Arrays) -> bool:
    try:
        call(inputs)
    except ExportError:
        return False
    return True


def _zeros(signature: Signature, steps: Mapping[str, int]) -> Arrays:
    """Return a row of zeros for each input, with `steps` where they are given."""
    return {
        array.name: np.zeros(array.sized(1, steps.get(array.name, _STEPS)), array.dtype)
        for array in signature.inputs
    }


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
