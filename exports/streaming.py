"""A step model: a chunk of a sequence and states in, outputs and states out."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

import custom_layers
from exports import tracing
from exports.errors import UnsupportedLayerError
from exports.signature import Signature, State

Tensor = Any

WITHOUT = "export without the step model (--no-streaming, or streaming=False in Python)"

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
        raise UnsupportedLayerError(
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
        raise UnsupportedLayerError(
            f"{model.name!r} has no recurrent layer whose state could be carried."
        )
    names = [state.name for state in found]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise UnsupportedLayerError(
            f"Two layers have the state {min(repeated)!r}: name the layers apart."
        )
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
        raise UnsupportedLayerError(
            f"Layer {layer.name!r} begins at the last step and so needs the whole sequence: it has "
            f"no state to carry from chunk to chunk. Please {WITHOUT}."
        )
    if is_given:
        raise UnsupportedLayerError(
            f"Layer {layer.name!r} is given its first state by the model, so it cannot go on "
            f"where the last chunk ended: {WITHOUT}."
        )
    if names[0] in end:
        raise UnsupportedLayerError(
            f"Layer {layer.name!r} is used twice, so its state is two: give each use a layer "
            f"of its own, or {WITHOUT}."
        )
