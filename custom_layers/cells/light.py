"""Cells of one gate."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from custom_layers.cell import Dot, Gates, Product, Tensor
from custom_layers.cells.gated import GatedCell


class MGUCell(GatedCell):
    """Minimal gated unit: one gate forgets, and resets what the candidate sees.

        f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + b_f)
        g_t = tanh(W_xh x_t + W_hh (f_t * h_{t-1}) + b_h)
        h_t = (1 - f_t) * h_{t-1} + f_t * g_t

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights, blocks in the order f, h: W_x `kernel [F, 2 U]`, W_h `recurrent_kernel [U, 2 U]`,
    b `bias [2 U]`.

    Reference: Zhou et al., 2016, "Minimal gated unit for recurrent neural networks".
    """

    gates = ("f", "h")
    state = ("h",)
    input_gates = ("f",)

    def products(self) -> dict[str, Product]:
        """Return W_h cut where the gate comes between."""
        kernel = self.recurrent_kernel
        return {
            "recurrent_kernel": Product(kernel[:, : self.units]),
            "candidate_kernel": Product(kernel[:, self.units :]),
        }

    def step(self, x: Gates, h: Gates, state: Any, dot: Dot) -> Any:
        """Return h_t."""
        f = self.recurrent_activation(x.f + h.f)
        g = self.activation(x.h + dot("candidate_kernel", f * state.h))
        return self.State(h=(1 - f) * state.h + f * g)


class UGRNNCell(GatedCell):
    """Update gate recurrence: a plain candidate, and one gate between it and the state.

        z_t = sigmoid(W_xz x_t + W_hz h_{t-1} + b_z)
        g_t = tanh(W_xh x_t + W_hh h_{t-1} + b_h)
        h_t = z_t * h_{t-1} + (1 - z_t) * g_t

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights, blocks in the order z, h: W_x `kernel [F, 2 U]`, W_h `recurrent_kernel [U, 2 U]`,
    b `bias [2 U]`.

    Reference: Collins et al., 2017, "Capacity and trainability in recurrent neural networks".
    """

    gates = ("z", "h")
    state = ("h",)
    forget_gates = ("z",)

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t."""
        pre = x + h
        z = self.recurrent_activation(pre.z)
        return self.State(h=z * state.h + (1 - z) * self.activation(pre.h))


class MinimalRNNCell(GatedCell):
    """MinimalRNN: inputs become a point of the state's space, and a gate moves the state there.

        g_t = tanh(W x_t + b_g)
        u_t = sigmoid(U_h h_{t-1} + U_g g_t + b_u)
        h_t = u_t * h_{t-1} + (1 - u_t) * g_t

    g_t and U_g g_t depend on the inputs alone and are computed for all steps before the loop.

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights: W `kernel [F, U]`, U_h `recurrent_kernel [U, U]`, b `bias [2 U]`, blocks g, u;
    U_g `latent_kernel [U, U]`.

    Reference: Chen, 2017, "MinimalRNN: toward more interpretable and trainable recurrent neural
    networks".
    """

    gates = ("g", "u")
    recurrent_gates = ("u",)
    state = ("h",)
    forget_gates = ("u",)
    projections = ("kernel", "recurrent_kernel", "bias", "latent_kernel")

    @property
    def kernel_width(self) -> int:
        """Width of the kernel: that of g alone."""
        return self.units

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights."""
        super().build(input_shape)
        self.latent_kernel = self.add_weight(
            shape=(self.units, self.units),
            name="latent_kernel",
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )

    def prepare(self, product: Tensor) -> Tensor:
        """Return g, and what the gate takes of it, for one step or for all."""
        bias_g, bias_u = (0, 0) if self.bias is None else ops.split(self.bias, 2)
        g = self.activation(product + bias_g)
        return ops.concatenate([g, ops.dot(g, self.latent_kernel) + bias_u], axis=-1)

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t."""
        u = self.recurrent_activation(x.u + h.u)
        return self.State(h=u * state.h + (1 - u) * x.g)


class STARCell(GatedCell):
    """Stackable recurrence: one gate, and no product of the candidate with the state.

        g_t = tanh(W_xg x_t + b_g)
        k_t = sigmoid(W_xk x_t + W_hk h_{t-1} + b_k)
        h_t = tanh((1 - k_t) * h_{t-1} + k_t * g_t)

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, sigmoid the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights, blocks in the order g, k: W_x `kernel [F, 2 U]`, W_hk `recurrent_kernel [U, U]`,
    b `bias [2 U]`.

    Reference: Turkoglu et al., 2021, "Gating revisited: deep multi-layer RNNs that can be trained".
    """

    gates = ("g", "k")
    recurrent_gates = ("k",)
    state = ("h",)
    input_gates = ("k",)

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t."""
        k = self.recurrent_activation(x.k + h.k)
        g = self.activation(x.g)
        return self.State(h=self.activation((1 - k) * state.h + k * g))


class FastGRNNCell(GatedCell):
    """FastGRNN: gate and candidate share their matrices, so half the weights are left.

        p_t = W x_t + U h_{t-1}
        z_t = sigmoid(p_t + b_z)
        g_t = tanh(p_t + b_h)
        h_t = z_t * h_{t-1} + (sigmoid(zeta) * (1 - z_t) + sigmoid(nu)) * g_t

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, sigmoid in z the
    `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights: W `kernel [F, U]`, U `recurrent_kernel [U, U]`, b `bias [2 U]`, blocks z, h;
    zeta and nu `balance [2]`, which start at 1 and -4.

    Reference: Kusupati et al., 2018, "FastGRNN: a fast, accurate, stable and tiny kilobyte sized
    gated recurrent neural network".
    """

    gates = ("z", "h")
    recurrent_gates = ("p",)
    state = ("h",)
    forget_gates = ("z",)

    @property
    def kernel_width(self) -> int:
        """Width of the kernel: that of one gate."""
        return self.units

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights, the balance of old and new among them."""
        super().build(input_shape)
        self.balance = self.add_weight(
            shape=(2,),
            name="balance",
            initializer=lambda shape, dtype: ops.array([1.0, -4.0], dtype),
        )

    def prepare(self, product: Tensor) -> Tensor:
        """Return W x + b_z and W x + b_h, for one step or for all."""
        projected = ops.concatenate([product, product], axis=-1)
        return projected if self.bias is None else projected + self.bias

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t."""
        z = self.recurrent_activation(x.z + h.p)
        g = self.activation(x.h + h.p)
        zeta, nu = ops.split(ops.sigmoid(self.balance), 2)
        return self.State(h=z * state.h + (zeta * (1 - z) + nu) * g)
