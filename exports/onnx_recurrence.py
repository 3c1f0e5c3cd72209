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
import tensorflow as tf

import custom_layers
from custom_layers.cells import GRUCell, LSTMCell, RNNCell
from custom_layers.engine.packing import packing
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
    if isinstance(cell, LSTMCell):
        operator, order = "LSTM", [0, 3, 1, 2]
        functions = [cell.recurrent_activation, cell.activation, cell.activation]
    elif isinstance(cell, GRUCell):
        operator, order = "GRU", [0, 1, 2]
        functions = [cell.recurrent_activation, cell.activation]
    elif isinstance(cell, RNNCell):
        operator, order = "RNN", [0]
        functions = [cell.activation]
    else:
        raise ExportError(
            f"Layer {layer.name!r}: ONNX has no recurrent operator for {type(cell).__name__}; "
            "it has them for the cells of RNN, IRNN, LSTM and GRU."
        )
    attributes = {"hidden_size": cell.units, **_activations(layer.name, functions)}
    if isinstance(cell, GRUCell):
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


@contextlib.contextmanager
def native_recurrence(model: keras.Model) -> Iterator[dict[str, Any]]:
    """While open, the recurrent layers of `model` trace as markers.

    Yields:
        tf2onnx's `custom_op_handlers` that turn the markers into nodes.
    """
    nodes: dict[str, NativeNode] = {}
    layers = [layer for layer in model._flatten_layers() if _is_recurrent(layer)]
    with contextlib.ExitStack() as stack:
        for layer in layers:
            token = f"{layer.name}:{len(nodes)}"
            stack.enter_context(_marked(layer, token, nodes))
        yield {"PyFuncStateless": (functools.partial(_replace_marker, nodes), [])}


def _is_recurrent(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, custom_layers.Recurrent) or type(layer) in _KERAS_TWINS


@contextlib.contextmanager
def _marked(layer: keras.layers.Layer, token: str, nodes: dict[str, NativeNode]) -> Iterator[None]:
    """Let `layer` trace as a marker; a layer of Keras does so by way of ours with its weights."""
    ours = layer if isinstance(layer, custom_layers.Recurrent) else _twin(layer)
    nodes[token] = native_node(ours)
    ours.walk = lambda recurrence, sequences, state: _marker(  # type: ignore[method-assign]
        token, nodes[token], sequences, state, recurrence.mask
    )
    if ours is not layer:
        layer.inner_loop = lambda sequences, initial_state, mask, training=False: _as_keras(
            ours(sequences, initial_state=initial_state, mask=mask)
        )
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


def _as_keras(results: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, list[Tensor]]:
    output, *state = results
    return output, output, state


def _marker(
    token: str, node: NativeNode, sequences: Tensor, state: list[Tensor], mask: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    """Put the marker in the graph, as `Recurrent.walk` would put the loop.

    ONNX takes the number of steps of each row, which is exact for right-padded rows. Any other
    mask becomes such rows by packing, and the outputs are unpacked again. A row of no steps gives
    ONNX's zeros, where Keras gives the initial state.
    """
    batch, time = tf.unstack(tf.shape(sequences)[:2])
    lengths = tf.fill([batch], time)
    if mask is not None:
        packed = packing(mask)
        sequences, lengths = packed.pack(sequences), packed.lengths
    outputs, *final = tf.raw_ops.PyFuncStateless(
        input=[tf.transpose(sequences, [1, 0, 2]), lengths, *(tensor[None] for tensor in state)],
        token=token,
        Tout=[tf.float32] * (1 + len(state)),
    )
    outputs = tf.ensure_shape(outputs, [None, 1, None, node.units])
    outputs = tf.transpose(tf.squeeze(outputs, 1), [1, 0, 2])
    final = [tf.squeeze(tf.ensure_shape(each, [1, None, node.units]), 0) for each in final]
    if mask is None:
        return outputs, final
    empty = (lengths == 0)[:, None]
    final = [tf.where(empty, *pair) for pair in zip(state, final, strict=True)]
    return packed.unpack(outputs, state[0]), final


def _replace_marker(
    nodes: dict[str, NativeNode], graph: Any, marker: Any, name: str, _: list[Any]
) -> None:
    """Replace a marker by its node: what tf2onnx calls for each of them."""
    node = nodes[marker.get_attr_str("token")]
    sequences, lengths, *state = marker.input
    weights = [
        graph.make_const(f"{name}_{letter}", weight).output[0]
        for letter, weight in node.weights.items()
    ]
    graph.remove_node(marker.name)
    graph.make_node(
        node.operator,
        [sequences, *weights, lengths, *state],
        attr=node.attributes,
        outputs=marker.output,
        name=name,
        shapes=[[-1, 1, -1, node.units], *([1, -1, node.units] for _ in state)],
        dtypes=[graph.get_dtype(sequences)] * len(marker.output),
    )
