"""A step model: a chunk of a sequence and states in, outputs and states out."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

import custom_layers
from exports import traced
from exports.errors import ExportError
from exports.parity import Arrays, Case, Run
from exports.signature import Array, Signature, State

Tensor = Any

_KERAS_STATES = {
    keras.layers.SimpleRNN: ("h",),
    keras.layers.GRU: ("h",),
    keras.layers.LSTM: ("h", "c"),
}


def is_stateful(model: keras.Model) -> bool:
    """Tell whether a layer of `model` carries its state from call to call."""
    return any(getattr(layer, "stateful", False) for layer in model._flatten_layers())


def states(model: keras.Model, signature: Signature) -> tuple[State, ...]:
    """List the states of `model`, named after the layer and the state: `lstm_1.h`.

    Raises:
        ExportError: if `model` has none, or cannot be fed in chunks.
    """
    fixed = [array for array in signature.inputs if len(array.shape) > 1 and array.shape[1]]
    if fixed and len(fixed) == len(signature.inputs):
        raise ExportError(
            f"The input {fixed[0].name!r} has {fixed[0].shape[1]} steps, and a chunk may have any "
            "number: give keras.Input((None, ...))."
        )
    found = [state for layer in _recurrent(model) for state in _states_of(layer)]
    if not found:
        raise ExportError(f"{model.name!r} has no recurrent layer whose state could be carried.")
    names = [state.name for state in found]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ExportError(f"Two layers have the state {min(repeated)!r}: name the layers apart.")
    return tuple(found)


def signature_of(signature: Signature, states: Sequence[State]) -> Signature:
    """Return the signature of the step model: that of the model, and its states."""
    before = (Array(state.name, state.shape, state.dtype) for state in states)
    after = (Array(state.next, state.shape, state.dtype) for state in states)
    return Signature((*signature.inputs, *before), (*signature.outputs, *after))


def function(
    model: keras.Model, signature: Signature, states: Sequence[State]
) -> Callable[..., dict[str, Tensor]]:
    """Return the step model as a function from inputs and states, in order, to what it gives."""
    call = traced.function(model, signature)

    def step(*arrays: Tensor) -> dict[str, Tensor]:
        inputs, given = arrays[: len(signature.inputs)], arrays[len(signature.inputs) :]
        begin = {state.name: tensor for state, tensor in zip(states, given, strict=True)}
        with _carried(_recurrent(model), begin) as end:
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
    streamed = [array.name for array in signature.inputs if array.has_time]

    def whole(inputs: Arrays) -> Arrays:
        batch, time = inputs[streamed[0]].shape[:2]
        generator = np.random.default_rng(seed)
        cuts = np.flatnonzero(generator.random(time - 1) < 0.2) + 1
        carried = {state.name: np.zeros((batch, *state.shape[1:]), state.dtype) for state in states}
        chunks: list[Arrays] = []
        for start, stop in zip([0, *cuts], [*cuts, time], strict=True):
            chunk = {name: inputs[name][:, start:stop] for name in streamed}
            outputs = run({**inputs, **chunk, **carried})
            carried = {state.name: outputs[state.next] for state in states}
            chunks.append(outputs)
        return {
            array.name: np.concatenate([chunk[array.name] for chunk in chunks], axis=1)
            if array.has_time
            else chunks[-1][array.name]
            for array in signature.outputs
        }

    return whole


def cases(cases: Sequence[Case]) -> list[Case]:
    """Leave out what a stream does not have: steps that are not real."""
    return [case for case in cases if all(np.all(values) for values in case.inputs.values())]


def _recurrent(model: keras.Model) -> list[keras.layers.Layer]:
    kinds = (custom_layers.Recurrent, keras.layers.RNN)
    return [layer for layer in model._flatten_layers() if isinstance(layer, kinds)]


def _states_of(layer: keras.layers.Layer) -> list[State]:
    if layer.go_backwards:
        raise ExportError(
            f"Layer {layer.name!r} begins at the last step and so needs the whole sequence: it has "
            "no state to carry from chunk to chunk. Export with streaming=False."
        )
    sizes = keras.tree.flatten(layer.cell.state_size)
    names = getattr(layer.cell, "state", None) or _KERAS_STATES.get(type(layer))
    names = names or [f"state_{number}" for number in range(len(sizes))]
    return [
        State(f"{layer.name}.{name}", f"{layer.name}.{name}.next", (None, size), "float32")
        for name, size in zip(names, sizes, strict=True)
    ]


@contextlib.contextmanager
def _carried(
    layers: Sequence[keras.layers.Layer], begin: Mapping[str, Tensor]
) -> Iterator[dict[str, Tensor]]:
    """While open, each layer begins with its states; what it ends with is yielded, by name."""
    end: dict[str, Tensor] = {}
    with contextlib.ExitStack() as stack:
        for layer in layers:
            names = [state.name for state in _states_of(layer)]
            stack.enter_context(_carrying(layer, names, begin, end))
        yield end


@contextlib.contextmanager
def _carrying(
    layer: Any, names: Sequence[str], begin: Mapping[str, Tensor], end: dict[str, Tensor]
) -> Iterator[None]:
    given = [begin[name] for name in names]

    def keep(final: Any) -> None:
        if names[0] in end:
            raise ExportError(
                f"Layer {layer.name!r} is used twice, so its state is two: give each use a layer "
                "of its own, or export with streaming=False."
            )
        end.update(zip(names, keras.tree.flatten(final), strict=True))

    mine = isinstance(layer, custom_layers.Recurrent)
    before = layer.walk if mine else layer.inner_loop

    def walk(recurrence: Any, sequences: Tensor, state: Any) -> Any:
        _reject_given(layer, state is not None)
        outputs, final = before(recurrence, sequences, given)
        keep(final)
        return outputs, final

    def inner_loop(sequences: Tensor, initial_state: Any, mask: Any, training: bool = False) -> Any:
        _reject_given(layer, not traced.are_zeros(initial_state))
        packed = keras.tree.pack_sequence_as(initial_state, given)
        last, outputs, final = before(sequences, packed, mask, training)
        keep(final)
        return last, outputs, final

    with traced.replaced(layer, *(("walk", walk) if mine else ("inner_loop", inner_loop))):
        yield


def _reject_given(layer: Any, given: bool) -> None:
    if given:
        raise ExportError(
            f"Layer {layer.name!r} is given its first state by the model, so it cannot go on "
            "where the last chunk ended: export with streaming=False."
        )
