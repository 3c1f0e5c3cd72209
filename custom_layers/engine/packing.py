"""Masked sequences as the native kernels want them: the real steps first, and their number."""

from typing import NamedTuple

import tensorflow as tf

from custom_layers.cell import Tensor


class Packing(NamedTuple):
    """Where each real step goes when the steps that a mask leaves out are squeezed away.

    Attributes:
        lengths: number of real steps of each row, `[batch]`.
        order: for each place, the step that moves there, `[batch, time]`.
        count: for each step, how many real steps there are up to it, `[batch, time]`.
    """

    lengths: Tensor
    order: Tensor
    count: Tensor

    def pack(self, sequences: Tensor) -> Tensor:
        """Move the real steps of `[batch, time, features]` to the front, in order."""
        return tf.gather(sequences, self.order, batch_dims=1)

    def unpack(self, outputs: Tensor, initial: Tensor) -> Tensor:
        """Give each step the packed output of the last real step up to it, or `initial`."""
        shifted = tf.concat([initial[:, None], outputs], axis=1)
        return tf.gather(shifted, self.count, batch_dims=1)


def packing(mask: Tensor) -> Packing:
    """Work out the packing of a mask `[batch, time]`, True where a step is real.

    It is exact for masks anywhere: padding on the left or right, holes, rows with no real step.
    """
    real = tf.cast(mask, tf.int32)
    time = tf.shape(real)[1]
    # Distinct keys, so that the order of the real steps does not hang on a stable sort.
    keys = real * time - tf.range(time)
    return Packing(
        lengths=tf.reduce_sum(real, axis=1),
        order=tf.math.top_k(keys, k=time).indices,
        count=tf.cumsum(real, axis=1),
    )
