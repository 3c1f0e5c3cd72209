"""Losses and metrics: what they compute, by another way."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

from pipeline import metrics


def test_a_new_process_loads_a_model_that_was_trained_with_them(tmp_path: Path) -> None:
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(inputs))
    model.compile(
        loss=metrics.step_crossentropy,
        metrics=[metrics.accuracy, metrics.greedy_accuracy, "accuracy"],
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
