"""Any cell of Keras as a cell of ours, so that both are exported alike."""

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import keras

import custom_layers
from custom_layers.cell import Gates, Tensor


class KerasCell(custom_layers.Cell):
    """A cell as `keras.layers.RNN` takes it: `output, states = cell(inputs, states)`.

    The output is the first of its states here, because Keras repeats it at masked steps. Its x is
    the inputs: what the cell does with them is its own affair.

    Args:
        cell: a built cell, whose states may be nested.
        features: width of its inputs.
    """

    gates = ("inputs",)
    state = ("output",)

    def __init__(self, cell: Any, features: int) -> None:
        super().__init__(features)
        self.inner = cell
        sizes = keras.tree.flatten(cell.state_size)
        names = ("output", *(f"state_{number}" for number in range(len(sizes))))
        object.__setattr__(self, "state", names)  # of this cell alone, not of the class
        object.__setattr__(self, "State", namedtuple("State", names))
        self.built = True

    @property
    def state_size(self) -> list[int]:
        """Width of each state."""
        return [self.output_size, *keras.tree.flatten(self.inner.state_size)]

    @property
    def output_size(self) -> int:
        """Width of the output."""
        known = getattr(self.inner, "output_size", None)
        return int(known or keras.tree.flatten(self.inner.state_size)[0])

    def project(self, inputs: Tensor) -> Tensor:
        """Return the inputs."""
        return inputs

    def step(self, x: Gates, state: Any) -> Any:
        """Take one step of the inner cell."""
        nested: Sequence[Any] = self.inner.state_size
        nested = nested if keras.tree.is_nested(nested) else [nested]
        given = keras.tree.pack_sequence_as(nested, state[1:])
        output, new = self.inner(x.inputs, given)
        return self.State(output, *keras.tree.flatten(new))
