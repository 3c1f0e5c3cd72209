"""Cells that discretise a differential equation: the step size keeps gradients in bounds."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from custom_layers.cell import Cell, Dot, Gates, Product
from custom_layers.cells.gated import GatedCell


class AntisymmetricRNNCell(Cell):
    """Forward Euler steps of a stable system: the Jacobian's eigenvalues stay near one in size.

        h_t = h_{t-1} + epsilon * tanh((W - W^T - gamma I) h_{t-1} + V x_t + b)

    Symbols: x_t inputs `[batch, F]`, h_t state and output `[batch, U]`, epsilon the `step_size`,
    gamma the `diffusion`, tanh the `activation`.

    Weights: V `kernel [F, U]`, W `recurrent_kernel [U, U]`, b `bias [U]`.

    Reference: Chang et al., 2019, "AntisymmetricRNN: a dynamical system view on recurrent neural
    networks".
    """

    gates = ("h",)
    state = ("h",)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        step_size: float = 0.1,
        diffusion: float = 0.01,
        **options: Any,
    ) -> None:
        super().__init__(units, activation, **options)
        self.step_size = step_size
        self.diffusion = diffusion

    def products(self) -> dict[str, Product]:
        """Return W - W^T - gamma I."""
        kernel = ops.convert_to_tensor(self.recurrent_kernel)
        damping = self.diffusion * ops.eye(self.units, dtype=kernel.dtype)
        return {"recurrent_kernel": Product(kernel - ops.transpose(kernel) - damping)}

    def step(self, x: Gates, h: Gates, state: Any) -> Any:
        """Return h_t."""
        return self.State(h=state.h + self.step_size * self.activation((x + h).h))


class CoRNNCell(Cell):
    """Coupled oscillators, driven by the inputs: gradients neither explode nor vanish.

        z_t = z_{t-1} + dt * (tanh(W y_{t-1} + R z_{t-1} + V x_t + b) - gamma y_{t-1} - eps z_{t-1})
        y_t = y_{t-1} + dt * z_t

    Symbols: x_t inputs `[batch, F]`, y_t position and output, z_t velocity `[batch, U]`, dt the
    `step_size`, gamma the `frequency`, eps the `damping`, tanh the `activation`.

    Weights: V `kernel [F, U]`, W `recurrent_kernel [U, U]`, b `bias [U]`,
    R `velocity_kernel [U, U]`.

    Reference: Rusch & Mishra, 2021, "Coupled oscillatory recurrent neural network (coRNN)".
    """

    gates = ("z",)
    state = ("y", "z")
    projections = ("kernel", "recurrent_kernel", "bias", "velocity_kernel")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        step_size: float = 0.05,
        frequency: float = 1.0,
        damping: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(units, activation, **options)
        self.step_size = step_size
        self.frequency = frequency
        self.damping = damping

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights."""
        super().build(input_shape)
        shape = (self.units, self.units)
        self.velocity_kernel = self.add_recurrent_weight("velocity_kernel", shape)

    def products(self) -> dict[str, Product]:
        """Return W and R."""
        return {**super().products(), "velocity_kernel": Product(self.velocity_kernel)}

    def step(self, x: Gates, h: Gates, state: Any, dot: Dot) -> Any:
        """Return y_t and z_t."""
        driven = self.activation(x.z + h.z + dot("velocity_kernel", state.z))
        force = driven - self.frequency * state.y - self.damping * state.z
        z = state.z + self.step_size * force
        return self.State(y=state.y + self.step_size * z, z=z)


class LEMCell(GatedCell):
    """Long expressive memory: two states, and for each a step size that the cell chooses.

        a_t = dt * sigmoid(W_xa x_t + W_ya y_{t-1} + b_a)
        c_t = dt * sigmoid(W_xc x_t + W_yc y_{t-1} + b_c)
        z_t = (1 - a_t) * z_{t-1} + a_t * tanh(W_xz x_t + W_yz y_{t-1} + b_z)
        y_t = (1 - c_t) * y_{t-1} + c_t * tanh(W_xy x_t + W_zy z_t + b_y)

    Symbols: x_t inputs `[batch, F]`, y_t output and z_t memory `[batch, U]`, dt the `step_size`,
    sigmoid the `recurrent_activation`, tanh the `activation`, `*` element by element.

    Weights, blocks in the order a, c, z, y: W_x `kernel [F, 4 U]`, W_y and W_zy
    `recurrent_kernel [U, 4 U]`, b `bias [4 U]`.

    Reference: Rusch et al., 2022, "Long expressive memory for sequence modeling".
    """

    gates = ("a", "c", "z", "y")
    state = ("y", "z")
    input_gates = ("a", "c")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        step_size: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, **options)
        self.step_size = step_size

    def products(self) -> dict[str, Product]:
        """Return W_y, and W_zy which meets the new memory."""
        kernel, cut = self.recurrent_kernel, 3 * self.units
        return {
            "recurrent_kernel": Product(kernel[:, :cut]),
            "memory_kernel": Product(kernel[:, cut:]),
        }

    def step(self, x: Gates, h: Gates, state: Any, dot: Dot) -> Any:
        """Return y_t and z_t."""
        a = self.step_size * self.recurrent_activation(x.a + h.a)
        c = self.step_size * self.recurrent_activation(x.c + h.c)
        z = (1 - a) * state.z + a * self.activation(x.z + h.z)
        y = (1 - c) * state.y + c * self.activation(x.y + dot("memory_kernel", z))
        return self.State(y=y, z=z)
