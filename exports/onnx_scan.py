"""A recurrent layer as a Scan: its cell's step, written in ONNX, at every step of time."""

from typing import Any, NamedTuple

import onnx
import tensorflow as tf
import tf2onnx
from keras import ops

import custom_layers
from custom_layers import engine
from exports.names import BACKWARDS
from exports.onnx_writer import HANDLERS, Writer

Tensor = Any


class ScanNode(NamedTuple):
    """A Scan over the finished input projections of a layer.

    Attributes:
        layer: the layer.
        reason: why the layer is not a native node.
        body: one step, once it is converted.
    """

    layer: custom_layers.Recurrent
    reason: str
    body: onnx.GraphProto | None = None

    def __str__(self) -> str:
        return f"Scan: {self.reason}"

    @property
    def widths(self) -> list[int]:
        """Width of each state."""
        return list(self.layer.cell.state_size)

    def reads(self, recurrence: engine.Recurrence, sequences: Tensor, state: Any) -> Any:
        """Return what the Scan reads: the projections of all steps, and a state to begin with."""
        if state is None:
            state = self.layer.get_initial_state(ops.shape(sequences)[0])
        return ops.swapaxes(recurrence.projected(sequences), 0, 1), state

    def prepared(self, masked: bool, opset: int) -> "ScanNode":
        """Convert one step: states, projection and mask to new states and output."""
        cell = self.layer.cell

        def step(*inputs: Tensor) -> list[Tensor]:
            state, (x, *real) = inputs[: len(cell.state)], inputs[len(cell.state) :]
            held = [~each[:, None] for each in real] * len(cell.state)
            recurrence = engine.Recurrence(cell, zoneout=self.layer.zoneout)
            new = engine.step(recurrence, x, held or None, list(state))
            return [tf.identity(each) for each in [*new, new[0]]]

        model, _ = tf2onnx.convert.from_function(
            tf.function(step, autograph=False),
            [
                *(tf.TensorSpec([None, size]) for size in self.widths),
                tf.TensorSpec([None, len(cell.gates) * cell.units]),
                *([tf.TensorSpec([None], tf.bool)] if masked else []),
            ],
            opset=opset,
            custom_op_handlers=HANDLERS,
        )
        prefix = f"{tf2onnx.utils.make_name(self.layer.name)}/"
        body = onnx.compose.add_prefix_graph(model.graph, prefix)
        body.name = f"{self.layer.name}{BACKWARDS * self.layer.go_backwards}"
        return self._replace(body=body)

    def joined(self, other: Any) -> None:
        """Return None: a Scan walks one way."""
        return

    def write(
        self, write: Writer, sequences: str, mask: str | None, states: list[list[str]]
    ) -> list[list[str]]:
        """Write the Scan; return the outputs and the final states, as `NativeNode.write`."""
        (state,) = states
        steps = [sequences] if mask is None else [sequences, mask]
        *final, outputs = write(
            "Scan",
            *state,
            *steps,
            count=len(state) + 1,
            body=self.body,
            num_scan_inputs=len(steps),
            scan_input_axes=[1] * len(steps),
            scan_output_axes=[1],
        )
        return [[outputs, *final]]
