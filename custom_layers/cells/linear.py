"""Cells whose memory is linear in itself, so that all steps are computed at once."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from custom_layers.cell import Gates, Tensor
from custom_layers.cells.gated import GatedCell
from custom_layers.linear_cell import LinearCell


class MinGRUCell(LinearCell, GatedCell):
    """GRU whose gate and candidate do not look at the state.

        z_t = sigmoid(W_z x_t + b_z)
        h_t = (1 - z_t) * h_{t-1} + z_t * g(W_h x_t + b_h)

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, sigmoid the
    `recurrent_activation`, g the `activation`, linear at first, `*` element by element.

    Weights, blocks in the order z, h: W `kernel [F, 2 U]`, b `bias [2 U]`.

    Reference: Feng et al., 2024, "Were RNNs all we needed?".
    """

    gates = ("z", "h")
    state = ("h",)
    memory = ("h",)
    input_gates = ("z",)

    def __init__(self, units: int, activation: Any = "linear", **options: Any) -> None:
        super().__init__(units, activation, **options)

    def coefficients(self, x: Gates) -> tuple[list[Tensor], list[Tensor]]:
        """Return 1 - z_t and z_t * g."""
        z = self.recurrent_activation(x.z)
        return [1 - z], [z * self.activation(x.h)]


class MinLSTMCell(LinearCell, GatedCell):
    """LSTM whose gates do not look at the state; they share one unit of attention.

        i_t = sigmoid(W_i x_t + b_i)       f_t = sigmoid(W_f x_t + b_f)
        h_t = (f_t * h_{t-1} + i_t * g(W_h x_t + b_h)) / (f_t + i_t)

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, sigmoid the
    `recurrent_activation`, g the `activation`, linear at first, `*` element by element.

    Weights, blocks in the order i, f, h: W `kernel [F, 3 U]`, b `bias [3 U]`.

    Reference: Feng et al., 2024, "Were RNNs all we needed?".
    """

    gates = ("i", "f", "h")
    state = ("h",)
    memory = ("h",)
    forget_gates = ("f",)

    def __init__(self, units: int, activation: Any = "linear", **options: Any) -> None:
        super().__init__(units, activation, **options)

    def coefficients(self, x: Gates) -> tuple[list[Tensor], list[Tensor]]:
        """Return the shares of the old state and of the new one."""
        i = self.recurrent_activation(x.i)
        f = self.recurrent_activation(x.f)
        kept = f / (f + i)
        return [kept], [(1 - kept) * self.activation(x.h)]


class QRNNCell(LinearCell, GatedCell):
    """Quasi-recurrent network: a convolution over two steps, then forget and output gates.

        z_t = tanh(W_z x_t + V_z x_{t-1} + b_z)
        f_t = sigmoid(W_f x_t + V_f x_{t-1} + b_f)
        o_t = sigmoid(W_o x_t + V_o x_{t-1} + b_o)
        c_t = f_t * c_{t-1} + (1 - f_t) * z_t
        h_t = o_t * c_t

    Symbols: x_t inputs `[batch, F]`, h_t output and c_t memory `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element. The state p_t
    `[batch, 3 U]` holds V x_t for the next step.

    Weights, blocks in the order z, f, o: W and V side by side, `kernel [F, 6 U]`; `bias [6 U]`, the
    sum of whose halves is b.

    Reference: Bradbury et al., 2017, "Quasi-recurrent neural networks".
    """

    gates = ("z", "f", "o", "previous_z", "previous_f", "previous_o")
    state = ("h", "c", "p")
    memory = ("c",)
    delayed = ("previous_z", "previous_f", "previous_o")
    forget_gates = ("f",)

    def coefficients(self, x: Gates) -> tuple[list[Tensor], list[Tensor]]:
        """Return f_t and (1 - f_t) * z_t."""
        f = self.recurrent_activation(x.f + x.previous_f)
        return [f], [(1 - f) * self.activation(x.z + x.previous_z)]

    def emit(self, x: Gates, memory: list[Tensor]) -> Tensor:
        """Return h_t."""
        return self.recurrent_activation(x.o + x.previous_o) * memory[0]


class SRUCell(LinearCell, GatedCell):
    """Simple recurrent unit: a forget gate, and a highway around the memory.

        f_t = sigmoid(W_f x_t + b_f)
        r_t = sigmoid(W_r x_t + b_r)
        c_t = f_t * c_{t-1} + (1 - f_t) * (W_c x_t + b_c)
        h_t = r_t * tanh(c_t) + (1 - r_t) * (W_s x_t + b_s)

    Symbols: x_t inputs `[batch, F]`, h_t output and c_t memory `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights, blocks in the order f, r, c, s: W `kernel [F, 4 U]`, b `bias [4 U]`.

    Reference: Lei et al., 2017, "Training RNNs as fast as CNNs", whose gates do not look at the
    memory.
    """

    gates = ("f", "r", "c", "s")
    state = ("h", "c")
    memory = ("c",)
    forget_gates = ("f",)

    def coefficients(self, x: Gates) -> tuple[list[Tensor], list[Tensor]]:
        """Return f_t and (1 - f_t) * W_c x_t."""
        f = self.recurrent_activation(x.f)
        return [f], [(1 - f) * x.c]

    def emit(self, x: Gates, memory: list[Tensor]) -> Tensor:
        """Return h_t."""
        r = self.recurrent_activation(x.r)
        return r * self.activation(memory[0]) + (1 - r) * x.s


class RGLRUCell(LinearCell, GatedCell):
    """Real-gated linear recurrent unit, of Griffin: a decay per unit, which a gate weakens.

        r_t = sigmoid(W_r x_t + b_r)       i_t = sigmoid(W_i x_t + b_i)
        a_t = exp(-8 softplus(lambda) r_t)
        h_t = a_t * h_{t-1} + sqrt(1 - a_t^2) * i_t * g(W_h x_t + b_h)

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, sigmoid the
    `recurrent_activation`, g the `activation`, linear at first, `*` element by element.

    Weights, blocks in the order r, i, h: W `kernel [F, 3 U]`, b `bias [3 U]`; lambda `decay [U]`,
    which starts so that a_t lies between 0.9 and 0.999 where r_t = 1.

    Reference: De et al., 2024, "Griffin: mixing gated linear recurrences with local attention for
    efficient language models".
    """

    gates = ("r", "i", "h")
    state = ("h",)
    memory = ("h",)

    def __init__(self, units: int, activation: Any = "linear", **options: Any) -> None:
        super().__init__(units, activation, **options)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights, the decay among them."""
        super().build(input_shape)
        self.decay = self.add_weight((self.units,), initializer=_slow_decay, name="decay")

    def coefficients(self, x: Gates) -> tuple[list[Tensor], list[Tensor]]:
        """Return a_t and what is stored."""
        r = self.recurrent_activation(x.r)
        i = self.recurrent_activation(x.i)
        log_a = -8 * ops.softplus(self.decay) * r
        # 1 - exp(2 y) by tanh y, which is exact near zero; and no infinite slope at zero.
        tanh = ops.tanh(log_a)
        stored = ops.sqrt(ops.maximum(-2 * tanh / (1 - tanh), 1e-12))
        return [ops.exp(log_a)], [stored * i * self.activation(x.h)]


class LRUCell(LinearCell):
    """Linear recurrent unit: a complex memory that turns and decays, and no gate.

        lambda = exp(-exp(nu) + i exp(theta))
        c_t = lambda * c_{t-1} + exp(gamma) * (W_re x_t + b_re + i (W_im x_t + b_im))
        h_t = g(C [Re c_t, Im c_t] + W_s x_t + b_s)

    Symbols: x_t inputs `[batch, F]`, h_t output, c_t memory as the two states re and im
    `[batch, U]`, g the `activation`, linear at first, `*` element by element.

    Weights, blocks in the order re, im, s: W `kernel [F, 3 U]`, b `bias [3 U]`; nu, theta and gamma
    `spectrum [3, U]`, C `output_kernel [2 U, U]`. |lambda| starts between `radius[0]` and
    `radius[1]`, its angle between 0 and `angle`, and exp(gamma) at sqrt(1 - |lambda|^2).

    Raises:
        ValueError: if not 0 <= radius[0] < radius[1] < 1.

    Reference: Orvieto et al., 2023, "Resurrecting recurrent neural networks for long sequences".
    """

    gates = ("re", "im", "s")
    state = ("h", "re", "im")
    memory = ("re", "im")

    def __init__(
        self,
        units: int,
        activation: Any = "linear",
        radius: tuple[float, float] = (0.5, 0.99),
        angle: float = 2 * math.pi,
        **options: Any,
    ) -> None:
        super().__init__(units, activation, **options)
        if not 0 <= radius[0] < radius[1] < 1:
            raise ValueError(f"`radius` must be two increasing numbers in [0, 1), not {radius!r}.")
        self.radius = (radius[0], radius[1])
        self.angle = angle

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights, the spectrum among them."""
        super().build(input_shape)
        self.spectrum = self.add_weight(
            (3, self.units), initializer=self._initial_spectrum, name="spectrum"
        )
        self.output_kernel = self.add_weight(
            (2 * self.units, self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="output_kernel",
        )

    def _initial_spectrum(self, shape: Sequence[int], dtype: Any) -> Tensor:
        low, high = (radius**2 for radius in self.radius)
        squared_radius = keras.random.uniform((shape[1],), low, high, dtype=dtype)
        angle = keras.random.uniform((shape[1],), 0.0, self.angle, dtype=dtype)
        rows = [
            ops.log(-0.5 * ops.log(squared_radius)),
            ops.log(angle),
            0.5 * ops.log(1 - squared_radius),
        ]
        return ops.stack(rows)

    def coefficients(self, x: Gates) -> tuple[list[Tensor], list[Tensor]]:
        """Return lambda, the same at every step, and what is stored."""
        nu, theta, gamma = ops.unstack(ops.convert_to_tensor(self.spectrum))
        radius, angle, scale = ops.exp(-ops.exp(nu)), ops.exp(theta), ops.exp(gamma)
        ones = ops.ones_like(x.re)
        turned = [ones * (radius * ops.cos(angle)), ones * (radius * ops.sin(angle))]
        return turned, [scale * x.re, scale * x.im]

    def emit(self, x: Gates, memory: list[Tensor]) -> Tensor:
        """Return h_t."""
        return self.activation(ops.matmul(ops.concatenate(memory, -1), self.output_kernel) + x.s)


def _slow_decay(shape: Sequence[int], dtype: Any) -> Tensor:
    """Return lambda such that exp(-8 softplus(lambda)) is uniform between 0.9 and 0.999."""
    kept = keras.random.uniform(shape, 0.9, 0.999, dtype=dtype)
    return ops.log(ops.expm1(-ops.log(kept) / 8))
