"""Chunks: part of a sequence and the states to go on from in, outputs and states out."""

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

import custom_layers
from exports import streaming, tracing
from exports.artifact import Artifact
from exports.endpoints.base import Endpoint, Function, Load, Reference, Request, Samples
from exports.errors import ExportError, UnsupportedLayerError
from exports.parity.cases import Case
from exports.parity.compare import ABSOLUTE, RELATIVE, Parity, compare
from exports.schema import STEP
from exports.signature import Arrays, Run, Signature, State

Tensor = Any

_CALLS = 3  # of a model that is made for so many steps, one after another


class Step(Endpoint):
    """The step model of a recurrent model.

    Attributes:
        states: that it carries from chunk to chunk; they begin as zeros.
    """

    name = STEP

    def __init__(
        self, whole: Signature, states: Sequence[State], model: keras.Model | None = None
    ) -> None:
        self._whole, self.states, self.model = whole, tuple(states), model
        self.signature = whole.of_steps(self.states)

    @classmethod
    def requested(cls, request: Request) -> Self | None:
        """Return the endpoint if sequences are to be given chunk by chunk.

        Raises:
            ExportError: if the model has no state, or cannot be fed in chunks.
        """
        if not request.streaming:
            return None
        states = streaming.states(request.model, request.signature)
        return cls(request.signature, states, request.model)

    @classmethod
    def recorded(cls, artifact: Artifact) -> Self | None:
        """Return the endpoint of an artifact with a step model."""
        return cls(artifact.signature, artifact.states) if artifact.states else None

    def function(self) -> Function:
        """Return the step model as a function of the inputs and the states."""
        return streaming.function(self.model, self._whole, self.states)

    def properties(self) -> Mapping[str, str]:
        """Say what a sequence begins with: zeros of these shapes."""
        known = {each.name: {"next": each.next, "shape": list(each.shape)} for each in self.states}
        return {"zero_initial_states": json.dumps(known)}

    def compare(self, load: Load, reference: Reference, samples: Samples) -> Parity:
        """Compare sequences fed in chunks with what the model gives for the whole ones.

        A model that is made for so many steps is called one after another.
        """
        whole = {reference.name: reference.run}
        if not self._whole.streamed[0].has_time:
            whole = {}
            if reference.model is not None:
                calls = call_by_call(reference.model, self._whole)
                whole = {f"{reference.name}, call by call": calls}
        chunked = {
            f"{name} in chunks": in_chunks(run, self._whole, self.states)
            for name, run in load(self.name).items()
        }
        cases = _long_enough(samples.generated, self._whole)
        try:
            return compare({**whole, **chunked}, cases, reference.sensitivity)
        except ExportError as error:
            if reference.model is None:
                raise
            layer = _needs_all_steps(reference.model, self._whole, self.states, cases)
            if layer is None:
                raise
            raise UnsupportedLayerError(
                f"{reference.model.name!r} cannot be fed in chunks: {layer} needs the whole "
                "sequence, because it gives something else for a part of one. Use a layer that "
                f"carries a state instead, or {streaming.WITHOUT}. ({error})"
            ) from error


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


def _needs_all_steps(
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
    step = _watched(model, known, streaming.function(model, signature, states))
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


def _long_enough(cases: Sequence[Case], signature: Signature) -> list[Case]:
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


endpoint = Step
