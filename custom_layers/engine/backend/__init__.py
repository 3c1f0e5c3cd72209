"""The one place that knows backends apart: all that the engine asks of the one that Keras runs on.

`contract` says what that is; `tensorflow`, `jax` and `torch` fulfil it.
"""

import keras

from custom_layers.engine.backend.contract import (
    Backend,
    Gradient,
    Linearized,
    LoopConstants,
    StepInputs,
    fill,
    has_tensor_arrays,
    leaves,
    map_leaves,
    portable,
)

__all__ = [
    "Gradient",
    "Linearized",
    "LoopConstants",
    "StepInputs",
    "as_graph",
    "convert_to_tensor",
    "custom_gradient",
    "fill",
    "gradient",
    "has_tensor_arrays",
    "leaves",
    "length",
    "linearize",
    "map_leaves",
    "portable",
    "prefers_halves",
    "prefers_hoisting",
    "scan",
    "stack",
    "takes_gpu_kernels",
    "unstack",
]


def _chosen() -> Backend:
    name = keras.backend.backend()
    if name == "tensorflow":
        from custom_layers.engine.backend import tensorflow

        return tensorflow
    if name == "jax":
        from custom_layers.engine.backend import jax

        return jax
    if name == "torch":
        from custom_layers.engine.backend import torch

        return torch
    raise ImportError(f"custom_layers runs on tensorflow, jax and torch, not on {name}.")


_backend = _chosen()
as_graph = _backend.as_graph
convert_to_tensor = _backend.convert_to_tensor
custom_gradient = _backend.custom_gradient
gradient = _backend.gradient
length = _backend.length
linearize = _backend.linearize
prefers_halves = _backend.prefers_halves
prefers_hoisting = _backend.prefers_hoisting
scan = _backend.scan
stack = _backend.stack
takes_gpu_kernels = _backend.takes_gpu_kernels
unstack = _backend.unstack
