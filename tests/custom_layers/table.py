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
    """A layer with arguments, its equations in NumPy, and Keras's layer of the same function.

    For a cell that Keras lacks, the layer of Keras is `keras.layers.RNN` around it.
    """

    layer: type[custom_layers.layers.CellLayer]
    equations: Callable[[Array, State, list[Array]], State]
    keras_layer: type[keras.layers.Layer] | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    keras_arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def has_product(self) -> bool:
        """Whether a matrix multiplies the state, so that there is recurrent dropout."""
        return "h" in self.layer.cell_class(1, **self.arguments).step_arguments

    def make(self, units: int = 4, **options: Any) -> custom_layers.Recurrent:
        """Build our layer."""
        return self.layer(units, **self.arguments, **options)

    def make_keras(self, units: int = 4, **options: Any) -> keras.layers.Layer:
        """Build Keras's layer."""
        if self.keras_layer is None:
            shared = {name: options[name] for name in ("dtype",) if name in options}
            cell = self.layer.cell_class(units, **self.layer.defaults, **self.arguments, **shared)
            return keras.layers.RNN(cell, **options)
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


def ind_rnn(x: Array, state: State, weights: list[Array]) -> State:
    kernel, bias, recurrent_kernel = weights
    return (np.maximum(x @ kernel + recurrent_kernel * state[0] + bias, 0),)


def peephole_lstm(x: Array, state: State, weights: list[Array]) -> State:
    h, c = state
    kernel, recurrent_kernel, bias, (p_i, p_f, p_o) = weights
    i, f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
    new = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * np.tanh(g)
    return sigmoid(o + p_o * new) * np.tanh(new), new


def coupled_lstm(x: Array, state: State, weights: list[Array]) -> State:
    h, c = state
    kernel, recurrent_kernel, bias = weights
    f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 3, axis=-1)
    c = sigmoid(f) * c + sigmoid(-f) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def standardized(x: Array) -> Array:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def layer_norm_lstm(x: Array, state: State, weights: list[Array]) -> State:
    h, c = state
    kernel, recurrent_kernel, bias, x_scale, h_scale, c_scale, c_offset = weights
    z = x_scale * standardized(x @ kernel) + h_scale * standardized(h @ recurrent_kernel) + bias
    i, f, g, o = np.split(z, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c_scale * standardized(c) + c_offset), c


def projection_lstm(x: Array, state: State, weights: list[Array]) -> State:
    *lstm_weights, projection_kernel = weights
    h, c = lstm(x, state, lstm_weights)
    return h @ projection_kernel, c


def multiplicative_lstm(x: Array, state: State, weights: list[Array]) -> State:
    h, c = state
    kernel, recurrent_kernel, bias = weights
    units = h.shape[-1]
    x_m, x_rest = np.split(x @ kernel + bias, [units], axis=-1)
    u_m, u_rest = np.split(recurrent_kernel, [units], axis=-1)
    i, f, g, o = np.split(x_rest + (x_m * (h @ u_m)) @ u_rest, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def janet(x: Array, state: State, weights: list[Array]) -> State:
    (h,) = state
    kernel, recurrent_kernel, bias = weights
    s, g = np.split(x @ kernel + h @ recurrent_kernel + bias, 2, axis=-1)
    return (sigmoid(s) * h + sigmoid(1.0 - s) * np.tanh(g),)


def layer_norm_gru(x: Array, state: State, weights: list[Array]) -> State:
    (h,) = state
    kernel, recurrent_kernel, bias, x_scale, h_scale = weights
    cut = 2 * h.shape[-1]

    def scaled(product: Array, scale: Array) -> list[Array]:
        parts = [standardized(part) for part in np.split(product, [cut], axis=-1)]
        return np.split(np.concatenate(parts, -1) * scale, 3, axis=-1)

    x_z, x_r, x_h = scaled(x @ kernel, x_scale)
    h_z, h_r, h_h = scaled(h @ recurrent_kernel, h_scale)
    b_z, b_r, b_h = np.split(bias, 3)
    z = sigmoid(x_z + h_z + b_z)
    return (z * h + (1 - z) * np.tanh(x_h + b_h + sigmoid(x_r + h_r + b_r) * h_h),)


def li_gru(x: Array, state: State, weights: list[Array]) -> State:
    (h,) = state
    kernel, recurrent_kernel, bias, scale = weights
    units = h.shape[-1]
    z, g = (
        standardized(x @ kernel[:, block]) * scale[block]
        + bias[block]
        + h @ recurrent_kernel[:, block]
        for block in (slice(0, units), slice(units, None))
    )
    return (sigmoid(z) * h + sigmoid(-z) * np.maximum(g, 0),)


def mgu(x: Array, state: State, weights: list[Array]) -> State:
    (h,) = state
    kernel, recurrent_kernel, bias = weights
    x_f, x_h = np.split(x @ kernel + bias, 2, axis=-1)
    u_f, u_h = np.split(recurrent_kernel, 2, axis=-1)
    f = sigmoid(x_f + h @ u_f)
    return (h + f * (np.tanh(x_h + (f * h) @ u_h) - h),)


def ugrnn(x: Array, state: State, weights: list[Array]) -> State:
    (h,) = state
    kernel, recurrent_kernel, bias = weights
    z, g = np.split(x @ kernel + h @ recurrent_kernel + bias, 2, axis=-1)
    return (sigmoid(z) * h + sigmoid(-z) * np.tanh(g),)


def minimal_rnn(x: Array, state: State, weights: list[Array]) -> State:
    (h,) = state
    kernel, recurrent_kernel, bias, latent_kernel = weights
    b_g, b_u = np.split(bias, 2)
    g = np.tanh(x @ kernel + b_g)
    u = sigmoid(h @ recurrent_kernel + g @ latent_kernel + b_u)
    return (u * h + (1 - u) * g,)


def star(x: Array, state: State, weights: list[Array]) -> State:
    (h,) = state
    kernel, recurrent_kernel, bias = weights
    g, x_k = np.split(x @ kernel + bias, 2, axis=-1)
    k = sigmoid(x_k + h @ recurrent_kernel)
    return (np.tanh(h + k * (np.tanh(g) - h)),)


def fast_grnn(x: Array, state: State, weights: list[Array]) -> State:
    (h,) = state
    kernel, recurrent_kernel, bias, (zeta, nu) = weights
    b_z, b_h = np.split(bias, 2)
    shared = x @ kernel + h @ recurrent_kernel
    z, g = sigmoid(shared + b_z), np.tanh(shared + b_h)
    return (z * h + (sigmoid(zeta) * (1 - z) + sigmoid(nu)) * g,)


def antisymmetric_rnn(x: Array, state: State, weights: list[Array]) -> State:
    (h,) = state
    kernel, recurrent_kernel, bias = weights
    turning = h @ recurrent_kernel - (recurrent_kernel @ h.T).T
    return (h + 0.1 * np.tanh(x @ kernel + turning - 0.01 * h + bias),)


def co_rnn(x: Array, state: State, weights: list[Array]) -> State:
    y, z = state
    kernel, recurrent_kernel, bias, velocity_kernel = weights
    force = np.tanh(x @ kernel + y @ recurrent_kernel + z @ velocity_kernel + bias) - y - z
    z = z + 0.5 * force
    return y + 0.5 * z, z


def lem(x: Array, state: State, weights: list[Array]) -> State:
    y, z = state
    kernel, recurrent_kernel, bias = weights
    x_a, x_c, x_z, x_y = np.split(x @ kernel + bias, 4, axis=-1)
    u_a, u_c, u_z, u_y = np.split(recurrent_kernel, 4, axis=-1)
    z = z + sigmoid(x_a + y @ u_a) * (np.tanh(x_z + y @ u_z) - z)
    return y + sigmoid(x_c + y @ u_c) * (np.tanh(x_y + z @ u_y) - y), z


def nas(x: Array, state: State, weights: list[Array]) -> State:
    h, c = state
    kernel, recurrent_kernel, bias = weights
    inputs = np.split(x @ kernel + bias, 8, axis=-1)
    hidden = np.split(h @ recurrent_kernel, 8, axis=-1)
    kinds = ["sigmoid", "relu", "sigmoid", "product", "tanh", "sigmoid", "tanh", "sigmoid"]
    functions: dict[str, Callable[[Array, Array], Array]] = {
        "sigmoid": lambda a, b: sigmoid(a + b),
        "relu": lambda a, b: np.maximum(a + b, 0),
        "product": lambda a, b: np.maximum(a * b, 0),
        "tanh": lambda a, b: np.tanh(a + b),
    }
    leaves = [functions[kind](*pair) for kind, *pair in zip(kinds, inputs, hidden, strict=True)]
    first, second = np.tanh(leaves[0] * leaves[1]), np.tanh(leaves[2] + leaves[3])
    third, fourth = np.tanh(leaves[4] * leaves[5]), sigmoid(leaves[6] + leaves[7])
    c = np.tanh(first + c) * second
    return np.tanh(c * np.tanh(third + fourth)), c


def min_gru(x: Array, state: State, weights: list[Array]) -> State:
    kernel, bias = weights
    z, g = np.split(x @ kernel + bias, 2, axis=-1)
    return (state[0] + sigmoid(z) * (g - state[0]),)


def min_lstm(x: Array, state: State, weights: list[Array]) -> State:
    kernel, bias = weights
    i, f, g = np.split(x @ kernel + bias, 3, axis=-1)
    total = sigmoid(i) + sigmoid(f)
    return (sigmoid(f) / total * state[0] + sigmoid(i) / total * g,)


def qrnn(x: Array, state: State, weights: list[Array]) -> State:
    _, c, previous = state
    kernel, bias = weights
    now, later = np.split(x @ kernel + bias, 2, axis=-1)
    z, f, o = np.split(now + previous, 3, axis=-1)
    c = sigmoid(f) * c + sigmoid(-f) * np.tanh(z)
    return sigmoid(o) * c, c, later


def sru(x: Array, state: State, weights: list[Array]) -> State:
    kernel, bias = weights
    f, r, g, skip = np.split(x @ kernel + bias, 4, axis=-1)
    c = sigmoid(f) * state[1] + sigmoid(-f) * g
    return sigmoid(r) * np.tanh(c) + sigmoid(-r) * skip, c


def rg_lru(x: Array, state: State, weights: list[Array]) -> State:
    kernel, bias, decay = weights
    r, i, g = np.split(x @ kernel + bias, 3, axis=-1)
    a = np.log1p(np.exp(decay)) * -8 * sigmoid(r)
    return (np.exp(a) * state[0] + np.sqrt(1 - np.exp(2 * a)) * sigmoid(i) * g,)


def lru(x: Array, state: State, weights: list[Array]) -> State:
    kernel, bias, (nu, theta, gamma), output_kernel = weights
    real, imaginary, skip = np.split(x @ kernel + bias, 3, axis=-1)
    turn = np.exp(-np.exp(nu) + 1j * np.exp(theta))
    c = turn * (state[1] + 1j * state[2]) + np.exp(gamma) * (real + 1j * imaginary)
    return np.concatenate([c.real, c.imag], -1) @ output_kernel + skip, c.real, c.imag


CASES = {
    "RNN": Case(custom_layers.RNN, rnn, keras.layers.SimpleRNN),
    "IRNN": Case(
        custom_layers.IRNN,
        irnn,
        keras.layers.SimpleRNN,
        keras_arguments={"activation": "relu", "recurrent_initializer": "identity"},
    ),
    "LSTM": Case(custom_layers.LSTM, lstm, keras.layers.LSTM),
    "GRU": Case(custom_layers.GRU, gru_reset_after, keras.layers.GRU),
    "GRU, reset before": Case(
        custom_layers.GRU,
        gru_reset_before,
        keras.layers.GRU,
        arguments={"reset_after": False},
    ),
    "IndRNN": Case(custom_layers.IndRNN, ind_rnn),
    "PeepholeLSTM": Case(custom_layers.PeepholeLSTM, peephole_lstm),
    "CoupledLSTM": Case(custom_layers.CoupledLSTM, coupled_lstm),
    "LayerNormLSTM": Case(custom_layers.LayerNormLSTM, layer_norm_lstm),
    "ProjectionLSTM": Case(
        custom_layers.ProjectionLSTM, projection_lstm, arguments={"projection_units": 3}
    ),
    "MultiplicativeLSTM": Case(custom_layers.MultiplicativeLSTM, multiplicative_lstm),
    "JANET": Case(custom_layers.JANET, janet),
    "LayerNormGRU": Case(custom_layers.LayerNormGRU, layer_norm_gru),
    "LiGRU": Case(custom_layers.LiGRU, li_gru),
    "MGU": Case(custom_layers.MGU, mgu),
    "UGRNN": Case(custom_layers.UGRNN, ugrnn),
    "MinimalRNN": Case(custom_layers.MinimalRNN, minimal_rnn),
    "STAR": Case(custom_layers.STAR, star),
    "FastGRNN": Case(custom_layers.FastGRNN, fast_grnn),
    "AntisymmetricRNN": Case(custom_layers.AntisymmetricRNN, antisymmetric_rnn),
    "CoRNN": Case(custom_layers.CoRNN, co_rnn, arguments={"step_size": 0.5}),
    "LEM": Case(custom_layers.LEM, lem),
    "NAS": Case(custom_layers.NAS, nas),
    "MinGRU": Case(custom_layers.MinGRU, min_gru),
    "MinLSTM": Case(custom_layers.MinLSTM, min_lstm),
    "QRNN": Case(custom_layers.QRNN, qrnn),
    "SRU": Case(custom_layers.SRU, sru),
    "RGLRU": Case(custom_layers.RGLRU, rg_lru),
    "LRU": Case(custom_layers.LRU, lru),
}

LOOPED = [
    name
    for name, case in CASES.items()
    if not issubclass(case.layer.cell_class, custom_layers.LinearCell)
]


def public_layers() -> set[type]:
    """Return the layers that `custom_layers` offers by name."""
    found = (getattr(custom_layers, name) for name in custom_layers.__all__)
    classes = {each for each in found if isinstance(each, type)}
    return {each for each in classes if issubclass(each, custom_layers.layers.CellLayer)}
