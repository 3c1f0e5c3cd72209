"""The loop and the linearized step in JAX: `lax.scan`, and traced functions of one step."""

from collections.abc import Callable, Sequence
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
    Now,
    Shared,
    Step,
    leaves,
)


def convert_to_tensor(value: Any) -> Tensor:
    """Return the tensor that a variable holds, or the tensor itself."""
    return ops.convert_to_tensor(value)


def has_gpu() -> bool:
    """Tell whether native GPU kernels of the engine may be traced here: it has none for JAX."""
    return False


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
    bounded: bool = False,
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


def linearize(step: Step, now: Now, shared: Shared) -> Linearized:
    """Trace `step` and its vector-Jacobian product, as `Backend.linearize`.

    JAX's function of the way back holds all that it reads. What of it is shared, such as a matrix,
    is left out of what `forward` keeps, or the loop would stack a copy for every step.
    """
    offsets: dict[str, Tensor] = {}
    trees: list[Any] = []

    def measured(now: Now, shared: Shared) -> list[Tensor]:
        def dot(name: str, operand: Tensor) -> Tensor:
            product = plain_dot(shared.products)(name, operand)
            offsets[name] = jax.ShapeDtypeStruct(product.shape, product.dtype)
            return product

        return step(now, shared, dot)

    def there(now: Now, shared: Shared) -> list[Tensor]:
        def stepped(
            state: list[Tensor], weights: list[Tensor], x: Tensor, offsets: list[Tensor]
        ) -> tuple[list[Tensor], list[Tensor]]:
            operands = []
            remaining = iter(offsets)

            def dot(name: str, operand: Tensor) -> Tensor:
                operands.append(operand)
                # The gradient of the zeros that are added to a product is the product's.
                return plain_dot(shared.products)(name, operand) + next(remaining)

            state = step(Now(x, now.held, state), shared._replace(weights=weights), dot)
            return state, operands

        zeros = [jnp.zeros(each.shape, each.dtype) for each in offsets.values()]
        state, back, operands = jax.vjp(
            stepped, now.state, shared.weights, now.x, zeros, has_aux=True
        )
        residuals, tree = jax.tree.flatten(back)
        trees.append(tree)
        return [*state, *operands, *residuals]

    jax.eval_shape(measured, now, shared)
    forward = jax.make_jaxpr(there)(now, shared)
    captured = [each for each in forward.consts if isinstance(each, jax.Array)]
    if captured:
        raise ValueError(
            "A step may read its arguments and the weights of its cell, but it reads "
            f"{captured} too."
        )
    ...
