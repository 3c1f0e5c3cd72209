"""One recurrent layer becomes one LSTM, GRU or RNN node.

While a model is traced for ONNX, each recurrent layer puts a marker in the graph where its loop
would be; the converter then turns each marker into the node that its `NativeNode` describes.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx

import custom_layers
from custom_layers.cells import GRUCell, LSTMCell, RNNCell
from exports.errors import ExportError

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


class Activation(NamedTuple):
    """An activation that ONNX's recurrent operators have, with its constants."""

    name: str
    alpha: float | None = None
    beta: float | None = None


# Softplus is not among them: ONNX Runtime's overflows in these operators, from 89 on.
_ACTIVATIONS = {
    keras.activations.tanh: Activation("Tanh"),
    keras.activations.sigmoid: Activation("Sigmoid"),
    keras.activations.relu: Activation("Relu"),
    keras.activations.linear: Activation("Affine", 1.0, 0.0),
    keras.activations.hard_sigmoid: Activation("HardSigmoid", 1 / 6, 0.5),
    keras.activations.softsign: Activation("Softsign"),
}


class NativeNode(NamedTuple):
    """A recurrent ONNX operator with its weights.

    Attributes:
        operator: `LSTM`, `GRU` or `RNN`.
        units: width of each state.
        weights: W `[1, G * U, F]`, R `[1, G * U, U]`, B `[1, 2 * G * U]`, in ONNX's gate order.
        attributes: of the operator.
    """

    operator: str
    units: int
    weights: dict[str, np.ndarray]
    attributes: dict[str, Any]


def native_node(layer: custom_layers.Recurrent) -> NativeNode:
    """Describe the ONNX node that computes `layer`.

    Raises:
        ExportError: if ONNX has no operator for its cell or no such activation.
    """
    cell = layer.cell
    if type(cell) is LSTMCell:
        operator, order = "LSTM", [0, 3, 1, 2]
        functions = [cell.recurrent_activation, cell.activation, cell.activation]
    elif type(cell) is GRUCell:
        operator, order = "GRU", [0, 1, 2]
        functions = [cell.recurrent_activation, cell.activation]
    elif type(cell) is RNNCell:
        operator, order = "RNN", [0]
        functions = [cell.activation]
    else:
        raise ExportError(
            f"Layer {layer.name!r}: ONNX has no recurrent operator for {type(cell).__name__}; "
            "it has them for the cells of RNN, IRNN, LSTM and GRU."
        )
    attributes = {"hidden_size": cell.units, **_activations(layer.name, functions)}
    if type(cell) is GRUCell:
        attributes["linear_before_reset"] = int(cell.reset_after)

    def blocks(weight: Any, rows: int) -> np.ndarray:
        """Put the gates of a weight `[rows, G * U]` in ONNX's order: `[G * U, rows]`."""
        gates = np.split(np.asarray(weight, "float32").reshape(rows, -1), len(order), axis=1)
        return np.concatenate([gates[place].T for place in order])

    biases = [cell.input_bias(), cell.products()["recurrent_kernel"].bias]
    zeros = np.zeros(len(order) * cell.units, "float32")
    return NativeNode(
        operator,
        cell.units,
        {
            "W": blocks(cell.kernel, cell.kernel.shape[0])[None],
            "R": blocks(cell.recurrent_kernel, cell.units)[None],
            "B": np.concatenate(
                [blocks(zeros if bias is None else bias, 1)[:, 0] for bias in biases]
            )[None],
        },
        attributes,
    )


def _activations(layer: str, functions: list[Callable[..., Any]]) -> dict[str, list[Any]]:
    for function in functions:
        if function not in _ACTIVATIONS:
            raise ExportError(
                f"Layer {layer!r}: ONNX's recurrent operators have no activation "
                f"{getattr(function, '__name__', function)!r}; they have "
                f"{', '.join(sorted(known.__name__ for known in _ACTIVATIONS))}."
            )
    known = [_ACTIVATIONS[function] for function in functions]
    attributes: dict[str, list[Any]] = {"activations": [each.name for each in known]}
    for constant in ("alpha", "beta"):
        values = [getattr(each, constant) for each in known]
        if given := [value for value in values if value is not None]:
            attributes[f"activation_{constant}"] = given
    return attributes


class Call(NamedTuple):
    """One use of a layer: its node, and which inputs the marker has beside the sequences."""

    node: NativeNode
    has_mask: bool
    has_state: bool


@contextlib.contextmanager
def native_recurrence(model: keras.Model) -> Iterator[dict[str, Any]]:
    """While open, the recurrent layers of `model` trace as markers.

    Yields:
        tf2onnx's `custom_op_handlers` that turn the markers into nodes.
    """
    calls: list[Call] = []
    with contextlib.ExitStack() as stack:
        for layer in model._flatten_layers():
            if isinstance(layer, custom_layers.Recurrent) or type(layer) in _KERAS_TWINS:
                stack.enter_context(_marked(layer, calls))
        yield {"PyFuncStateless": (functools.partial(_replace_marker, calls), [])}


@contextlib.contextmanager
def _marked(layer: keras.layers.Layer, calls: list[Call]) -> Iterator[None]:
    """Let `layer` trace as a marker; a layer of Keras does so by way of ours with its weights."""
    ours = layer if isinstance(layer, custom_layers.Recurrent) else _twin(layer)
    node = native_node(ours)

    def walk(recurrence: Any, sequences: Tensor, state: list[Tensor] | None) -> Any:
        call = Call(node, recurrence.mask is not None, state is not None)
        calls.append(call)
        masks = [recurrence.mask] if call.has_mask else []
        return _marker(len(calls) - 1, call, [sequences, *masks, *(state or [])])

    def inner_loop(sequences: Tensor, initial_state: Any, mask: Any, training: bool = False) -> Any:
        state = None if all(map(_is_zero, keras.tree.flatten(initial_state))) else initial_state
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


def _is_zero(tensor: Tensor) -> bool:
    """Tell whether a tensor is known to hold zeros alone, such as Keras begins sequences with."""
    value = tensor.op.inputs[1] if tensor.op.type == "Fill" else tensor
    value = tf.get_static_value(value)
    return value is not None and not np.any(value)


def _twin(layer: keras.layers.Layer) -> custom_layers.Recurrent:
    options = {name: getattr(layer, name) for name in _OPTIONS if hasattr(layer, name)}
    twin = _KERAS_TWINS[type(layer)](**options, return_state=True, name=layer.name)
    twin.build((None, None, layer.cell.kernel.shape[0]))
    twin.set_weights(layer.get_weights())
    return twin


def _marker(number: int, call: Call, inputs: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Put the marker in the graph, as `Recurrent.walk` would put the loop."""
    states = 2 if call.node.operator == "LSTM" else 1
    outputs, *final = tf.raw_ops.PyFuncStateless(
        input=inputs, token=str(number), Tout=[tf.float32] * (1 + states)
    )
    units = call.node.units
    outputs = tf.ensure_shape(outputs, [None, None, units])
    return outputs, [tf.ensure_shape(each, [None, units]) for each in final]


def _replace_marker(calls: list[Call], graph: Any, marker: Any, name: str, _: list[Any]) -> None:
    """Replace a marker by what it stands for: what tf2onnx calls for each of them."""
    call = calls[int(marker.get_attr_str("token"))]
    writer = _Writer(graph, name.rpartition("/")[0])
    sequences, *more = marker.input
    mask = more.pop(0) if call.has_mask else None
    replaced = list(marker.output)
    graph.remove_node(marker.name)
    for old, new in zip(replaced, _write(writer, call.node, sequences, mask, more), strict=True):
        graph.replace_all_inputs(old, new)


class _Writer:
    """Adds operators to a graph of tf2onnx, each after those that it reads."""

    def __init__(self, graph: Any, scope: str) -> None:
        self.graph, self.scope = graph, scope

    def __call__(self, operator: str, *inputs: Any, count: int = 1, **attributes: Any) -> Any:
        """Add an operator, its arrays as constants; return its output, or a list of `count`."""
        names = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        node = self.graph.make_node(
            operator, names, attr=attributes, output_count=count, op_name_scope=self.scope
        )
        return node.output[0] if count == 1 else list(node.output)

    def _constant(self, value: Any) -> str:
        name = tf2onnx.utils.make_name(self.scope)
        return str(self.graph.make_const(name, np.asarray(value)).output[0])


def _write(
    write: _Writer, node: NativeNode, sequences: str, mask: str | None, state: list[str]
) -> list[str]:
    """Write `node` and the operators of its mask; return the outputs and the final states.

    ONNX takes the number of steps of each row, which is exact for right-padded rows. Any other
    mask becomes such rows: the real steps of each row move to the front, in order, and each step
    gets the output of the last real step up to it. A row of no steps gives ONNX's zeros, where
    Keras gives the initial state.
    """
    lengths = ""
    if mask is not None:
        real = write("Cast", mask, to=onnx.TensorProto.INT32)
        lengths = write("ReduceSum", real, [1], keepdims=0)
        # TopK takes equal values in order, so the real steps come first and stay in order.
        time = write("Shape", mask, start=1, end=2)
        _, order = write("TopK", real, time, axis=1, count=2)
        sequences = write("GatherND", sequences, write("Unsqueeze", order, [2]), batch_dims=1)
    outputs, *final = write(
        node.operator,
        write("Transpose", sequences, perm=[1, 0, 2]),
        *node.weights.values(),
        lengths,
        *(write("Unsqueeze", each, [0]) for each in state),
        count=3 if node.operator == "LSTM" else 2,
        **node.attributes,
    )
    outputs = write("Transpose", write("Squeeze", outputs, [1]), perm=[1, 0, 2])
    final = [write("Squeeze", each, [0]) for each in final]
    if mask is None:
        return [outputs, *final]
    count = write("Cast", write("CumSum", real, 1), to=onnx.TensorProto.INT64)
    # Before the first real step this is -1, the last place, which is zero: the row has a gap.
    place = write("Unsqueeze", write("Sub", count, 1), [2])
    outputs = write("GatherND", outputs, place, batch_dims=1)
    if state:
        none_yet = write("Unsqueeze", write("Equal", count, 0), [2])
        outputs = write("Where", none_yet, write("Unsqueeze", state[0], [1]), outputs)
        empty = write("Unsqueeze", write("Equal", lengths, np.int32(0)), [1])
        final = [write("Where", empty, *pair) for pair in zip(state, final, strict=True)]
    return [outputs, *final]
