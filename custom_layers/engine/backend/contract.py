"""What the engine asks of a backend: a loop over time, and a step with its gradient."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

import keras

from custom_layers.cell import Dot, Product, Tensor

_portable = ContextVar("portable", default=False)
_tensor_arrays = ContextVar("tensor_arrays", default=True)


@contextlib.contextmanager
def portable(*, tensor_arrays: bool = True) -> Iterator[None]:
    """Trace only operators that run on any device, so that a saved graph can move.

    Args:
        tensor_arrays: whether loops may use TensorFlow's TensorArrays. Without them a loop writes
            its outputs into slices of tensors; it is for inference alone.
    """
    tokens = _portable.set(True), _tensor_arrays.set(tensor_arrays)
    try:
        yield
    finally:
        for variable, token in zip((_portable, _tensor_arrays), tokens, strict=True):
            variable.reset(token)


def is_portable() -> bool:
    """Tell whether `portable` is in force."""
    return _portable.get()


def has_tensor_arrays() -> bool:
    """Tell whether loops may use TensorArrays."""
    return _tensor_arrays.get()


def leaves(structure: Any) -> list[Any]:
    """List what a structure of lists, dicts and named tuples holds, but for its Nones."""
    return [leaf for leaf in keras.tree.flatten(structure) if leaf is not None]


def map_leaves(function: Callable[[Any], Any], structure: Any) -> Any:
    """Apply `function` to each of the leaves, and leave the Nones."""
    return keras.tree.map_structure(
        lambda leaf: None if leaf is None else function(leaf), structure
    )


def fill(structure: Any, values: Sequence[Any]) -> Any:
    """Build a structure like `structure` with `values` as its leaves."""
    # Not by way of `map_leaves`: with torch, its order of a dict is not that of `leaves`.
    remaining = iter(values)
    flat = [None if leaf is None else next(remaining) for leaf in keras.tree.flatten(structure)]
    return keras.tree.pack_sequence_as(structure, flat)


class StepInputs(NamedTuple):
    """What a step reads that changes from step to step.

    Attributes:
        x: the projected inputs, `[batch, G * U]`.
        held: for each state, booleans `[batch, 1 or U]`, True where it stays; or None.
        state: each `[batch, U]`.
    """

    x: Tensor
    held: list[Tensor] | None
    state: list[Tensor]


class LoopConstants(NamedTuple):
    """What a step reads that is the same at every step."""

    products: dict[str, Product]
    transposed: dict[str, Tensor]
    weights: list[Tensor]
    noise: Tensor | None


Step = Callable[[StepInputs, LoopConstants, Dot], list[Tensor]]
Body = Callable[[list[Tensor], Any], tuple[list[Tensor], list[Any]]]
Gradient = Callable[[list[Tensor]], Any]


class Linearized(NamedTuple):
    """A step and its vector-Jacobian product; the one keeps what the other needs.

    Each `dot(name, operand)` that a step takes is a product with a shared matrix. Its gradient
    goes to the operand at every step, and to the matrix later, in one product over all steps:
    that is why `forward` hands out the operands and `backward` d loss / d product. The weights
    that the step itself reads are small: their gradient comes step by step.

    Attributes:
        forward: `(now, shared) -> [*state, *operands, *kept]`.
        backward: `(kept, shared, d_state) -> [*d_state, *d_weights, *gradients]`.
        products: the products' names, in the order of the operands.
        collected: shapes and types of `[*operands, *kept]`; empty if no step is traced.
        gradients: shapes and types of d loss / d x and / d product, each tensor once; empty if
            no step is traced.
        places: for x, then for each product, its place among `gradients`.
    """

    forward: Callable[[StepInputs, LoopConstants], list[Any]]
    backward: Callable[[list[Any], LoopConstants, list[Tensor]], list[Tensor]]
    products: list[str]
    collected: list[Any]
    gradients: list[Any]
    places: list[int]


class Backend(Protocol):
    """The module of a backend."""

    def convert_to_tensor(self, value: Any) -> Tensor:
        """Return the tensor that a variable holds, or the tensor itself."""

    def prefers_halves(self, batch: int | None, weights: int) -> bool:
        """Tell whether two loops, each over half of a batch, take less time than one.

        The batch may be unknown; a step multiplies it by so many weights.
        """

    def prefers_hoisting(self) -> bool:
        """Tell whether one product for the inputs of all steps, before the loop, takes less time.

        If not, a step multiplies its own inputs, and the products are never written to memory.
        """

    def takes_gpu_kernels(self) -> bool:
        """Tell whether native GPU kernels of the engine may be traced here."""

    def length(self, tensor: Tensor) -> Any:
        """Return the number of steps of a time-major tensor, as a number if it is known."""

    def unstack(self, tensor: Tensor) -> Any:
        """Cut a time-major tensor into a sequence of its steps."""

    def stack(self, sequence: Any) -> Tensor:
        """Join the steps of a sequence to a time-major tensor."""

    def scan(
        self,
        step: Body,
        carry: list[Tensor],
        sequences: Any,
        collected: Sequence[Any],
        *,
        length: Any,
        reverse: bool = False,
        unroll: bool = False,
    ) -> tuple[list[Tensor], list[Any]]:
        """Loop over time: `carry, items = step(carry, now)`, first to last or last to first.

        Args:
            step: called with the carry and with the current step of each of `sequences`.
            carry: tensors handed from step to step; their shapes stay.
            sequences: a structure of sequences (from `unstack` or an earlier `scan`) and Nones.
            collected: for each item that `step` returns beside the carry, anything of its shape
                and type.
            length: number of steps.
            reverse: begin at the last step.
            unroll: write the steps out instead of looping.

        Returns:
            The last carry, and a sequence of each collected item, in the order of time.
        """

    def custom_gradient(
        self,
        function: Callable[[Any, Any], tuple[list[Tensor], Gradient]],
        arguments: Any,
        constants: Any,
    ) -> list[Tensor]:
        """Call a function that brings its own gradient.

        Args:
            function: `(arguments, constants) -> results, gradient`, where `gradient` turns the
                gradients of the results into those of `arguments`. It reads no tensor but these.
            arguments: structure of the tensors that have gradients.
            constants: structure of the tensors that have none.
        """

    def as_graph(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function` in the form in which long loops of its take the least time."""

    def gradient(
        self, function: Callable[[list[Tensor]], tuple[Tensor, Any]], arguments: list[Tensor]
    ) -> tuple[Any, list[Tensor]]:
        """Call a function that returns a scalar and something beside it.

        Returns:
            What stands beside the scalar, and the gradients of the scalar.
        """

    def linearize(self, step: Step, now: StepInputs, shared: LoopConstants) -> Linearized:
        """Split `step` into a step and its vector-Jacobian product, for arguments of these shapes.

        What `backward` reads of the forward computation (activated gates, as a rule) becomes what
        `forward` keeps, so no cell writes a derivative.
        """
