"""The loop over time, and back-propagation through it, written once for every cell."""

from typing import Any, NamedTuple

import keras
from keras import ops

from custom_layers.cell import Cell, Dot, Product, Tensor, plain_dot
from custom_layers.engine import backend
from custom_layers.engine.backend import Now, Shared


class Recurrence(NamedTuple):
    """A cell, and how it is to be walked over time."""

    cell: Cell
    mask: Tensor | None
    noise: Tensor | None
    unroll: bool
    return_sequences: bool

    @property
    def outputs(self) -> int:
        """How many of the states, from the first, are wanted at every step: one or none."""
        return int(self.return_sequences)

    def step(self, now: Now, shared: Shared, dot: Dot) -> list[Tensor]:
        """Return the new state, or the old one where the mask says that there is no step."""
        weights = zip(self.cell.step_weights, shared.weights, strict=True)
        with keras.StatelessScope(state_mapping=list(weights)):
            state = self.cell.advance(now.x, now.state, dot, shared.noise)
        if now.mask is None:
            return state
        return [ops.where(now.mask, *pair) for pair in zip(state, now.state, strict=True)]


def walk(
    cell: Cell,
    inputs: Tensor,
    state: list[Tensor],
    *,
    mask: Tensor | None,
    noise: Tensor | None,
    training: bool,
    unroll: bool,
    return_sequences: bool,
) -> tuple[Tensor | None, list[Tensor]]:
    """Apply `cell` at every time step in a loop; arguments as in `engine.walk`."""
    inputs = ops.swapaxes(inputs, 0, 1)
    if mask is not None:
        mask = ops.expand_dims(ops.swapaxes(mask, 0, 1), axis=-1)
        # A masked step may hold anything, NaN too, and must not reach the weight gradients.
        inputs = ops.where(mask, inputs, ops.zeros_like(inputs))
    x = cell.project(inputs)
    recurrence = Recurrence(cell, mask, noise, unroll, return_sequences)
    run = _forward_and_backward if training else _forward
    weights = cell.products(), cell.step_weights
    products, step_weights = backend.map_leaves(backend.convert_to_tensor, weights)
    outputs, state = run(recurrence, x, state, products, step_weights)
    return (ops.swapaxes(outputs, 0, 1) if return_sequences else None), state


def _forward(
    recurrence: Recurrence,
    x: Tensor,
    state: list[Tensor],
    products: dict[str, Product],
    weights: list[Tensor],
) -> tuple[Tensor | None, list[Tensor]]:
    """Walk forward and keep nothing but the outputs."""
    shared = Shared(products, {}, weights, recurrence.noise)

    dot = plain_dot(products)

    def forward(state: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        x, mask = now
        state = recurrence.step(Now(x, mask, state), shared, dot)
        return state, state[: recurrence.outputs]

    state, outputs = backend.scan(
        forward,
        state,
        backend.map_leaves(backend.unstack, [x, recurrence.mask]),
        [backend.specification(tensor) for tensor in state[: recurrence.outputs]],
        length=backend.length(x),
        unroll=recurrence.unroll,
        bounded=True,
    )
    return (outputs[0].stack() if outputs else None), state


def _forward_and_backward(
    recurrence: Recurrence,
    x: Tensor,
    state: list[Tensor],
    products: dict[str, Product],
    weights: list[Tensor],
) -> tuple[Tensor | None, list[Tensor]]:
    """Walk forward and keep what the way back needs.

    The way back, from the last step t to the first, is

        [d loss / d state_{t-1}, d loss / d x_t, d loss / d product_t] = d loss / d state_t  J_t

    with J_t the Jacobian of step t; and after it, in one matrix product over all steps,

        d loss / d kernel = sum over t of  operand_t^T  d loss / d product_t
    """
    arguments = (x, state, products, weights)

    @backend.custom_gradient
    def walk(*leaves: Tensor) -> Any:
        x, initial_state, products, weights = backend.fill(arguments, leaves)
        transposed = {name: ops.transpose(product.kernel) for name, product in products.items()}
        shared = Shared(products, transposed, weights, recurrence.noise)
        sequences = backend.map_leaves(backend.unstack, [x, recurrence.mask])
        first = backend.map_leaves(lambda tensor: tensor[0], Now(x, recurrence.mask, []))
        now = first._replace(state=initial_state)
        step = backend.linearize(recurrence.step, now, shared)
        time = {"length": backend.length(x), "unroll": recurrence.unroll}

        def forward(state: list[Tensor], now: list[Tensor]) -> Any:
            x, mask = now
            results = step.forward(Now(x, mask, state), shared)
            state, collected = results[: len(state)], results[len(state) :]
            return state, state[: recurrence.outputs] + collected

        outputs = initial_state[: recurrence.outputs]
        final_state, collected = backend.scan(
            forward,
            initial_state,
            sequences,
            [*(backend.specification(tensor) for tensor in outputs), *step.collected],
            **time,
        )
        outputs, collected = collected[: len(outputs)], collected[len(outputs) :]
        operands, kept = collected[: len(step.products)], collected[len(step.products) :]

        def gradient(*d_results: Tensor) -> list[Tensor]:
            d_final_state, d_outputs = d_results[: len(final_state)], d_results[len(final_state) :]

            def backward(carry: list[Tensor], now: Any) -> Any:
                kept, d_outputs = now
                d_state, d_weights = carry[: len(state)], carry[len(state) :]
                for d_output in d_outputs:
                    d_state = [d_state[0] + d_output, *d_state[1:]]
                results = step.backward(kept, shared, d_state)
                d_state, more = results[: len(state)], results[len(state) : len(carry)]
                d_weights = [ops.add(*pair) for pair in zip(d_weights, more, strict=True)]
                return [*d_state, *d_weights], results[len(carry) :]

            carry, gradients = backend.scan(
                backward,
                [*d_final_state, *(ops.zeros_like(weight) for weight in weights)],
                [kept, [backend.unstack(d_output) for d_output in d_outputs]],
                step.gradients,
                reverse=True,
                **time,
            )
            stacked = [sequence.stack() for sequence in gradients]
            d_x, *d_products = (stacked[place] for place in step.places)
            d_initial_state, d_weights = carry[: len(state)], carry[len(state) :]
            d_matrices = {
                name: _weight_gradient(products[name], operand.stack(), d_product)
                for name, operand, d_product in zip(
                    step.products, operands, d_products, strict=True
                )
            }
            return backend.leaves((d_x, d_initial_state, d_matrices, d_weights))

        return [*final_state, *(output.stack() for output in outputs)], gradient

    results = walk(*backend.leaves(arguments))
    return (results[-1] if recurrence.return_sequences else None), results[: len(state)]


def _weight_gradient(product: Product, operands: Tensor, d_products: Tensor) -> Product:
    """Return the gradients of kernel and bias, from all steps at once."""
    operands = ops.reshape(operands, (-1, product.kernel.shape[0]))
    d_products = ops.reshape(d_products, (-1, product.kernel.shape[1]))
    return Product(
        kernel=ops.matmul(ops.transpose(operands), d_products),
        bias=None if product.bias is None else ops.sum(d_products, axis=0),
    )
