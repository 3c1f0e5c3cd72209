"""A cell and the options of its loop over time."""

from typing import Any, NamedTuple

from keras import ops

from custom_layers.cell import Cell, Tensor


class LoopOptions(NamedTuple):
    """A cell, and the options of its loop over time.

    Attributes:
        cell: a built cell.
        mask: booleans `[batch, time]`, True where a step is real; elsewhere the state is held.
        noise: `[batch, units]`, multiplies the output before each recurrent product.
        zoneout: fraction of each state that stays as it was at each step.
        held: for each state, booleans `[batch, time, units]`, True where it stays: zoneout drawn
            at random. Without it, zoneout is its expectation.
        training: whether gradients will be asked for; they are right either way, and faster so.
        truncate: number of steps after which the gradient is cut; only when training.
        clip: largest norm of each row of d loss / d state; only when training.
        unroll: write the steps out instead of looping; needs a static time axis.
        return_sequences: whether the outputs of all steps are wanted.
        product: `inputs @ kernel`, `[batch, time, width]`, if somebody has computed it already.
        use_cudnn: False never, "auto" and True where cuDNN computes the same function.
    """

    cell: Cell
    mask: Tensor | None = None
    noise: Tensor | None = None
    zoneout: float = 0.0
    held: list[Tensor] | None = None
    training: bool = False
    truncate: int | None = None
    clip: float | None = None
    unroll: bool = False
    return_sequences: bool = True
    product: Tensor | None = None
    use_cudnn: Any = "auto"

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for that only a loop of our own does."""
        limited = self.training and (self.truncate is not None or self.clip is not None)
        return self.noise is None and not (self.zoneout or self.unroll or limited)

    def rows(self, rows: slice) -> "LoopOptions":
        """Return the recurrence of some examples of the batch."""
        return self._replace(
            mask=None if self.mask is None else self.mask[rows],
            noise=None if self.noise is None else self.noise[rows],
            held=None if self.held is None else [each[rows] for each in self.held],
            product=None if self.product is None else self.product[rows],
        )

    def projected(self, inputs: Tensor) -> Tensor:
        """Return the x of all steps, time-major, with the input projection as one product."""
        if self.product is not None:
            return self.cell.prepare(ops.swapaxes(self.product, 0, 1))
        return self.cell.project(self.time_major(inputs))

    def time_major(self, inputs: Tensor) -> Tensor:
        """Return the inputs that are real, `[time, batch, features]`."""
        return ops.swapaxes(without_padding(inputs, self.mask), 0, 1)


def without_padding(inputs: Tensor, mask: Tensor | None) -> Tensor:
    """Put zero where a step is not real: it may hold NaN, which weight gradients must not meet."""
    if mask is None:
        return inputs
    return ops.where(ops.expand_dims(mask, -1), inputs, ops.zeros_like(inputs))
