"""The gated recurrent unit."""

from typing import Any

import keras

from custom_layers import arguments
from custom_layers.cell import Cell, Dot, Gates, Product, Tensor


@keras.saving.register_keras_serializable("custom_layers")
class GRUCell(Cell):
    """Gated recurrent unit (Cho et al., 2014).

        z_t = sigmoid(W_xz x_t + b_z + W_hz h_{t-1} + d_z)       update
        r_t = sigmoid(W_xr x_t + b_r + W_hr h_{t-1} + d_r)       reset

        g_t = tanh(W_xh x_t + b_h + r_t * (W_hh h_{t-1} + d_h))  with reset_after
        g_t = tanh(W_xh x_t + b_h + W_hh (r_t * h_{t-1}))        without

        h_t = z_t * h_{t-1} + (1 - z_t) * g_t

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights, blocks in the order z, r, h: W_x `kernel [F, 3 U]`, W_h `recurrent_kernel [U, 3 U]`,
    `bias`: with `reset_after` `[2, 3 U]`, rows b and d; without `[3 U]`, and d is absent.
    """

    gates = ("z", "r", "h")
    state = ("h",)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        reset_after: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(units, activation, use_bias, **options)
        self.recurrent_activation = arguments.resolve("activation", recurrent_activation)
        self.reset_after = reset_after

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of the stored bias."""
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def input_bias(self) -> Tensor | None:
        """Return b."""
        bias = super().input_bias()
        return bias if bias is None or not self.reset_after else bias[0]

    def products(self) -> dict[str, Product]:
        """Return W_h whole, or cut where the reset gate comes between."""
        kernel = self.recurrent_kernel
        if self.reset_after:
            bias = None if self.bias is None else self.bias[1]
            return {"recurrent_kernel": Product(kernel, bias)}
        cut = 2 * self.units
        return {
            "recurrent_kernel": Product(kernel[:, :cut]),
            "candidate_kernel": Product(kernel[:, cut:]),
        }

    def step(self, x: Gates, h: Gates, state: Any, dot: Dot) -> Any:
        """Return h_t."""
        z = self.recurrent_activation(x.z + h.z)
        r = self.recurrent_activation(x.r + h.r)
        candidate = r * h.h if self.reset_after else dot("candidate_kernel", r * state.h)
        g = self.activation(x.h + candidate)
        return self.State(h=z * state.h + (1 - z) * g)
