"""Losses and metrics: what they compute, by another way."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline import metrics
from pipeline.metrics import Distance


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


def test_a_new_process_loads_a_model_that_was_trained_with_them(tmp_path: Path) -> None:
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(inputs))
    model.compile(
        loss=Distance([1.0]), metrics=[metrics.accuracy, metrics.greedy_accuracy, "accuracy"]
    )
    model.fit(np.ones((2, 1, 3)), np.ones((2, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    program = (
        "import sys; from pathlib import Path; from exports import keras_file;"
        "from pipeline import metrics;"
        "path = Path(sys.argv[1]);"
        "keras_file.read(path, custom_objects=metrics.KNOWN, with_optimizer=True)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "model.keras")]
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_padding_and_wrong_symbols_do_not_count_as_right() -> None:
    targets = np.array([[2, 3, 1, 0], [2, 2, 1, 0]])
    said = np.eye(4, dtype=np.float32)[[[2, 3, 1, 3], [2, 3, 1, 0]]]
    np.testing.assert_allclose(metrics.accuracy(targets, said), [1, 2 / 3])
    np.testing.assert_array_equal(metrics.greedy_accuracy(targets, said), [1, 0])
