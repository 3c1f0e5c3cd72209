"""Losses: what they compute, by another way."""

import numpy as np
import pytest

from pipeline.losses import Distance


def test_a_distance_is_that_of_euclid_weighted_by_point() -> None:
    random = np.random.default_rng(0)
    true, said = random.normal(size=(2, 5, 2, 3))
    by_point = [
        [np.hypot(np.hypot(*(a - b)[:2]), (a - b)[2]) for a, b in zip(*pair, strict=True)]
        for pair in zip(true, said, strict=True)
    ]
    expected = np.mean(np.array(by_point) * [5.0, 2.0])
    assert float(Distance([5.0, 2.0])(true, said)) == pytest.approx(expected, rel=1e-5)


def test_a_right_prediction_has_a_finite_slope() -> None:
    import tensorflow as tf

    said = tf.Variable(np.ones((1, 2, 3), np.float32))
    with tf.GradientTape() as tape:
        loss = Distance([1.0, 1.0])(tf.ones((1, 2, 3)), said)
    np.testing.assert_array_equal(tape.gradient(loss, said), np.zeros((1, 2, 3)))
