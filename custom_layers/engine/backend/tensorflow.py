"""The loop and the linearized step in TensorFlow: while loops, and cut-up traced graphs."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.python.ops import control_flow_util

from custom_layers.cell import Tensor
from custom_layers.engine.backend.contract import (
    Body,
    Gradient,
    Linearized,
    LoopConstants,
    Step,
    StepInputs,
    fill,
    has_tensor_arrays,
    is_portable,
    leaves,
    map_leaves,
)


def convert_to_tensor(value: Any) -> Tensor:
    """Return the tensor that a variable holds, or the tensor itself."""
    return tf.convert_to_tensor(value)


def takes_gpu_kernels() -> bool:
    """Tell whether native GPU kernels of the engine may be traced here: XLA cannot compile them."""
    return _has_gpu() and not is_portable() and not _is_compiled()


def prefers_halves(batch: int | None, weights: int) -> bool:
    """Tell whether two loops, each over half of a batch, take less time than one.

    A loop uses little more than one core, and TensorFlow runs two loops of one graph on two; XLA
    does not. Where a step is little work, starting its operators takes longer than the work.
    """
    if tf.executing_eagerly() or _is_compiled() or is_portable() or _has_gpu():
        return False
    if (os.cpu_count() or 1) < 2:
        return False
    examples = 32 if batch is None else batch
    return examples >= 8 and examples * weights >= 2**19


def prefers_hoisting() -> bool:
    """Tell whether the inputs are multiplied before the loop: not by XLA on a CPU.

    Its loop starts operators at no cost, and is bound by what goes through memory.
    """
    return not _is_compiled() or _has_gpu()


def _has_gpu() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))


def _is_compiled() -> bool:
    """Tell whether XLA compiles what is traced here."""
    return bool(control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))


def length(tensor: Tensor) -> Any:
    """Return the number of steps of a time-major tensor, as a number if it is known."""
    return tensor.shape[0] if tensor.shape[0] is not None else tf.shape(tensor)[0]


def unstack(tensor: Tensor) -> Any:
    """Cut a time-major tensor into a sequence of its steps: a TensorArray, or the tensor itself."""
    if not has_tensor_arrays():
        return tensor
    shape = tensor.shape[1:]
    array = tf.TensorArray(
        tensor.dtype, length(tensor), element_shape=shape, clear_after_read=False
    )
    return array.unstack(tensor)


def stack(sequence: Any) -> Tensor:
    """Join the steps of a sequence to a time-major tensor."""
    return sequence.stack() if has_tensor_arrays() else sequence


def scan(
    step: Body,
    carry: list[Tensor],
    sequences: Any,
    collected: Sequence[Any],
    *,
    length: Any,
    reverse: bool = False,
    unroll: bool = False,
) -> tuple[list[Tensor], list[Any]]:
    """Loop over time, as `Backend.scan`.

    XLA differentiates a loop only if it is told the number of turns; elsewhere that costs two more
    operators a turn.
    """
    if not has_tensor_arrays():
        return _scan_slices(step, carry, sequences, collected, length, reverse)

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
    bound = {"maximum_iterations": length} if _is_compiled() else {}
    _, carry, arrays = tf.while_loop(
        lambda turn, *_: turn < length, body, (0, carry, arrays), **bound
    )
    return carry, arrays


def _scan_slices(
    step: Body,
    carry: list[Tensor],
    sequences: Any,
    collected: Sequence[Tensor],
    length: Any,
    reverse: bool,
) -> tuple[list[Tensor], list[Tensor]]:
    """Loop over time as `scan`, with sequences and collected items as time-major tensors.

    An interpreter copies a whole tensor to write a slice of it. So an inner loop writes about
    sqrt(length) steps into a short tensor, and an outer loop copies that into the long one.
    """

    def advance(turn: Tensor, carry: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        time = length - 1 - turn if reverse else turn
        now = map_leaves(lambda sequence: tf.gather(sequence, time), sequences)
        advanced, items = step(carry, now)
        for tensor, previous in zip(advanced, carry, strict=True):
            tensor.set_shape(previous.shape)
        return advanced, items

    if not collected:
        _, carry = tf.while_loop(
            lambda turn, _: turn < length,
            lambda turn, carry: (turn + 1, advance(turn, carry)[0]),
            (0, carry),
        )
        return carry, []
    chunk = tf.maximum(1, tf.cast(tf.sqrt(tf.cast(length, tf.float32)), tf.int32))
    chunks = (length + chunk - 1) // chunk
    sizes = [tf.size(item) for item in collected]

    def empty(rows: Tensor, width: Any) -> list[Tensor]:
        pairs = zip(collected, sizes, strict=True)
        return [tf.zeros([rows, width * size], item.dtype) for item, size in pairs]

    shorts = empty(chunk, 1)

    def outer(number: Tensor, carry: list[Tensor], longs: list[Tensor]) -> Any:
        first = number * chunk

        def inner(turn: Tensor, carry: list[Tensor], shorts: list[Tensor]) -> Any:
            advanced, items = advance(first + turn, carry)
            return turn + 1, advanced, _written(shorts, turn, items)

        count = tf.minimum(chunk, length - first)
        _, carry, filled = tf.while_loop(lambda turn, *_: turn < count, inner, (0, carry, shorts))
        return number + 1, carry, _written(longs, number, filled)

    _, carry, longs = tf.while_loop(
        lambda number, *_: number < chunks, outer, (0, carry, empty(chunks, chunk))
    )
    outputs = []
    for long, item in zip(longs, collected, strict=True):
        steps = tf.reshape(long, tf.concat([[chunks * chunk], tf.shape(item)], 0))[:length]
        steps = tf.reverse(steps, [0]) if reverse else steps
        static = length if isinstance(length, int) else None
        outputs.append(tf.ensure_shape(steps, [static, *item.shape]))
    return carry, outputs


def _written(tensors: list[Tensor], row: Tensor, items: list[Tensor]) -> list[Tensor]:
    """Write each item into a row of one of `tensors`."""
    return [
        gen_xla_ops.xla_dynamic_update_slice(tensor, tf.reshape(item, [1, -1]), tf.stack([row, 0]))
        for tensor, item in zip(tensors, items, strict=True)
    ]


def custom_gradient(
    function: Callable[[Any, Any], tuple[list[Tensor], Gradient]], arguments: Any, constants: Any
) -> list[Tensor]:
    """Call a function that brings its own gradient, as `Backend.custom_gradient`."""

    @tf.custom_gradient
    def differentiable(*values: Tensor) -> Any:
        results, gradient = function(fill(arguments, values), constants)
        return results, lambda *d_results: leaves(gradient(list(d_results)))

    return differentiable(*leaves(arguments))


def as_graph(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` as a graph, in which a loop takes a tenth of the time."""
    return tf.function(function, autograph=False)


def gradient(
    function: Callable[[list[Tensor]], tuple[Tensor, Any]], arguments: list[Tensor]
) -> tuple[Any, list[Tensor]]:
    """Call a function and take the gradients of its scalar, as `Backend.gradient`."""
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        scalar, beside = function(arguments)
    zero = tf.UnconnectedGradients.ZERO
    return beside, tape.gradient(scalar, arguments, unconnected_gradients=zero)


def linearize(step: Step, now: StepInputs, shared: LoopConstants) -> Linearized:
    """Trace `step` and its vector-Jacobian product, as `Backend.linearize`.

    The graph is cut in two where the gradient reads the forward computation, so nothing is
    computed twice.
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

    signature = map_leaves(_specification, (now, shared, now.state))
    graph = tf.compat.v1.wrap_function(trace, leaves(signature)).graph
    if graph.captures:
        raise ValueError(
            "A step may read its arguments and the weights of its cell, but it reads "
            f"{[tensor for tensor, _ in graph.captures]} too."
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
        collected=[_specification(tensor) for tensor in collected],
        gradients=[_specification(tensor) for tensor in ends["gradients"]],
        places=places,
    )


def _specification(tensor: Tensor) -> tf.TensorSpec:
    return tf.TensorSpec(tensor.shape, tensor.dtype)


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
