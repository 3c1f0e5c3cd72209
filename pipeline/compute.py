"""How a run computes: reproducibly, in which precision, on which devices."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import keras
import numpy as np
import tensorflow as tf

from pipeline.config import Config


@contextmanager
def scope(config: Config) -> Iterator[None]:
    """Build or load a model in this scope to have it in the precision and on the devices wanted."""
    policy = keras.config.dtype_policy()
    with ExitStack() as stack:
        if config.strategy == "mirrored":
            # The default, collective operators, fails on the sparse gradients of embeddings when
            # one batch is shorter than the next.
            reduction = tf.distribute.ReductionToOneDevice()
            strategy = tf.distribute.MirroredStrategy(cross_device_ops=reduction)
            stack.enter_context(strategy.scope())
        keras.config.set_dtype_policy(config.precision)
        try:
            yield
        finally:
            keras.config.set_dtype_policy(policy)


def be_reproducible(seed: int) -> None:
    """Make everything random from here on follow from `seed`, to the last bit.

    Call it once the data are there: what prepares them may draw random numbers.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def learning_rate(config: Config, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate as a function of the step: half a cosine over all `steps`."""
    return keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)


def reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Set the random states of the layers of `model` by `seed` and `epoch` alone.

    They are not saved in a `.keras` file, so an epoch after a restart needs them set.
    """
    states = [item for item in model.variables if item.path.endswith("seed_generator_state")]
    drawn = np.random.SeedSequence((seed, epoch)).generate_state(2 * len(states))
    for state, value in zip(states, drawn.reshape(-1, 2), strict=True):
        state.assign(value)
