"""A recurrent layer as one LSTM, GRU or RNN node."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import onnx

import custom_layers
from custom_layers import engine
from custom_layers.cells import GRUCell, LSTMCell, RNNCell
from exports.onnx_writer import Writer

Tensor = Any


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

    def __str__(self) -> str:
        return f"{self.operator} node"

    @property
    def widths(self) -> list[int]:
        """Width of each state."""
        return [self.units] * (2 if self.operator == "LSTM" else 1)

    def reads(self, recurrence: engine.Recurrence, sequences: Tensor, state: Any) -> Any:
        """Return what the node reads: the sequences, and a state if there is one."""
        return sequences, state

    def prepared(self, masked: bool, opset: int) -> "NativeNode":
        """Return itself: it is ready to be written."""
        return self

    def write(self, write: Writer, sequences: str, mask: str | None, state: list[str]) -> list[str]:
        """Write the node and the operators of its mask; return the outputs and final states.

        ONNX takes the number of steps of each row, which is exact for right-padded rows. Any other
        mask becomes such rows: the real steps of each row move to the front, in order, and each
        step gets the output of the last real step up to it. A row of no steps gives ONNX's zeros,
        where Keras gives the initial state.
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
            self.operator,
            write("Transpose", sequences, perm=[1, 0, 2]),
            *self.weights.values(),
            lengths,
            *(write("Unsqueeze", each, [0]) for each in state),
            count=1 + len(self.widths),
            **self.attributes,
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


# For each cell, ONNX's operator and the place of each of its gates in ours.
_OPERATORS = {
    LSTMCell: ("LSTM", [0, 3, 1, 2]),
    GRUCell: ("GRU", [0, 1, 2]),
    RNNCell: ("RNN", [0]),
}


def lacking(layer: custom_layers.Recurrent) -> str | None:
    """Say what ONNX lacks for a native node of `layer`, or None if nothing."""
    if type(layer.cell) not in _OPERATORS:
        return f"ONNX has no recurrent operator for {type(layer.cell).__name__}"
    if layer.zoneout:
        return "ONNX's recurrent operators have no zoneout"
    for function in _functions(layer.cell):
        if function not in _ACTIVATIONS:
            name = getattr(function, "__name__", function)
            return f"ONNX's recurrent operators have no activation {name!r}"
    return None


def native_node(layer: custom_layers.Recurrent) -> NativeNode:
    """Describe the ONNX node that computes `layer`, for which nothing is `lacking`."""
    cell = layer.cell
    operator, order = _OPERATORS[type(cell)]
    attributes = {"hidden_size": cell.units, **_activations(_functions(cell))}
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


def _functions(cell: Any) -> list[Callable[..., Any]]:
    """Return the activations of a cell in ONNX's order."""
    gates = [] if type(cell) is RNNCell else [cell.recurrent_activation]
    return [*gates, cell.activation, *([cell.activation] if type(cell) is LSTMCell else [])]


def _activations(functions: list[Callable[..., Any]]) -> dict[str, list[Any]]:
    known = [_ACTIVATIONS[function] for function in functions]
    attributes: dict[str, list[Any]] = {"activations": [each.name for each in known]}
    for constant in ("alpha", "beta"):
        values = [getattr(each, constant) for each in known]
        if given := [value for value in values if value is not None]:
            attributes[f"activation_{constant}"] = given
    return attributes
