"""A model that writes, exported: its files write what the whole model in Keras would."""

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import custom_layers
from exports import Artifact, ExportError, ParityError, UnsupportedLayerError, export, verify
from exports.runtime import Predictor
from exports.runtime.generation import SCRIPT, Sampling
from exports.schema import Writing
from tests.exports import models
from tests.exports.writers import END, LETTERS, LONGEST, SYMBOLS, WRITING, translator


def best_texts(model: keras.Model, text: str) -> Mapping[str, float]:
    """The probability of every text of up to `LONGEST` symbols, from the whole model."""
    ids = [
        [LETTERS.index(letter) + 1 if letter in LETTERS else len(LETTERS) + 1 for letter in text]
    ]
    found = {}
    for length in range(LONGEST + 1):
        for symbols in itertools.product(range(2, len(SYMBOLS)), repeat=length):
            odds = model([np.array(ids), np.array([[END, *symbols]])]).numpy()[0].astype("float64")
            steps = [odds[place, symbol] for place, symbol in enumerate([*symbols, END])]
            found["".join(SYMBOLS[symbol] for symbol in symbols)] = math.prod(steps)
    return found


@pytest.mark.parametrize("format", ["saved_model", "onnx", "litert"])
@pytest.mark.parametrize("text", ["ab", "abc", "dcba?"])
def test_a_beam_of_all_texts_finds_them_in_their_order(
    text: str, format: str, writer: keras.Model, written: Artifact
) -> None:
    expected = best_texts(writer, text)
    predictor = Predictor(written.directory, format=format)
    ((*found,),) = predictor.hypotheses(text, beam=200)
    assert [each.text for each in found] == sorted(expected, key=lambda each: -expected[each])
    for each in found:
        assert each.probability == pytest.approx(expected[each.text], rel=1e-3)
    assert predictor.generate(text, beam=200) == [found[0].text]
    assert predictor.generate([text, "b"], beam=200)[0] == found[0].text


def test_the_artifact_has_what_writes_in_javascript(written: Artifact, exported: Artifact) -> None:
    name = "generation.mjs"
    assert (written.directory / name).read_bytes() == SCRIPT.read_bytes()
    assert not (exported.directory / name).exists()


def test_arrays_are_read_as_their_text_is(written: Artifact) -> None:
    predictor = Predictor(written.directory)
    assert predictor.generate({"letters": [[1, 2, 3]]}) == predictor.generate("abc")


@pytest.mark.parametrize("draws", [{"temperature": 0.0}, {"temperature": 1.0, "top_k": 1}])
def test_the_likeliest_symbols_are_the_greedy_search(
    draws: dict[str, Any], written: Artifact
) -> None:
    predictor = Predictor(written.directory)
    texts = ["".join(each) for each in itertools.product(LETTERS, repeat=2)]
    searched = predictor.generate(texts, beam=1, longest=20)
    assert predictor.generate(texts, longest=20, **draws) == searched


def test_what_is_drawn_has_the_odds_of_the_model(writer: keras.Model, written: Artifact) -> None:
    predictor, expected = Predictor(written.directory), best_texts(writer, "ab")
    drawn = predictor.generate(["ab"] * 2000, temperature=1.0, longest=LONGEST + 1)
    for text in sorted(expected, key=lambda each: -expected[each])[:5]:
        assert drawn.count(text) / 2000 == pytest.approx(expected[text], abs=0.04)
    assert predictor.generate("ab", temperature=1.0, seed=3) == predictor.generate(
        "ab", temperature=1.0, seed=3
    )


def test_pieces_come_one_by_one(written: Artifact) -> None:
    predictor = Predictor(written.directory)
    pieces = list(predictor.write("ab", Sampling(seed=4)))
    assert "".join(pieces) == predictor.generate("ab", temperature=1.0, seed=4)[0]
    assert all(piece in SYMBOLS for piece in pieces)


@pytest.mark.parametrize("cell", [custom_layers.LSTM, custom_layers.ProjectionLSTM])
def test_other_cells_write_by_their_states(cell: Any, tmp_path: Path) -> None:
    model = translator(cell)
    exported = export(
        model, tmp_path / "a", formats=["onnx", "litert"], labels=SYMBOLS, writing=WRITING
    )
    expected = best_texts(model, "cab")
    best = max(expected, key=lambda each: expected[each])
    for format in exported.formats:
        assert Predictor(exported.directory, format=format).generate("cab", beam=99) == [best]
    assert {"decode_step", "model"} <= verify(exported.directory).keys()


def test_a_text_is_gone_on_with(tmp_path: Path) -> None:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(5, 4)(tokens)
    x = custom_layers.GRU(8, return_sequences=True)(x)
    model = models.randomized(
        keras.Model(tokens, keras.layers.Dense(5, activation="softmax", name="odds")(x))
    )
    labels = ["", "[UNK]", "a", "b", "\n"]
    writing = Writing("characters", longest=6, never=(0, 1), previous="tokens")
    exported = export(
        model,
        tmp_path / "a",
        formats=["onnx"],
        labels=["", "[UNK]", "a", "b", "\n"],
        writing=writing,
    )
    text, ids = "ab", [2, 3]
    for _ in range(6):
        odds = model(np.array([ids])).numpy()[0, -1]
        odds[:2] = 0
        ids.append(int(odds.argmax()))
        text += labels[ids[-1]]
    predictor = Predictor(exported.directory)
    assert "ab" + predictor.generate("ab", temperature=0.0)[0] == text
    with pytest.raises(ExportError, match="goes on with a text: draw one"):
        predictor.hypotheses("ab")


def test_what_cannot_write_says_so(written: Artifact, exported: Artifact, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="holds a model that writes no text"):
        Predictor(exported.directory).generate("good")
    with pytest.raises(ExportError, match=r"inputs are \['letters'\]"):
        Predictor(written.directory).generate({"texts": [[1]]})
    letters = keras.Input((None,), dtype="int32", name="letters")
    previous = keras.Input((None,), dtype="int32", name="previous")
    plain = keras.layers.Embedding(5, 5)(letters) + keras.layers.Embedding(5, 5)(previous)
    model = keras.Model([letters, previous], plain, name="plain")
    with pytest.raises(UnsupportedLayerError, match="no recurrent layer that reads what it wrote"):
        export(model, tmp_path / "a", labels=SYMBOLS, writing=WRITING)


def test_a_decoder_that_looks_ahead_is_noticed(tmp_path: Path) -> None:
    """What it gives for a symbol depends on the next one, which no step knows."""
    letters = keras.Input((None,), dtype="int32", name="letters")
    previous = keras.Input((None,), dtype="int32", name="previous")
    read = custom_layers.GRU(4, name="reader")(keras.layers.Embedding(6, 4)(letters))
    written = keras.layers.Embedding(5, 4)(previous)
    ahead = written + ops.flip(written, axis=1)
    decoded = custom_layers.GRU(4, return_sequences=True)(ahead, initial_state=[read])
    odds = keras.layers.Dense(5, activation="softmax", name="odds")(decoded)
    model = models.randomized(keras.Model([letters, previous], odds))
    with pytest.raises(ParityError, match="step by step differs from keras"):
        export(model, tmp_path / "a", formats=["onnx"], labels=SYMBOLS, writing=WRITING)
