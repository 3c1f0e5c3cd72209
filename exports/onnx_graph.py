"""A Keras model as an ONNX graph: tf2onnx for everything but recurrence."""

import collections
import logging
from collections.abc import Mapping

import keras
import onnx
import tensorflow as tf
import tf2onnx

from custom_layers import engine
from exports import traced
from exports.errors import ExportError
from exports.onnx_recurrence import native_recurrence
from exports.signature import Signature

OPSET = 18


def convert(
    model: keras.Model, signature: Signature, metadata: Mapping[str, str] | None = None
) -> onnx.ModelProto:
    """Convert `model`, with inputs, outputs and axes named as in `signature`.

    Raises:
        ExportError: if something in the model has no ONNX form, or the result is not valid ONNX.
    """
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    function = tf.function(traced.function(model, signature), autograph=False)
    try:
        with native_recurrence(model) as handlers, engine.portable():
            graph, _ = tf2onnx.convert.from_function(
                function,
                traced.specifications(signature),
                opset=OPSET,
                custom_op_handlers=handlers,
            )
        _name_ends(graph, signature)
        onnx.helper.set_model_props(graph, dict(metadata or {}))
        onnx.checker.check_model(graph, full_check=True)
    except (ValueError, NotImplementedError, onnx.checker.ValidationError) as error:
        raise ExportError(f"{model.name!r} cannot be converted to ONNX: {error}") from error
    return graph


def operators(graph: onnx.ModelProto) -> dict[str, int]:
    """Count the operators of a graph, the most frequent first."""
    return dict(collections.Counter(node.op_type for node in graph.graph.node).most_common())


def _name_ends(graph: onnx.ModelProto, signature: Signature) -> None:
    """Give inputs, outputs and their axes the names of `signature`."""
    ends = [*graph.graph.input, *graph.graph.output]
    names = {}
    for end, array in zip(ends, [*signature.inputs, *signature.outputs], strict=True):
        names[end.name] = array.name
        end.name = array.name
        for dimension, size in zip(end.type.tensor_type.shape.dim, array.axes(), strict=True):
            if isinstance(size, str):
                dimension.dim_param = size
            else:
                dimension.dim_value = size
    for node in graph.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    # What is left here carries the converter's own names of axes.
    del graph.graph.value_info[:]
