"""The equations, one family a file."""

from custom_layers.cells.gru import GRUCell
from custom_layers.cells.lstm import LSTMCell
from custom_layers.cells.simple import RNNCell

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]
