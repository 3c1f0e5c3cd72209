"""Exported models where JavaScript runs them: in Node and in headless Chromium."""

import dataclasses
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from custom_layers import GRU, LSTM, Bidirectional, LayerNormLSTM
from exports import export, tracing
from exports.parity.cases import Case, grid
from exports.parity.compare import ABSOLUTE, RELATIVE, compare
from exports.signature import Arrays, Run, State
from exports.text import TextEncoder
from tests import test_docs
from tests.clients.node import HERE, reject_uninstalled, run, served
from tests.exports import models
from tests.exports.texts import FRAGMENTS


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with a client's files and packages, to export a model into."""
    reject_uninstalled()
    for name in ("answers.mjs", "page.html", "node_modules"):
        (tmp_path / name).symlink_to(HERE / name)
    return tmp_path


def opened(site: Path, page: str) -> str:
    """Return what a page of the site writes in Chromium."""
    with served(site) as address:
        return run(site, HERE / "browser.mjs", f"{address}/{page}")


def agree(
    site: Path,
    model: str,
    cases: Sequence[Case],
    expected: Iterable[Arrays],
    states: Sequence[State] = (),
) -> None:
    """Hold what Node and Chromium make of a file of the site against what is expected.

    The states go from each case to the next, and are not compared.
    """
    questions = [
        {
            "model": model,
            "inputs": {name: _written(values) for name, values in case.inputs.items()},
            "states": [dataclasses.asdict(state) for state in states],
        }
        for case in cases
    ]
    (site / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
    carried = {state.next for state in states}
    runs = {
        "Keras": _replayed(expected),
        "Node": _replayed(_read(run(site, HERE / "node.mjs"), carried)),
        "Chromium": _replayed(_read(opened(site, "page.html"), carried)),
    }
    compare(runs, cases)


def _written(values: np.ndarray) -> dict[str, Any]:
    kind = "string" if values.dtype == object else values.dtype.name
    return {"type": kind, "dims": values.shape, "data": values.ravel().tolist()}


def _read(answers: str, carried: set[str]) -> list[Arrays]:
    return [
        {
            name: np.array(array["data"], array["type"]).reshape(array["dims"])
            for name, array in answer.items()
            if name not in carried
        }
        for answer in json.loads(answers)
    ]


def _replayed(answers: Iterable[Arrays]) -> Run:
    remaining = iter(answers)
    return lambda _: next(remaining)


def classifier(layer: keras.layers.Layer) -> keras.Model:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(models.WORDS, models.FEATURES, mask_zero=True)(tokens)
    x = keras.layers.Dense(2, activation="softmax", name="label")(layer(x))
    return models.randomized(keras.Model(tokens, x))


LAYERS = {
    "native node": lambda: GRU(models.UNITS),
    "both directions": lambda: Bidirectional(LSTM(models.UNITS)),
    "scan": lambda: LayerNormLSTM(models.UNITS),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_the_numbers_are_those_of_keras(layer: Any, site: Path) -> None:
    model = classifier(layer())
    exported = export(model, site / "artifact", formats=["onnx"])
    signature = exported.signature
    request = json.loads((site / "artifact/examples/request.json").read_text())
    response = json.loads((site / "artifact/examples/response.json").read_text())
    recorded = Case("recorded", signature.name_inputs(request), real=True)
    answer = {"label": np.array(response["label"], "float32")}
    generated = grid(signature, exported.config.limits, seed=2)
    keras_run = tracing.run(model, signature)
    agree(
        site,
        "artifact/onnx/model.onnx",
        [recorded, *generated],
        [answer, *(keras_run(case.inputs) for case in generated)],
    )


def test_a_stream_goes_on_where_the_last_chunk_ended(site: Path) -> None:
    steps = models.sequences()
    hidden = LSTM(models.UNITS, return_sequences=True, name="lower")(steps)
    hidden = LayerNormLSTM(models.UNITS, return_sequences=True, name="upper")(hidden)
    model = models.randomized(keras.Model(steps, keras.layers.Dense(2, name="labels")(hidden)))
    exported = export(model, site / "artifact", formats=["onnx"], streaming=True)
    values = np.random.default_rng(0).normal(size=(2, 9, models.FEATURES)).astype("float32")
    labels = model.predict(values, verbose=0)
    zeros = {state.name: np.zeros((2, models.UNITS), "float32") for state in exported.states}
    chunks = [slice(0, 1), slice(1, 2), slice(2, 9)]
    cases = [Case(f"steps {chunk}", {"sequences": values[:, chunk]}) for chunk in chunks]
    cases[0].inputs.update(zeros)
    expected = ({"labels": labels[:, chunk]} for chunk in chunks)
    agree(site, "artifact/onnx/step.onnx", cases, expected, exported.states)


def test_the_page_on_deployment_runs(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site)
    names = test_docs.run("docs/deploy.md")
    streamed = names["model"].predict(np.array([[2, 3, 4, 5]]), verbose=0)
    np.testing.assert_allclose(names["label"], streamed, rtol=RELATIVE, atol=ABSOLUTE)

    page = (test_docs.ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    for name, language in {"client.mjs": "js", "index.html": "html"}.items():
        blocks = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
        (site / name).write_text("".join(blocks), encoding="utf-8")
    response = json.loads((site / "artifact/examples/response.json").read_text())["label"]
    text = names["model"].predict(np.array([[2, 3, 4, 5, 6]]), verbose=0)
    in_node, of_text = run(site, "client.mjs").splitlines()
    in_browser = opened(site, "index.html")
    for printed, expected in ((in_node, response), (in_browser, response), (of_text, text)):
        got = np.array(printed.split(), float)
        np.testing.assert_allclose(got, np.ravel(expected), rtol=RELATIVE, atol=ABSOLUTE)


def hard_texts(number: int) -> list[str]:
    """Join hard fragments and any letters; without NUL, where JavaScript's ONNX Runtime stops."""
    generator = np.random.default_rng(0)
    letters = [chr(place) for place in generator.integers(1, 0x110000, 4000)]
    pieces = [
        *(letter for letter in letters if unicodedata.category(letter) not in ("Cs", "Cn", "Co")),
        *(fragment for fragment in FRAGMENTS * 10 if "\0" not in fragment),
        *(" ", *models.VOCABULARY[2:]) * 100,
    ]
    return ["".join(generator.choice(pieces, size)) for size in generator.integers(0, 20, number)]


def test_text_is_read_as_keras_reads_it(site: Path) -> None:
    model = classifier(GRU(models.UNITS))
    ids = keras.layers.Identity(name="ids")(model.input)
    model = keras.Model(model.input, [model.output, ids])
    encoder = TextEncoder(models.VOCABULARY, max_length=12)
    exported = export(model, site / "artifact", formats=["onnx"], encoder=encoder)
    texts = np.array(["", *hard_texts(500)], object)
    read = exported.signature.name_inputs(encoder(texts).numpy())
    expected = tracing.run(model, exported.signature)(read)
    agree(site, "artifact/onnx/text.onnx", [Case("texts", {"text": texts})], [expected])
