"""What outputs mean: the cases of `answers.json`, which JavaScript must pass, too."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
import pytest

from custom_layers import GRU
from exports import Artifact, ExportError, Forecast, artifact, export, load
from exports.answers import SCRIPT, Answer, Label, Labels, Numbers, Spans, entities, spell
from exports.runtime import Predictor
from exports.text import TextEncoder
from tests.exports import models
from tests.exports.servers import serving
from tests.exports.test_artifact_siege import sign

CASES = json.loads(Path(__file__).with_name("answers.json").read_text(encoding="utf-8"))
ONE = {"negative": 0, "positive": 1}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_outputs_mean_what_the_table_says(case: Mapping[str, Any]) -> None:
    kind = msgspec.convert(case["answer"], Answer)
    row = case["row"]
    given = row if row and isinstance(row[0], str) else np.array(row)
    output = np.array(case["output"], np.float32)
    assert kind.answer(output, case["labels"], given) == case["expected"]
    assert msgspec.to_builtins(kind) == {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in case["answer"].items()
    }


def test_every_kind_and_scheme_is_in_the_table() -> None:
    kinds = {case["answer"]["type"] for case in CASES}
    assert kinds == {"label", "labels", "spans", "numbers", "forecast"}
    schemes = {case["answer"].get("scheme") for case in CASES}
    assert schemes == {None, "entities", "runs", "steps"}


def test_words_are_spelled_and_read_again() -> None:
    sentences = [["Ann", "née", "日本"], ["x"]]
    spelled = spell(sentences, 6)
    assert spelled.shape == (2, 3, 6) and not spelled[1, 1:].any()
    kind, scores = Spans("steps", words=True), np.eye(3, dtype=np.float32)
    for row, words in zip(spelled, sentences, strict=True):
        spans = kind.answer(scores, ["a", "b", "c"], row)["spans"]
        assert [span["text"] for span in spans] == words


def test_an_artifact_says_what_its_outputs_mean(
    model: keras.Model, encoder: TextEncoder, tmp_path: Path
) -> None:
    labels = ["negative", "positive"]
    written = export(
        model, tmp_path / "artifact", formats=["onnx"], encoder=encoder, labels=labels,
        answer=Labels((0.25, 0.5)),
    )  # fmt: skip
    assert load(written.directory).config.answer == Labels((0.25, 0.5))
    assert (written.directory / artifact.ANSWERS).read_bytes() == SCRIPT.read_bytes()
    predictor, texts = Predictor(written.directory), ["good!", "not good bad", ""]

    def expected(scores: np.ndarray) -> list[dict[str, Any]]:
        above = {"negative": scores[0] > 0.25, "positive": scores[1] > 0.5}
        found = [(float(scores[place]), name) for place, name in enumerate(labels) if above[name]]
        return [{"label": name, "score": score} for score, name in sorted(found, reverse=True)]

    outputs = [prediction.outputs["label"] for prediction in predictor(texts)]
    assert predictor.answer(texts) == list(map(expected, outputs))
    assert predictor.answer(texts[0]) == expected(outputs[0])
    ids = np.array([[2, 3, 4], [5, 2, 0]])
    rows = predictor.predict(ids)["label"]
    assert predictor.answer(ids) == predictor.answer({"tokens": ids}) == list(map(expected, rows))
    assert predictor.answer([]) == []

    with serving(written.directory) as server:
        said = server.post({"texts": texts}).json()
        assert said["answers"] == predictor.answer(texts) and "predictions" in said
        said = server.post({"inputs": {"tokens": ids.tolist()}}).json()
        assert said["answers"] == predictor.answer(ids)
        np.testing.assert_allclose(said["outputs"]["label"], rows)


def test_without_an_answer_all_is_as_it_was(exported: Artifact) -> None:
    assert exported.config.answer is exported.config.forecast is None
    assert not (exported.directory / artifact.ANSWERS).exists()
    predictor = Predictor(exported.directory)
    for given in ("good", [], ["good"], np.array([[2]])):
        with pytest.raises(ExportError, match="does not say what its outputs mean: export with"):
            predictor.answer(given)
    with serving(exported.directory) as server:
        assert server.post({"texts": ["good"]}).json().keys() == {"predictions"}
        assert server.post({"inputs": {"tokens": [[2]]}}).json().keys() == {"outputs"}


TAGS = ["B-LOC", "B-PER", "I-PER", "O"]


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A tagger of the bytes of words, whose scores are sharp enough to have some entities."""
    spelling = keras.Input((None, 5), dtype="uint8", name="spelling")
    letters = keras.ops.cast(spelling, "float32") / 64
    mask = keras.ops.not_equal(spelling[:, :, 0], 0)
    hidden = GRU(models.UNITS, return_sequences=True)(letters, mask=mask)
    scores = keras.layers.Dense(len(TAGS), activation="softmax", name="tags")(hidden)
    model = models.randomized(keras.Model(spelling, scores), scale=1.5)
    directory = tmp_path_factory.mktemp("tagger") / "artifact"
    answer = Spans("entities", words=True)
    return export(model, directory, formats=["onnx"], labels=TAGS, answer=answer)


SENTENCES = ["Mary Jones lives in Köln", "no", "Ann met Maximilian  and Bo yesterday"]


def test_sentences_get_spans_with_the_words_that_were_given(tagger: Artifact) -> None:
    predictor = Predictor(tagger.directory)
    together = predictor.answer(SENTENCES)
    for text, said in zip(SENTENCES, together, strict=True):
        words = text.split()
        (scores,) = predictor.predict(spell([words], 5))["tags"]
        tags = [TAGS[place] for place in scores.argmax(-1)]
        assert said["labels"] == tags
        assert [(each["start"], each["end"], each["label"]) for each in said["spans"]] == [
            *entities(tags)
        ]
        for each in said["spans"]:
            assert each["text"] == " ".join(words[each["start"] : each["end"]])
            least = scores[each["start"] : each["end"]].max(-1).min()
            assert each["score"] == pytest.approx(least, abs=1e-6)
        alone = predictor.answer(text)
        assert alone["labels"] == said["labels"]
    assert sum(len(said["spans"]) for said in together) > 2, "let the weights make more entities"

    with serving(tagger.directory, "--max-steps=40") as server:
        said = server.post({"texts": SENTENCES}).json()
        assert said["answers"] == together and said["outputs"].keys() == {"tags"}
        inputs = {"spelling": spell([text.split() for text in SENTENCES], 5).tolist()}
        cut = server.post({"inputs": inputs}).json()["answers"]
        assert [each["labels"] for each in cut] == [each["labels"] for each in together]
        many = server.post({"texts": ["a " * 41]})
        assert many.status_code == 413 and "up to 40 words" in many.json()["error"]
        assert server.post({"texts": []}).status_code == 422
        none = server.post({"texts": ["a", " "]})
        assert none.status_code == 422 and "Text 1 is ' ': give words" in none.json()["error"]


REFUSED: dict[str, tuple[Answer, list[str] | None, str]] = {
    "no labels": (Label(), None, r"is said in labels: give `labels`, 2 of them"),
    "other labels": (Labels((0.5, 0.5)), ["a", "b", "c", "d"], "give `labels`, 2 of them"),
    "thresholds": (Labels((0.5,)), ["a", "b"], "'scores' has 2 scores, and there are 1 thresholds"),
    "steps": (Spans(), ["a", "b"], r"are \[batch, time, labels\], and 'scores' is \['batch', 2\]"),
    "names": (Numbers(("a", "b", "c")), None, r"numbers are \[batch, 3\], and 'scores' is"),
    "parts": (Numbers(("a", "b"), 0.8), None, r"numbers are \[batch, 2, mean and quantiles\]"),
    "unit": (Numbers(("a", "b"), units={"c": "m"}), None, "unit of 'c' is that of no number"),
    "forecast": (Forecast(("a",)), None, "four numbers for each target"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_answer_that_does_not_fit_is_refused(name: str, tmp_path: Path) -> None:
    answer, labels, said = REFUSED[name]
    x = models.sequences()
    outputs = [keras.layers.Dense(2, name="scores")(x[:, -1]), keras.layers.Dense(4)(x)]
    with pytest.raises(ExportError, match=said):
        export(keras.Model(x, outputs), tmp_path / "to", answer=answer, labels=labels)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda config: config["answer"].update(type="poem"), "Invalid value 'poem'"),
        (lambda config: config["answer"].update(thresholds=[0.5]), "there are 1 thresholds"),
        (lambda config: config.update(forecast={"targets": ["x"]}), "there is another one"),
    ],
)
def test_a_damaged_answer_is_named(
    damage: Any, said: str, model: keras.Model, tmp_path: Path
) -> None:
    directory = tmp_path / "artifact"
    export(model, directory, formats=["onnx"], labels=[*ONE], answer=Labels((0.5, 0.5)))
    config = json.loads((directory / "config.json").read_text())
    damage(config)
    (directory / "config.json").write_text(json.dumps(config))
    sign(directory)
    with pytest.raises(ExportError, match=said):
        load(directory)


def test_labels_that_an_answer_needs_are_there(model: keras.Model, tmp_path: Path) -> None:
    directory = tmp_path / "artifact"
    export(model, directory, formats=["onnx"], labels=[*ONE], answer=Label())
    (directory / "labels.json").unlink()
    sign(directory)
    with pytest.raises(ExportError, match=r"labels\.json"):
        Predictor(directory)


def test_a_forecast_of_version_0_1_is_an_answer(tmp_path: Path) -> None:
    """It has the field `forecast` alone, and no script."""
    values, known = (keras.Input((4, 1), name=name) for name in ("values", "known"))
    flat = keras.layers.Dense(8)(GRU(3)(keras.layers.Concatenate()([values, known])))
    ahead = keras.layers.Reshape((2, 1, 4), name="ahead")(flat)
    model = models.randomized(keras.Model([values, known], ahead))
    columns = Forecast(("load",), step="1 hour")
    directory = tmp_path / "artifact"
    written = export(model, directory, formats=["onnx"], forecast=columns)
    assert written.config.answer == written.config.forecast == columns
    given = {name: np.ones((1, 4, 1), np.float32) for name in ("values", "known")}
    (said,) = Predictor(directory).answer(given)
    numbers = Predictor(directory).predict(given)["ahead"][0, :, 0]
    assert said["step"] == "1 hour"
    assert [each["load"]["value"] for each in said["ahead"]] == numbers[:, 0].tolist()
    assert [each["load"]["interval"] for each in said["ahead"]] == numbers[:, [1, 3]].tolist()

    config = json.loads((directory / "config.json").read_text())
    del config["answer"]
    config["forecast"] = {"targets": ["load"], "past": [], "future": [], "step": "1 hour"}
    (directory / "config.json").write_text(json.dumps(config))
    (directory / artifact.ANSWERS).unlink()
    sign(directory)
    old = load(directory)
    assert old.config.answer == old.config.forecast == columns
    assert Predictor(directory).answer(given) == [said]
