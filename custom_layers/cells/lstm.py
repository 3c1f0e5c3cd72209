"""The long short-term memory and its variants: a memory c beside the output h."""

from collections.abc import Sequence
from typing import Any

from custom_layers import arguments
from custom_layers.cell import Dot, Gates, Product, Tensor
from custom_layers.cells.gated import ForgetGateCell
from custom_layers.cells.normalization import normalized


class LSTMCell(ForgetGateCell):
    """Long short-term memory.

        i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + b_i)       store
        f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + b_f)       forget
        o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + b_o)       output
        c_t = f_t * c_{t-1} + i_t * tanh(W_xc x_t + W_hc h_{t-1} + b_c)      update
        h_t = o_t * tanh(c_t)

    Symbols: x_t inputs `[batch, F]`, h_t output and c_t memory `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights, blocks in the order i, f, c, o: W_x `kernel [F, 4 U]`, W_h `recurrent_kernel
    [U, 4 U]`, b `bias [4 U]`; b_f starts at one with `unit_forget_bias`.

    Reference: Hochreiter & Schmidhuber, 1997, "Long short-term memory"; Gers et al., 2000,
    "Learning to forget: continual prediction with LSTM".
    """

    gates = ("i", "f", "c", "o")
    state = ("h", "c")
    forget_gates = ("f",)
    input_gates = ("i",)

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t and c_t."""
        z = x + h
        i = self.recurrent_activation(z.i)
        f = self.recurrent_activation(z.f)
        o = self.recurrent_activation(z.o)
        c = f * state.c + i * self.activation(z.c)
        return self.State(h=o * self.activation(c), c=c)


class PeepholeLSTMCell(ForgetGateCell):
    """LSTM whose gates see the memory, each unit its own.

        i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + p_i * c_{t-1} + b_i)
        f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + p_f * c_{t-1} + b_f)
        c_t = f_t * c_{t-1} + i_t * tanh(W_xc x_t + W_hc h_{t-1} + b_c)
        o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + p_o * c_t + b_o)
        h_t = o_t * tanh(c_t)

    Symbols: x_t inputs `[batch, F]`, h_t output and c_t memory `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights, blocks in the order i, f, c, o: W_x `kernel [F, 4 U]`, W_h `recurrent_kernel
    [U, 4 U]`, b `bias [4 U]`; p `peephole [3, U]`, rows i, f, o, start at zero.

    Reference: Gers & Schmidhuber, 2000, "Recurrent nets that time and count".
    """

    gates = ("i", "f", "c", "o")
    state = ("h", "c")
    forget_gates = ("f",)
    input_gates = ("i",)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights, the peepholes among them."""
        super().build(input_shape)
        self.peephole = self.add_weight(shape=(3, self.units), name="peephole", initializer="zeros")

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t and c_t."""
        z = x + h
        i = self.recurrent_activation(z.i + self.peephole[0] * state.c)
        f = self.recurrent_activation(z.f + self.peephole[1] * state.c)
        c = f * state.c + i * self.activation(z.c)
        o = self.recurrent_activation(z.o + self.peephole[2] * c)
        return self.State(h=o * self.activation(c), c=c)


class CoupledLSTMCell(ForgetGateCell):
    """LSTM that stores as much as it forgets: coupled input and forget gates, CIFG.

        f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + b_f)
        o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + b_o)
        c_t = f_t * c_{t-1} + (1 - f_t) * tanh(W_xc x_t + W_hc h_{t-1} + b_c)
        h_t = o_t * tanh(c_t)

    Symbols: x_t inputs `[batch, F]`, h_t output and c_t memory `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights, blocks in the order f, c, o: W_x `kernel [F, 3 U]`, W_h `recurrent_kernel [U, 3 U]`,
    b `bias [3 U]`.

    Reference: Greff et al., 2017, "LSTM: a search space odyssey".
    """

    gates = ("f", "c", "o")
    state = ("h", "c")
    forget_gates = ("f",)

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t and c_t."""
        z = x + h
        f = self.recurrent_activation(z.f)
        o = self.recurrent_activation(z.o)
        c = f * state.c + (1 - f) * self.activation(z.c)
        return self.State(h=o * self.activation(c), c=c)


class LayerNormLSTMCell(ForgetGateCell):
    """LSTM that normalises its projections and its memory.

        i, f, c, o = LN(W_x x_t; s_x) + LN(W_h h_{t-1}; s_h) + b, in four blocks
        c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(c)
        h_t = sigmoid(o) * tanh(LN(c_t; s_c) + b_c)
        LN(v; s) = s * (v - mean(v)) / sqrt(variance(v) + 1e-5)

    LN is over all the units of all blocks.

    Symbols: x_t inputs `[batch, F]`, h_t output and c_t memory `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights, blocks in the order i, f, c, o: W_x `kernel [F, 4 U]`, W_h `recurrent_kernel
    [U, 4 U]`, b `bias [4 U]`, s_x `kernel_scale [4 U]`, s_h `recurrent_scale [4 U]`,
    s_c `state_scale [U]`, b_c `state_offset [U]`.

    Reference: Ba et al., 2016, "Layer normalization".
    """

    gates = ("i", "f", "c", "o")
    state = ("h", "c")
    forget_gates = ("f",)
    input_gates = ("i",)
    projections = ("kernel", "recurrent_kernel", "bias", "kernel_scale")

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights, those of the normalisations among them."""
        super().build(input_shape)
        width = (len(self.gates) * self.units,)
        self.kernel_scale = self.add_weight(width, "ones", name="kernel_scale")
        self.recurrent_scale = self.add_weight(width, "ones", name="recurrent_scale")
        self.state_scale = self.add_weight((self.units,), "ones", name="state_scale")
        self.state_offset = self.add_weight((self.units,), "zeros", name="state_offset")

    def prepare(self, product: Tensor) -> Tensor:
        """Return LN(W_x x; s_x) + b, for one step or for all."""
        projected = normalized(product, self.kernel_scale)
        return projected if self.bias is None else projected + self.bias

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t and c_t."""
        z = x + Gates(normalized(h.tensor, self.recurrent_scale), self.gates)
        i = self.recurrent_activation(z.i)
        f = self.recurrent_activation(z.f)
        o = self.recurrent_activation(z.o)
        c = f * state.c + i * self.activation(z.c)
        shown = normalized(c, self.state_scale) + self.state_offset
        return self.State(h=o * self.activation(shown), c=c)


class ProjectionLSTMCell(ForgetGateCell):
    """LSTM with a narrower output than memory, LSTMP: fewer weights for the same memory.

        i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + b_i)
        f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + b_f)
        o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + b_o)
        c_t = f_t * c_{t-1} + i_t * tanh(W_xc x_t + W_hc h_{t-1} + b_c)
        h_t = W_p (o_t * tanh(c_t))

    Symbols: x_t inputs `[batch, F]`, h_t output `[batch, P]` with P `projection_units`, half of U
    unless given, c_t memory `[batch, U]`, sigmoid the `recurrent_activation`, tanh the
    `activation`, `*` element by element.

    Weights, blocks in the order i, f, c, o: W_x `kernel [F, 4 U]`, W_h `recurrent_kernel
    [P, 4 U]`, b `bias [4 U]`, W_p `projection_kernel [U, P]`.

    Raises:
        ValueError: if `projection_units` is not a positive integer.

    Reference: Sak et al., 2014, "Long short-term memory recurrent neural network architectures for
    large scale acoustic modeling".
    """

    gates = ("i", "f", "c", "o")
    state = ("h", "c")
    forget_gates = ("f",)
    input_gates = ("i",)
    projections = ("kernel", "recurrent_kernel", "bias", "projection_kernel")

    def __init__(
        self,
        units: int,
        projection_units: int | None = None,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        projection_initializer: Any = "glorot_uniform",
        **options: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, **options)
        if projection_units is not None:
            projection_units = arguments.positive("projection_units", projection_units)
        self.projection_units = projection_units
        self.projection_initializer = arguments.resolve("initializer", projection_initializer)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights, the projection among them."""
        super().build(input_shape)
        self.projection_kernel = self.add_weight(
            shape=(self.units, self.output_size),
            name="projection_kernel",
            initializer=self.projection_initializer,
        )

    @property
    def output_size(self) -> int:
        """Width of the output."""
        return self.projection_units or max(1, self.units // 2)

    @property
    def state_size(self) -> list[int]:
        """Width of each state."""
        return [self.output_size, self.units]

    def products(self) -> dict[str, Product]:
        """Return W_h and W_p."""
        return {**super().products(), "projection_kernel": Product(self.projection_kernel)}

    def step(self, x: Gates, h: Gates, state: Any, dot: Dot) -> Any:
        """Return h_t and c_t."""
        z = x + h
        i = self.recurrent_activation(z.i)
        f = self.recurrent_activation(z.f)
        o = self.recurrent_activation(z.o)
        c = f * state.c + i * self.activation(z.c)
        return self.State(h=dot("projection_kernel", o * self.activation(c)), c=c)


class MultiplicativeLSTMCell(ForgetGateCell):
    """LSTM whose recurrence depends on the input: each input has a transition of its own.

        m_t = (W_xm x_t + b_m) * (W_hm h_{t-1})
        i_t = sigmoid(W_xi x_t + W_mi m_t + b_i)
        f_t = sigmoid(W_xf x_t + W_mf m_t + b_f)
        o_t = sigmoid(W_xo x_t + W_mo m_t + b_o)
        c_t = f_t * c_{t-1} + i_t * tanh(W_xc x_t + W_mc m_t + b_c)
        h_t = o_t * tanh(c_t)

    Symbols: x_t inputs `[batch, F]`, h_t output, c_t memory and m_t `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights, blocks in the order m, i, f, c, o: W_x `kernel [F, 5 U]`, W_hm and W_m
    `recurrent_kernel [U, 5 U]`, b `bias [5 U]`.

    Reference: Krause et al., 2016, "Multiplicative LSTM for sequence modelling".
    """

    gates = ("m", "i", "f", "c", "o")
    state = ("h", "c")
    forget_gates = ("f",)
    input_gates = ("i",)

    def products(self) -> dict[str, Product]:
        """Return W_hm, and W_m which follows the product with the inputs."""
        kernel = self.recurrent_kernel
        return {
            "recurrent_kernel": Product(kernel[:, : self.units]),
            "gate_kernel": Product(kernel[:, self.units :]),
        }

    def step(self, x: Gates, h: Gates, state: Any, dot: Dot) -> Any:
        """Return h_t and c_t."""
        m = Gates(dot("gate_kernel", x.m * h.m), self.gates[1:])
        i = self.recurrent_activation(x.i + m.i)
        f = self.recurrent_activation(x.f + m.f)
        o = self.recurrent_activation(x.o + m.o)
        c = f * state.c + i * self.activation(x.c + m.c)
        return self.State(h=o * self.activation(c), c=c)


class JANETCell(ForgetGateCell):
    """LSTM of the forget gate alone: "just another network".

        s_t = W_xf x_t + W_hf h_{t-1} + b_f
        g_t = tanh(W_xc x_t + W_hc h_{t-1} + b_c)
        h_t = sigmoid(s_t) * h_{t-1} + (1 - sigmoid(s_t - beta)) * g_t

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, beta the `offset`, above
    zero to store more than was forgotten, sigmoid the `recurrent_activation`, tanh the
    `activation`, `*` element by element.

    Weights, blocks in the order f, c: W_x `kernel [F, 2 U]`, W_h `recurrent_kernel [U, 2 U]`,
    b `bias [2 U]`.

    Reference: van der Westhuizen & Lasenby, 2018, "The unreasonable effectiveness of the forget
    gate".
    """

    gates = ("f", "c")
    state = ("h",)
    forget_gates = ("f",)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        offset: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, **options)
        self.offset = offset

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t."""
        z = x + h
        kept = self.recurrent_activation(z.f)
        stored = 1 - self.recurrent_activation(z.f - self.offset)
        return self.State(h=kept * state.h + stored * self.activation(z.c))
