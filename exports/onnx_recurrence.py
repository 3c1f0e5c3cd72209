"""Recurrent layers in ONNX: a native node where ONNX has one, else a Scan; never a Loop.

While a model is traced for ONNX, each recurrent layer puts a marker in the graph where its loop
would be; the converter then turns each marker into the form that its layer takes.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import tensorflow as tf

import custom_layers
from exports import traced
from exports.onnx_native import NativeNode, lacking, native_node
from exports.onnx_scan import ScanNode
from exports.onnx_writer import Writer

Tensor = Any

_KERAS_TWINS = {
    keras.layers.SimpleRNN: custom_layers.RNN,
    keras.layers.LSTM: custom_layers.LSTM,
    keras.layers.GRU: custom_layers.GRU,
}

# What the numbers that a layer of Keras gives depend on, beside its weights.
_OPTIONS = (
    "units",
    "activation",
    "recurrent_activation",
    "use_bias",
    "reset_after",
    "return_sequences",
    "go_backwards",
    "zero_output_for_mask",
    "dtype",
)


class Call(NamedTuple):
    """One use of a layer: its form, and which inputs the marker has beside the sequences."""

    layer: str
    form: NativeNode | ScanNode
    has_mask: bool
    has_state: bool


@contextlib.contextmanager
def marked(model: keras.Model) -> Iterator[list[Call]]:
    """While open, the recurrent layers of `model` trace as markers.

    Yields:
        What is traced meanwhile: the call that each marker stands for, in their order.
    """
    calls: list[Call] = []
    with contextlib.ExitStack() as stack:
        for layer in model._flatten_layers():
            if isinstance(layer, custom_layers.Recurrent) or type(layer) in _KERAS_TWINS:
                stack.enter_context(_marked(layer, calls))
        yield calls


def described(calls: list[Call]) -> dict[str, str]:
    """Say for each layer what it became, and why."""
    return {call.layer: str(call.form) for call in calls}


def handlers(calls: list[Call], opset: int) -> dict[str, Any]:
    """Return tf2onnx's `custom_op_handlers` that turn the markers of `calls` into their forms."""
    ready = [call._replace(form=call.form.prepared(call.has_mask, opset)) for call in calls]
    return {"PyFuncStateless": (functools.partial(_replace_marker, ready), [])}


@contextlib.contextmanager
def _marked(layer: keras.layers.Layer, calls: list[Call]) -> Iterator[None]:
    """Let `layer` trace as a marker; a layer of Keras does so by way of ours with its weights."""
    ours = layer if isinstance(layer, custom_layers.Recurrent) else _twin(layer)
    lacks = lacking(ours)
    form = native_node(ours) if lacks is None else ScanNode(ours, reason=lacks)

    def walk(recurrence: Any, sequences: Tensor, state: list[Tensor] | None) -> Any:
        sequences, state = form.reads(recurrence, sequences, state)
        calls.append(Call(layer.name, form, recurrence.mask is not None, state is not None))
        masks = [] if recurrence.mask is None else [recurrence.mask]
        return _marker(len(calls) - 1, form.widths, [sequences, *masks, *(state or [])])

    def inner_loop(sequences: Tensor, initial_state: Any, mask: Any, training: bool = False) -> Any:
        state = None if traced.are_zeros(initial_state) else initial_state
        output, *final = ours(sequences, initial_state=state, mask=mask)
        return output, output, final

    ours.walk = walk  # type: ignore[method-assign]
    if ours is not layer:
        layer.inner_loop = inner_loop
    try:
        yield
    finally:
        del ours.walk
        if ours is not layer:
            del layer.inner_loop


def _twin(layer: keras.layers.Layer) -> custom_layers.Recurrent:
    options = {name: getattr(layer, name) for name in _OPTIONS if hasattr(layer, name)}
    twin = _KERAS_TWINS[type(layer)](**options, return_state=True, name=layer.name)
    twin.build((None, None, layer.cell.kernel.shape[0]))
    twin.set_weights(layer.get_weights())
    return twin


def _marker(number: int, widths: list[int], inputs: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Put the marker in the graph, as `Recurrent.walk` would put the loop."""
    outputs, *final = tf.raw_ops.PyFuncStateless(
        input=inputs, token=str(number), Tout=[tf.float32] * (1 + len(widths))
    )
    outputs = tf.ensure_shape(outputs, [None, None, widths[0]])
    states = zip(final, widths, strict=True)
    return outputs, [tf.ensure_shape(each, [None, width]) for each, width in states]


def _replace_marker(calls: list[Call], graph: Any, marker: Any, name: str, _: list[Any]) -> None:
    """Replace a marker by what it stands for: what tf2onnx calls for each of them."""
    call = calls[int(marker.get_attr_str("token"))]
    sequences, *more = marker.input
    mask = more.pop(0) if call.has_mask else None
    replaced = list(marker.output)
    graph.remove_node(marker.name)
    written = call.form.write(Writer(graph, name.rpartition("/")[0]), sequences, mask, more)
    for old, new in zip(replaced, written, strict=True):
        graph.replace_all_inputs(old, new)
