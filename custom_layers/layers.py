"""The layers that people import: each a cell under a name, with the arguments Keras gives it."""

import inspect
from typing import Any, ClassVar

import keras

from custom_layers import arguments
from custom_layers.cell import Cell
from custom_layers.cells import GRUCell, LSTMCell, RNNCell
from custom_layers.recurrent import Recurrent

register = keras.saving.register_keras_serializable("custom_layers")


class CellLayer(Recurrent):
    """A `Recurrent` that makes its own cell: it takes the cell's arguments, then `Recurrent`'s.

    A subclass names its cell and what differs from the cell's defaults:

        class IRNN(CellLayer, cell=RNNCell, activation="relu"): ...
    """

    cell_class: ClassVar[type[Cell]]
    defaults: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, cell: type[Cell], **defaults: Any) -> None:
        super().__init_subclass__()
        cls.cell_class, cls.defaults = cell, defaults
        layer = arguments.parameters(Recurrent, Recurrent)
        named = [
            parameter.replace(default=defaults.get(name, parameter.default))
            for name, parameter in {**cell.parameters(), **layer}.items()
            if name != "cell"
        ]
        options = inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD)
        cls.__signature__ = inspect.Signature([*named, options])

    def __init__(self, *values: Any, **keywords: Any) -> None:
        given = inspect.signature(type(self)).bind(*values, **keywords).arguments
        given.update(given.pop("options", {}))
        names = self.cell_class.parameters()
        shared = {name: given[name] for name in ("dtype", "trainable") if name in given}
        own = {name: given.pop(name) for name in names if name in given}
        super().__init__(self.cell_class(**{**self.defaults, **own}, **shared), **given)

    def get_config(self) -> dict[str, Any]:
        """Return every constructor argument as plain data, the cell's among them."""
        cell = arguments.configuration(self.cell, self.cell_class.parameters())
        config = {**super().get_config(), **cell}
        del config["cell"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "CellLayer":
        """Build the layer that `get_config` described."""
        return cls(**config)


@register
class RNN(CellLayer, cell=RNNCell):
    """Plain recurrent layer, with the arguments of `keras.layers.SimpleRNN`.

        h_t = tanh(W_xh x_t + W_hh h_{t-1} + b)

    Symbols: x_t inputs, h_t state and output, tanh the `activation`. F features, U units.

    Weights: W_xh `kernel [F, U]`, W_hh `recurrent_kernel [U, U]`, b `bias [U]`.

    Shapes: `[batch, time, F]` to `[batch, U]`, or `[batch, time, U]` with `return_sequences`.

    Raises:
        ValueError: as `Cell` and `Recurrent`.

    Reference: Elman, 1990, "Finding structure in time".
    """


@register
class IRNN(CellLayer, cell=RNNCell, activation="relu", recurrent_initializer="identity"):
    """Recurrent layer that starts by remembering everything: ReLU, identity matrix, zero bias.

        h_t = relu(W_xh x_t + W_hh h_{t-1} + b)      W_hh = I and b = 0 at the start of training

    With W_hh = I and no input the state stays as it is, and so does its gradient.

    Symbols: x_t inputs, h_t state and output, relu the `activation`. F features, U units.

    Weights: W_xh `kernel [F, U]`, W_hh `recurrent_kernel [U, U]`, b `bias [U]`.

    Shapes: `[batch, time, F]` to `[batch, U]`, or `[batch, time, U]` with `return_sequences`.

    Raises:
        ValueError: as `Cell` and `Recurrent`.

    Reference: Le, Jaitly & Hinton, 2015, "A simple way to initialize recurrent networks of
    rectified linear units".
    """


@register
class LSTM(CellLayer, cell=LSTMCell):
    """Long short-term memory, with the arguments of `keras.layers.LSTM`.

        i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + b_i)       store
        f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + b_f)       forget
        o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + b_o)       output
        c_t = f_t * c_{t-1} + i_t * tanh(W_xc x_t + W_hc h_{t-1} + b_c)      update
        h_t = o_t * tanh(c_t)

    Symbols: x_t inputs, h_t output, c_t memory, sigmoid the `recurrent_activation`, tanh the
    `activation`, `*` element by element. F features, U units.

    Weights, blocks in the order i, f, c, o: W_x `kernel [F, 4 U]`, W_h `recurrent_kernel
    [U, 4 U]`, b `bias [4 U]`; b_f starts at one with `unit_forget_bias`.

    Shapes: `[batch, time, F]` to `[batch, U]`, or `[batch, time, U]` with `return_sequences`;
    states h and c, `[batch, U]` each.

    Raises:
        ValueError: as `Cell` and `Recurrent`.

    Reference: Hochreiter & Schmidhuber, 1997, "Long short-term memory"; Gers et al., 2000,
    "Learning to forget".
    """


@register
class GRU(CellLayer, cell=GRUCell):
    """Gated recurrent unit, with the arguments of `keras.layers.GRU`.

        z_t = sigmoid(W_xz x_t + b_z + W_hz h_{t-1} + d_z)       update
        r_t = sigmoid(W_xr x_t + b_r + W_hr h_{t-1} + d_r)       reset

        g_t = tanh(W_xh x_t + b_h + r_t * (W_hh h_{t-1} + d_h))  with reset_after
        g_t = tanh(W_xh x_t + b_h + W_hh (r_t * h_{t-1}))        without

        h_t = z_t * h_{t-1} + (1 - z_t) * g_t

    Symbols: x_t inputs, h_t state and output, sigmoid the `recurrent_activation`, tanh the
    `activation`, `*` element by element. F features, U units.

    Weights, blocks in the order z, r, h: W_x `kernel [F, 3 U]`, W_h `recurrent_kernel [U, 3 U]`,
    `bias`: with `reset_after` `[2, 3 U]`, rows b and d; without `[3 U]`, and d is absent.

    Shapes: `[batch, time, F]` to `[batch, U]`, or `[batch, time, U]` with `return_sequences`.

    Raises:
        ValueError: as `Cell` and `Recurrent`.

    Reference: Cho et al., 2014, "Learning phrase representations using RNN encoder-decoder for
    statistical machine translation".
    """
