"""TensorFlow's cuDNN kernel, for the cells of which it computes the same function."""

from typing import Any

import tensorflow as tf
from keras import activations

from custom_layers.cell import Cell, Tensor
from custom_layers.cells import GRUCell, LSTMCell, RNNCell
from custom_layers.engine import backend
from custom_layers.engine.loop import LoopOptions
from custom_layers.engine.packing import packing


def mode(cell: Cell) -> str | None:
    """Return cuDNN's name for the function of `cell`, or None if it has none."""
    gated = getattr(cell, "recurrent_activation", None) is activations.sigmoid
    tanh = cell.activation is activations.tanh
    if type(cell) is LSTMCell and gated and tanh:
        return "lstm"
    if type(cell) is GRUCell and gated and tanh and cell.reset_after:
        return "gru"
    if type(cell) is RNNCell and tanh:
        return "rnn_tanh"
    if type(cell) is RNNCell and cell.activation is activations.relu:
        return "rnn_relu"
    return None


def computes(cell: Cell) -> bool:
    """Tell whether cuDNN may be traced here and computes the function of `cell`."""
    return (
        backend.takes_gpu_kernels() and mode(cell) is not None and cell.compute_dtype != "bfloat16"
    )


def run_loop(loop: LoopOptions, inputs: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Apply a cell at every time step by one cuDNN call; arguments as in `engine.run_loop`.

    cuDNN wants right-padded rows of at least one step. Masks of any form meet that: the real steps
    are packed to the front, and a row without any runs one step whose result is dropped. What is
    padded is multiplied by zero for the gradient, and so must not be NaN.
    """
    cell, mask = loop.cell, loop.mask
    batch, time = tf.unstack(tf.shape(inputs)[:2])
    lengths = tf.fill([batch], time)
    if mask is not None:
        packed = packing(mask)
        inputs = packed.pack(tf.where(mask[:, :, None], inputs, 0))
        lengths = tf.maximum(packed.lengths, 1)
    states = [tensor[:, None] for tensor in state]
    outputs, h, c, _, _ = tf.raw_ops.CudnnRNNV3(
        input=inputs,
        input_h=states[0],
        input_c=states[1] if len(states) > 1 else 0,
        params=parameters(cell),
        sequence_lengths=lengths,
        rnn_mode=mode(cell),
        time_major=False,
        is_training=True,
    )
    final = [tensor[:, 0] for tensor in (h, c)[: len(state)]]  # without a state c, c is no matrix
    if mask is None:
        return outputs, final
    empty = (packed.lengths == 0)[:, None]
    final = [tf.where(empty, *pair) for pair in zip(state, final, strict=True)]
    return packed.unpack(outputs, state[0]), final


def parameters(cell: Cell) -> Tensor:
    """Return the weights of `cell` as cuDNN stores them: one vector, matrices transposed first.

    The order is that of the gates, but for GRU, which has its reset gate before its update gate.
    cuDNN has a bias for each of the two products; the one that a cell lacks is zero.
    """
    count = len(cell.gates)
    order = [1, 0, 2] if mode(cell) == "gru" else range(count)
    product = cell.products()["recurrent_kernel"]
    kernels = [tf.convert_to_tensor(cell.kernel), product.kernel]
    biases = [_or_zeros(cell.input_bias(), kernels[0]), _or_zeros(product.bias, kernels[0])]

    def blocks(weight: Tensor) -> list[Tensor]:
        split = tf.split(weight, count, axis=-1)
        return [tf.reshape(tf.transpose(split[place]), [-1]) for place in order]

    return tf.concat([block for weight in kernels + biases for block in blocks(weight)], axis=0)


def _or_zeros(bias: Any, kernel: Tensor) -> Tensor:
    return tf.zeros_like(kernel[0]) if bias is None else tf.convert_to_tensor(bias)
