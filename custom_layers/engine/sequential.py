"""The loop over time, and back-propagation through it, written once for every cell."""

from typing import Any, NamedTuple

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
    products = backend.map_leaves(backend.convert_to_tensor, cell.products())
    outputs, state = run(recurrence, x, state, products)
    return (ops.swapaxes(outputs, 0, 1) if return_sequences else None), state


def _forward(
    recurrence: Recurrence, x: Tensor, state: list[Tensor], products: dict[str, Product]
) -> tuple[Tensor | None, list[Tensor]]:
    """Walk forward and keep nothing but the outputs."""
    shared = Shared(products, {}, recurrence.noise)

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
    recurrence: Recurrence, x: Tensor, state: list[Tensor], products: dict[str, Product]
) -> tuple[Tensor | None, list[Tensor]]:
    """Walk forward and keep what the way back needs.

    The way back, from the last step t to the first, is

        [d loss / d state_{t-1}, d loss / d x_t, d loss / d product_t] = d loss / d state_t  J_t

    with J_t the Jacobian of step t; and after it, in one matrix product over all steps,

        d loss / d kernel = sum over t of  operand_t^T  d loss / d product_t
    """
    arguments = (x, state, products)

    @backend.custom_gradient
    def walk(*leaves: Tensor) -> Any:
        x, initial_state, products = backend.fill(arguments, leaves)
        transposed = {name: ops.transpose(product.kernel) for name, product in products.items()}
        shared = Shared(products, transposed, recurrence.noise)
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

            def backward(d_state: list[Tensor], now: Any) -> Any:
                kept, d_outputs = now
                for d_output in d_outputs:
                    d_state = [d_state[0] + d_output, *d_state[1:]]
                results = step.backward(kept, shared, d_state)
                return results[: len(d_state)], results[len(d_state) :]

            d_initial_state, gradients = backend.scan(
                backward,
                list(d_final_state),
                [kept, [backend.unstack(d_output) for d_output in d_outputs]],
                step.gradients,
                reverse=True,
                **time,
            )
            stacked = [sequence.stack() for sequence in gradients]
            d_x, *d_products = (stacked[place] for place in step.places)
            d_weights = {
                name: _weight_gradient(products[name], operand.stack(), d_product)
                for name, operand, d_product in zip(
                    step.products, operands, d_products, strict=True
                )
            }
            return backend.leaves((d_x, d_initial_state, d_weights))

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
