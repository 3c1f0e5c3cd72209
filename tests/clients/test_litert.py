"""LiteRT files in headless Chromium, by LiteRT.js."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from custom_layers import LSTM, Bidirectional, LayerNormLSTM, MinGRU
from exports import declared, streaming, tracing
from exports.formats.litert import conversion
from exports.signature import State
from tests.clients.node import HERE, reject_uninstalled, run, served
from tests.exports import models

Arrays = dict[str, np.ndarray]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with a page and its packages, to convert a model into."""
    reject_uninstalled()
    for name in ("litert.html", "litert.mjs", "node_modules"):
        (tmp_path / name).symlink_to(HERE / name)
    return tmp_path


def answers(
    site: Path,
    questions: Iterable[tuple[Arrays, Mapping[str, Sequence[int]]]],
    states: Sequence[State] = (),
) -> list[Arrays]:
    """Run `model.tflite` on inputs, one after another; beside them stand the outputs' shapes."""
    asked = [
        {
            "model": "model.tflite",
            "inputs": {name: _written(values) for name, values in inputs.items()},
            "outputs": shapes,
            "states": [dataclasses.asdict(state) for state in states],
        }
        for inputs, shapes in questions
    ]
    (site / "questions.json").write_text(json.dumps(asked), encoding="utf-8")
    with served(site) as address:
        written = json.loads(run(site, HERE / "browser.mjs", f"{address}/litert.html"))
    return [
        {
            name: np.array(array["data"], array["type"]).reshape(array["dims"])
            for name, array in answer.items()
        }
        for answer in written
    ]


def _written(values: np.ndarray) -> dict[str, Any]:
    return {"type": values.dtype.name, "dims": values.shape, "data": values.ravel().tolist()}


LAYERS: dict[str, Callable[[], keras.layers.Layer]] = {
    "Keras's": lambda: keras.layers.GRU(models.UNITS),
    "both directions": lambda: Bidirectional(LSTM(models.UNITS, return_sequences=True)),
    "linear": lambda: MinGRU(models.UNITS),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_the_numbers_are_those_of_keras(layer: Any, site: Path) -> None:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(models.WORDS, models.FEATURES, mask_zero=True)(tokens)
    x = keras.layers.Dense(2, activation="softmax", name="label")(layer()(x))
    model = models.randomized(keras.Model(tokens, x))
    signature = declared.signature(model)
    (site / "model.tflite").write_bytes(conversion.convert(model, signature))
    generator, keras_run = np.random.default_rng(0), tracing.run(model, signature)
    given: list[Arrays] = [
        {"tokens": generator.integers(0, models.WORDS, shape).astype("int32")}
        for shape in ((1, 1), (1, 20), (3, 7))
    ]
    expected = [keras_run(inputs) for inputs in given]
    shapes = [{name: each.shape for name, each in outputs.items()} for outputs in expected]
    for got, should in zip(answers(site, zip(given, shapes, strict=True)), expected, strict=True):
        assert got.keys() == should.keys()
        np.testing.assert_allclose(got["label"], should["label"], atol=1e-5)


def test_a_stream_goes_on_where_the_last_chunk_ended(site: Path) -> None:
    steps = models.sequences()
    hidden = LSTM(models.UNITS, return_sequences=True, name="lower")(steps)
    hidden = LayerNormLSTM(models.UNITS, return_sequences=True, name="upper")(hidden)
    model = models.randomized(keras.Model(steps, keras.layers.Dense(2, name="labels")(hidden)))
    signature = declared.signature(model)
    states = streaming.states(model, signature)
    known, step = signature.of_steps(states), streaming.function(model, signature, states)
    (site / "model.tflite").write_bytes(conversion.convert(model, known, step))
    values = np.random.default_rng(0).normal(size=(2, 9, models.FEATURES)).astype("float32")
    questions: list[tuple[Arrays, Any]] = [
        (
            {"sequences": chunk},
            {
                "labels": (2, chunk.shape[1], 2),
                **{state.next: (2, models.UNITS) for state in states},
            },
        )
        for chunk in np.split(values, [1, 2], axis=1)
    ]
    questions[0][0].update({state.name: state.zeros(2) for state in states})
    labels = [answer["labels"] for answer in answers(site, questions, states)]
    expected = model.predict(values, verbose=0)
    np.testing.assert_allclose(np.concatenate(labels, axis=1), expected, atol=1e-5)
