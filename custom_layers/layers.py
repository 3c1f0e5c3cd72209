"""The layers that people import: each a cell under a name, with the arguments Keras gives it."""

import inspect
from typing import Any, ClassVar

from custom_layers import arguments, cells
from custom_layers.cell import Cell
from custom_layers.recurrent import Recurrent

_SHAPES = """
Shapes: `[batch, time, F]` to that of the output at the last step, `[batch, U]`, or at every step,
`[batch, time, U]`, with `return_sequences`; each state `[batch, U]`.

Raises `ValueError` and `TypeError` as `Cell` and `Recurrent` do.
"""


class CellLayer(Recurrent):
    """A `Recurrent` that makes its own cell: it takes the cell's arguments, then `Recurrent`'s.

    A subclass names its cell and what differs from the cell's defaults:

        class IRNN(CellLayer, cell=RNNCell, activation="relu"): ...

    Its docstring goes on with that of the cell, which has the equations.
    """

    nested: ClassVar[tuple[str, ...]] = ()
    cell_class: ClassVar[type[Cell]]
    defaults: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, cell: type[Cell], **defaults: Any) -> None:
        super().__init_subclass__()
        cls.cell_class, cls.defaults = cell, defaults
        docs = [inspect.cleandoc(text or "") for text in (cls.__doc__, cell.__doc__, _SHAPES)]
        cls.__doc__ = "\n\n".join(docs)
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


class RNN(CellLayer, cell=cells.RNNCell):
    """Plain recurrent layer, with the arguments of `keras.layers.SimpleRNN`."""


class IRNN(CellLayer, cell=cells.RNNCell, activation="relu", recurrent_initializer="identity"):
    """Recurrent layer that starts by remembering everything: ReLU, identity matrix, zero bias.

        h_t = relu(W_xh x_t + W_hh h_{t-1} + b)      W_hh = I and b = 0 at the start of training

    With W_hh = I and no input the state stays as it is, and so does its gradient.

    Reference: Le, Jaitly & Hinton, 2015, "A simple way to initialize recurrent networks of
    rectified linear units". It is RNN with other defaults:
    """


class IndRNN(CellLayer, cell=cells.IndRNNCell):
    """Independently recurrent layer: deep stacks of it keep their gradients."""


class LSTM(CellLayer, cell=cells.LSTMCell):
    """Long short-term memory, with the arguments of `keras.layers.LSTM`."""


class PeepholeLSTM(CellLayer, cell=cells.PeepholeLSTMCell):
    """LSTM with peepholes: for precise timing."""


class CoupledLSTM(CellLayer, cell=cells.CoupledLSTMCell):
    """LSTM with coupled gates, CIFG: a quarter fewer weights."""


class LayerNormLSTM(CellLayer, cell=cells.LayerNormLSTMCell):
    """LSTM with layer normalisation: steadier training."""


class ProjectionLSTM(CellLayer, cell=cells.ProjectionLSTMCell):
    """LSTM with a projected output, LSTMP: a large memory for few weights."""


class MultiplicativeLSTM(CellLayer, cell=cells.MultiplicativeLSTMCell):
    """Multiplicative LSTM: recurrence that depends on the input."""


class JANET(CellLayer, cell=cells.JANETCell):
    """LSTM with the forget gate alone."""


class GRU(CellLayer, cell=cells.GRUCell):
    """Gated recurrent unit, with the arguments of `keras.layers.GRU`."""


class LayerNormGRU(CellLayer, cell=cells.LayerNormGRUCell):
    """GRU with layer normalisation."""


class LiGRU(CellLayer, cell=cells.LiGRUCell):
    """Light GRU: no reset gate, ReLU candidate."""


class MGU(CellLayer, cell=cells.MGUCell):
    """Minimal gated unit: GRU with one gate."""


class UGRNN(CellLayer, cell=cells.UGRNNCell):
    """Update gate recurrent layer."""


class MinimalRNN(CellLayer, cell=cells.MinimalRNNCell):
    """MinimalRNN: one gate between the state and a picture of the input."""


class STAR(CellLayer, cell=cells.STARCell):
    """Stackable recurrent layer: one gate, and gradients that survive depth."""


class FastGRNN(CellLayer, cell=cells.FastGRNNCell):
    """FastGRNN: gate and candidate share their matrices."""


class AntisymmetricRNN(CellLayer, cell=cells.AntisymmetricRNNCell):
    """AntisymmetricRNN: a stable system, stepped."""


class CoRNN(CellLayer, cell=cells.CoRNNCell):
    """Coupled oscillators."""


class LEM(CellLayer, cell=cells.LEMCell):
    """Long expressive memory."""


class NAS(CellLayer, cell=cells.NASCell):
    """The cell of neural architecture search."""


class MinGRU(CellLayer, cell=cells.MinGRUCell):
    """GRU without a loop over time."""


class MinLSTM(CellLayer, cell=cells.MinLSTMCell):
    """LSTM without a loop over time."""


class QRNN(CellLayer, cell=cells.QRNNCell):
    """Quasi-recurrent layer: a convolution, and gates without a loop over time."""


class SRU(CellLayer, cell=cells.SRUCell):
    """Simple recurrent unit: no loop over time, and a highway around the memory."""


class RGLRU(CellLayer, cell=cells.RGLRUCell):
    """Real-gated linear recurrent unit: no loop over time."""


class LRU(CellLayer, cell=cells.LRUCell):
    """Linear recurrent unit: a complex memory, and no loop over time."""
