"""ONNX Runtime on our export of a Keras model against `keras.Model.export` of the same model."""

import itertools
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime

from benchmarks.timing import medians
from exports import declared
from exports.formats.onnx import conversion

TIME, WORDS = 200, 20_000
LAYERS = {
    "GRU": keras.layers.GRU,
    "LSTM": keras.layers.LSTM,
    "SimpleRNN": keras.layers.SimpleRNN,
    "Bidirectional LSTM": lambda units: keras.layers.Bidirectional(keras.layers.LSTM(units)),
}


def rows() -> Iterator[dict[str, Any]]:
    """Measure each masked layer at batch 1 and 32; the two files take turns of some calls."""
    for units, (name, layer) in itertools.product((32, 128), LAYERS.items()):
        tokens = keras.Input((None,), dtype="int32", name="tokens")
        embedded = keras.layers.Embedding(WORDS, 64, mask_zero=True)(tokens)
        model = keras.Model(tokens, keras.layers.Dense(2)(layer(units)(embedded)))
        with tempfile.TemporaryDirectory() as directory:
            ours, theirs = Path(directory, "ours.onnx"), Path(directory, "theirs.onnx")
            ours.write_bytes(
                conversion.convert(model, declared.signature(model)).SerializeToString()
            )
            model(np.ones((1, TIME), "int32"))
            model.export(str(theirs), format="onnx", verbose=False)
            sessions = {
                side: onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
                for side, path in {"ours": ours, "Keras": theirs}.items()
            }
        for batch in (1, 32):
            fed = {"tokens": np.random.default_rng(0).integers(1, WORDS, (batch, TIME), "int32")}
            calls = {side: partial(session.run, None, fed) for side, session in sessions.items()}
            # As on a server, where one model runs again and again: its weights stay in the cache.
            times = medians(calls, rounds=12, calls=40 if batch == 1 else 6)
            yield {
                "masked layer": name,
                "units": units,
                "batch": batch,
                "ours, ms": times["ours"],
                "Keras's export, ms": times["Keras"],
                "Keras / ours": times["Keras"] / times["ours"],
            }
