"""The gated recurrent unit and its variants: one state, which a gate opens for what is new."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from custom_layers.cell import Dot, Gates, Product, Tensor
from custom_layers.cells.gated import GatedCell
from custom_layers.cells.normalization import normalized


class GRUCell(GatedCell):
    """Gated recurrent unit.

        z_t = sigmoid(W_xz x_t + b_z + W_hz h_{t-1} + d_z)       update
        r_t = sigmoid(W_xr x_t + b_r + W_hr h_{t-1} + d_r)       reset

        g_t = tanh(W_xh x_t + b_h + r_t * (W_hh h_{t-1} + d_h))  with `reset_after`
        g_t = tanh(W_xh x_t + b_h + W_hh (r_t * h_{t-1}))        without

        h_t = z_t * h_{t-1} + (1 - z_t) * g_t

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights, blocks in the order z, r, h: W_x `kernel [F, 3 U]`, W_h `recurrent_kernel [U, 3 U]`,
    `bias`: with `reset_after` `[2, 3 U]`, rows b and d; without `[3 U]`, and d is absent.

    Reference: Cho et al., 2014, "Learning phrase representations using RNN encoder-decoder for
    statistical machine translation".
    """

    gates = ("z", "r", "h")
    state = ("h",)
    forget_gates = ("z",)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        reset_after: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, use_bias, **options)
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


class LayerNormGRUCell(GatedCell):
    """GRU that normalises its projections.

        z, r = LN(W_xzr x_t; s_x) + LN(W_hzr h_{t-1}; s_h) + b, in two blocks
        g_t = tanh(LN(W_xh x_t; s_x) + b_h + sigmoid(r) * LN(W_hh h_{t-1}; s_h))
        h_t = sigmoid(z) * h_{t-1} + (1 - sigmoid(z)) * g_t
        LN(v; s) = s * (v - mean(v)) / sqrt(variance(v) + 1e-5)

    LN is over the two gates together, and over the candidate by itself.

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights, blocks in the order z, r, h: W_x `kernel [F, 3 U]`, W_h `recurrent_kernel [U, 3 U]`,
    b `bias [3 U]`, s_x `kernel_scale [3 U]`, s_h `recurrent_scale [3 U]`.

    Reference: Ba et al., 2016, "Layer normalization".
    """

    gates = ("z", "r", "h")
    state = ("h",)
    forget_gates = ("z",)
    projections = ("kernel", "recurrent_kernel", "bias", "kernel_scale")

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights, the scales among them."""
        super().build(input_shape)
        width = (len(self.gates) * self.units,)
        self.kernel_scale = self.add_weight(width, "ones", name="kernel_scale")
        self.recurrent_scale = self.add_weight(width, "ones", name="recurrent_scale")

    def prepare(self, product: Tensor) -> Tensor:
        """Return LN(W_x x; s_x) + b, for one step or for all."""
        projected = self._normalized(product, self.kernel_scale)
        return projected if self.bias is None else projected + self.bias

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t."""
        h = Gates(self._normalized(h.tensor, self.recurrent_scale), self.gates)
        z = self.recurrent_activation(x.z + h.z)
        r = self.recurrent_activation(x.r + h.r)
        g = self.activation(x.h + r * h.h)
        return self.State(h=z * state.h + (1 - z) * g)

    def _normalized(self, projected: Tensor, scale: Tensor) -> Tensor:
        cut = 2 * self.units
        gates = normalized(projected[..., :cut], scale[:cut])
        candidate = normalized(projected[..., cut:], scale[cut:])
        return ops.concatenate([gates, candidate], axis=-1)


class LiGRUCell(GatedCell):
    """Light GRU: no reset gate, a candidate that does not saturate, a normalised projection.

        z, g = LN(W_x x_t; s) + b + W_h h_{t-1}, in two blocks
        h_t = sigmoid(z) * h_{t-1} + (1 - sigmoid(z)) * relu(g)
        LN(v; s) = s * (v - mean(v)) / sqrt(variance(v) + 1e-5)

    LN is over each block. The paper normalises over the batch; over the units, no example depends
    on another, and a step on itself.

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, sigmoid the
    `recurrent_activation`, relu the `activation`, `*` element by element.

    Weights, blocks in the order z, h: W_x `kernel [F, 2 U]`, W_h `recurrent_kernel [U, 2 U]`,
    b `bias [2 U]`, s `kernel_scale [2 U]`.

    Reference: Ravanelli et al., 2018, "Light gated recurrent units for speech recognition".
    """

    gates = ("z", "h")
    state = ("h",)
    forget_gates = ("z",)
    projections = ("kernel", "recurrent_kernel", "bias", "kernel_scale")

    def __init__(self, units: int, activation: Any = "relu", **options: Any) -> None:
        super().__init__(units, activation, **options)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights, the scale among them."""
        super().build(input_shape)
        self.kernel_scale = self.add_weight((2 * self.units,), "ones", name="kernel_scale")

    def prepare(self, product: Tensor) -> Tensor:
        """Return LN(W_x x; s) + b, for one step or for all."""
        blocks = ops.split(product, 2, axis=-1)
        scales = ops.split(ops.convert_to_tensor(self.kernel_scale), 2)
        normal = [normalized(*pair) for pair in zip(blocks, scales, strict=True)]
        projected = ops.concatenate(normal, axis=-1)
        return projected if self.bias is None else projected + self.bias

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t."""
        pre = x + h
        z = self.recurrent_activation(pre.z)
        return self.State(h=z * state.h + (1 - z) * self.activation(pre.h))
