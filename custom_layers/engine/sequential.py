"""The loop over time, and back-propagation through it, written once for every cell."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops

from custom_layers.cell import Dot, Product, Tensor, plain_dot
from custom_layers.engine import backend
from custom_layers.engine.backend import Gradient, Linearized, LoopConstants, StepInputs
from custom_layers.engine.loop import LoopOptions


def run_loop(
    loop: LoopOptions, inputs: Tensor, state: list[Tensor]
) -> tuple[Tensor | None, list[Tensor]]:
    """Apply a cell at every time step in a loop; arguments as in `engine.run_loop`."""
    products = loop.cell.products().values()
    weights = sum(math.prod(product.kernel.shape) for product in products)
    if loop.unroll or not backend.prefers_halves(inputs.shape[0], weights):
        return _run_loop(loop, inputs, state)
    half = ops.shape(inputs)[0] // 2
    outputs, states = zip(
        *(
            _run_loop(loop.rows(rows), inputs[rows], [each[rows] for each in state])
            for rows in (slice(None, half), slice(half, None))
        ),
        strict=True,
    )
    whole = ops.concatenate(outputs, axis=0) if loop.return_sequences else None
    return whole, [ops.concatenate(each, axis=0) for each in zip(*states, strict=True)]


def _run_loop(
    loop: LoopOptions, inputs: Tensor, state: list[Tensor]
) -> tuple[Tensor | None, list[Tensor]]:
    """Apply a cell at every time step in one loop."""
    cell = loop.cell
    weights = cell.products(), cell.step_weights
    shared = backend.map_leaves(backend.convert_to_tensor, weights)
    if loop.training:
        x, run = loop.projected(inputs), _forward_and_backward
    elif loop.product is not None or backend.prefers_hoisting():
        x, run = loop.projected(inputs), partial(_forward, lambda x: x)
    else:
        x, run = loop.time_major(inputs), partial(_forward, cell.project)
    outputs, state = run(loop, x, _held(loop), state, *shared)
    return (None if outputs is None else ops.swapaxes(outputs, 0, 1)), state


def step(
    loop: LoopOptions, x: Tensor, held: list[Tensor] | None, state: list[Tensor]
) -> list[Tensor]:
    """Take one step, from `x` `[batch, G * U]` and `state`; `held` as in `StepInputs`."""
    products = loop.cell.products()
    shared = LoopConstants(products, {}, loop.cell.step_weights, loop.noise)
    return _step(loop, StepInputs(x, held, state), shared, plain_dot(products))


def _held(loop: LoopOptions) -> list[Tensor] | None:
    """For each state, where it stays as it was: time-major `[time, batch, 1 or units]`."""
    held = loop.held
    if loop.mask is not None:
        masked = ops.logical_not(ops.expand_dims(loop.mask, -1))
        drawn = held or [False] * len(loop.cell.state)
        held = [masked if each is False else ops.logical_or(masked, each) for each in drawn]
    return None if held is None else [ops.swapaxes(each, 0, 1) for each in held]


def _step(loop: LoopOptions, now: StepInputs, shared: LoopConstants, dot: Dot) -> list[Tensor]:
    """Return the new state, or the old one where it is held."""
    cell, zoneout = loop.cell, loop.zoneout
    weights = zip(cell.step_weights, shared.weights, strict=True)
    with keras.StatelessScope(state_mapping=list(weights)):
        state = cell.advance(now.x, now.state, dot, shared.noise)
    if zoneout and loop.held is None:
        state = [new + zoneout * (old - new) for new, old in zip(state, now.state, strict=True)]
    if now.held is None:
        return state
    return [ops.where(*each) for each in zip(now.held, now.state, state, strict=True)]


def _forward(
    project: Callable[[Tensor], Tensor],
    loop: LoopOptions,
    inputs: Tensor,
    held: list[Tensor] | None,
    state: list[Tensor],
    products: dict[str, Product],
    weights: list[Tensor],
) -> tuple[Tensor | None, list[Tensor]]:
    """Walk forward and keep nothing but the outputs; `project` makes x of the inputs of a step."""
    shared = LoopConstants(products, {}, weights, loop.noise)
    dot = plain_dot(products)
    wanted = int(loop.return_sequences)

    def forward(state: list[Tensor], now: Any) -> tuple[list[Tensor], list[Tensor]]:
        inputs, held = now
        state = _step(loop, StepInputs(project(inputs), held, state), shared, dot)
        return state, state[:wanted]

    state, outputs = backend.scan(
        forward,
        state,
        backend.map_leaves(backend.unstack, (inputs, held)),
        state[:wanted],
        length=backend.length(inputs),
        unroll=loop.unroll,
    )
    return (backend.stack(outputs[0]) if wanted else None), state


def _forward_and_backward(
    loop: LoopOptions,
    x: Tensor,
    held: list[Tensor] | None,
    state: list[Tensor],
    products: dict[str, Product],
    weights: list[Tensor],
) -> tuple[Tensor | None, list[Tensor]]:
    """Walk forward and keep what the way back needs.

    The way back, from the last step t to the first, is

        [dL/dstate_{t-1}, dL/dx_t, dL/dproduct_t] = dL/dstate_t  J_t

    with J_t the Jacobian of step t; and after it, in one matrix product over all steps,

        dL/dkernel = sum over t of operand_t^T dL/dproduct_t
    """

    def differentiable(arguments: Any, constants: Any) -> tuple[list[Tensor], Gradient]:
        (x, state, products, weights), (held, noise) = arguments, constants
        transposed = {name: ops.transpose(product.kernel) for name, product in products.items()}
        shared = LoopConstants(products, transposed, weights, noise)
        first = backend.map_leaves(lambda tensor: tensor[0], StepInputs(x, held, []))
        step = backend.linearize(partial(_step, loop), first._replace(state=state), shared)
        time = {"length": backend.length(x), "unroll": loop.unroll}
        final_state, outputs, operands, kept = _walk_there(
            step, shared, backend.map_leaves(backend.unstack, (x, held)), state, loop, time
        )

        def gradient(d_results: list[Tensor]) -> Any:
            d_final, d_outputs = d_results[: len(state)], d_results[len(state) :]
            d_state, d_weights, d_x, d_products = _walk_back(
                step, shared, kept, d_final, d_outputs, loop, time
            )
            taken = zip(step.products, operands, d_products, strict=True)
            d_matrices = {
                name: _weight_gradient(products[name], backend.stack(operand), d_product)
                for name, operand, d_product in taken
            }
            return d_x, d_state, d_matrices, d_weights

        return [*final_state, *map(backend.stack, outputs)], gradient

    results = backend.custom_gradient(
        differentiable, (x, state, products, weights), (held, loop.noise)
    )
    return (results[-1] if loop.return_sequences else None), results[: len(state)]


def _walk_there(
    step: Linearized,
    shared: LoopConstants,
    sequences: Any,
    state: list[Tensor],
    loop: LoopOptions,
    time: dict[str, Any],
) -> tuple[list[Tensor], list[Any], list[Any], list[Any]]:
    """Return the final state, and sequences: outputs if wanted, operands, what is kept."""
    wanted = int(loop.return_sequences)

    def forward(state: list[Tensor], now: Any) -> tuple[list[Tensor], list[Tensor]]:
        x, held = now
        results = step.forward(StepInputs(x, held, state), shared)
        state, collected = results[: len(state)], results[len(state) :]
        return state, state[:wanted] + collected

    final_state, collected = backend.scan(
        forward, state, sequences, state[:wanted] + step.collected, **time
    )
    outputs, collected = collected[:wanted], collected[wanted:]
    return final_state, outputs, collected[: len(step.products)], collected[len(step.products) :]


def _walk_back(
    step: Linearized,
    shared: LoopConstants,
    kept: list[Any],
    d_state: list[Tensor],
    d_outputs: list[Tensor],
    loop: LoopOptions,
    time: dict[str, Any],
) -> tuple[list[Tensor], list[Tensor], Tensor, list[Tensor]]:
    """Return the gradients of initial state, step weights, x, and of each product at every step."""
    states = len(d_state)
    d_weights = [ops.zeros_like(weight) for weight in shared.weights]

    def backward(carry: list[Tensor], now: Any) -> tuple[list[Tensor], list[Tensor]]:
        kept, d_outputs, truncation_mask = now
        d_state, d_weights = carry[:states], carry[states:]
        for d_output in d_outputs:
            d_state = [d_state[0] + d_output, *d_state[1:]]
        results = step.backward(kept, shared, d_state)
        d_state, more = results[:states], results[states : len(carry)]
        if truncation_mask is not None:
            d_state = [ops.where(truncation_mask, each, ops.zeros_like(each)) for each in d_state]
        if loop.clip is not None:
            d_state = [_clipped(each, loop.clip) for each in d_state]
        d_weights = [ops.add(*pair) for pair in zip(d_weights, more, strict=True)]
        return [*d_state, *d_weights], results[len(carry) :]

    truncation_mask = None
    if loop.truncate is not None:
        truncation_mask = ops.arange(time["length"]) % loop.truncate != 0
    carry, gradients = backend.scan(
        backward,
        d_state + d_weights,
        (kept, *backend.map_leaves(backend.unstack, (d_outputs, truncation_mask))),
        step.gradients,
        reverse=True,
        **time,
    )
    stacked = [backend.stack(sequence) for sequence in gradients]
    d_x, *d_products = (stacked[place] for place in step.places)
    return carry[:states], carry[states:], d_x, d_products


def _clipped(gradient: Tensor, largest: float) -> Tensor:
    """Shorten the rows of `gradient` that are longer than `largest`."""
    norm = ops.norm(gradient, axis=-1, keepdims=True)
    return gradient * (largest / ops.maximum(norm, largest))


def _weight_gradient(product: Product, operands: Tensor, d_products: Tensor) -> Product:
    """Return the gradients of kernel and bias, from all steps at once."""
    operands = ops.reshape(operands, (-1, product.kernel.shape[0]))
    d_products = ops.reshape(d_products, (-1, product.kernel.shape[1]))
    return Product(
        kernel=ops.matmul(ops.transpose(operands), d_products),
        bias=None if product.bias is None else ops.sum(d_products, axis=0),
    )
