"""A step model: a chunk of a sequence and states in, outputs and states out."""

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import custom_layers
from exports import tracing
from exports.errors import ExportError
from exports.parity import ABSOLUTE, RELATIVE, Arrays, Case, Run
from exports.signature import Signature, State

Tensor = Any

_CALLS = 3  # of a model that is made for so many steps, one after another

# What the states of Keras's layers are called; those of other cells are numbered.
_KERAS_STATES = {
    keras.layers.SimpleRNN: ("h",),
    keras.layers.GRU: ("h",),
    keras.layers.LSTM: ("h", "c"),
    keras.layers.ConvLSTM1D: ("h", "c"),
    keras.layers.ConvLSTM2D: ("h", "c"),
    keras.layers.ConvLSTM3D: ("h", "c"),
}

# Takes the zeros of a layer's states, by name, and returns what it begins with instead.
Begin = Callable[[dict[str, Tensor]], dict[str, Tensor]]


def is_stateful(model: keras.Model) -> bool:
    """Tell whether a layer of `model` carries its state from call to call."""
    return any(getattr(layer, "stateful", False) for layer in model._flatten_layers())


def states(model: keras.Model, signature: Signature) -> tuple[State, ...]:
    """List the states of `model`, named after the layer and the state: `lstm_1.h`.

    Raises:
        ExportError: if `model` has none, or cannot be fed in chunks.
    """
    fixed = [array for array in signature.streamed if not array.has_time]
    if fixed and not is_stateful(model):
        raise ExportError(
            f"The input {fixed[0].name!r} has {fixed[0].shape[1]} steps, and a chunk may have any "
            "number: give keras.Input((None, ...))."
        )
    call, found = tracing.function(model, signature), list[State]()

    def begin(zeros: dict[str, Tensor]) -> dict[str, Tensor]:
        for name, tensor in zeros.items():
            shape = (signature.batch, *tensor.shape[1:])
            found.append(State(name, f"{name}.next", shape, tensor.dtype.name))
        return zeros

    def look(*inputs: Tensor) -> dict[str, Tensor]:
        with _carried(model, begin):
            return call(*inputs)

    tf.function(look, autograph=False).get_concrete_function(*tracing.specifications(signature))
    if not found:
        raise ExportError(f"{model.name!r} has no recurrent layer whose state could be carried.")
    names = [state.name for state in found]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ExportError(f"Two layers have the state {min(repeated)!r}: name the layers apart.")
    return tuple(found)


def function(
    model: keras.Model, signature: Signature, states: Sequence[State]
) -> Callable[..., dict[str, Tensor]]:
    """Return the step model as a function from inputs and states, in order, to what it gives."""
    call = tracing.function(model, signature)

    def step(*arrays: Tensor) -> dict[str, Tensor]:
        inputs, given = arrays[: len(signature.inputs)], arrays[len(signature.inputs) :]
        known = {state.name: tensor for state, tensor in zip(states, given, strict=True)}
        with _carried(model, lambda zeros: {name: known[name] for name in zeros}) as end:
            outputs = call(*inputs)
        return {**outputs, **{state.next: end[state.name] for state in states}}

    return step


def metadata(states: Sequence[State]) -> dict[str, str]:
    """Say in an ONNX file what a sequence begins with: zeros of these shapes."""
    known = {state.name: {"next": state.next, "shape": list(state.shape)} for state in states}
    return {"zero_initial_states": json.dumps(known)}


def in_chunks(run: Run, signature: Signature, states: Sequence[State], seed: int = 0) -> Run:
    """Return the function of whole sequences that feeds a step model chunk by chunk.

    Args:
        run: the step model.
        signature: of the whole model.
        states: of the step model; they begin as zeros.
        seed: of the chunks' lengths.
    """

    def whole(inputs: Arrays) -> Arrays:
        batch = len(inputs[signature.streamed[0].name])
        carried = {state.name: state.zeros(batch) for state in states}
        chunks: list[Arrays] = []
        for chunk in _cut(inputs, signature, seed):
            outputs = run({**chunk, **carried})
            carried = {state.name: outputs[state.next] for state in states}
            chunks.append(outputs)
        return _joined(chunks, signature)

    return whole


def call_by_call(model: keras.Model, signature: Signature) -> Run:
    """Return the function of whole sequences that feeds a stateful `model` one call after another.

    Each call has the steps and rows that the model is made for. Its states come back afterwards.
    """
    call = tracing.as_given(model, signature, stateful=True)
    layers = [each for each in model._flatten_layers() if getattr(each, "stateful", False)]
    states = [state for layer in layers for state in layer.states]

    def whole(inputs: Arrays) -> Arrays:
        batch, rows = len(next(iter(inputs.values()))), states[0].shape[0]
        before = [state.numpy() for state in states]
        outputs = []
        for start in range(0, batch, rows):
            for layer in layers:
                layer.reset_state()
            part = {
                name: np.resize(each[start : start + rows], (rows, *each.shape[1:]))
                for name, each in inputs.items()
            }
            outputs.append(_joined([call(chunk) for chunk in _cut(part, signature)], signature))
        for state, value in zip(states, before, strict=True):
            state.assign(value)
        return {
            array.name: np.concatenate([each[array.name] for each in outputs])[:batch]
            for array in signature.outputs
        }

    return whole


def needs_all_steps(
    model: keras.Model, signature: Signature, states: Sequence[State], cases: Sequence[Case]
) -> str | None:
    """Name the first layer that does not give in chunks what it gives on a whole sequence.

    Args:
        model: whose outputs differ in chunks.
        signature: of the model.
        states: of the step model.
        cases: whole sequences; one of middling length is taken.
    """
    inputs = sorted(cases, key=lambda case: sum(each.size for each in case.inputs.values()))[
        len(cases) // 2
    ].inputs
    known = signature.of_steps(states)
    whole = _watched(model, signature, tracing.function(model, signature))
    step = _watched(model, known, function(model, signature, states))
    streamed = signature.streamed[0].name
    expected, chunks, lengths = whole(inputs)[1], list[dict[str, list[np.ndarray]]](), list[int]()

    def run(arrays: Arrays) -> Arrays:
        outputs, seen = step(arrays)
        chunks.append(seen)
        lengths.append(arrays[streamed].shape[1])
        return outputs

    try:
        in_chunks(run, signature, states)(inputs)
    except tf.errors.OpError as error:
        return tracing.failing_place(error, model)[1]
    for name, outputs in expected.items():
        for number, output in enumerate(outputs):
            parts = [chunk[name][number] for chunk in chunks]
            has_time = [part.shape[1:2] for part in parts] == [(length,) for length in lengths]
            got = np.concatenate(parts, axis=1) if has_time else parts[-1]
            if got.shape != output.shape or not np.allclose(got, output, RELATIVE, ABSOLUTE):
                return name
    return None


def _cut(inputs: Arrays, signature: Signature, seed: int = 0) -> Iterator[Arrays]:
    """Cut sequences into chunks: of random lengths, or of the steps that the model is made for."""
    streamed = signature.streamed
    time, steps = inputs[streamed[0].name].shape[1], streamed[0].shape[1]
    random = np.flatnonzero(np.random.default_rng(seed).random(time - 1) < 0.2) + 1
    cuts = random if steps is None else range(steps, time, steps)
    for start, stop in zip([0, *cuts], [*cuts, time], strict=True):
        yield {**inputs, **{each.name: inputs[each.name][:, start:stop] for each in streamed}}


def _joined(chunks: Sequence[Arrays], signature: Signature) -> Arrays:
    """Join what is given for every step, and take the last of what is given for a sequence."""
    return {
        array.name: np.concatenate([chunk[array.name] for chunk in chunks], axis=1)
        if array.has_time
        else chunks[-1][array.name]
        for array in signature.outputs
    }


def cases(cases: Sequence[Case], signature: Signature) -> list[Case]:
    """Return the cases for a stream: several times as long where the steps of a call are fixed."""
    if signature.streamed[0].has_time:
        return list(cases)
    streamed = [array.name for array in signature.streamed]

    def longer(name: str, values: np.ndarray) -> np.ndarray:
        return np.concatenate([values] * _CALLS, axis=1) if name in streamed else values

    return [
        case._replace(inputs={name: longer(name, each) for name, each in case.inputs.items()})
        for case in cases
    ]


def _watched(
    model: keras.Model, signature: Signature, call: Callable[..., dict[str, Tensor]]
) -> Callable[[Arrays], tuple[Arrays, dict[str, list[np.ndarray]]]]:
    """Return `call` as a function of arrays that also gives what each layer of `model` gave."""
    names: list[str] = []

    def watched(*inputs: Tensor) -> Any:
        seen: dict[str, list[Tensor]] = {}
        with contextlib.ExitStack() as stack:
            for layer in _outside_of_loops(model):
                watch = functools.partial(_watch, layer, layer.call, seen)
                stack.enter_context(tracing.replaced(layer, "call", watch))
            outputs = call(*inputs)
        names[:] = seen
        return outputs, list(seen.values())

    compiled = tf.function(
        watched, input_signature=tracing.specifications(signature), autograph=False
    )

    def run(arrays: Arrays) -> tuple[Arrays, dict[str, list[np.ndarray]]]:
        given = (tf.constant(arrays[each.name]) for each in signature.inputs)
        outputs, seen = tf.nest.map_structure(np.asarray, compiled(*given))
        return outputs, dict(zip(names, seen, strict=True))

    return run


def _watch(layer: Any, call: Callable[..., Any], seen: Any, *args: Any, **options: Any) -> Any:
    outputs = call(*args, **options)
    tensors = [each for each in keras.tree.flatten(outputs) if isinstance(each, tf.Tensor)]
    name = f"layer {layer.name!r} ({type(layer).__name__})"
    seen[name] = [*seen.get(name, []), *tensors]
    return outputs


def _outside_of_loops(model: keras.Model) -> list[Any]:
    """List layers and operations of `model`, but for those that a layer calls step by step."""
    layers = model._flatten_layers()
    loops = (custom_layers.Recurrent, keras.layers.RNN, keras.layers.Wrapper)
    inside = {
        id(inner)
        for layer in layers
        if isinstance(layer, loops)
        for inner in layer._flatten_layers(include_self=False)
    }
    operations = [each for layer in layers for each in getattr(layer, "operations", [])]
    found = {id(each): each for each in [*layers, *operations] if each is not model}
    return [each for number, each in found.items() if number not in inside]


@contextlib.contextmanager
def _carried(model: keras.Model, begin: Begin) -> Iterator[dict[str, Tensor]]:
    """While open, each recurrent layer begins with what `begin` returns; yield how they end."""
    end: dict[str, Tensor] = {}
    with contextlib.ExitStack() as stack:
        for layer in model._flatten_layers():
            if isinstance(layer, custom_layers.Recurrent):
                stack.enter_context(_carrying(layer, begin, end))
            elif isinstance(layer, keras.layers.RNN):
                stack.enter_context(_carrying_in_keras(layer, begin, end))
        yield end


@contextlib.contextmanager
def _carrying(
    layer: custom_layers.Recurrent, begin: Begin, end: dict[str, Tensor]
) -> Iterator[None]:
    names = [f"{layer.name}.{state}" for state in layer.cell.state]
    before = layer.run_loop

    def run_loop(loop: Any, sequences: Tensor, state: Any) -> Any:
        _reject_unstreamable(layer, state is not None, names, end)
        zeros = layer.get_initial_state(tf.shape(sequences)[0])
        given = begin(dict(zip(names, zeros, strict=True)))
        outputs, final = before(loop, sequences, list(given.values()))
        end.update(zip(names, final, strict=True))
        return outputs, final

    with tracing.replaced(layer, "run_loop", run_loop):
        yield


@contextlib.contextmanager
def _carrying_in_keras(layer: Any, begin: Begin, end: dict[str, Tensor]) -> Iterator[None]:
    """Let a layer of Keras go on from states, and from what it has shown.

    At a masked step Keras shows the output of the last real step, or zero before the first one of
    what it is given: of a chunk, where that is the output of the chunk before. That output is one
    of the states, or else is carried beside them.
    """
    before = layer.inner_loop

    def inner_loop(sequences: Tensor, initial_state: Any, mask: Any, training: bool = False) -> Any:
        zeros = keras.tree.flatten(initial_state)
        known = next((_KERAS_STATES[kind] for kind in _KERAS_STATES if isinstance(layer, kind)), ())
        own = known or [f"state_{number}" for number in range(len(zeros))]
        names = [f"{layer.name}.{name}" for name in own]
        _reject_unstreamable(layer, not tracing.are_zeros(zeros), names, end)
        repeats = mask is not None and not layer.zero_output_for_mask
        beside = {}
        if repeats:
            output, new = layer.cell(sequences[:, 0], initial_state)
            same = [state is output for state in keras.tree.flatten(new)]
            shown = names[same.index(True)] if any(same) else f"{layer.name}.output"
            beside = {} if any(same) else {shown: tf.zeros_like(output)}
        given = begin({**dict(zip(names, zeros, strict=True)), **beside})
        packed = keras.tree.pack_sequence_as(initial_state, [given[name] for name in names])
        last, outputs, final = before(sequences, packed, mask, training)
        end.update(zip(names, keras.tree.flatten(final), strict=True))
        if repeats:
            seen = tf.cumsum(tf.cast(mask, tf.int32), axis=1) > 0
            if layer.return_sequences:
                outputs = _shown(seen, outputs, given[shown][:, None])
                last = outputs[:, -1]
            else:
                last = _shown(seen[:, -1], last, given[shown])
            end.update(dict.fromkeys(beside, last))
        return last, outputs, final

    with tracing.replaced(layer, "inner_loop", inner_loop):
        yield


def _shown(seen: Tensor, outputs: Tensor, carried: Tensor) -> Tensor:
    """Put `carried` where no real step has been seen yet."""
    axes = [None] * (len(outputs.shape) - len(seen.shape))
    return tf.where(seen[(..., *axes)], outputs, carried)


def _reject_unstreamable(
    layer: Any, is_given: bool, names: Sequence[str], end: Mapping[str, Tensor]
) -> None:
    if layer.go_backwards:
        raise ExportError(
            f"Layer {layer.name!r} begins at the last step and so needs the whole sequence: it has "
            "no state to carry from chunk to chunk. Export with streaming=False."
        )
    if is_given:
        raise ExportError(
            f"Layer {layer.name!r} is given its first state by the model, so it cannot go on "
            "where the last chunk ended: export with streaming=False."
        )
    if names[0] in end:
        raise ExportError(
            f"Layer {layer.name!r} is used twice, so its state is two: give each use a layer "
            "of its own, or export with streaming=False."
        )
