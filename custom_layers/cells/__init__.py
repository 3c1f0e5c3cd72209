"""The equations, one family a file."""

from custom_layers.cells.dynamics import AntisymmetricRNNCell, CoRNNCell, LEMCell
from custom_layers.cells.gru import GRUCell, LayerNormGRUCell, LiGRUCell
from custom_layers.cells.light import (
    FastGRNNCell,
    MGUCell,
    MinimalRNNCell,
    STARCell,
    UGRNNCell,
)
from custom_layers.cells.linear import (
    LRUCell,
    MinGRUCell,
    MinLSTMCell,
    QRNNCell,
    RGLRUCell,
    SRUCell,
)
from custom_layers.cells.lstm import (
    CoupledLSTMCell,
    JANETCell,
    LayerNormLSTMCell,
    LSTMCell,
    MultiplicativeLSTMCell,
    PeepholeLSTMCell,
    ProjectionLSTMCell,
)
from custom_layers.cells.search import NASCell
from custom_layers.cells.simple import IndRNNCell, RNNCell

__all__ = [
    "AntisymmetricRNNCell",
    "CoRNNCell",
    "CoupledLSTMCell",
    "FastGRNNCell",
    "GRUCell",
    "IndRNNCell",
    "JANETCell",
    "LEMCell",
    "LRUCell",
    "LSTMCell",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LiGRUCell",
    "MGUCell",
    "MinGRUCell",
    "MinLSTMCell",
    "MinimalRNNCell",
    "MultiplicativeLSTMCell",
    "NASCell",
    "PeepholeLSTMCell",
    "ProjectionLSTMCell",
    "QRNNCell",
    "RGLRUCell",
    "RNNCell",
    "SRUCell",
    "STARCell",
    "UGRNNCell",
]
