"""Every public layer, with the independent references that it must agree with."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

import custom_layers

Array = np.ndarray
State = tuple[Array, ...]
Weights = SimpleNamespace
Function = Callable[[Array], Array]
Step = Callable[[Array, State, Weights], State]


@keras.saving.register_keras_serializable("tests")
def lifted(x: Any) -> Any:
    """An activation for gates, positive and below one, as a user may write it."""
    return 0.1 + 0.8 * keras.ops.sigmoid(x)


# For each option of an equation a value that is not its default; no two numbers are the same.
CHANGED: dict[str, Any] = {
    "activation": "softsign",
    "recurrent_activation": lifted,
    "projection_units": 3,
    "offset": 0.4,
    "step_size": 0.35,
    "diffusion": 0.2,
    "frequency": 1.7,
    "damping": 0.6,
}

# And for each option of the weights that training starts from.
CHANGED_START: dict[str, Any] = {
    "unit_forget_bias": False,
    "projection_initializer": "orthogonal",
    "radius": (0.3, 0.6),
    "angle": 1.5,
}

# Which of the arguments `kernel_...`, `recurrent_...` and `bias_...` a weight obeys.
ROLES = {"kernel": "kernel", "recurrent_kernel": "recurrent", "bias": "bias"}


def options_of(reference: Callable[..., Any]) -> set[str]:
    """Return the names of the options that a reference takes."""
    parameters = inspect.signature(reference).parameters.values()
    return {each.name for each in parameters if each.default is not each.empty}


@dataclass(frozen=True)
class Case:
    """A layer with arguments, and its references.

    Attributes:
        layer: the layer.
        equations: its step in NumPy. Its keyword arguments are the options of the cell, with their
            defaults.
        initial: raises if weights are not those that training starts from. Its keyword arguments
            are further options of the cell, with their defaults.
        keras_layer: Keras's layer of the same function. For a cell that Keras lacks it is
            `keras.layers.RNN` around the cell.
        arguments: given to both layers.
        keras_arguments: given to Keras's layer, where its defaults differ.
        roles: what `ROLES` says, of further weights.
    """

    layer: type[custom_layers.layers.CellLayer]
    equations: Callable[..., State]
    initial: Callable[..., None]
    keras_layer: type[keras.layers.Layer] | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    keras_arguments: dict[str, Any] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)

    @property
    def has_product(self) -> bool:
        """Whether a matrix multiplies the state, so that there is recurrent dropout."""
        return "h" in self.layer.cell_class(1, **self.arguments).step_arguments

    @property
    def changed(self) -> dict[str, Any]:
        """Another value for each option of the equations."""
        names = options_of(self.equations) - set(self.arguments)
        return {name: CHANGED[name] for name in sorted(names & set(CHANGED))}

    def make(self, units: int = 4, **options: Any) -> custom_layers.Recurrent:
        """Build our layer."""
        return self.layer(units, **{**self.arguments, **options})

    def make_keras(self, units: int = 4, **options: Any) -> keras.layers.Layer:
        """Build Keras's layer."""
        if self.keras_layer is None:
            shared = {name: options[name] for name in ("dtype",) if name in options}
            cell = self.layer.cell_class(units, **self.layer.defaults, **self.arguments, **shared)
            return keras.layers.RNN(cell, **options)
        return self.keras_layer(units, **{**self.arguments, **self.keras_arguments, **options})

    def step(self, **options: Any) -> Step:
        """Return the equations with the arguments of the case and further options."""
        given = {**self.arguments, **options}
        named = {name: given[name] for name in options_of(self.equations) & set(given)}
        for name in {"activation", "recurrent_activation"} & set(named):
            named[name] = ACTIVATIONS[named[name]]
        return partial(self.equations, **named)


def weights_of(layer: custom_layers.Recurrent) -> Weights:
    """Return the weights of a layer by name, with a bias of zeros where it has none."""
    weights = {each.name: each for each in layer.cell.weights}
    if "bias" not in weights:
        shape = layer.cell.bias_shape
        assert not layer.cell.use_bias
        return Weights(bias=np.zeros(shape), **_arrays(weights))
    return Weights(**_arrays(weights))


def _arrays(weights: dict[str, Any]) -> dict[str, Array]:
    return {name: keras.ops.convert_to_numpy(each) for name, each in weights.items()}


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def linear(x: Array) -> Array:
    return x


ACTIVATIONS: dict[Any, Function] = {
    "softsign": lambda x: x / (1 + np.abs(x)),
    lifted: lambda x: 0.1 + 0.8 * sigmoid(x),
}


def rnn(x: Array, state: State, w: Weights, activation: Function = np.tanh) -> State:
    return (activation(x @ w.kernel + state[0] @ w.recurrent_kernel + w.bias),)


def irnn(x: Array, state: State, w: Weights, activation: Function = relu) -> State:
    return rnn(x, state, w, activation)


def lstm(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
) -> State:
    h, c = state
    i, f, g, o = np.split(x @ w.kernel + h @ w.recurrent_kernel + w.bias, 4, axis=-1)
    c = recurrent_activation(f) * c + recurrent_activation(i) * activation(g)
    return recurrent_activation(o) * activation(c), c


def gru(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
    reset_after: bool = True,
) -> State:
    (h,) = state
    bias, recurrent_bias = w.bias if reset_after else (w.bias, np.zeros_like(w.bias))
    x_z, x_r, x_h = np.split(x @ w.kernel + bias, 3, axis=-1)
    u_z, u_r, u_h = np.split(w.recurrent_kernel, 3, axis=-1)
    b_z, b_r, b_h = np.split(recurrent_bias, 3)
    z = recurrent_activation(x_z + h @ u_z + b_z)
    r = recurrent_activation(x_r + h @ u_r + b_r)
    recurrent = r * (h @ u_h + b_h) if reset_after else (r * h) @ u_h
    return (z * h + (1 - z) * activation(x_h + recurrent),)


def ind_rnn(x: Array, state: State, w: Weights, activation: Function = relu) -> State:
    return (activation(x @ w.kernel + w.recurrent_kernel * state[0] + w.bias),)


def peephole_lstm(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
) -> State:
    h, c = state
    p_i, p_f, p_o = w.peephole
    i, f, g, o = np.split(x @ w.kernel + h @ w.recurrent_kernel + w.bias, 4, axis=-1)
    stored = recurrent_activation(i + p_i * c) * activation(g)
    new = recurrent_activation(f + p_f * c) * c + stored
    return recurrent_activation(o + p_o * new) * activation(new), new


def coupled_lstm(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
) -> State:
    h, c = state
    f, g, o = np.split(x @ w.kernel + h @ w.recurrent_kernel + w.bias, 3, axis=-1)
    c = recurrent_activation(f) * c + (1 - recurrent_activation(f)) * activation(g)
    return recurrent_activation(o) * activation(c), c


def standardized(x: Array) -> Array:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def layer_norm_lstm(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
) -> State:
    h, c = state
    normal_x = w.kernel_scale * standardized(x @ w.kernel)
    normal_h = w.recurrent_scale * standardized(h @ w.recurrent_kernel)
    i, f, g, o = np.split(normal_x + normal_h + w.bias, 4, axis=-1)
    c = recurrent_activation(f) * c + recurrent_activation(i) * activation(g)
    shown = activation(w.state_scale * standardized(c) + w.state_offset)
    return recurrent_activation(o) * shown, c


def projection_lstm(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
    projection_units: int | None = None,
) -> State:
    h, c = lstm(x, state, w, activation, recurrent_activation)
    assert w.projection_kernel.shape[1] == (projection_units or c.shape[-1] // 2)
    return h @ w.projection_kernel, c


def multiplicative_lstm(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
) -> State:
    h, c = state
    units = h.shape[-1]
    x_m, x_rest = np.split(x @ w.kernel + w.bias, [units], axis=-1)
    u_m, u_rest = np.split(w.recurrent_kernel, [units], axis=-1)
    i, f, g, o = np.split(x_rest + (x_m * (h @ u_m)) @ u_rest, 4, axis=-1)
    c = recurrent_activation(f) * c + recurrent_activation(i) * activation(g)
    return recurrent_activation(o) * activation(c), c


def janet(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
    offset: float = 1.0,
) -> State:
    (h,) = state
    s, g = np.split(x @ w.kernel + h @ w.recurrent_kernel + w.bias, 2, axis=-1)
    stored = (1 - recurrent_activation(s - offset)) * activation(g)
    return (recurrent_activation(s) * h + stored,)


def layer_norm_gru(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
) -> State:
    (h,) = state
    cut = 2 * h.shape[-1]

    def scaled(product: Array, scale: Array) -> list[Array]:
        parts = [standardized(part) for part in np.split(product, [cut], axis=-1)]
        return np.split(np.concatenate(parts, -1) * scale, 3, axis=-1)

    x_z, x_r, x_h = scaled(x @ w.kernel, w.kernel_scale)
    h_z, h_r, h_h = scaled(h @ w.recurrent_kernel, w.recurrent_scale)
    b_z, b_r, b_h = np.split(w.bias, 3)
    z, r = recurrent_activation(x_z + h_z + b_z), recurrent_activation(x_r + h_r + b_r)
    return (z * h + (1 - z) * activation(x_h + b_h + r * h_h),)


def li_gru(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = relu,
    recurrent_activation: Function = sigmoid,
) -> State:
    (h,) = state
    units = h.shape[-1]
    z, g = (
        standardized(x @ w.kernel[:, block]) * w.kernel_scale[block]
        + w.bias[block]
        + h @ w.recurrent_kernel[:, block]
        for block in (slice(0, units), slice(units, None))
    )
    z = recurrent_activation(z)
    return (z * h + (1 - z) * activation(g),)


def mgu(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
) -> State:
    (h,) = state
    x_f, x_h = np.split(x @ w.kernel + w.bias, 2, axis=-1)
    u_f, u_h = np.split(w.recurrent_kernel, 2, axis=-1)
    f = recurrent_activation(x_f + h @ u_f)
    return (h + f * (activation(x_h + (f * h) @ u_h) - h),)


def ugrnn(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
) -> State:
    (h,) = state
    z, g = np.split(x @ w.kernel + h @ w.recurrent_kernel + w.bias, 2, axis=-1)
    z = recurrent_activation(z)
    return (z * h + (1 - z) * activation(g),)


def minimal_rnn(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
) -> State:
    (h,) = state
    b_g, b_u = np.split(w.bias, 2)
    g = activation(x @ w.kernel + b_g)
    u = recurrent_activation(h @ w.recurrent_kernel + g @ w.latent_kernel + b_u)
    return (u * h + (1 - u) * g,)


def star(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
) -> State:
    (h,) = state
    g, x_k = np.split(x @ w.kernel + w.bias, 2, axis=-1)
    k = recurrent_activation(x_k + h @ w.recurrent_kernel)
    return (activation(h + k * (activation(g) - h)),)


def fast_grnn(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
) -> State:
    (h,) = state
    zeta, nu = w.balance
    b_z, b_h = np.split(w.bias, 2)
    shared = x @ w.kernel + h @ w.recurrent_kernel
    z, g = recurrent_activation(shared + b_z), activation(shared + b_h)
    return (z * h + (sigmoid(zeta) * (1 - z) + sigmoid(nu)) * g,)


def antisymmetric_rnn(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    step_size: float = 0.1,
    diffusion: float = 0.01,
) -> State:
    (h,) = state
    turning = h @ w.recurrent_kernel - (w.recurrent_kernel @ h.T).T
    return (h + step_size * activation(x @ w.kernel + turning - diffusion * h + w.bias),)


def co_rnn(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    step_size: float = 0.05,
    frequency: float = 1.0,
    damping: float = 1.0,
) -> State:
    y, z = state
    driven = activation(x @ w.kernel + y @ w.recurrent_kernel + z @ w.velocity_kernel + w.bias)
    z = z + step_size * (driven - frequency * y - damping * z)
    return y + step_size * z, z


def lem(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
    step_size: float = 1.0,
) -> State:
    y, z = state
    x_a, x_c, x_z, x_y = np.split(x @ w.kernel + w.bias, 4, axis=-1)
    u_a, u_c, u_z, u_y = np.split(w.recurrent_kernel, 4, axis=-1)
    a = step_size * recurrent_activation(x_a + y @ u_a)
    c = step_size * recurrent_activation(x_c + y @ u_c)
    z = z + a * (activation(x_z + y @ u_z) - z)
    return y + c * (activation(x_y + z @ u_y) - y), z


def nas(x: Array, state: State, w: Weights, activation: Function = np.tanh) -> State:
    h, c = state
    inputs = np.split(x @ w.kernel + w.bias, 8, axis=-1)
    hidden = np.split(h @ w.recurrent_kernel, 8, axis=-1)
    kinds = ["sigmoid", "relu", "sigmoid", "product", "tanh", "sigmoid", "tanh", "sigmoid"]
    functions: dict[str, Callable[[Array, Array], Array]] = {
        "sigmoid": lambda a, b: sigmoid(a + b),
        "relu": lambda a, b: relu(a + b),
        "product": lambda a, b: relu(a * b),
        "tanh": lambda a, b: np.tanh(a + b),
    }
    leaves = [functions[kind](*pair) for kind, *pair in zip(kinds, inputs, hidden, strict=True)]
    first, second = np.tanh(leaves[0] * leaves[1]), np.tanh(leaves[2] + leaves[3])
    third, fourth = np.tanh(leaves[4] * leaves[5]), sigmoid(leaves[6] + leaves[7])
    c = activation(first + c) * second
    return activation(c * np.tanh(third + fourth)), c


def min_gru(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = linear,
    recurrent_activation: Function = sigmoid,
) -> State:
    z, g = np.split(x @ w.kernel + w.bias, 2, axis=-1)
    return (state[0] + recurrent_activation(z) * (activation(g) - state[0]),)


def min_lstm(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = linear,
    recurrent_activation: Function = sigmoid,
) -> State:
    i, f, g = np.split(x @ w.kernel + w.bias, 3, axis=-1)
    i, f = recurrent_activation(i), recurrent_activation(f)
    return ((f * state[0] + i * activation(g)) / (i + f),)


def qrnn(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
) -> State:
    _, c, previous = state
    now, later = np.split(x @ w.kernel + w.bias, 2, axis=-1)
    z, f, o = np.split(now + previous, 3, axis=-1)
    f = recurrent_activation(f)
    c = f * c + (1 - f) * activation(z)
    return recurrent_activation(o) * c, c, later


def sru(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
) -> State:
    f, r, g, skip = np.split(x @ w.kernel + w.bias, 4, axis=-1)
    f, r = recurrent_activation(f), recurrent_activation(r)
    c = f * state[1] + (1 - f) * g
    return r * activation(c) + (1 - r) * skip, c


def rg_lru(
    x: Array,
    state: State,
    w: Weights,
    activation: Function = linear,
    recurrent_activation: Function = sigmoid,
) -> State:
    r, i, g = np.split(x @ w.kernel + w.bias, 3, axis=-1)
    a = np.exp(np.log1p(np.exp(w.decay)) * -8 * recurrent_activation(r))
    return (a * state[0] + np.sqrt(1 - a**2) * recurrent_activation(i) * activation(g),)


def lru(x: Array, state: State, w: Weights, activation: Function = linear) -> State:
    nu, theta, gamma = w.spectrum
    real, imaginary, skip = np.split(x @ w.kernel + w.bias, 3, axis=-1)
    turn = np.exp(-np.exp(nu) + 1j * np.exp(theta))
    c = turn * (state[1] + 1j * state[2]) + np.exp(gamma) * (real + 1j * imaginary)
    h = activation(np.concatenate([c.real, c.imag], -1) @ w.output_kernel + skip)
    return h, c.real, c.imag


def assert_glorot(kernel: Array) -> None:
    """Check that a matrix is uniform within the limits of Glorot & Bengio, 2010."""
    limit = np.sqrt(6 / sum(kernel.shape))
    assert 0.98 * limit < np.abs(kernel).max() <= limit
    np.testing.assert_allclose(kernel.std(), limit / np.sqrt(3), rtol=0.05)


def assert_orthogonal(kernel: Array) -> None:
    """Check that the rows are orthogonal to each other and of length one."""
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(len(kernel)), atol=1e-4)


def assert_uniform(values: Array, low: float, high: float) -> None:
    """Check that values are spread evenly from `low` to `high`."""
    places = (np.sort(values) - low) / (high - low)
    assert places[0] > -1e-3 and places[-1] < 1 + 1e-3
    expected = (np.arange(len(places)) + 0.5) / len(places)
    assert np.abs(places - expected).max() < 2 / np.sqrt(len(places))  # Kolmogorov and Smirnov


def plain_start(w: Weights) -> None:
    """Keras's start: the kernel of Glorot, an orthogonal recurrent kernel, a bias of zeros."""
    assert_glorot(w.kernel)
    assert not w.bias.any()
    if hasattr(w, "recurrent_kernel"):
        assert_orthogonal(w.recurrent_kernel)


def forgetting(*blocks: float) -> Callable[..., None]:
    """Return the start of a cell whose bias has ones where `blocks` has one."""

    def start(w: Weights, unit_forget_bias: bool = True) -> None:
        units = w.recurrent_kernel.shape[-1] // len(blocks)
        np.testing.assert_array_equal(w.bias, unit_forget_bias * np.repeat(blocks, units))
        assert_glorot(w.kernel)
        assert_orthogonal(w.recurrent_kernel)

    return start


def peephole_start(w: Weights, unit_forget_bias: bool = True) -> None:
    forgetting(0, 1, 0, 0)(w, unit_forget_bias)
    assert not w.peephole.any()


def layer_norm_lstm_start(w: Weights, unit_forget_bias: bool = True) -> None:
    forgetting(0, 1, 0, 0)(w, unit_forget_bias)
    assert (w.kernel_scale == 1).all() and (w.recurrent_scale == 1).all()
    assert (w.state_scale == 1).all() and not w.state_offset.any()


def projection_start(
    w: Weights, unit_forget_bias: bool = True, projection_initializer: str = "glorot_uniform"
) -> None:
    forgetting(0, 1, 0, 0)(w, unit_forget_bias)
    if projection_initializer == "orthogonal":
        assert_orthogonal(w.projection_kernel.T)
    else:
        assert_glorot(w.projection_kernel)


def irnn_start(w: Weights) -> None:
    assert_glorot(w.kernel)
    assert not w.bias.any()
    np.testing.assert_array_equal(w.recurrent_kernel, np.eye(len(w.recurrent_kernel)))


def ind_rnn_start(w: Weights) -> None:
    assert_glorot(w.kernel)
    assert not w.bias.any()
    assert_uniform(w.recurrent_kernel, 0, 1)


def layer_norm_gru_start(w: Weights) -> None:
    plain_start(w)
    assert (w.kernel_scale == 1).all() and (w.recurrent_scale == 1).all()


def li_gru_start(w: Weights) -> None:
    plain_start(w)
    assert (w.kernel_scale == 1).all()


def minimal_rnn_start(w: Weights) -> None:
    plain_start(w)
    assert_glorot(w.latent_kernel)


def fast_grnn_start(w: Weights) -> None:
    plain_start(w)
    np.testing.assert_array_equal(w.balance, [1, -4])


def co_rnn_start(w: Weights) -> None:
    plain_start(w)
    assert_orthogonal(w.velocity_kernel)


def rg_lru_start(w: Weights) -> None:
    plain_start(w)
    assert_uniform(np.exp(-8 * np.log1p(np.exp(w.decay))), 0.9, 0.999)


def lru_start(
    w: Weights, radius: tuple[float, float] = (0.5, 0.99), angle: float = 2 * np.pi
) -> None:
    """Even on the ring, and memories of the same size as the inputs: section 3 of the paper."""
    plain_start(w)
    assert_glorot(w.output_kernel)
    nu, theta, gamma = w.spectrum
    size = np.exp(-np.exp(nu))
    assert_uniform(size**2, radius[0] ** 2, radius[1] ** 2)
    assert_uniform(np.exp(theta), 0, angle)
    np.testing.assert_allclose(np.exp(gamma), np.sqrt(1 - size**2), rtol=1e-4)


CASES = {
    "RNN": Case(custom_layers.RNN, rnn, plain_start, keras.layers.SimpleRNN),
    "IRNN": Case(
        custom_layers.IRNN,
        irnn,
        irnn_start,
        keras.layers.SimpleRNN,
        keras_arguments={"activation": "relu", "recurrent_initializer": "identity"},
    ),
    "LSTM": Case(custom_layers.LSTM, lstm, forgetting(0, 1, 0, 0), keras.layers.LSTM),
    "GRU": Case(custom_layers.GRU, gru, plain_start, keras.layers.GRU),
    "GRU, reset before": Case(
        custom_layers.GRU,
        gru,
        plain_start,
        keras.layers.GRU,
        arguments={"reset_after": False},
    ),
    "IndRNN": Case(custom_layers.IndRNN, ind_rnn, ind_rnn_start),
    "PeepholeLSTM": Case(
        custom_layers.PeepholeLSTM, peephole_lstm, peephole_start, roles={"peephole": "its own"}
    ),
    "CoupledLSTM": Case(custom_layers.CoupledLSTM, coupled_lstm, forgetting(1, 0, 0)),
    "LayerNormLSTM": Case(
        custom_layers.LayerNormLSTM,
        layer_norm_lstm,
        layer_norm_lstm_start,
        roles={
            "kernel_scale": "its own",
            "recurrent_scale": "its own",
            "state_scale": "its own",
            "state_offset": "its own",
        },
    ),
    "ProjectionLSTM": Case(
        custom_layers.ProjectionLSTM,
        projection_lstm,
        projection_start,
        roles={"projection_kernel": "its own"},
    ),
    "MultiplicativeLSTM": Case(
        custom_layers.MultiplicativeLSTM, multiplicative_lstm, forgetting(0, 0, 1, 0, 0)
    ),
    "JANET": Case(custom_layers.JANET, janet, forgetting(1, 0)),
    "LayerNormGRU": Case(
        custom_layers.LayerNormGRU,
        layer_norm_gru,
        layer_norm_gru_start,
        roles={"kernel_scale": "its own", "recurrent_scale": "its own"},
    ),
    "LiGRU": Case(custom_layers.LiGRU, li_gru, li_gru_start, roles={"kernel_scale": "its own"}),
    "MGU": Case(custom_layers.MGU, mgu, plain_start),
    "UGRNN": Case(custom_layers.UGRNN, ugrnn, plain_start),
    "MinimalRNN": Case(
        custom_layers.MinimalRNN,
        minimal_rnn,
        minimal_rnn_start,
        roles={"latent_kernel": "kernel"},
    ),
    "STAR": Case(custom_layers.STAR, star, plain_start),
    "FastGRNN": Case(
        custom_layers.FastGRNN, fast_grnn, fast_grnn_start, roles={"balance": "its own"}
    ),
    "AntisymmetricRNN": Case(custom_layers.AntisymmetricRNN, antisymmetric_rnn, plain_start),
    "CoRNN": Case(
        custom_layers.CoRNN, co_rnn, co_rnn_start, roles={"velocity_kernel": "recurrent"}
    ),
    "LEM": Case(custom_layers.LEM, lem, plain_start),
    "NAS": Case(custom_layers.NAS, nas, plain_start),
    "MinGRU": Case(custom_layers.MinGRU, min_gru, plain_start),
    "MinLSTM": Case(custom_layers.MinLSTM, min_lstm, plain_start),
    "QRNN": Case(custom_layers.QRNN, qrnn, plain_start),
    "SRU": Case(custom_layers.SRU, sru, plain_start),
    "RGLRU": Case(custom_layers.RGLRU, rg_lru, rg_lru_start, roles={"decay": "its own"}),
    "LRU": Case(
        custom_layers.LRU,
        lru,
        lru_start,
        roles={"spectrum": "its own", "output_kernel": "kernel"},
    ),
}

# What holds for the engine is tested on these: each adds a mechanism.
REPRESENTATIVES = {
    "LSTM": "two states; cuDNN; an operator of ONNX",
    "GRU": "a bias of two rows, of which one is added to the recurrent product",
    "IndRNN": "no product; the step reads a weight",
    "LayerNormLSTM": "prepares its inputs; the step reads several weights; variances in float32",
    "ProjectionLSTM": "an output narrower than the memory; a second product",
    "MinimalRNN": "a kernel narrower than the gates; fewer recurrent gates; a product of inputs",
    "QRNN": "a linear memory; gates that are read one step later; an output beside the memory",
    "LRU": "a complex linear memory; a product of the memory",
}

LINEAR = [
    name
    for name, case in CASES.items()
    if issubclass(case.layer.cell_class, custom_layers.LinearCell)
]
LOOPED = [name for name in REPRESENTATIVES if name not in LINEAR]


def public_layers() -> set[type]:
    """Return the layers that `custom_layers` offers by name."""
    found = (getattr(custom_layers, name) for name in custom_layers.__all__)
    classes = {each for each in found if isinstance(each, type)}
    return {each for each in classes if issubclass(each, custom_layers.layers.CellLayer)}
