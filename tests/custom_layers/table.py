"""Every public layer, with the independent references that it must agree with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

import custom_layers

Array = np.ndarray
State = tuple[Array, ...]


@dataclass(frozen=True)
class Case:
    """A layer with arguments, its equations in NumPy, and Keras's layer of the same function."""

    layer: type[custom_layers.Recurrent]
    equations: Callable[[Array, State, list[Array]], State]
    keras_layer: type[keras.layers.Layer]
    arguments: dict[str, Any] = field(default_factory=dict)
    keras_arguments: dict[str, Any] = field(default_factory=dict)
    node: str = ""

    def make(self, units: int = 4, **options: Any) -> custom_layers.Recurrent:
        """Build our layer."""
        return self.layer(units, **self.arguments, **options)

    def make_keras(self, units: int = 4, **options: Any) -> keras.layers.Layer:
        """Build Keras's layer."""
        return self.keras_layer(units, **self.arguments, **self.keras_arguments, **options)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def rnn(x: Array, state: State, weights: list[Array]) -> State:
    kernel, recurrent_kernel, bias = weights
    return (np.tanh(x @ kernel + state[0] @ recurrent_kernel + bias),)


def irnn(x: Array, state: State, weights: list[Array]) -> State:
    kernel, recurrent_kernel, bias = weights
    return (np.maximum(x @ kernel + state[0] @ recurrent_kernel + bias, 0),)


def lstm(x: Array, state: State, weights: list[Array]) -> State:
    h, c = state
    kernel, recurrent_kernel, bias = weights
    i, f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_reset_after(x: Array, state: State, weights: list[Array]) -> State:
    (h,) = state
    kernel, recurrent_kernel, (bias, recurrent_bias) = weights
    x_z, x_r, x_h = np.split(x @ kernel + bias, 3, axis=-1)
    h_z, h_r, h_h = np.split(h @ recurrent_kernel + recurrent_bias, 3, axis=-1)
    z = sigmoid(x_z + h_z)
    return (z * h + (1 - z) * np.tanh(x_h + sigmoid(x_r + h_r) * h_h),)


def gru_reset_before(x: Array, state: State, weights: list[Array]) -> State:
    (h,) = state
    kernel, recurrent_kernel, bias = weights
    x_z, x_r, x_h = np.split(x @ kernel + bias, 3, axis=-1)
    u_z, u_r, u_h = np.split(recurrent_kernel, 3, axis=-1)
    z = sigmoid(x_z + h @ u_z)
    return (z * h + (1 - z) * np.tanh(x_h + (sigmoid(x_r + h @ u_r) * h) @ u_h),)


CASES = {
    "RNN": Case(custom_layers.RNN, rnn, keras.layers.SimpleRNN, node="RNN"),
    "IRNN": Case(
        custom_layers.IRNN,
        irnn,
        keras.layers.SimpleRNN,
        keras_arguments={"activation": "relu", "recurrent_initializer": "identity"},
        node="RNN",
    ),
    "LSTM": Case(custom_layers.LSTM, lstm, keras.layers.LSTM, node="LSTM"),
    "GRU": Case(custom_layers.GRU, gru_reset_after, keras.layers.GRU, node="GRU"),
    "GRU, reset before": Case(
        custom_layers.GRU,
        gru_reset_before,
        keras.layers.GRU,
        arguments={"reset_after": False},
        node="GRU",
    ),
}


def public_layers() -> set[type]:
    """Return the layers that `custom_layers` offers by name."""
    found = (getattr(custom_layers, name) for name in custom_layers.__all__)
    return {
        each
        for each in found
        if issubclass(each, custom_layers.Recurrent) and each is not custom_layers.Recurrent
    }
