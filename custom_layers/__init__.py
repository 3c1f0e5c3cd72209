"""Recurrent layers for Keras that read like their equations."""

try:
    import keras  # noqa: F401
except ModuleNotFoundError as error:
    if error.name not in ("tensorflow", "jax", "torch"):
        raise
    raise ImportError(
        f"Keras's backend is {error.name}, which is not installed. "
        'TensorFlow comes with pip install "keras-recurrent[export]"; '
        "for JAX or torch, install it and set KERAS_BACKEND to jax or torch."
    ) from None

from custom_layers.cell import Cell, Gates, Product
from custom_layers.cells.gated import GatedCell
from custom_layers.initializers import Chrono
from custom_layers.layers import (
    GRU,
    IRNN,
    JANET,
    LEM,
    LRU,
    LSTM,
    MGU,
    NAS,
    QRNN,
    RGLRU,
    RNN,
    SRU,
    STAR,
    UGRNN,
    AntisymmetricRNN,
    CoRNN,
    CoupledLSTM,
    FastGRNN,
    IndRNN,
    LayerNormGRU,
    LayerNormLSTM,
    LiGRU,
    MinGRU,
    MinimalRNN,
    MinLSTM,
    MultiplicativeLSTM,
    PeepholeLSTM,
    ProjectionLSTM,
)
from custom_layers.linear_cell import LinearCell
from custom_layers.recurrent import Recurrent
from custom_layers.trace import Trace, Tracer, trace
from custom_layers.wrappers import Bidirectional, Stack

__all__ = [
    "GRU",
    "IRNN",
    "JANET",
    "LEM",
    "LRU",
    "LSTM",
    "MGU",
    "NAS",
    "QRNN",
    "RGLRU",
    "RNN",
    "SRU",
    "STAR",
    "UGRNN",
    "AntisymmetricRNN",
    "Bidirectional",
    "Cell",
    "Chrono",
    "CoRNN",
    "CoupledLSTM",
    "FastGRNN",
    "GatedCell",
    "Gates",
    "IndRNN",
    "LayerNormGRU",
    "LayerNormLSTM",
    "LiGRU",
    "LinearCell",
    "MinGRU",
    "MinLSTM",
    "MinimalRNN",
    "MultiplicativeLSTM",
    "PeepholeLSTM",
    "Product",
    "ProjectionLSTM",
    "Recurrent",
    "Stack",
    "Trace",
    "Tracer",
    "trace",
]
