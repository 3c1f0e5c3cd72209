"""How long training waits for its data."""

import time
from typing import Any

import tensorflow as tf


class Stopwatch:
    """Measures how long whoever takes batches from a data set waits for them.

    Args:
        seconds: waited for before.

    Attributes:
        seconds: waited for so far.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        with tf.device("CPU:0"):
            self._seconds = tf.Variable(seconds, dtype="float64", trainable=False)

    @property
    def seconds(self) -> float:
        """How long it took in all from each asking for a batch to getting it."""
        return float(self._seconds.numpy())

    def watched(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Return `batches`, each with a look at the clock before and after it is had."""

        def clock(_: Any) -> Any:
            # TensorFlow's own clock is refused where results are to be reproducible.
            return tf.numpy_function(time.perf_counter, [], tf.float64)

        def stopped(before: Any, batch: Any, after: Any) -> Any:
            self._seconds.assign_add(after - before)
            return batch

        # What is zipped is asked for in this order, by the thread that takes the batch.
        looks = tf.data.Dataset.counter().map(clock)
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False
        options.experimental_optimization.map_parallelization = False
        timed = tf.data.Dataset.zip((looks, batches, looks)).map(stopped)
        return timed.with_options(options)
