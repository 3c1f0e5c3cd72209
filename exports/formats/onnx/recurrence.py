"""Recurrent layers in ONNX: a native node where ONNX has one, else a Scan; a Loop is explained.

While a model is traced for ONNX, each recurrent layer puts a placeholder into the graph in place of
its loop. The converter then turns each placeholder into the form that its layer takes. A linear
recurrence is traced as the engine computes it, and a scan that a user wrote as a plain loop.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras.src.backend import core

import custom_layers
from exports import keras_twins, scans, tracing
from exports.formats.onnx.names import BACKWARDS
from exports.formats.onnx.native import NativeNode, native_node, no_operator, unsupported_reason
from exports.formats.onnx.scan import ScanNode
from exports.formats.onnx.writer import Writer, reverse

Tensor = Any

_CHUNKS = "chunks side by side, in three Loops of about sqrt(time) steps: the recurrence is linear"


class Call(NamedTuple):
    """One use of a layer.

    Attributes:
        layer: its name.
        form: what it becomes.
        has_mask: whether the placeholder has a mask beside the sequences.
        has_state: whether it has states to begin with.
        partner: the call that reads the same sequences the other way, if one node can do both.
    """

    layer: str
    form: NativeNode | ScanNode
    has_mask: bool
    has_state: bool
    partner: int | None = None


@contextlib.contextmanager
def marked(model: keras.Model) -> Iterator[list[Call]]:
    """While open, the recurrent layers of `model` trace as placeholders, and scans as plain loops.

    Yields:
        What is traced meanwhile: the call that each placeholder stands for, in their order.
    """
    calls: list[Call] = []
    layers = model._flatten_layers()
    pairs = {
        id(each.backward_layer): each.forward_layer.name
        for each in layers
        if isinstance(each, custom_layers.Bidirectional | keras.layers.Bidirectional)
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(tracing.replaced(core, "scan", scans.scan))
        for layer in layers:
            partner = pairs.get(id(layer))
            if _has_loop_of_ours(layer):
                stack.enter_context(_marked(layer, layer.name, partner, calls))
            elif keras_twins.has_loop_of_keras(layer):
                ours = keras_twins.twin(layer)
                if ours is None:
                    stack.enter_context(_scanned(layer, calls))
                else:
                    stack.enter_context(_marked(ours, layer.name, partner, calls))
                    stack.enter_context(keras_twins.in_place_of(layer, ours))
        yield calls


def described(calls: list[Call], model: keras.Model) -> dict[str, str]:
    """Say for each recurrent layer of `model` what it became, and why."""
    kinds = (custom_layers.Recurrent, keras.layers.RNN)
    loops = {
        layer.name: _as_it_is(layer)
        for layer in model._flatten_layers()
        if isinstance(layer, kinds)
    }
    forms = {call.layer: str(call.form) for call in calls}
    for call in calls:
        if call.partner is not None:
            forward = calls[call.partner]
            forms[forward.layer] = str(forward.form.joined(call.form))
            forms[call.layer] = f"in the node of {forward.layer}"
    return {**loops, **forms}


def handlers(calls: list[Call], opset: int) -> dict[str, Any]:
    """Return tf2onnx's `custom_op_handlers` for the placeholders of `calls`."""
    ready = [call._replace(form=call.form.prepared(call.has_mask, opset)) for call in calls]
    return {"PyFuncStateless": (functools.partial(_replace_placeholder, ready, {}), [])}


def _as_it_is(layer: keras.layers.Layer) -> str:
    """Say what a recurrent layer becomes that is traced without a placeholder, and why."""
    if isinstance(layer.cell, custom_layers.LinearCell):
        return _CHUNKS
    return f"Loop: {type(layer).__name__} has a loop of its own"


def _has_loop_of_ours(layer: keras.layers.Layer) -> bool:
    """Tell whether `layer` runs a cell by the loop of this library."""
    if not isinstance(layer, custom_layers.Recurrent):
        return False
    return type(layer).run_loop is custom_layers.Recurrent.run_loop


@contextlib.contextmanager
def _marked(
    layer: custom_layers.Recurrent, name: str, partner: str | None, calls: list[Call]
) -> Iterator[None]:
    """Let our `layer` trace as a placeholder."""
    lacks = unsupported_reason(layer)
    form = native_node(layer) if lacks is None else ScanNode.of(layer, lacks)
    as_it_is = layer.run_loop

    def run_loop(loop: Any, sequences: Tensor, state: list[Tensor] | None) -> Any:
        if loop.is_plain and isinstance(layer.cell, custom_layers.LinearCell):
            return as_it_is(loop, sequences, state)
        sequences = tf.cast(sequences, layer.compute_dtype)
        steps = sequences.shape[:2]
        sequences, state = form.reads(loop, sequences, state)
        masks = [] if loop.mask is None else [loop.mask]
        call = Call(name, form, has_mask=bool(masks), has_state=state is not None)
        calls.append(call._replace(partner=_partner(calls, partner, call)))
        return _placeholder(
            len(calls) - 1, steps, form.state_shapes, [sequences, *masks, *(state or [])]
        )

    with tracing.replaced(layer, "run_loop", run_loop):
        yield


def _partner(calls: list[Call], layer: str | None, call: Call) -> int | None:
    """Return the number of the last call, if it was of `layer` and one node can do both."""
    if not calls or calls[-1].layer != layer or calls[-1].has_state != call.has_state:
        return None
    return None if calls[-1].form.joined(call.form) is None else len(calls) - 1


@contextlib.contextmanager
def _scanned(layer: Any, calls: list[Call]) -> Iterator[None]:
    """Let a `layer` of Keras trace as the placeholder of a Scan of its cell's step.

    The output of the last step is a state beside those of the cell: Keras shows it, or at first
    zero, where a step is masked.
    """

    def inner_loop(sequences: Tensor, initial_state: Any, mask: Any, training: bool = False) -> Any:
        def step(states: list[Tensor], x: Tensor) -> list[Tensor]:
            output, new = layer.cell(x, keras.tree.pack_sequence_as(initial_state, states[1:]))
            return [output, *keras.tree.flatten(new)]

        first, flat = sequences[:, 0], keras.tree.flatten(initial_state)
        output, *_ = step([None, *flat], first)
        states = [tf.zeros_like(output), *flat]
        form = ScanNode(
            f"{layer.name}{BACKWARDS * layer.go_backwards}",
            no_operator(layer.cell),
            step,
            [tf.TensorSpec([None, *each.shape[1:]], each.dtype) for each in states],
            tf.TensorSpec([None, *first.shape[1:]], first.dtype),
        )
        read = [sequences] if mask is None else [sequences, tf.cast(mask, tf.bool)]
        if layer.go_backwards:
            read = [tf.reverse(each, [1]) for each in read]
        calls.append(Call(layer.name, form, has_mask=mask is not None, has_state=True))
        number, steps = len(calls) - 1, sequences.shape[:2]
        outputs, final = _placeholder(number, steps, form.state_shapes, [*read, *states])
        output = outputs if layer.return_sequences else outputs[:, -1]
        output = keras_twins.with_zeros(layer, output, mask)
        return output, output, keras.tree.pack_sequence_as(initial_state, final[1:])

    with tracing.replaced(layer, "inner_loop", inner_loop):
        yield


def _placeholder(
    number: int, steps: Any, shapes: list[tuple[int | None, ...]], inputs: list[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Put the placeholder in the graph, as `Recurrent.run_loop` would put the loop.

    Its outputs keep what is known of the sequences' `steps`, the sizes of batch and time.
    """
    outputs, *final = tf.raw_ops.PyFuncStateless(
        input=inputs, token=str(number), Tout=[tf.float32] * (1 + len(shapes))
    )
    outputs = tf.ensure_shape(outputs, [*steps, *shapes[0]])
    states = zip(final, shapes, strict=True)
    return outputs, [tf.ensure_shape(each, [steps[0], *shape]) for each, shape in states]


def _replace_placeholder(
    calls: list[Call], met: dict[int, Any], graph: Any, placeholder: Any, name: str, _: list[Any]
) -> None:
    """Replace a placeholder by what it stands for: what tf2onnx calls for each of them.

    Of two partners, the placeholder that is met last is replaced together with the other.
    """
    number = int(placeholder.get_attr_str("token"))
    met[number] = placeholder
    before, has_mask = calls[number].partner, calls[number].has_mask
    after = [other for other, call in enumerate(calls) if call.partner == number]
    numbers = [number, *after] if before is None else [before, number]
    if not set(numbers) <= met.keys():
        return
    placeholders = [met[each] for each in numbers]
    forms = [calls[each].form for each in numbers]
    form = functools.reduce(lambda one, other: one.joined(other) or one, forms)
    write = Writer(graph, name.rpartition("/")[0])
    sequences, *masks = placeholders[0].input[: 1 + has_mask]
    states = [list(each.input[1 + has_mask :]) for each in placeholders]
    results = form.write(write, sequences, masks[0] if has_mask else None, states)
    for each, written in zip(placeholders, results, strict=True):
        replaced = list(each.output)
        graph.remove_node(each.name)
        if each is not placeholders[0]:
            written[0] = reverse(write, written[0], 1)  # as the backward layer's loop gives them
        for old, new in zip(replaced, written, strict=True):
            graph.replace_all_inputs(old, new)
