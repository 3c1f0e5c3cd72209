"""The plain recurrence: one state, no gates."""

from typing import Any

import keras

from custom_layers.cell import Cell, Gates


@keras.saving.register_keras_serializable("custom_layers")
class RNNCell(Cell):
    """Plain recurrent cell (Elman, 1990, "Finding structure in time").

        h_t = tanh(W_xh x_t + W_hh h_{t-1} + b)

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, tanh the `activation`.

    Weights: W_xh `kernel [F, U]`, W_hh `recurrent_kernel [U, U]`, b `bias [U]`.
    """

    gates = ("h",)
    state = ("h",)

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t."""
        return self.State(h=self.activation((x + h).h))
