"""A recurrent layer as one LSTM or GRU node.

ONNX's RNN node is none of them: in ONNX Runtime a Scan is faster, which has the input products of
all steps at once (docs/decisions/0034-endpoints-and-formats.md).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import onnx

import custom_layers
from custom_layers import engine
from custom_layers.cells import (
    CoupledLSTMCell,
    GRUCell,
    LSTMCell,
    PeepholeLSTMCell,
)
from exports.formats.onnx.writer import Writer

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
    keras.activations.elu: Activation("Elu", 1.0),
    keras.activations.leaky_relu: Activation("LeakyRelu", 0.2),
}


class NativeNode(NamedTuple):
    """A recurrent ONNX operator with its weights.

    Attributes:
        operator: `LSTM` or `GRU`.
        units: width of each state.
        weights: W `[D, G * U, F]`, R `[D, G * U, U]`, B `[D, 2 * G * U]` and perhaps P
            `[D, 3 * U]`, in ONNX's gate order, for D directions.
        attributes: of the operator.
        activations: of each direction, in ONNX's order.
    """

    operator: str
    units: int
    weights: dict[str, np.ndarray]
    attributes: dict[str, Any]
    activations: list[list[Activation]]

    def __str__(self) -> str:
        return f"{self.operator} node{' of both directions' * (self.directions - 1)}"

    @property
    def directions(self) -> int:
        """Number of directions: 2 for both, 1 for first to last."""
        return len(self.activations)

    @property
    def state_shapes(self) -> list[tuple[int | None, ...]]:
        """Shape of each state of a row in a direction."""
        return [(self.units,)] * (2 if self.operator == "LSTM" else 1)

    def reads(self, loop: engine.LoopOptions, sequences: Tensor, state: Any) -> Any:
        """Return what the node reads: the sequences, and a state if there is one."""
        return sequences, state

    def prepared(self, masked: bool, opset: int) -> "NativeNode":
        """Return itself: it is ready to be written."""
        return self

    def joined(self, other: Any) -> "NativeNode | None":
        """Return the node that also runs `other` from the last step to the first, if one can."""
        if not isinstance(other, NativeNode) or other.weights.keys() != self.weights.keys():
            return None
        if other[:2] != self[:2] or other.attributes != self.attributes:
            return None
        weights = {
            name: np.concatenate([value, other.weights[name]])
            for name, value in self.weights.items()
        }
        return self._replace(weights=weights, activations=self.activations + other.activations)

    def write(
        self, write: Writer, sequences: str, mask: str | None, states: list[list[str]]
    ) -> list[list[str]]:
        """Write the node and the operators of its mask.

        ONNX takes the number of steps of each row, which is exact for right-padded rows. Any other
        mask becomes such rows: the real steps of each row move to the front, in order, and each
        step gets the output of the last real step that its direction came by. A row of no steps
        gives ONNX's zeros, where Keras gives the initial state.

        Args:
            write: puts operators into the graph.
            sequences: name of `[batch, time, F]`.
            mask: name of `[batch, time]`, if there is one.
            states: for each direction the names of its first states, or none.

        Returns:
            For each direction the outputs `[batch, time, U]`, in the order of time, and the final
            states.
        """
        lengths = ""
        if mask is not None:
            real = write("Cast", mask, to=onnx.TensorProto.INT32)
            lengths = write("ReduceSum", real, [1], keepdims=0)
            # TopK takes equal values in order, so the real steps come first and stay in order.
            time = write("Shape", mask, start=1, end=2)
            _, order = write("TopK", real, time, axis=1, count=2)
            sequences = write("GatherND", sequences, write("Unsqueeze", order, [2]), batch_dims=1)
        outputs, *final = self._operator(
            write, write("Transpose", sequences, perm=[1, 0, 2]), lengths, states
        )
        each_outputs = [
            write("Transpose", write("Squeeze", each, [1]), perm=[1, 0, 2])
            for each in self._split(write, outputs, axis=1)
        ]
        each_final = [
            [write("Squeeze", each, [0]) for each in self._split(write, state, axis=0)]
            for state in final
        ]
        results = [list(each) for each in zip(each_outputs, *each_final, strict=True)]
        if mask is None:
            return results
        count = write("Cast", write("CumSum", real, 1), to=onnx.TensorProto.INT64)
        # Where a direction came by no step yet, this is a place beyond the row's last step, which
        # is zero: -1 is the last place of all, and the row has a gap.
        places = [write("Sub", count, 1)]
        if self.directions == 2:
            places.append(write("Sub", count, write("Cast", mask, to=onnx.TensorProto.INT64)))
        nothing = [write("Equal", count, 0)]
        if self.directions == 2:
            last = write("Cast", write("Unsqueeze", lengths, [1]), to=onnx.TensorProto.INT64)
            nothing.append(write("Equal", places[1], last))
        return [
            _unpacked(write, result, place, none_yet, lengths, state)
            for result, place, none_yet, state in zip(results, places, nothing, states, strict=True)
        ]

    def _operator(
        self, write: Writer, sequences: str, lengths: str, states: list[list[str]]
    ) -> list[str]:
        """Write the operator: outputs `[time, D, batch, U]` and final states `[D, batch, U]`."""
        known = [each for direction in self.activations for each in direction]
        attributes: dict[str, Any] = {"activations": [each.name for each in known]}
        for constant in ("alpha", "beta"):
            values = [getattr(each, constant) for each in known]
            if given := [value for value in values if value is not None]:
                attributes[f"activation_{constant}"] = given
        if self.directions == 2:
            attributes["direction"] = "bidirectional"
        first = [
            write("Concat", *(write("Unsqueeze", each, [0]) for each in state), axis=0)
            for state in zip(*states, strict=True)
        ]
        weights = [self.weights[name] for name in "WRB"]
        peepholes = [self.weights[name] for name in "P" if name in self.weights]
        if peepholes and not first:
            first = ["", ""]
        outputs: list[str] = write(
            self.operator,
            sequences,
            *weights,
            lengths,
            *first,
            *peepholes,
            count=1 + len(self.state_shapes),
            **self.attributes,
            **attributes,
        )
        return outputs

    def _split(self, write: Writer, tensor: str, axis: int) -> list[str]:
        """Return the directions of a tensor."""
        if self.directions == 1:
            return [tensor]
        directions: list[str] = write(
            "Split", tensor, axis=axis, num_outputs=self.directions, count=self.directions
        )
        return directions


def _unpacked(
    write: Writer, result: list[str], place: str, none_yet: str, lengths: str, state: list[str]
) -> list[str]:
    """Take the outputs of a direction from their places, and the first states where it had none."""
    outputs, *final = result
    outputs = write("GatherND", outputs, write("Unsqueeze", place, [2]), batch_dims=1)
    if not state:
        return [outputs, *final]
    beginning = write("Unsqueeze", state[0], [1])
    outputs = write("Where", write("Unsqueeze", none_yet, [2]), beginning, outputs)
    empty = write("Unsqueeze", write("Equal", lengths, np.int32(0)), [1])
    final = [write("Where", empty, *pair) for pair in zip(state, final, strict=True)]
    return [outputs, *final]


# For each cell, ONNX's operator and the place of each of its gates in ours.
_OPERATORS = {
    LSTMCell: ("LSTM", [0, 3, 1, 2]),
    PeepholeLSTMCell: ("LSTM", [0, 3, 1, 2]),
    CoupledLSTMCell: ("LSTM", [0, 2, 0, 1]),
    GRUCell: ("GRU", [0, 1, 2]),
}


# What decides a cell's numbers: a subclass that leaves all of it alone is like its parent.
_EQUATIONS = ("gates", "state", "step", "project", "prepare", "input_bias", "products", "advance")


def _kind(cell: custom_layers.Cell) -> Any:
    """Return the class with an operator in ONNX whose equations are those of `cell`, or None."""
    return next((kind for kind in _OPERATORS if _same_equations(kind, type(cell))), None)


def _same_equations(kind: type, other: type) -> bool:
    return all(getattr(other, name) is getattr(kind, name) for name in _EQUATIONS)


def unsupported_reason(layer: custom_layers.Recurrent) -> str | None:
    """Say what ONNX lacks for a native node of `layer`, or None if nothing."""
    cell = layer.cell
    kind = _kind(cell)
    if kind is None:
        return no_operator(cell)
    if layer.zoneout:
        return "ONNX's recurrent operators have no zoneout"
    if kind is CoupledLSTMCell and cell.recurrent_activation is not keras.activations.sigmoid:
        return "ONNX couples the gate that stores, and only sigmoid(-x) = 1 - sigmoid(x) allows it"
    for function in _functions(cell):
        if function not in _ACTIVATIONS:
            name = getattr(function, "__name__", function)
            return f"ONNX's recurrent operators have no activation {name!r}"
    return None


def no_operator(cell: Any) -> str:
    """Say that ONNX has no operator for `cell`."""
    return f"ONNX has no recurrent operator for {type(cell).__name__}"


def native_node(layer: custom_layers.Recurrent) -> NativeNode:
    """Describe the ONNX node that computes `layer`, for which there is no `unsupported_reason`."""
    cell = layer.cell
    kind = _kind(cell)
    operator, order = _OPERATORS[kind]
    attributes: dict[str, Any] = {"hidden_size": cell.units}
    if kind is GRUCell:
        attributes["linear_before_reset"] = int(cell.reset_after)
    if kind is CoupledLSTMCell:
        attributes["input_forget"] = 1

    def blocks(weight: Any, rows: int) -> np.ndarray:
        """Put the gates of a weight `[rows, G * U]` in ONNX's order: `[G * U, rows]`."""
        values = np.asarray(weight, "float32").reshape(rows, -1)
        gates = [gate.T for gate in np.split(values, len(cell.gates), axis=1)]
        chosen = [gates[place] for place in order]
        if kind is CoupledLSTMCell:  # i = 1 - f = sigmoid(-z_f), and ONNX makes f of i
            chosen[0] = -chosen[0]
        return np.concatenate(chosen)

    biases = [cell.input_bias(), cell.products()["recurrent_kernel"].bias]
    zeros = np.zeros(len(cell.gates) * cell.units, "float32")
    weights = {
        "W": blocks(cell.kernel, cell.kernel.shape[0])[None],
        "R": blocks(cell.recurrent_kernel, cell.units)[None],
        "B": np.concatenate([blocks(zeros if bias is None else bias, 1)[:, 0] for bias in biases])[
            None
        ],
    }
    if kind is PeepholeLSTMCell:
        i, f, o = np.asarray(cell.peephole, "float32")
        weights["P"] = np.concatenate([i, o, f])[None]
    activations = [_ACTIVATIONS[function] for function in _functions(cell)]
    return NativeNode(operator, cell.units, weights, attributes, [activations])


def _functions(cell: Any) -> list[Callable[..., Any]]:
    """Return the activations of a cell in ONNX's order."""
    operator, _ = _OPERATORS[_kind(cell)]
    return [cell.recurrent_activation, *[cell.activation] * (2 if operator == "LSTM" else 1)]
