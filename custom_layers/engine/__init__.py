"""How time is walked: a loop with back-propagation through time, all at once, or natively."""

from custom_layers.cell import Cell, Tensor
from custom_layers.engine import backend, linear, sequential
from custom_layers.engine.backend import portable
from custom_layers.engine.recurrence import Recurrence, without_padding
from custom_layers.linear_cell import LinearCell

__all__ = [
    "Recurrence",
    "as_graph",
    "gradient",
    "native",
    "portable",
    "step",
    "walk",
    "without_padding",
]


as_graph = backend.as_graph
gradient = backend.gradient
step = sequential.step


def native(cell: Cell) -> bool:
    """Tell whether a native GPU kernel is here that computes the function of `cell`."""
    if not backend.takes_gpu_kernels():
        return False
    from custom_layers.engine import cudnn  # brings TensorFlow, which other backends do without

    return cudnn.computes(cell)


def walk(
    recurrence: Recurrence, inputs: Tensor, state: list[Tensor]
) -> tuple[Tensor | None, list[Tensor]]:
    """Apply a cell at every time step, in order.

    Args:
        recurrence: the cell, and how it is to be walked.
        inputs: `[batch, time, features]`.
        state: initial states, each `[batch, units]`.

    Returns:
        The first state after every step, `[batch, time, units]`, or None if not wanted, and the
        list of final states.
    """
    if recurrence.use_cudnn and recurrence.is_plain and native(recurrence.cell):
        from custom_layers.engine import cudnn

        return cudnn.walk(recurrence, inputs, state)
    if recurrence.is_plain and isinstance(recurrence.cell, LinearCell):
        return linear.walk(recurrence, inputs, state)
    return sequential.walk(recurrence, inputs, state)
