"""A model that writes, split: it reads its input once, and then advances by its states."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from custom_layers import Recurrent
from exports import tracing
from pipeline import batches
from pipeline.errors import PipelineError
from pipeline.models.decoding import Integers, Scores, Step

Tensor = Any
States = Mapping[str, list[Tensor]]


class Stepwise:
    """A model of an input and the `previous` symbols, in two functions over its own layers.

    What depends on `previous` must be recurrent layers of this library and operations on single
    steps. It may read all steps of what does not: attention is such an operation. So hypotheses
    about one row can stand side by side where the model has its steps, and share what was read.

    Attributes:
        encode: a TensorFlow function from the inputs but `previous`, by name, to the memory, which
            is what the steps read of them, and the first states of each recurrent layer, by name.
        decode_step: one from the last symbols of the hypotheses about each row
            `[rows, hypotheses]`, the memory of the rows, and the states of the hypotheses
            `[rows * hypotheses, units]`, to the log-probabilities of the next symbols
            `[rows, hypotheses, symbols]` and the next states.

    Raises:
        PipelineError: no recurrent layer depends on `previous`.
    """

    def __init__(self, model: keras.Model) -> None:
        self._whole = batches.compute(model)
        previous = next(each for each in model.inputs if each.name == "previous")
        given = {each.name: each for each in model.inputs if each is not previous}
        memory = _boundary(model, previous)
        encoder = keras.Model(given, memory)
        # A keras.Model of inner tensors would add nodes to their layers: `model` could no longer be
        # saved.
        decoder = keras.Function([previous, *memory], model.output)
        layers = [each for each in decoder.operations if isinstance(each, Recurrent)]
        if not layers:
            raise PipelineError(f"{model.name!r} has no recurrent layer that reads what it wrote.")

        def encode(inputs: Mapping[str, Tensor]) -> tuple[list[Tensor], States]:
            read = keras.tree.flatten(encoder(inputs, training=False))
            read = [tf.identity(each) for each in read]  # without the masks that Keras attaches
            rows = tf.shape(next(iter(inputs.values())))[0]
            with _watched(layers, None) as (first, _):
                decoder([tf.zeros((rows, 1), tf.int32), *read])
            return read, first

        def decode_step(
            symbols: Tensor, memory: list[Tensor], states: States
        ) -> tuple[Tensor, States]:
            with _watched(layers, states) as (_, last):
                probabilities = decoder([symbols, *memory])
            return tf.math.log(probabilities), last

        specified = {name: tf.TensorSpec(each.shape, each.dtype) for name, each in given.items()}
        self.encode = tf.function(encode, input_signature=[specified], autograph=False)
        outputs = self.encode.get_concrete_function().structured_outputs
        read, carried = tf.nest.map_structure(_of_any_rows, outputs)
        grid, line = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)
        self.decode_step = tf.function(
            decode_step, input_signature=[grid, read, carried], autograph=False
        )

        def advance(
            symbols: Tensor, parents: Tensor, rows: Tensor, filled: Tensor, memory: Any, states: Any
        ) -> tuple[Tensor, Any]:
            before = _taken(states, tf.reshape(parents, [-1]))
            scores, following = self.decode_step(symbols, _taken(memory, rows), before)
            scores = tf.reshape(scores, [-1, scores.shape[-1]])
            return _taken((scores, following), filled)

        self._advance = tf.function(
            advance, input_signature=[grid, grid, line, line, read, carried], autograph=False
        )

    def __call__(self, inputs: Any) -> npt.NDArray[Any]:
        """Return the outputs of the whole model for a batch."""
        return self._whole(inputs)

    def begin(self, inputs: Mapping[str, Any]) -> tuple[Step, Any]:
        """Read a batch, and return what `beam_search` takes: the step, and the states before it."""
        memory, first = self.encode({name: inputs[name] for name in inputs if name != "previous"})

        def step(symbols: Integers, parents: Integers, states: Any) -> tuple[Scores, Any]:
            before, carried = states
            rows = before[parents]  # in their order: hypotheses about one row are neighbours
            read, firsts, counts = np.unique(rows, return_index=True, return_counts=True)
            shape = (len(read), counts.max())
            columns = np.arange(len(rows)) - np.repeat(firsts, counts)
            filled = np.repeat(np.arange(len(read)), counts) * shape[1] + columns
            grids = np.zeros((2, *shape), np.int32)  # where a row has fewer, any will do
            grids.reshape(2, -1)[:, filled] = symbols, parents
            scores, following = self._advance(
                *map(tf.constant, grids),
                tf.constant(read, tf.int32),
                tf.constant(filled, tf.int32),
                memory,
                carried,
            )
            found = scores.numpy().astype(np.float64)
            found[:, 0] = -np.inf  # padding is never written
            return found, (rows, following)

        return step, (np.arange(len(inputs["previous"])), first)


def _boundary(model: keras.Model, previous: Tensor) -> list[Tensor]:
    """Return what depends on other inputs than `previous` alone, and meets what depends on it."""
    dependent, found = {id(previous)}, dict[int, Tensor]()
    for _, nodes in sorted(model._nodes_by_depth.items(), reverse=True):
        for node in nodes:
            if any(id(each) in dependent for each in node.input_tensors):
                dependent.update(map(id, node.outputs))
                others = (each for each in node.input_tensors if id(each) not in dependent)
                found |= {id(each): each for each in others}
    return list(found.values())


@contextmanager
def _watched(layers: list[Any], states: States | None) -> Iterator[tuple[States, States]]:
    """While open, each step is one of a sequence of its own; yield how they begin and how they end.

    They begin with `states`, or else where the model begins.
    """
    first: dict[str, list[Tensor]] = {}
    last: dict[str, list[Tensor]] = {}

    def watch(layer: Any) -> Any:
        run_loop = layer.run_loop

        def watched(loop: Any, sequences: Tensor, state: list[Tensor] | None) -> Any:
            rows, hypotheses, features = keras.ops.shape(sequences)
            if states is not None:
                state = list(states[layer.name])
            elif state is None:
                state = layer.get_initial_state(rows)
            first[layer.name] = list(state)
            steps = tf.reshape(sequences, [-1, 1, features])
            outputs, last[layer.name] = run_loop(loop, steps, state)
            return tf.reshape(outputs, [rows, hypotheses, outputs.shape[-1]]), last[layer.name]

        return tracing.replaced(layer, "run_loop", watched)

    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(watch(layer))
        yield first, last


def _taken(tensors: Any, rows: Tensor) -> Any:
    return tf.nest.map_structure(lambda each: tf.gather(each, rows), tensors)


def _of_any_rows(spec: Any) -> tf.TensorSpec:
    return tf.TensorSpec([None, *spec.shape[1:]], spec.dtype)
