"""A Keras model as a LiteRT file of builtin operators alone, which every interpreter has."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend import core
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.python.convert_phase import ConverterError
from tensorflow.lite.tools import flatbuffer_utils

from custom_layers import engine
from custom_layers.engine import backend
from exports import keras_twins, scans, tracing
from exports.errors import UnsupportedLayerError, reason
from exports.formats.litert import session
from exports.signature import Array, Signature

Tensor = Any

SERVE = "serving_default"  # the signature that names a file's inputs and outputs

# Without types the converter's optimization is 8 bits.
_TYPES: dict[str, list[Any]] = {"float32": [], "float16": [tf.float16], "int8": []}
_OPTIMIZATIONS: dict[str, list[Any]] = {
    "float32": [],
    "float16": [tf.lite.Optimize.DEFAULT],
    "int8": [tf.lite.Optimize.DEFAULT],
}
_ERRORS = (NotImplementedError, RuntimeError, TypeError, ValueError)


def convert(
    model: keras.Model,
    signature: Signature,
    call: Callable[..., dict[str, Any]] | None = None,
    precision: str = "float32",
) -> bytes:
    """Convert `model`, with inputs and outputs named as in `signature`, and free axes free.

    Args:
        model: a Keras model.
        signature: of `call`.
        call: what is made of the model, `tracing.function(model, signature)` if None.
        precision: of the weights: float16 halves the file; int8 quarters it, but for weights of
            less than 1024 numbers, and products with such weights are computed in 8 bits (dynamic
            range quantization).

    Returns:
        The bytes of the file.

    Raises:
        ExportError: if something in the model has no LiteRT form.
    """
    call = call or tracing.function(model, signature)
    # A list, because TensorFlow sorts the outputs of a mapping by name.
    function = tf.function(lambda *inputs: list(call(*inputs).values()), autograph=False)
    try:
        with loops_of_ours(model), _new_axes_apart(), engine.portable(tensor_arrays=False):
            concrete = function.get_concrete_function(*_numbered(signature))
            with _without_warnings(), session.quiet():
                converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
                converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
                converter.target_spec.supported_types = _TYPES[precision]
                converter.optimizations = _OPTIMIZATIONS[precision]
                converted = converter.convert()
    except ConverterError as error:
        raise UnsupportedLayerError(_unsupported(error, model)) from error
    except _ERRORS as error:
        raise UnsupportedLayerError(
            f"{model.name!r} cannot be converted to LiteRT: {reason(error)}"
        ) from error
    return _named(converted, signature)


def operators(converted: bytes) -> dict[str, int]:
    """Count the operators of a file in all its graphs; one that is not builtin is `CUSTOM`."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(converted))
    counts: dict[str, int] = {}
    for graph in model.subgraphs:
        for operator in graph.operators or []:
            name = flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)
            counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))


@contextlib.contextmanager
def loops_of_ours(model: keras.Model) -> Iterator[None]:
    """While open, the recurrent layers of Keras in `model`, and scans, trace as our loops."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(tracing.replaced(core, "scan", scans.scan))
        for layer in model._flatten_layers():
            if keras_twins.has_loop_of_keras(layer):
                ours = keras_twins.twin(layer)
                loop = _scanned(layer) if ours is None else keras_twins.in_place_of(layer, ours)
                stack.enter_context(loop)
        yield


@contextlib.contextmanager
def _scanned(layer: Any) -> Iterator[None]:
    """Let a `layer` of Keras run a cell that has no twin by our loop.

    The output of the last step is a state beside those of the cell: Keras shows it, or at first
    zero, where a step is masked.
    """

    def inner_loop(sequences: Tensor, initial_state: Any, mask: Any, training: bool = False) -> Any:
        def step(states: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
            x, *real = now
            output, new = layer.cell(x, keras.tree.pack_sequence_as(initial_state, states[1:]))
            after = [output, *keras.tree.flatten(new)]
            for each in real:
                after = [
                    tf.where(keras_twins.with_axes(each, len(new.shape)), new, old)
                    for new, old in zip(after, states, strict=True)
                ]
            return after, after[: int(layer.return_sequences)]

        output, _ = layer.cell(sequences[:, 0], initial_state)
        states = [tf.zeros_like(output), *keras.tree.flatten(initial_state)]
        read = [sequences] if mask is None else [sequences, tf.cast(mask, tf.bool)]
        if layer.go_backwards:
            read = [tf.reverse(each, [1]) for each in read]
        steps = [_swapped(each) for each in read]
        wanted = int(layer.return_sequences)
        final, outputs = backend.scan(
            step, states, steps, states[:wanted], length=backend.length(steps[0])
        )
        output = _swapped(outputs[0]) if wanted else final[0]
        output = keras_twins.with_zeros(layer, output, mask)
        return output, output, keras.tree.pack_sequence_as(initial_state, final[1:])

    with tracing.replaced(layer, "inner_loop", inner_loop):
        yield


@contextlib.contextmanager
def _new_axes_apart() -> Iterator[None]:
    """While open, new axes at the end of an index, `x[..., None]`, trace as `tf.expand_dims`.

    The converter has no form of them as a part of a slice.
    """
    index = tf.Tensor.__getitem__

    def expanded(tensor: Tensor, key: Any) -> Tensor:
        keys = list(key) if isinstance(key, tuple) else [key]
        kept = [each for each in keys if each is not None]
        reaches_end = any(each is Ellipsis for each in kept) or len(kept) == tensor.shape.rank
        if not keys or keys[-1] is not None or not reaches_end:
            return index(tensor, key)
        return tf.expand_dims(expanded(tensor, tuple(keys[:-1])), -1)

    tf.Tensor.__getitem__ = expanded
    try:
        yield
    finally:
        tf.Tensor.__getitem__ = index


def _swapped(tensor: Tensor) -> Tensor:
    """Swap batch and time."""
    return tf.transpose(tensor, [1, 0, *range(2, len(tensor.shape))])


def _numbered(signature: Signature) -> list[tf.TensorSpec]:
    """Return the inputs as TensorFlow specifies them, with names that it leaves as they are."""
    return [
        tf.TensorSpec(array.shape, array.dtype, f"input_{number}")
        for number, array in enumerate(signature.inputs)
    ]


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep absl from saying that another way of conversion, by a SavedModel, is preferred."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _unsupported(error: ConverterError, model: keras.Model) -> str:
    """Say which operators have no LiteRT form, and which layers have them."""
    found = {
        f"{each.operator.name.removeprefix('tf.')} in {tracing.place(name, model)}"
        for each in error.errors
        for name in [next((call.name for call in each.location.call if call.name), "")]
        if name and each.operator.name.startswith("tf.")
    }
    if not found:
        return f"{model.name!r} cannot be converted to LiteRT: {reason(error)}"
    return (
        f"{model.name!r} cannot be converted to LiteRT: there is no LiteRT form of TensorFlow's "
        f"{', '.join(sorted(found))}: let the layer use other operators, or export to another "
        "format."
    )


def _named(converted: bytes, signature: Signature) -> bytes:
    """Give inputs and outputs the names of `signature`, as one of the file."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(converted))
    (graph, *_) = model.subgraphs
    named = schema.SignatureDefT()
    named.signatureKey, named.subgraphIndex = SERVE, 0
    named.inputs = _ends(signature.inputs, graph.inputs)
    named.outputs = _ends(signature.outputs, graph.outputs)
    model.signatureDefs = [named]
    # An output may be an input, or two outputs one tensor: the last name is what a viewer shows.
    for end in [*named.outputs, *named.inputs]:
        graph.tensors[end.tensorIndex].name = end.name
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _ends(arrays: Sequence[Array], places: Sequence[int]) -> list[Any]:
    ends = []
    for array, place in zip(arrays, places, strict=True):
        end = schema.TensorMapT()
        end.name, end.tensorIndex = array.name, int(place)
        ends.append(end)
    return ends
