"""Run a cell over time: in a loop with back-propagation through time, as a scan, or natively."""

from custom_layers.cell import Cell, Tensor
from custom_layers.engine import backend, linear, sequential
from custom_layers.engine.backend import portable
from custom_layers.engine.loop import LoopOptions, without_padding
from custom_layers.linear_cell import LinearCell

__all__ = [
    "LoopOptions",
    "as_graph",
    "gradient",
    "native",
    "portable",
    "run_loop",
    "step",
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


def run_loop(
    loop: LoopOptions, inputs: Tensor, state: list[Tensor]
) -> tuple[Tensor | None, list[Tensor]]:
    """Apply a cell at every time step, in order.

    Args:
        loop: the cell, and the options of its loop over time.
        inputs: `[batch, time, features]`.
        state: initial states, each `[batch, units]`.

    Returns:
        The first state after every step, `[batch, time, units]`, or None if not wanted, and the
        list of final states.
    """
    if loop.use_cudnn and loop.is_plain and native(loop.cell):
        from custom_layers.engine import cudnn

        return cudnn.run_loop(loop, inputs, state)
    # An interpreter that lacks TensorArrays takes longer for chunks side by side than for a loop.
    if loop.is_plain and isinstance(loop.cell, LinearCell) and backend.has_tensor_arrays():
        return linear.run_loop(loop, inputs, state)
    return sequential.run_loop(loop, inputs, state)
