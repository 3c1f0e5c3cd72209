"""A stopwatch says how long training waits for data, and leaves the data as they are."""

import time
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.stopwatch import Stopwatch

PAUSE, BATCHES = 0.02, 10


def slow(batch: Any) -> Any:
    """Take a while."""

    def pause(given: Any) -> Any:
        time.sleep(PAUSE)
        return given

    made = tf.numpy_function(pause, [batch], tf.int64)
    return tf.ensure_shape(made, batch.shape)


def test_waiting_is_counted_and_working_is_not() -> None:
    ready = tf.data.Dataset.range(BATCHES)
    slowly, at_once = Stopwatch(), Stopwatch()
    assert [int(each) for each in slowly.watched(ready.map(slow))] == [*range(BATCHES)]
    assert slowly.seconds >= BATCHES * PAUSE
    started = time.perf_counter()
    for _ in at_once.watched(ready):
        time.sleep(PAUSE)
    assert at_once.seconds < (time.perf_counter() - started) / 2


def test_the_shares_of_a_training_are_kept(trained: Any) -> None:
    shares = np.array([line["waited"] for line in trained.metrics])
    assert ((shares > 0) & (shares < 1)).all()
