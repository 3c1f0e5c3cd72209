"""The long short-term memory."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from custom_layers import arguments
from custom_layers.cell import Cell, Gates, Tensor


@keras.saving.register_keras_serializable("custom_layers")
class LSTMCell(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber, 1997; forget gate: Gers et al., 2000).

        i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + b_i)       store
        f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + b_f)       forget
        o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + b_o)       output
        c_t = f_t * c_{t-1} + i_t * tanh(W_xc x_t + W_hc h_{t-1} + b_c)      update
        h_t = o_t * tanh(c_t)

    Symbols: x_t inputs `[batch, F]`, h_t output and c_t memory `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights, blocks in the order i, f, c, o: W_x `kernel [F, 4 U]`, W_h `recurrent_kernel
    [U, 4 U]`, b `bias [4 U]`. `unit_forget_bias` starts b_f at one, so that a new network
    remembers (Jozefowicz et al., 2015).
    """

    gates = ("i", "f", "c", "o")
    state = ("h", "c")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(
            units,
            activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            **options,
        )
        self.recurrent_activation = arguments.resolve("activation", recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    def initial_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """Return the initial bias, with ones for the forget gate if `unit_forget_bias`."""
        bias = self.bias_initializer(shape, dtype=dtype)
        if not self.unit_forget_bias:
            return bias
        i, _, c, o = ops.split(bias, 4)
        return ops.concatenate([i, ops.ones_like(i), c, o])

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t and c_t."""
        z = x + h
        i = self.recurrent_activation(z.i)
        f = self.recurrent_activation(z.f)
        o = self.recurrent_activation(z.o)
        c = f * state.c + i * self.activation(z.c)
        return self.State(h=o * self.activation(c), c=c)
