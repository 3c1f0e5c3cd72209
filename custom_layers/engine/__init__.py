"""How time is walked: a loop with back-propagation through time, or a native GPU kernel."""

from typing import Any

from custom_layers.cell import Cell, Tensor
from custom_layers.engine import cudnn, sequential
from custom_layers.engine.backend import portable

__all__ = ["native", "portable", "walk"]


def native(cell: Cell) -> bool:
    """Tell whether a native GPU kernel is here that computes the function of `cell`."""
    return cudnn.computes(cell)


def walk(
    cell: Cell,
    inputs: Tensor,
    state: list[Tensor],
    *,
    mask: Tensor | None = None,
    noise: Tensor | None = None,
    training: bool = False,
    unroll: bool = False,
    return_sequences: bool = True,
    use_cudnn: Any = "auto",
) -> tuple[Tensor | None, list[Tensor]]:
    """Apply `cell` at every time step, in order.

    Args:
        cell: a built cell.
        inputs: `[batch, time, features]`.
        state: initial states, each `[batch, units]`.
        mask: booleans `[batch, time]`, True where a step is real; elsewhere the state is held.
        noise: `[batch, units]`, multiplies the output before each recurrent product.
        training: whether gradients will be asked for; they are right either way, and faster so.
        unroll: write the steps out instead of looping; needs a static time axis.
        return_sequences: whether the outputs of all steps are wanted.
        use_cudnn: False never, "auto" and True where cuDNN computes the same function.

    Returns:
        The first state after every step, `[batch, time, units]`, or None if not wanted, and the
        list of final states.
    """
    if use_cudnn and not unroll and noise is None and native(cell):
        return cudnn.walk(cell, inputs, state, mask=mask)
    return sequential.walk(
        cell,
        inputs,
        state,
        mask=mask,
        noise=noise,
        training=training,
        unroll=unroll,
        return_sequences=return_sequences,
    )
