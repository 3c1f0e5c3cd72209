"""A model that writes, split: it reads its input once, and then advances by its states."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import tensorflow as tf

from custom_layers import Recurrent
from exports import tracing
from exports.errors import UnsupportedLayerError

Tensor = Any
States = Mapping[str, list[Tensor]]


class Decoder:
    """A model of an input and the `previous` symbols, in two functions over its own layers.

    What depends on `previous` must be recurrent layers of this library and operations on single
    steps. It may read all steps of what does not: attention is such an operation. So hypotheses
    about one row can stand side by side where the model has its steps, and share what was read.

    Attributes:
        model: the whole model.
        given: its inputs but `previous`, by name.
        previous: the name of the input of the symbols that were written.

    Raises:
        UnsupportedLayerError: no recurrent layer depends on `previous`.
    """

    def __init__(self, model: keras.Model, previous: str = "previous") -> None:
        self.model, self.previous = model, previous
        symbols = next(each for each in model.inputs if each.name == previous)
        self.given = {each.name: each for each in model.inputs if each is not symbols}
        memory = _boundary(model, symbols)
        self._encoder = keras.Model(self.given, memory)
        # A keras.Model of inner tensors would add nodes to their layers: `model` could no longer be
        # saved.
        self._decoder = keras.Function([symbols, *memory], model.output)
        self._layers = [each for each in self._decoder.operations if isinstance(each, Recurrent)]
        if not self._layers:
            raise UnsupportedLayerError(
                f"{model.name!r} has no recurrent layer that reads what it wrote."
            )

    def encode(self, inputs: Mapping[str, Tensor]) -> tuple[list[Tensor], States]:
        """Read the inputs but `previous`.

        Returns:
            The memory, which is what the steps read of them, and the first states of each recurrent
            layer, by name.
        """
        read = keras.tree.flatten(self._encoder(inputs, training=False))
        read = [tf.identity(each) for each in read]  # without the masks that Keras attaches
        rows = tf.shape(next(iter(inputs.values())))[0]
        with _watched(self._layers, None) as (first, _):
            self._decoder([tf.zeros((rows, 1), tf.int32), *read])
        return read, first

    def step(self, symbols: Tensor, memory: list[Tensor], states: States) -> tuple[Tensor, States]:
        """Write one symbol more.

        Args:
            symbols: the last ones of the hypotheses about each row `[rows, hypotheses]`.
            memory: of the rows.
            states: of the hypotheses `[rows * hypotheses, units]`.

        Returns:
            The probabilities of the next symbols `[rows, hypotheses, symbols]`, and the next
            states.
        """
        with _watched(self._layers, states) as (_, last):
            probabilities = self._decoder([symbols, *memory])
        return probabilities, last


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
