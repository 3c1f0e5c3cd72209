"""A model that writes, for the beam search: hypotheses about one row share what was read."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from exports.decoder import Decoder
from exports.errors import ExportError
from exports.runtime.generation import Integers, Scores, Step
from pipeline import batches
from pipeline.errors import PipelineError

Tensor = Any


class Stepwise:
    """A model of an input and the `previous` symbols that writes by its states.

    Raises:
        PipelineError: no recurrent layer depends on `previous`.
    """

    def __init__(self, model: keras.Model) -> None:
        self._whole = batches.compute(model)
        try:
            decoder = Decoder(model)
        except ExportError as error:
            raise PipelineError(str(error)) from error
        specified = {
            name: tf.TensorSpec(each.shape, each.dtype) for name, each in decoder.given.items()
        }
        self._encode = tf.function(decoder.encode, input_signature=[specified], autograph=False)
        outputs = self._encode.get_concrete_function().structured_outputs
        read, carried = tf.nest.map_structure(_of_any_rows, outputs)
        grid, line = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)

        def advance(
            symbols: Tensor, parents: Tensor, rows: Tensor, filled: Tensor, memory: Any, states: Any
        ) -> tuple[Tensor, Any]:
            before = _taken(states, tf.reshape(parents, [-1]))
            probabilities, following = decoder.step(symbols, _taken(memory, rows), before)
            scores = tf.math.log(tf.reshape(probabilities, [-1, probabilities.shape[-1]]))
            return _taken((scores, following), filled)

        self._advance = tf.function(
            advance, input_signature=[grid, grid, line, line, read, carried], autograph=False
        )

    def __call__(self, inputs: Any) -> npt.NDArray[Any]:
        """Return the outputs of the whole model for a batch."""
        return self._whole(inputs)

    def begin(self, inputs: Mapping[str, Any]) -> tuple[Step, Any]:
        """Read a batch, and return what `beam_search` takes: the step, and the states before it."""
        memory, first = self._encode({name: inputs[name] for name in inputs if name != "previous"})

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


def _taken(tensors: Any, rows: Tensor) -> Any:
    return tf.nest.map_structure(lambda each: tf.gather(each, rows), tensors)


def _of_any_rows(spec: Any) -> tf.TensorSpec:
    return tf.TensorSpec([None, *spec.shape[1:]], spec.dtype)
