"""The loop and the linearized step in torch: Python's loop, and one small graph for each step."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import torch
from keras import ops
from torch.autograd.function import once_differentiable

from custom_layers.cell import Tensor, plain_dot
from custom_layers.engine.backend.contract import (
    Body,
    Gradient,
    Linearized,
    LoopConstants,
    Step,
    StepInputs,
    fill,
    leaves,
    map_leaves,
)


class Steps:
    """What there is at each step; to `keras.tree` it is one leaf, as a list is not."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items

    def __getitem__(self, time: int) -> Any:
        return self.items[time]


def convert_to_tensor(value: Any) -> Tensor:
    """Return the tensor that a variable holds, or the tensor itself."""
    return ops.convert_to_tensor(value)


def takes_gpu_kernels() -> bool:
    """Tell whether native GPU kernels of the engine may be traced here: it has none for torch."""
    return False


def prefers_halves(batch: int | None, weights: int) -> bool:
    """Tell whether two loops take less time than one: here one runs after the other."""
    return False


def prefers_hoisting() -> bool:
    """Tell whether the inputs are multiplied before the loop: always, each operator costs time."""
    return True


def length(tensor: Tensor) -> int:
    """Return the number of steps of a time-major tensor."""
    return int(tensor.shape[0])


def unstack(tensor: Tensor) -> Steps:
    """Cut a time-major tensor into a sequence of its steps."""
    return Steps(tensor.unbind())


def stack(sequence: Steps) -> Tensor:
    """Join the steps of a sequence to a time-major tensor."""
    return torch.stack(tuple(sequence.items))


def scan(
    step: Body,
    carry: list[Tensor],
    sequences: Any,
    collected: Sequence[Any],
    *,
    length: Any,
    reverse: bool = False,
    unroll: bool = False,
) -> tuple[list[Tensor], list[Steps]]:
    """Loop over time, as `Backend.scan`."""
    rows = []
    for time in reversed(range(length)) if reverse else range(length):
        now = map_leaves(itemgetter(time), sequences)
        carry, items = step(carry, now)
        rows.append(items)
    if reverse:
        rows.reverse()
    return carry, [Steps(column) for column in zip(*rows, strict=True)]


class _Function(torch.autograd.Function):
    """A function of any number of tensors that brings its own gradient."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], *values: Tensor) -> tuple[Tensor, ...]:
        results, ctx.gradient = function(*values)
        return tuple(results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *d_results: Tensor) -> tuple[Tensor | None, ...]:
        return None, *leaves(ctx.gradient(list(d_results)))


def custom_gradient(
    function: Callable[[Any, Any], tuple[list[Tensor], Gradient]], arguments: Any, constants: Any
) -> list[Tensor]:
    """Call a function that brings its own gradient, as `Backend.custom_gradient`."""

    def differentiable(*values: Tensor) -> Any:
        return function(fill(arguments, values), constants)

    return list(_Function.apply(differentiable, *leaves(arguments)))


def as_graph(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`: here it is run as it stands."""
    return function


def gradient(
    function: Callable[[list[Tensor]], tuple[Tensor, Any]], arguments: list[Tensor]
) -> tuple[Any, list[Tensor]]:
    """Call a function and take the gradients of its scalar, as `Backend.gradient`."""
    arguments = [argument.detach().requires_grad_() for argument in arguments]
    scalar, beside = function(arguments)
    return beside, list(torch.autograd.grad(scalar, arguments, materialize_grads=True))


def linearize(step: Step, now: StepInputs, shared: LoopConstants) -> Linearized:
    """Let autograd record each step by itself, as `Backend.linearize`.

    What `forward` keeps of a step is one object, the function that goes back through it.
    """
    names = list(shared.products)

    def forward(now: StepInputs, shared: LoopConstants) -> list[Any]:
        now, shared = map_leaves(torch.Tensor.detach, (now, shared))
        for tensor in leaves((now.x, now.state, shared.weights)):
            tensor.requires_grad_()
        operands, products = {}, {}

        def dot(name: str, operand: Tensor) -> Tensor:
            operands[name] = operand
            products[name] = plain_dot(shared.products)(name, operand)
            return products[name]

        with torch.enable_grad():
            state = step(now, shared, dot)
        sources = [*now.state, *shared.weights, now.x, *(products[name] for name in names)]

        def back(d_state: list[Tensor]) -> list[Tensor]:
            # The graph stays for a caller who goes back twice; it dies with the caller's own.
            options = {"retain_graph": True, "materialize_grads": True}
            return list(torch.autograd.grad(state, sources, d_state, **options))

        return [*(tensor.detach() for tensor in [*state, *map(operands.get, names)]), back]

    return Linearized(
        forward=forward,
        backward=lambda kept, shared, d_state: kept[0](d_state),
        products=names,
        collected=[],
        gradients=[],
        places=list(range(1 + len(names))),
    )
