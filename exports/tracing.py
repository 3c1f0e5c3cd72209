"""A Keras model as a TensorFlow function of named tensors."""

import contextlib
import functools
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend import core

from exports import scans
from exports.errors import ExportError, UnsupportedLayerError, reason
from exports.parity.compare import distances, next_up
from exports.signature import STRING, Arrays, Run, Signature

_HALVES = ("bfloat16", "float16")  # the coarsest first
_PRECISIONS = (*_HALVES, "float64")
_ERRORS = (  # what layers raise that cannot be traced
    *(AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError),
    *(ValueError, tf.errors.OpError),
)


def specifications(signature: Signature) -> list[tf.TensorSpec]:
    """Return the inputs as TensorFlow specifies them."""
    return [
        tf.TensorSpec(each.shape, tf.string if each.dtype == STRING else each.dtype, each.name)
        for each in signature.inputs
    ]


def function(model: keras.Model, signature: Signature) -> Callable[..., dict[str, Any]]:
    """Return `model` as a function from its inputs, in order, to its outputs, by name.

    A stateful model begins with zero states at every call.
    """

    def call(*inputs: Any) -> dict[str, Any]:
        packed = keras.tree.pack_sequence_as(_structure(model), inputs)
        with for_files(model):
            outputs = keras.tree.flatten(model(packed, training=False))
        names = (array.name for array in signature.outputs)
        return dict(zip(names, outputs, strict=True))

    return call


@contextlib.contextmanager
def for_files(model: keras.Model) -> Iterator[None]:
    """While open, `model` traces to what files can have: no state of its own, for any device."""
    with (
        _for_any_device(model),
        _stateless(model),
        _time_folded(model),
        replaced(core, "associative_scan", scans.associative_scan),
    ):
        yield


def _structure(model: keras.Model) -> Any:
    """Return the inputs of `model`, nested as it takes them."""
    # A Sequential model has one input, and no `input` before it is called.
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


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
    why, _, operation = error.message.partition("[[{{node ")
    return why.strip().splitlines()[-1], place(operation.partition("}}")[0], model)


def run(model: keras.Model, signature: Signature) -> Run:
    """Return `model` as a function of arrays.

    It raises an ExportError where an axis that the model says is free is not.

    Raises:
        ExportError: if the model cannot be traced with free axes.
    """
    compilable = tf.function(function(model, signature), autograph=False)
    try:
        compiled = compilable.get_concrete_function(*specifications(signature))
    except _ERRORS as error:
        raise _failure(model, "for inputs of any length", error) from error

    def call(inputs: Arrays) -> Arrays:
        shapes = {name: list(values.shape) for name, values in inputs.items()}
        try:
            outputs = compiled(*(tf.constant(inputs[array.name]) for array in signature.inputs))
        except tf.errors.OpError as error:
            why, where = failing_place(error, model)
            raise UnsupportedLayerError(
                f"{model.name!r} fails in Keras on inputs of shapes {shapes}, in {where}: "
                f"{why}. An axis that only some sizes fit must be "
                "fixed in its keras.Input."
            ) from error
        rows = {len(values) for values in inputs.values()}
        for name, output in outputs.items():
            if output.shape.rank and len(output) not in rows:
                raise UnsupportedLayerError(
                    f"Output {name!r} of {model.name!r} says that its batch axis is free, but has "
                    f"{len(output)} rows for inputs of shapes {shapes}: let its layer keep the "
                    "batch axis."
                )
        return {name: output.numpy() for name, output in outputs.items()}

    return call


def sensitivity(model: keras.Model, signature: Signature) -> Run:
    """Return how far outputs of `model` move with its weights and inputs, as `parity.next_up`."""
    call = function(model, signature)

    def run(inputs: Arrays) -> Arrays:
        weights = [(each, tf.constant(next_up(each.numpy()))) for each in model.variables]

        def call_moved(*inputs: Any) -> dict[str, Any]:
            with keras.StatelessScope(state_mapping=weights):
                return call(*inputs)

        first, second = (
            tf.function(each, autograph=False).get_concrete_function(*specifications(signature))
            for each in (call, call_moved)
        )
        given = [inputs[array.name] for array in signature.inputs]
        outputs = first(*map(tf.constant, given))
        moved = second(*(tf.constant(next_up(each)) for each in given))
        return distances(*tf.nest.map_structure(np.asarray, (outputs, moved)))

    return run


def as_given(model: keras.Model, signature: Signature, *, stateful: bool = False) -> Run:
    """Return `model` as its user calls it, in its own precision; its outputs in that of files.

    It runs on any backend of Keras.
    It begins with zero states at every call, unless it is to be `stateful`.
    """

    def call(inputs: Arrays) -> Arrays:
        arrays = [keras.ops.convert_to_tensor(inputs[array.name]) for array in signature.inputs]
        packed = keras.tree.pack_sequence_as(_structure(model), arrays)
        try:
            # Keras warns of sizes that users do not choose, such as a softmax over one step.
            with (
                contextlib.nullcontext() if stateful else _stateless(model),
                warnings.catch_warnings(action="ignore"),
            ):
                outputs = keras.tree.flatten(model(packed, training=False))
        except _ERRORS as error:
            raise _failure(model, "as it is called", error) from error
        pairs = zip(signature.outputs, outputs, strict=True)
        return {
            array.name: keras.ops.convert_to_numpy(output).astype(array.dtype)
            for array, output in pairs
        }

    return call


def _failure(model: keras.Model, when: str, error: Exception) -> ExportError:
    """Say what failed while Python went through the layers of `model`, and in which."""
    callers = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
    names = [each.name for each in callers if isinstance(each, keras.Operation)]
    where = f", in layer {names[-1]!r}" if names and names[-1] != model.name else ""
    return ExportError(f"{model.name!r} fails in Keras {when}{where}: {reason(error)}")


@contextlib.contextmanager
def in_float32(model: keras.Model) -> Iterator[None]:
    """Let `model` compute in float32 for a while, with the same weights, whatever its precision.

    Training may compute in half precision; what ships is one model for every machine. Policies,
    weights and what layers hold as tensors are replaced where they are, and then put back, so
    nothing is lost that a configuration does not hold.
    """
    with contextlib.ExitStack() as stack:
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.InputLayer) and layer.dtype in _HALVES:
                stack.enter_context(replaced(layer, "_dtype", "float32"))
            if {layer.compute_dtype, layer.variable_dtype} & set(_PRECISIONS):
                stack.enter_context(replaced(layer, "_dtype_policy", keras.DTypePolicy("float32")))
            for name, value in list(vars(layer).items()):
                if isinstance(value, tf.Tensor) and value.dtype.name in _PRECISIONS:
                    stack.enter_context(replaced(layer, name, tf.cast(value, "float32")))
        for variable in model.variables:
            if variable.dtype in _PRECISIONS:
                value = tf.Variable(tf.cast(variable.value, "float32"))
                stack.enter_context(replaced(variable, "_value", value))
                stack.enter_context(replaced(variable, "_dtype", "float32"))
        for graph in _graphs(model):
            for tensor in graph.inputs:
                if tensor.dtype in _HALVES:
                    stack.enter_context(replaced(tensor, "_dtype", "float32"))
            for operation in graph.operations:  # such as the cast of what a layer is given
                if vars(operation).get("dtype") in _HALVES:
                    stack.enter_context(replaced(operation, "dtype", "float32"))
        yield


def _graphs(model: keras.Model) -> Iterator[Any]:
    """Go through the graphs of layers and operations that `model` consists of."""
    for layer in model._flatten_layers():
        graph = layer._functional if isinstance(layer, keras.Sequential) else layer
        if hasattr(graph, "operations"):
            yield graph


def precision(model: keras.Model) -> str:
    """Return the coarsest floating type that a layer of `model` computes in."""
    used = {layer.compute_dtype for layer in model._flatten_layers()}
    return next((name for name in _HALVES if name in used), "float32")


def reject_nonfinite_weights(model: keras.Model) -> None:
    """Raise for NaN and infinity in weights: a NaN equals every NaN, and so proves nothing.

    Raises:
        ExportError: if there is one.
    """
    for variable in model.variables:
        values = np.asarray(tf.cast(variable.value, "float32"))
        if wrong := int(np.sum(~np.isfinite(values))):
            raise UnsupportedLayerError(
                f"The weight {variable.path!r} holds NaN or infinity in {wrong} of {values.size} "
                "numbers: train the model again, or load weights that are finite."
            )
