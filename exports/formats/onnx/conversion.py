"""A Keras model as an ONNX graph: tf2onnx for everything but recurrence."""

import collections
import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import onnx
import tensorflow as tf
import tf2onnx

from custom_layers import engine
from exports import tracing
from exports.errors import UnsupportedLayerError, reason
from exports.formats.onnx import recurrence, session
from exports.formats.onnx.writer import HANDLERS
from exports.parity.compare import distances, next_up
from exports.signature import Arrays, Run, Signature

OPSET = 18
LAYERS = "recurrent_layers"  # the metadata that say what each recurrent layer became

_ERRORS = (
    NotImplementedError,
    ValueError,
    onnx.checker.ValidationError,
    onnx.shape_inference.InferenceError,
)


def convert(
    model: keras.Model,
    signature: Signature,
    properties: Mapping[str, str] | None = None,
    call: Callable[..., dict[str, Any]] | None = None,
) -> onnx.ModelProto:
    """Convert `model`, with inputs, outputs and axes named as in `signature`.

    Args:
        model: a Keras model.
        signature: of `call`.
        properties: metadata to be kept in the file.
        call: what is made of the model, `tracing.function(model, signature)` if None.

    Raises:
        ExportError: if something in the model has no ONNX form, or the result is not valid ONNX.
    """
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    # Tables that were made eagerly are None there, and the converter would warn of each.
    tf.compat.v1.get_default_graph().clear_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS)
    call = call or tracing.function(model, signature)
    # A list, because TensorFlow sorts the outputs of a mapping by name.
    function = tf.function(lambda *inputs: list(call(*inputs).values()), autograph=False)
    specifications = tracing.specifications(signature)
    try:
        with recurrence.marked(model) as calls, engine.portable():
            captures = function.get_concrete_function(*specifications).graph.captures
        graph, _ = tf2onnx.convert.from_function(
            function,
            specifications,
            opset=OPSET,
            custom_op_handlers={**HANDLERS, **recurrence.handlers(calls, OPSET)},
        )
        _reject_unknown(graph, model)
        _keep_constants(graph.graph, captures)
        _name_ends(graph, signature)
        graph.graph.name = model.name
        layers = json.dumps(recurrence.described(calls, model))
        onnx.helper.set_model_props(
            graph, {**(properties or {}), "opset": str(OPSET), LAYERS: layers}
        )
        onnx.checker.check_model(graph, full_check=True)
    except _ERRORS as error:
        raise UnsupportedLayerError(
            f"{model.name!r} cannot be converted to ONNX: {reason(error)}"
        ) from error
    return graph


def sensitivity(path: Path) -> Run:
    """Return how far the outputs of a file move with its weights and inputs, as `next_up`."""

    def run(inputs: Arrays) -> Arrays:
        graph = onnx.load(path)
        for weight in graph.graph.initializer:
            values = next_up(onnx.numpy_helper.to_array(weight))
            weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        with tempfile.TemporaryDirectory() as directory:
            onnx.save(graph, Path(directory, "moved.onnx"))
            run_moved = session.read(Path(directory, "moved.onnx"))
        outputs = session.read(path)(inputs)
        moved = run_moved({name: next_up(values) for name, values in inputs.items()})
        return distances(outputs, moved)

    return run


def operators(graph: onnx.ModelProto) -> dict[str, int]:
    """Count the operators of a graph, the most frequent first."""
    return dict(collections.Counter(node.op_type for node in graph.graph.node).most_common())


def recurrent_layers(graph: onnx.ModelProto) -> dict[str, str]:
    """Say for each recurrent layer of a converted model what it became, and why."""
    found: dict[str, str] = json.loads(
        next(each.value for each in graph.metadata_props if each.key == LAYERS)
    )
    return found


def _reject_unknown(graph: onnx.ModelProto, model: keras.Model) -> None:
    """Raise for the operators that the converter did not know and left as they were."""
    nodes = _nodes(graph.graph)
    unknown = {
        f"{node.op_type} in {tracing.place(node.name, model)}"
        for node in nodes
        if not onnx.defs.has(node.op_type, node.domain)
    }
    if unknown:
        raise ValueError(
            f"there is no ONNX form of TensorFlow's {', '.join(sorted(unknown))}: let the layer "
            'use other operators, or export with formats=["saved_model"].'
        )


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Go through the nodes of a graph, and of the graphs inside them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g)


def _keep_constants(graph: onnx.GraphProto, captures: Sequence[tuple[Any, Any]]) -> None:
    """Put into the file what a layer holds as a tensor: the converter makes an input of it."""
    held = {inner.name: outer for outer, inner in captures if outer.dtype != tf.resource}
    inputs = list(graph.input)
    del graph.input[:]
    graph.input.extend(each for each in inputs if each.name not in held)
    graph.initializer.extend(
        onnx.numpy_helper.from_array(held[each.name].numpy(), each.name)
        for each in inputs
        if each.name in held
    )


def _name_ends(graph: onnx.ModelProto, signature: Signature) -> None:
    """Give inputs, outputs and their axes the names of `signature`."""
    ends = [*graph.graph.input, *graph.graph.output]
    names = {}
    for end, array in zip(ends, [*signature.inputs, *signature.outputs], strict=True):
        names[end.name] = array.name
        end.name = array.name
        for dimension, size in zip(end.type.tensor_type.shape.dim, array.dimensions(), strict=True):
            if isinstance(size, str):
                dimension.dim_param = size
            else:
                dimension.dim_value = size
    for node in graph.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    # What is left here carries the converter's own names of axes.
    del graph.graph.value_info[:]
