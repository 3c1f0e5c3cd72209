"""Our layers in place of Keras's: the same numbers, by loops that more formats have."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

import custom_layers
from exports import tracing

Tensor = Any

_KERAS_TWINS = {
    keras.layers.SimpleRNNCell: custom_layers.RNN,
    keras.layers.LSTMCell: custom_layers.LSTM,
    keras.layers.GRUCell: custom_layers.GRU,
}
_INNER_LOOPS = {
    layer.inner_loop
    for layer in (keras.layers.RNN, keras.layers.SimpleRNN, keras.layers.LSTM, keras.layers.GRU)
}

# What the numbers that a layer of Keras gives depend on, beside its weights.
_CELL_OPTIONS = (
    "units",
    "activation",
    "recurrent_activation",
    "use_bias",
    "reset_after",
    "dtype",
)
_TIME_OPTIONS = ("go_backwards", "return_sequences")


def has_loop_of_keras(layer: keras.layers.Layer) -> bool:
    """Tell whether `layer` runs a cell by a loop that Keras wrote."""
    if not isinstance(layer, keras.layers.RNN):
        return False
    return type(layer).inner_loop in _INNER_LOOPS


def twin(layer: Any) -> custom_layers.Recurrent | None:
    """Make our layer that computes what a layer of Keras does, if there is one."""
    cell = layer.cell
    options = {name: getattr(layer, name) for name in _TIME_OPTIONS}
    options |= {"return_state": True, "name": layer.name}
    if type(cell).call is custom_layers.Cell.call:
        ours = custom_layers.Recurrent(cell, **options)
        ours.build((None, None, cell.kernel.shape[0]))
        return ours
    # A subclass that leaves `call` alone computes what its parent does.
    kind = next((kind for kind in _KERAS_TWINS if type(cell).call is kind.call), None)
    if kind is None:
        return None
    options |= {name: getattr(cell, name) for name in _CELL_OPTIONS if hasattr(cell, name)}
    ours = _KERAS_TWINS[kind](**{**options, "dtype": layer.dtype_policy})
    ours.build((None, None, cell.kernel.shape[0]))
    for weight in ours.cell.weights:
        weight.assign(getattr(cell, weight.name))
    return ours


@contextlib.contextmanager
def in_place_of(layer: Any, ours: custom_layers.Recurrent) -> Iterator[None]:
    """While open, a `layer` of Keras runs over its sequences by `ours`, its twin."""

    def inner_loop(sequences: Tensor, initial_state: Any, mask: Any, training: bool = False) -> Any:
        flat = keras.tree.flatten(initial_state)
        given = None if tracing.are_zeros(flat) else flat
        output, *final = ours(sequences, initial_state=given, mask=mask)
        output = with_zeros(layer, output, mask)
        return output, output, keras.tree.pack_sequence_as(initial_state, final)

    with tracing.replaced(layer, "inner_loop", inner_loop):
        yield


def with_zeros(layer: Any, output: Tensor, mask: Tensor | None) -> Tensor:
    """Put zero where a `layer` of Keras does so because a step is masked.

    An unrolled layer that goes backwards does not turn the mask around for the outputs of all
    steps (Keras 3.15), and a file gives the numbers of the layer.
    """
    if mask is None or not layer.zero_output_for_mask:
        return output
    shown = tf.cast(mask, tf.bool)
    if not layer.return_sequences:
        shown = shown[:, 0] if layer.go_backwards else shown[:, -1]
    elif layer.go_backwards and not layer.unroll:
        shown = tf.reverse(shown, [1])
    return tf.where(with_axes(shown, len(output.shape)), output, tf.zeros_like(output))


def with_axes(mask: Tensor, rank: int) -> Tensor:
    """Give `mask` further axes of size 1, so that it fits tensors of this rank."""
    for _ in range(rank - len(mask.shape)):
        mask = tf.expand_dims(mask, -1)
    return mask
