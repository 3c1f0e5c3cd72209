"""What gated cells have in common: the activation of their gates, and where their bias starts."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from custom_layers import arguments
from custom_layers.cell import Cell, Tensor
from custom_layers.initializers import Chrono


class GatedCell(Cell):
    """A cell with gates: one more activation, sigmoid unless another is given."""

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(units, activation, use_bias, **options)
        self.recurrent_activation = arguments.resolve("activation", recurrent_activation)


class ForgetGateCell(GatedCell):
    """A gated cell with a gate f that keeps the memory.

    `unit_forget_bias` starts b_f at one, so that a new network remembers (Jozefowicz et al., 2015).
    """

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
            recurrent_activation,
            use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            **options,
        )
        self.unit_forget_bias = unit_forget_bias

    def initial_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """Return the initial bias, with ones for the forget gate if `unit_forget_bias`."""
        bias = super().initial_bias(shape, dtype)
        if not self.unit_forget_bias or isinstance(self.bias_initializer, Chrono):
            return bias
        forgets = ops.repeat(ops.array([gate == "f" for gate in self.gates]), self.units)
        return ops.where(forgets, ops.ones_like(bias), bias)
