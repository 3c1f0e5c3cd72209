"""Recurrent layers for Keras that read like their equations."""

from custom_layers.cell import Cell, Gates, Product
from custom_layers.layers import GRU, IRNN, LSTM, RNN
from custom_layers.recurrent import Recurrent

__all__ = ["GRU", "IRNN", "LSTM", "RNN", "Cell", "Gates", "Product", "Recurrent"]
