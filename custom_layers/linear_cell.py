"""The contract of a cell whose memory is linear in itself."""

from collections.abc import Callable
from typing import Any, ClassVar

from keras import ops

from custom_layers.cell import Cell, Gates, Tensor


class LinearCell(Cell):
    """A cell whose memory is linear in itself: the engine computes all its steps at once.

        c_t = a_t * c_{t-1} + b_t      a_t, b_t = coefficients(x_t)
        h_t = emit(x_t, c_t)

    A subclass names its `memory` among its `state`: one name, or two, the real and the imaginary
    part of a complex memory, with `*` the complex product. `coefficients` returns a list of as many
    tensors for a and for b. Where the memory is the output, `emit` may be left out.

    The gates that `delayed` names, the last ones, are read one step later: `x` has for them what
    was projected at the step before, and the last state holds it.
    """

    memory: ClassVar[tuple[str, ...]]
    delayed: ClassVar[tuple[str, ...]] = ()
    coefficients: ClassVar[Callable[..., tuple[list[Tensor], list[Tensor]]]]

    def emit(self, x: Gates, memory: list[Tensor]) -> Tensor:
        """Return the output: the memory, unless a subclass has another."""
        return memory[0]

    @property
    def state_size(self) -> list[int]:
        """Width of each state."""
        delayed = [len(self.delayed) * self.units] if self.delayed else []
        return [self.units] * (len(self.state) - len(delayed)) + delayed

    def step(self, x: Gates, state: Any) -> Any:
        """Return the new state."""
        delayed: dict[str, Tensor] = {}
        if self.delayed:
            now, recent = self.cut(x.tensor)
            x = Gates(ops.concatenate([now, state[-1]], axis=-1), self.gates)
            delayed = {self.state[-1]: recent}
        decay, drive = self.coefficients(x)
        kept = times(decay, [getattr(state, name) for name in self.memory])
        memory = [ops.add(*pair) for pair in zip(kept, drive, strict=True)]
        named = dict(zip(self.memory, memory, strict=True))
        return self.State(**{self.state[0]: self.emit(x, memory), **named, **delayed})

    def cut(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Cut a projection into what is read now and what is read one step later."""
        width = (len(self.gates) - len(self.delayed)) * self.units
        return x[..., :width], x[..., width:]


def times(a: list[Tensor], b: list[Tensor]) -> list[Tensor]:
    """Return a * b, of real tensors or of complex ones as real and imaginary part."""
    if len(a) == 1:
        return [a[0] * b[0]]
    return [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
