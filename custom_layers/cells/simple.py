"""Recurrence without gates."""

from collections.abc import Sequence
from typing import Any

from custom_layers.cell import Cell, Gates

_FROM_ZERO_TO_ONE = {"class_name": "RandomUniform", "config": {"minval": 0.0, "maxval": 1.0}}


class RNNCell(Cell):
    """Plain recurrence.

        h_t = tanh(W_xh x_t + W_hh h_{t-1} + b)

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, tanh the `activation`.

    Weights: W_xh `kernel [F, U]`, W_hh `recurrent_kernel [U, U]`, b `bias [U]`.

    Reference: Elman, 1990, "Finding structure in time".
    """

    gates = ("h",)
    state = ("h",)

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t."""
        return self.State(h=self.activation((x + h).h))


class IndRNNCell(Cell):
    """Independent recurrence: each unit sees of the state itself alone.

        h_t = relu(W x_t + u * h_{t-1} + b)

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, relu the `activation`,
    `*` element by element.

    Weights: W `kernel [F, U]`, u `recurrent_kernel [U]`, which starts uniform in [0, 1], so that
    some units remember long and others do not; b `bias [U]`.

    Reference: Li et al., 2018, "Independently recurrent neural network (IndRNN)".
    """

    gates = ("h",)
    state = ("h",)
    projections = ("kernel", "bias")

    def __init__(
        self,
        units: int,
        activation: Any = "relu",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = _FROM_ZERO_TO_ONE,
        **options: Any,
    ) -> None:
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer, **options
        )

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights."""
        super().build(input_shape)
        self.recurrent_kernel = self.add_recurrent_weight("recurrent_kernel", (self.units,))

    def step(self, x: Gates, state: Any) -> Any:
        """Return h_t."""
        return self.State(h=self.activation(x.h + self.recurrent_kernel * state.h))
