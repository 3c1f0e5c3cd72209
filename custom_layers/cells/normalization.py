"""Layer normalisation of blocks of units."""

import keras
from keras import ops

from custom_layers.cell import Tensor

EPSILON = 1e-5


def normalized(tensor: Tensor, scale: Tensor) -> Tensor:
    """Give each row of `tensor` mean 0 and variance 1, and multiply it by `scale`.

        LN(v; s) = s * (v - mean(v)) / sqrt(variance(v) + 1e-5)

    Half precision is not enough for a variance, so it is taken in float32.

    Reference: Ba et al., 2016, "Layer normalization".
    """
    dtype = tensor.dtype
    tensor = ops.cast(tensor, keras.backend.result_type(dtype, "float32"))
    centered = tensor - ops.mean(tensor, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(centered), axis=-1, keepdims=True)
    return ops.cast(centered * ops.rsqrt(variance + EPSILON), dtype) * scale
