"""The loop and the linearized step in JAX: `lax.scan`, and traced functions of one step."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
from jax import numpy as jnp
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun
from keras import ops

from custom_layers.cell import Tensor, plain_dot
from custom_layers.engine.backend.contract import (
    Body,
    Gradient,
    Linearized,
    LoopConstants,
    Step,
    StepInputs,
)


def convert_to_tensor(value: Any) -> Tensor:
    """Return the tensor that a variable holds, or the tensor itself."""
    return ops.convert_to_tensor(value)


def takes_gpu_kernels() -> bool:
    """Tell whether native GPU kernels of the engine may be traced here: it has none for JAX."""
    return False


def prefers_halves(batch: int | None, weights: int) -> bool:
    """Tell whether two loops take less time than one: here one runs after the other."""
    return False


def prefers_hoisting() -> bool:
    """Tell whether the inputs are multiplied before the loop: on a CPU XLA's loop has the time."""
    return jax.default_backend() != "cpu"


def length(tensor: Tensor) -> int:
    """Return the number of steps of a time-major tensor."""
    return int(tensor.shape[0])


def unstack(tensor: Tensor) -> Tensor:
    """Return a time-major tensor as it is: `lax.scan` cuts it."""
    return tensor


def stack(sequence: Tensor) -> Tensor:
    """Return a sequence as it is: `lax.scan` stacked it."""
    return sequence


def scan(
    step: Body,
    carry: list[Tensor],
    sequences: Any,
    collected: Sequence[Any],
    *,
    length: Any,
    reverse: bool = False,
    unroll: bool = False,
) -> tuple[list[Tensor], list[Tensor]]:
    """Loop over time, as `Backend.scan`."""
    return jax.lax.scan(step, carry, sequences, length=length, reverse=reverse, unroll=unroll)


def custom_gradient(
    function: Callable[[Any, Any], tuple[list[Tensor], Gradient]], arguments: Any, constants: Any
) -> list[Tensor]:
    """Call a function that brings its own gradient, as `Backend.custom_gradient`."""

    @jax.custom_gradient
    def differentiable(arguments: Any, constants: Any) -> Any:
        results, gradient = function(arguments, constants)
        return results, lambda d_results: (gradient(d_results), None)

    return differentiable(arguments, constants)


def as_graph(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`: here it is run as it stands."""
    return function


def gradient(
    function: Callable[[list[Tensor]], tuple[Tensor, Any]], arguments: list[Tensor]
) -> tuple[Any, list[Tensor]]:
    """Call a function and take the gradients of its scalar, as `Backend.gradient`."""
    (_, beside), gradients = jax.value_and_grad(function, has_aux=True)(arguments)
    return beside, gradients


def linearize(step: Step, now: StepInputs, shared: LoopConstants) -> Linearized:
    """Trace `step` and its vector-Jacobian product, as `Backend.linearize`.

    JAX's function of the way back is a tree of the tensors that it reads. Those of them that are
    shared, such as a matrix, are not kept: the loop would stack a copy for every step.
    """

    def there(
        now: StepInputs, shared: LoopConstants
    ) -> tuple[list[Tensor], dict[str, Tensor], Any]:
        zeros = {
            name: jnp.zeros(product.shape, product.dtype)
            for name, product in jax.eval_shape(partial(_products, step), now, shared).items()
        }
        offset = partial(_offset, step, now, shared)
        state, back, operands = jax.vjp(
            offset, now.state, shared.weights, now.x, zeros, has_aux=True
        )
        return state, operands, back

    def backward(kept: list[Tensor], shared: LoopConstants, d_state: list[Tensor]) -> list[Tensor]:
        values = {**constants, **dict(zip(known, jax.tree.leaves(shared), strict=True))}
        values.update(zip(keeps, kept, strict=True))
        read = [each.val if isinstance(each, Literal) else values[each] for each in reads]
        return jax.tree.leaves(jax.tree.unflatten(jax.tree.structure(back), read)(d_state))

    forward, (_, operands, back) = jax.make_jaxpr(there, return_shape=True)(now, shared)
    if any(isinstance(constant, jax.Array) for constant in forward.consts):
        raise ValueError(
            "A step may read its arguments and the weights of its cell, but it reads "
            f"{[each for each in forward.consts if isinstance(each, jax.Array)]} too."
        )
    handed_out = len(now.state) + len(operands)
    results, reads = forward.jaxpr.outvars[:handed_out], forward.jaxpr.outvars[handed_out:]
    constants = dict(zip(forward.jaxpr.constvars, forward.consts, strict=True))
    known = forward.jaxpr.invars[len(jax.tree.leaves(now)) :]
    keeps = {
        each: specification
        for each, specification in zip(reads, jax.tree.leaves(back), strict=True)
        if not isinstance(each, Literal) and each not in {*constants, *known}
    }
    kept = list(keeps.values())
    way_back = jax.make_jaxpr(backward)(kept, shared, now.state)
    carried = len(now.state) + len(shared.weights)
    d_carried, d_inputs = way_back.jaxpr.outvars[:carried], way_back.jaxpr.outvars[carried:]
    distinct = [each for k, each in enumerate(d_inputs) if each not in d_inputs[:k]]
    return Linearized(
        forward=_picked(forward, [*results, *keeps]),
        backward=_picked(way_back, [*d_carried, *distinct]),
        products=list(operands),
        collected=[*operands.values(), *kept],
        gradients=[each.aval for each in distinct],
        places=[distinct.index(each) for each in d_inputs],
    )


def _products(step: Step, now: StepInputs, shared: LoopConstants) -> dict[str, Tensor]:
    """Return the products that a step takes."""
    products = {}

    def dot(name: str, operand: Tensor) -> Tensor:
        products[name] = plain_dot(shared.products)(name, operand)
        return products[name]

    step(now, shared, dot)
    return products


def _offset(
    step: Step,
    now: StepInputs,
    shared: LoopConstants,
    state: list[Tensor],
    weights: list[Tensor],
    x: Tensor,
    offsets: dict[str, Tensor],
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Take a step with something added to each product, and return the operands too.

    The gradient of what is added to a product is the gradient of the product.
    """
    operands = {}

    def dot(name: str, operand: Tensor) -> Tensor:
        operands[name] = operand
        return plain_dot(shared.products)(name, operand) + offsets[name]

    return step(StepInputs(x, now.held, state), shared._replace(weights=weights), dot), operands


def _picked(traced: ClosedJaxpr, results: list[Any]) -> Callable[..., list[Tensor]]:
    """Make a function of those results of a traced one."""
    places = [traced.jaxpr.outvars.index(each) for each in results]

    def function(*arguments: Any) -> list[Tensor]:
        computed = jaxpr_as_fun(traced)(*jax.tree.leaves(arguments))
        return [computed[place] for place in places]

    return function
