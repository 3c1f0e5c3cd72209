"""All that the engine asks of TensorFlow: a loop over time, and a step with its gradient."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import tensorflow as tf

from custom_layers.cell import Dot, Product, Tensor

convert_to_tensor = tf.convert_to_tensor
custom_gradient = tf.custom_gradient

_portable = ContextVar("portable", default=False)


@contextlib.contextmanager
def portable() -> Iterator[None]:
    """Trace only operators that run on any device, so that a saved graph can move."""
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


def leaves(structure: Any) -> list[Any]:
    """List what a structure of lists, dicts and named tuples holds, but for its Nones."""
    return [leaf for leaf in tf.nest.flatten(structure) if leaf is not None]


def map_leaves(function: Callable[[Any], Any], structure: Any) -> Any:
    """Apply `function` to each of the leaves, and leave the Nones."""
    return tf.nest.map_structure(lambda leaf: None if leaf is None else function(leaf), structure)


def fill(structure: Any, values: Sequence[Any]) -> Any:
    """Build a structure like `structure` with `values` as its leaves."""
    remaining = iter(values)
    return map_leaves(lambda _: next(remaining), structure)


def specification(tensor: Tensor) -> tf.TensorSpec:
    """Return the shape and type of a tensor."""
    return tf.TensorSpec(tensor.shape, tensor.dtype)


def has_gpu() -> bool:
    """Tell whether native GPU kernels may be traced here."""
    return not _portable.get() and bool(tf.config.list_logical_devices("GPU"))


def length(tensor: Tensor) -> Any:
    """Return the number of steps of a time-major tensor, as a number if it is known."""
    return tensor.shape[0] if tensor.shape[0] is not None else tf.shape(tensor)[0]


def unstack(tensor: Tensor) -> tf.TensorArray:
    """Cut a time-major tensor into a sequence of its steps."""
    shape = tensor.shape[1:]
    array = tf.TensorArray(
        tensor.dtype, length(tensor), element_shape=shape, clear_after_read=False
    )
    return array.unstack(tensor)


def scan(
    step: Callable[[list[Tensor], Any], tuple[list[Tensor], list[Tensor]]],
    carry: list[Tensor],
    sequences: Any,
    collected: Sequence[tf.TensorSpec],
    *,
    length: Any,
    reverse: bool = False,
    unroll: bool = False,
    bounded: bool = False,
) -> tuple[list[Tensor], list[tf.TensorArray]]:
    """Loop over time: `carry, items = step(carry, now)`, first to last or last to first.

    Args:
        step: called with the carry and with the current step of each of `sequences`.
        carry: tensors handed from step to step; their shapes stay.
        sequences: a structure of sequences (from `unstack` or an earlier `scan`) and Nones.
        collected: shape and type of each item that `step` returns beside the carry.
        length: number of steps.
        reverse: begin at the last step.
        unroll: write the steps out instead of looping.
        bounded: tell TensorFlow the number of turns; XLA needs it to differentiate the loop, and
            it costs two more operators a turn.

    Returns:
        The last carry, and a sequence of each collected item, in the order of time.
    """

    def body(turn: Tensor, carry: list[Tensor], arrays: list[tf.TensorArray]) -> Any:
        time = length - 1 - turn if reverse else turn
        now = map_leaves(lambda sequence: sequence.read(time), sequences)
        advanced, items = step(carry, now)
        for tensor, previous in zip(advanced, carry, strict=True):
            tensor.set_shape(previous.shape)
        written = [array.write(time, item) for array, item in zip(arrays, items, strict=True)]
        return turn + 1, advanced, written

    arrays = [
        tf.TensorArray(item.dtype, length, element_shape=item.shape, clear_after_read=False)
        for item in collected
    ]
    if unroll:
        for turn in range(length):
            _, carry, arrays = body(turn, carry, arrays)
        return carry, arrays
    bound = {"maximum_iterations": length} if bounded else {}
    _, carry, arrays = tf.while_loop(
        lambda turn, *_: turn < length, body, (0, carry, arrays), **bound
    )
    return carry, arrays


class Now(NamedTuple):
    """What a step reads that changes from step to step.

    Attributes:
        x: the projected inputs, `[batch, G * U]`.
        held: for each state, booleans `[batch, 1 or U]`, True where it stays; or None.
        state: each `[batch, U]`.
    """

    x: Tensor
    held: list[Tensor] | None
    state: list[Tensor]


class Shared(NamedTuple):
    """What a step reads that is the same at every step."""

    products: dict[str, Product]
    transposed: dict[str, Tensor]
    weights: list[Tensor]
    noise: Tensor | None


Step = Callable[[Now, Shared, Dot], list[Tensor]]


class Linearized(NamedTuple):
    """A step and its vector-Jacobian product; the one keeps what the other needs.

    Each `dot(name, operand)` that a step takes is a product with a shared matrix. Its gradient
    goes to the operand at every step, and to the matrix later, in one product over all steps:
    that is why `forward` hands out the operands and `backward` d loss / d product. The weights
    that the step itself reads are small: their gradient comes step by step.

    Attributes:
        forward: `(now, shared) -> [*state, *operands, *kept]`.
        backward: `(kept, shared, d_state) -> [*d_state, *d_weights, *gradients]`.
        products: the products' names, in the order the step takes them.
        collected: shapes and types of `[*operands, *kept]`.
        gradients: shapes and types of d loss / d x and / d product, each tensor once.
        places: for x, then for each product, its place among `gradients`.
    """

    forward: Callable[[Now, Shared], list[Tensor]]
    backward: Callable[[list[Tensor], Shared, list[Tensor]], list[Tensor]]
    products: list[str]
    collected: list[tf.TensorSpec]
    gradients: list[tf.TensorSpec]
    places: list[int]


def linearize(step: Step, now: Now, shared: Shared) -> Linearized:
    """Trace `step` and its vector-Jacobian product, for arguments shaped like `now` and `shared`.

    What `backward` reads of the forward computation (activated gates, as a rule) becomes what
    `forward` keeps, so nothing is computed twice and no cell writes a derivative.
    """
    operands: dict[str, Tensor] = {}
    ends: dict[str, list[Tensor]] = {}
    places: list[int] = []

    def trace(*placeholders: Tensor) -> list[Tensor]:
        now, shared, d_state = fill(signature, placeholders)
        graph = tf.compat.v1.get_default_graph()
        products: list[Tensor] = []

        def dot(name: str, operand: Tensor) -> Tensor:
            kernel, bias = shared.products[name]
            graph.add_to_collection(_TRANSPOSED, (kernel.ref(), shared.transposed[name]))
            with graph.gradient_override_map({"MatMul": _PREFIX + "MatMul"}):
                product = tf.matmul(operand, kernel)
            operands[name] = operand
            products.append(product if bias is None else tf.nn.bias_add(product, bias))
            return products[-1]

        with graph.gradient_override_map({name: _PREFIX + name for name in _BROADCASTING}):
            state = step(now, shared, dot)
        computed = set(graph.get_operations())
        gradients = tf.gradients(
            state,
            [*now.state, *shared.weights, now.x, *products],
            grad_ys=d_state,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        carried = len(state) + len(shared.weights)
        d_carried, d_inputs = gradients[:carried], gradients[carried:]
        distinct = {gradient.ref(): gradient for gradient in d_inputs}
        places.extend(list(distinct).index(gradient.ref()) for gradient in d_inputs)
        ends["state"] = state
        ends["operands"] = list(operands.values())
        ends["carried"], ends["gradients"] = d_carried, list(distinct.values())
        ends["kept"] = _read_from(computed, graph, without=[*leaves(shared), *d_state])
        ends["inputs"] = list(placeholders)
        return gradients

    signature = map_leaves(specification, (now, shared, now.state))
    graph = tf.compat.v1.wrap_function(trace, leaves(signature)).graph
    if graph.captures:
        raise ValueError(
            "A step may read its arguments and the weights of its cell, but it reads "
            f"{[tensor.name for tensor, _ in graph.captures]} too."
        )
    now, shared, d_state = fill(signature, ends["inputs"])
    collected = ends["operands"] + ends["kept"]
    forward = _between(graph, leaves((now, shared)), ends["state"] + collected)
    backward = _between(
        graph,
        [*ends["kept"], *leaves((shared, d_state))],
        [*ends["carried"], *ends["gradients"]],
    )
    return Linearized(
        forward=lambda now, shared: forward(*leaves((now, shared))),
        backward=lambda kept, shared, d_state: backward(*kept, *leaves((shared, d_state))),
        products=list(operands),
        collected=[specification(tensor) for tensor in collected],
        gradients=[specification(tensor) for tensor in ends["gradients"]],
        places=places,
    )


def _between(
    graph: tf.Graph, inputs: list[Tensor], outputs: list[Tensor]
) -> Callable[..., list[Tensor]]:
    """Make a function of the part of `graph` that leads from `inputs` to `outputs`."""
    given = {tensor.name for tensor in inputs}
    computed = [tensor.name for tensor in outputs if tensor.name not in given]
    needed: set[str] = set()
    read: set[str] = set()
    pending = [tensor.op for tensor in outputs if tensor.name not in given]
    while pending:
        operation = pending.pop()
        needed.add(operation.name)
        read.update(tensor.name for tensor in operation.inputs)
        reached = [tensor.op for tensor in operation.inputs if tensor.name not in given]
        pending.extend(operation for operation in reached if operation.name not in needed)
    definition = graph.as_graph_def()
    nodes = [node for node in definition.node if node.name in needed]
    for node in nodes:
        node.attr.pop("_class", None)  # a wish to be placed beside a node that is not here
    del definition.node[:]
    definition.node.extend(nodes)

    @tf.function(autograph=False)
    def function(*values: Tensor) -> list[Tensor]:
        known = {tensor.name: value for tensor, value in zip(inputs, values, strict=True)}
        results = tf.graph_util.import_graph_def(
            definition,
            input_map={name: value for name, value in known.items() if name in read},
            return_elements=computed,
        )
        known.update(zip(computed, results, strict=True))
        return [known[tensor.name] for tensor in outputs]

    return function


def _read_from(computed: set[Any], graph: Any, without: list[Tensor]) -> list[Tensor]:
    """List the tensors of operations `computed` that the graph's other operations read."""
    known = {tensor.ref() for tensor in without}
    later = [operation for operation in graph.get_operations() if operation not in computed]
    read = {tensor.ref(): tensor for operation in later for tensor in operation.inputs}
    return [
        tensor
        for reference, tensor in read.items()
        if tensor.op in computed and tensor.op.type != "Const" and reference not in known
    ]


# Inside a step an unknown dimension is always the batch, so operands of equal static shape are of
# equal shape: their gradients need none of TensorFlow's run-time tests for broadcasting. And the
# gradient of a product reads a matrix transposed once, outside the loop.
_PREFIX = "KerasRecurrent"
_TRANSPOSED = "transposed"
_BROADCASTING = ("AddV2", "Sub", "Mul", "SelectV2")


def _unbroadcast(gradient: Tensor, operand: Tensor) -> Tensor:
    if gradient.shape.as_list() == operand.shape.as_list():
        return gradient
    extra = gradient.shape.rank - operand.shape.rank
    if gradient.shape[extra:].as_list() == operand.shape.as_list():  # a weight, for the whole batch
        return tf.reduce_sum(gradient, axis=list(range(extra)))
    shape = tf.shape(operand)
    axes = tf.raw_ops.BroadcastGradientArgs(s0=shape, s1=tf.shape(gradient))[0]
    return tf.reshape(tf.reduce_sum(gradient, axes), shape)


@tf.RegisterGradient(_PREFIX + "AddV2")
def _add_gradient(operation: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
    x, y = operation.inputs
    return _unbroadcast(gradient, x), _unbroadcast(gradient, y)


@tf.RegisterGradient(_PREFIX + "Sub")
def _subtract_gradient(operation: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
    x, y = operation.inputs
    return _unbroadcast(gradient, x), _unbroadcast(-gradient, y)


@tf.RegisterGradient(_PREFIX + "Mul")
def _multiply_gradient(operation: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
    x, y = operation.inputs
    return _unbroadcast(gradient * y, x), _unbroadcast(gradient * x, y)


@tf.RegisterGradient(_PREFIX + "SelectV2")
def _select_gradient(operation: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor]:
    condition, x, y = operation.inputs
    zeros = tf.zeros([], gradient.dtype)
    return (
        None,
        _unbroadcast(tf.where(condition, gradient, zeros), x),
        _unbroadcast(tf.where(condition, zeros, gradient), y),
    )


@tf.RegisterGradient(_PREFIX + "MatMul")
def _product_gradient(operation: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
    operand, kernel = operation.inputs
    transposed = dict(operation.graph.get_collection(_TRANSPOSED))
    if kernel.ref() in transposed:
        return tf.matmul(gradient, transposed[kernel.ref()]), None
    # Somebody takes the gradient of the traced step itself: a second derivative.
    return (
        tf.matmul(gradient, kernel, transpose_b=True),
        tf.matmul(operand, gradient, transpose_a=True),
    )
