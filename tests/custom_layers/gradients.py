"""Values and gradients on whatever backend Keras runs, and what tests need to know of it."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

BACKEND = keras.backend.backend()

tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="looks into TensorFlow")


def arrays(structure: Any) -> Any:
    """Turn the tensors of a structure into NumPy arrays."""
    return keras.tree.map_structure(ops.convert_to_numpy, structure)


def values_and_gradients(
    layer: keras.layers.Layer, call: Callable[..., Any], *sources: np.ndarray
) -> list[np.ndarray]:
    """Return the outputs of a call of `layer`, and the gradients of a curved function of them.

    The gradients are those of the `sources`, which `call` takes, then of the layer's weights.
    """
    compute = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[BACKEND]
    return arrays(compute(layer, lambda *tensors: keras.tree.flatten(call(*tensors)), sources))


def _curved(outputs: list[Any]) -> Any:
    return sum(ops.sum(ops.sin(output + k)) for k, output in enumerate(outputs))


def _tensorflow(layer: keras.layers.Layer, call: Any, sources: Any) -> list[Any]:
    import tensorflow as tf

    tensors = [tf.constant(source) for source in sources]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = call(*tensors)
        loss = _curved(outputs)
    sources = [*tensors, *layer.trainable_variables]
    zero = tf.UnconnectedGradients.ZERO
    return [*outputs, *tape.gradient(loss, sources, unconnected_gradients=zero)]


def _jax(layer: keras.layers.Layer, call: Any, sources: Any) -> list[Any]:
    import jax

    variables = layer.trainable_variables

    def loss(sources: Any, weights: Any) -> tuple[Any, list[Any]]:
        with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))):
            outputs = call(*sources)
            return _curved(outputs), outputs

    differentiated = jax.grad(loss, argnums=(0, 1), has_aux=True)
    weights = [variable.value for variable in variables]
    (d_sources, d_weights), outputs = differentiated(list(map(jax.numpy.asarray, sources)), weights)
    return [*outputs, *d_sources, *d_weights]


def _torch(layer: keras.layers.Layer, call: Any, sources: Any) -> list[Any]:
    import torch

    tensors = [torch.tensor(source, requires_grad=True) for source in sources]
    outputs = call(*tensors)
    weights = [variable.value for variable in layer.trainable_variables]
    return [
        *outputs,
        *torch.autograd.grad(_curved(outputs), [*tensors, *weights], materialize_grads=True),
    ]
