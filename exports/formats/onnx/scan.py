"""A recurrent layer as a Scan: its cell's step, written in ONNX, at every step of time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import onnx
import tensorflow as tf
import tf2onnx
from keras import ops

import custom_layers
from custom_layers import engine
from exports import keras_twins
from exports.formats.onnx.names import BACKWARDS
from exports.formats.onnx.writer import HANDLERS, Writer

Tensor = Any


class ScanNode(NamedTuple):
    """A Scan over what a layer reads at each step.

    Attributes:
        name: of the layer and its direction.
        reason: why the layer is not a native node.
        step: makes new states of the states and x; the first state is the output.
        states: the shape and type of each state `[batch, ...]`.
        x: the shape and type of what a step reads `[batch, ...]`.
        body: one step, once it is converted.
    """

    name: str
    reason: str
    step: Callable[[list[Tensor], Tensor], list[Tensor]]
    states: list[tf.TensorSpec]
    x: tf.TensorSpec
    body: onnx.GraphProto | None = None

    @classmethod
    def of(cls, layer: custom_layers.Recurrent, reason: str) -> "ScanNode":
        """Return the Scan over the finished input projections of one of our layers."""
        cell = layer.cell
        loop = engine.LoopOptions(cell, zoneout=layer.zoneout)
        return cls(
            f"{layer.name}{BACKWARDS * layer.go_backwards}",
            reason,
            lambda state, x: engine.step(loop, x, None, state),
            [tf.TensorSpec([None, size]) for size in cell.state_size],
            tf.TensorSpec([None, len(cell.gates) * cell.units]),
        )

    def __str__(self) -> str:
        return f"Scan: {self.reason}"

    @property
    def state_shapes(self) -> list[tuple[int | None, ...]]:
        """Shape of each state of a row."""
        return [tuple(state.shape[1:]) for state in self.states]

    def reads(self, loop: engine.LoopOptions, sequences: Tensor, state: Any) -> Any:
        """Return what the Scan reads: the projections of all steps, and a state to begin with."""
        if state is None:
            state = loop.cell.get_initial_state(ops.shape(sequences)[0])
        return ops.swapaxes(loop.projected(sequences), 0, 1), state

    def prepared(self, masked: bool, opset: int) -> "ScanNode":
        """Convert one step: states, x and mask to new states and output."""

        def step(*inputs: Tensor) -> list[Tensor]:
            state, (x, *mask) = list(inputs[: len(self.states)]), inputs[len(self.states) :]
            new = self.step(state, x)
            for real in mask:
                new = [
                    tf.where(keras_twins.with_axes(real, len(after.shape)), after, before)
                    for before, after in zip(state, new, strict=True)
                ]
            return [tf.identity(each) for each in [*new, new[0]]]

        model, _ = tf2onnx.convert.from_function(
            tf.function(step, autograph=False),
            [*self.states, self.x, *([tf.TensorSpec([None], tf.bool)] if masked else [])],
            opset=opset,
            custom_op_handlers=HANDLERS,
        )
        body = onnx.compose.add_prefix_graph(model.graph, f"{tf2onnx.utils.make_name(self.name)}/")
        body.name = self.name
        return self._replace(body=body)

    def joined(self, other: Any) -> None:
        """Return None: a Scan runs one way."""
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
