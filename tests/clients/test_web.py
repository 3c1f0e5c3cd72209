"""Pages that run exported models, used in headless Chromium as a reader would."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import soundfile

from custom_layers import GRU, LSTM, Bidirectional, LayerNormLSTM
from exports import AudioFrontend, ExportError, Forecast, export
from exports.answers import Labels, Spans, entities, spell
from exports.text import TextEncoder
from pipeline.data import sound
from pipeline.data.cache import VARIABLE
from pipeline.features import cepstrum
from pipeline.web import RUNTIME, page_of
from tests.clients.node import HERE
from tests.clients.pages import ROUNDING, Visit, numbers, states, texts
from tests.exports import models

WORDS = [*models.VOCABULARY[2:6], "unheard", *models.VOCABULARY[3:5]]


@pytest.mark.parametrize("layer", [GRU, LayerNormLSTM], ids=["native node", "scan"])
def test_a_text_is_read_word_by_word(layer: Any, tmp_path: Path, visit: Visit) -> None:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    embedded = keras.layers.Embedding(models.WORDS, models.FEATURES, mask_zero=True)(tokens)
    both = Bidirectional(layer(models.UNITS, return_sequences=True))(embedded)
    pooled = keras.layers.GlobalAveragePooling1D()(both)
    scores = keras.layers.Dense(2, activation="softmax", name="label")(pooled)
    model = models.randomized(keras.Model(tokens, [scores, both]))
    encoder = TextEncoder(models.VOCABULARY, max_length=len(WORDS) - 1)
    exported = export(
        keras.Model(tokens, scores),
        tmp_path / "artifact",
        formats=["onnx"],
        encoder=encoder,
        labels=["bad", "good"],
    )
    ids = encoder([" ".join(WORDS)]).numpy()
    whole, outputs = (array[0] for array in model.predict(ids, verbose=0))
    shorter, outputs_before = (array[0] for array in model.predict(ids[:, :-1], verbose=0))
    running = [model.predict(ids[:, : n + 1], verbose=0)[0][0] for n in range(ids.shape[1])]
    wins = int(whole.argmax())

    came = visit(
        exported,
        [
            ("inputValue", "textarea"),
            ("fill", "textarea", " ".join(WORDS)),
            texts("#words span"),
            texts("#words small"),
            texts("#words .unknown span"),
            texts("#scores td:nth-child(2)"),
            states(1),
            states(2),
            texts("#answer, #note"),
            texts("#coloured"),
            ("selectOption", "#watched", str(1 - wins)),
            texts("#coloured"),
            texts("#words small"),
            ("press", "#step", "ArrowLeft"),
            texts("#scores td:nth-child(2)"),
            states(1),
            states(2),
            ("fill", "textarea", " "),
            texts("#scores td:nth-child(2)"),
        ],
    )
    opened, _, words, under, unknown, now, forwards, backwards, said = came[:9]
    coloured, _, chosen, under_chosen = came[9:13]
    assert opened == ""  # made-up ids are no text
    assert words == WORDS[:-1] and unknown == ["unheard"]
    np.testing.assert_allclose(numbers(under), [each[wins] for each in running], atol=6e-3)
    assert coloured == [["bad", "good"][wins]] and chosen == [["bad", "good"][1 - wins]]
    other = [each[1 - wins] for each in running]
    np.testing.assert_allclose(numbers(under_chosen), other, atol=6e-3)
    np.testing.assert_allclose(numbers(now), whole, atol=ROUNDING)
    np.testing.assert_allclose(numbers(forwards), outputs[-1, : models.UNITS], atol=ROUNDING)
    np.testing.assert_allclose(numbers(backwards), outputs[0, models.UNITS :], atol=ROUNDING)
    note = f"Only the first {len(WORDS) - 1} of {len(WORDS)} words are read."
    label = ["bad", "good"][whole.argmax()]
    assert said == [note, f"{label}, {100 * whole.max():.2f} %"]

    _, now, forwards, backwards, _, nothing = came[13:]
    np.testing.assert_allclose(numbers(now), shorter, atol=ROUNDING)
    np.testing.assert_allclose(numbers(forwards), outputs_before[-1, : models.UNITS], atol=ROUNDING)
    np.testing.assert_allclose(numbers(backwards), outputs_before[0, models.UNITS :], atol=ROUNDING)
    empty = model.predict(encoder([""]).numpy(), verbose=0)[0][0]
    np.testing.assert_allclose(numbers(nothing), empty, atol=ROUNDING)


def test_a_text_may_have_several_labels_or_none(tmp_path: Path, visit: Visit) -> None:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    embedded = keras.layers.Embedding(models.WORDS, models.FEATURES, mask_zero=True)(tokens)
    labels = ["billing", "network", "hardware"]
    scores = keras.layers.Dense(3, activation="sigmoid", name="labels")(GRU(models.UNITS)(embedded))
    model = models.randomized(keras.Model(tokens, scores), scale=1.5)
    encoder = TextEncoder(models.VOCABULARY, max_length=len(WORDS))
    (numbers_of_all,) = model.predict(encoder([" ".join(WORDS)]).numpy(), verbose=0)
    lowest, middle, highest = np.sort(numbers_of_all)
    said = []
    for place, between in enumerate([(lowest + middle) / 2, (highest + 1) / 2]):
        exported = export(
            model,
            tmp_path / f"artifact {place}",
            formats=["onnx"],
            encoder=encoder,
            labels=labels,
            answer=Labels((float(between),) * 3),
        )
        *_, told = visit(exported, [("fill", "textarea", " ".join(WORDS)), texts("#answer")])
        said += told
    order = [labels[place] for place in np.argsort(-numbers_of_all)]
    two = [f"{order[0]}, {100 * highest:.2f} %", f"{order[1]}, {100 * middle:.2f} %"]
    assert said == ["; ".join(two), "none"]


TAGS = ["B-LOC", "B-PER", "I-PER", "O"]


def test_words_are_labelled_and_their_spans_are_listed(tmp_path: Path, visit: Visit) -> None:
    spelling = keras.Input((None, 5), dtype="uint8", name="spelling")
    letters = keras.ops.cast(spelling, "float32") / 64
    hidden = GRU(models.UNITS, return_sequences=True)(letters, mask=spelling[:, :, 0] != 0)
    scores = keras.layers.Dense(len(TAGS), activation="softmax", name="tags")(hidden)
    model = models.randomized(keras.Model(spelling, [scores, hidden]), scale=1.5)
    exported = export(
        keras.Model(spelling, scores),
        tmp_path / "artifact",
        formats=["onnx"],
        labels=TAGS,
        examples=spell([["Ann", "met", "Bo"], ["no"]], 5),
        answer=Spans("entities", words=True),
    )
    words = ["Mary", "Jones", "lives", "in", "Köln", "and", "met", "Maximilian"]
    shown = [texts("#words span"), texts("#words small"), texts("#spans th"), texts("#spans td")]
    came = visit(
        exported,
        [
            ("inputValue", "#text"),
            ("fill", "#text", f"  {' '.join(words[:3])} \n{' '.join(words[3:])}"),
            *shown,
            states(1),
            ("fill", "#text", " "),
            *shown,
            texts("#note"),
        ],
    )
    scores_of_all, states_of_all = (each[0] for each in model.predict(spell([words], 5), verbose=0))
    tags = [TAGS[place] for place in scores_of_all.argmax(-1)]
    spans = list(entities(tags))
    assert spans and came[0] == "Ann met Bo"
    assert came[2:4] == [words, tags]
    assert came[4] == [" ".join(words[start:end]) for start, end, _ in spans]
    assert came[5][::2] == [kind for *_, kind in spans]
    least = [scores_of_all[start:end].max(-1).min() for start, end, _ in spans]
    np.testing.assert_allclose(numbers(came[5][1::2]), least, atol=ROUNDING)
    np.testing.assert_allclose(numbers(came[6]), states_of_all[-1], atol=ROUNDING)
    assert came[8:] == [[], [], [], [], ["There is no word yet."]]


LETTERS = ["", "[UNK]", "\n", " ", "a", "é", "日"]
PROMPT = "aé 日\nΩa"


def test_a_text_is_written_letter_by_letter(tmp_path: Path, visit: Visit) -> None:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    embedded = keras.layers.Embedding(len(LETTERS), models.FEATURES)(tokens)
    lower, *_ = LSTM(models.UNITS, return_sequences=True, return_state=True, name="lower")(embedded)
    upper = LayerNormLSTM(models.UNITS, return_sequences=True, return_state=True, name="upper")
    outputs, h, c = upper(lower)
    scores = keras.layers.Dense(len(LETTERS), activation="softmax", name="scores")(outputs)
    model = models.randomized(keras.Model(tokens, [scores, h, c]), scale=1.5)
    exported = export(
        keras.Model(tokens, scores),
        tmp_path / "artifact",
        formats=["onnx"],
        labels=LETTERS,
        streaming=True,
    )

    def answered(text: str) -> list[np.ndarray]:
        ids = [LETTERS.index(letter) if letter in LETTERS else 1 for letter in text]
        scores, h, c = model.predict(np.array([ids]), verbose=0)
        return [scores[0, -1], h[0], c[0]]

    greedy = PROMPT
    for _ in range(5):
        scores = answered(greedy)[0][2:]
        best, next_best = np.sort(scores)[[-1, -2]]
        assert best - next_best > 1e-3, "another letter is as likely: let the test draw others"
        greedy += LETTERS[2 + scores.argmax()]

    write, written = ("click", "#write"), texts("#written")
    came = visit(
        exported,
        [
            ("fill", "textarea", PROMPT),
            texts("#scores td:nth-child(2)"),
            states(3),
            states(4),
            texts("#note"),
            ("fill", "#tokens", "5"),
            ("fill", "#temperature", "0"),
            write,
            written,
            texts("#scores td:nth-child(2)"),
            ("fill", "#tokens", "20"),
            ("fill", "#temperature", "1.5"),
            *(write, written, write, written),
            ("fill", "#seed", "1"),
            *(write, written),
        ],
    )
    _, before, h, c, note, _, _, _, text, after = came[:10]
    expected = answered(PROMPT)
    np.testing.assert_allclose(numbers(before), np.sort(expected[0])[::-1], atol=ROUNDING)
    np.testing.assert_allclose(numbers(h), expected[1], atol=ROUNDING)
    np.testing.assert_allclose(numbers(c), expected[2], atol=ROUNDING)
    assert note == ["The model does not know Ω"]
    assert text == [greedy]
    np.testing.assert_allclose(numbers(after), np.sort(answered(greedy)[0])[::-1], atol=ROUNDING)
    (drawn,), (again,), (other,) = (came[place] for place in (13, 15, 18))
    assert drawn == again != other
    assert len(drawn) == len(PROMPT) + 20 and set(drawn) <= {*PROMPT, *LETTERS[2:]}


def test_a_sound_is_heard_frame_by_frame(tmp_path: Path, visit: Visit) -> None:
    frames = keras.Input((None, models.FEATURES), name="frames")
    scaled = keras.layers.Rescaling(0.01)(frames)
    outputs = GRU(models.UNITS, return_sequences=True)(scaled)
    scores = keras.layers.Dense(2, activation="softmax", name="label")(outputs[:, -1])
    model = models.randomized(keras.Model(frames, [scores, outputs]))
    exported = export(
        keras.Model(frames, scores),
        tmp_path / "artifact",
        formats=["onnx"],
        labels=["low", "high"],
        audio_frontend=AudioFrontend(cepstrum.RATE, cepstrum.model(models.FEATURES)),
    )
    seconds = np.arange(cepstrum.RATE // 2) / cepstrum.RATE
    tone = 0.5 * np.sin(2 * np.pi * (300 + 900 * seconds) * seconds)
    noise = np.random.default_rng(0).normal(scale=0.01, size=(2, len(seconds)))
    # Of floats, because Chromium divides the positive ones of 16 bits by 32,767.
    soundfile.write(tmp_path / "tone.wav", (tone + noise).T, cepstrum.RATE, subtype="FLOAT")
    heard = cepstrum.mfcc(sound.read(tmp_path / "tone.wav", cepstrum.RATE), models.FEATURES)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")

    came = visit(
        exported,
        [
            ("setInputFiles", "#file", str(tmp_path / "tone.wav")),
            texts("#frames td"),
            texts("#scores td:nth-child(2)"),
            states(1),
            texts("#answer"),
            ("press", "#step", "ArrowLeft"),
            texts("#frames td"),
            texts("#scores td:nth-child(2)"),
            ("setInputFiles", "#file", str(tmp_path / "broken.wav")),
            texts("#answer"),
            ("click", "#record"),
            ("waitFor", "#record[aria-pressed=true]"),
            ("waitFor", "#record[aria-pressed=false]"),
            texts("#answer"),
        ],
    )
    whole, hidden = (array[0] for array in model.predict(heard[None], verbose=0))
    shorter = model.predict(heard[None, :-1], verbose=0)[0][0]
    _, frame, now, state, said, _, frame_before, before, _, broken, *_, recorded = came
    np.testing.assert_allclose(numbers(frame), heard[-1], atol=5e-3)
    np.testing.assert_allclose(numbers(now), whole, atol=ROUNDING)
    np.testing.assert_allclose(numbers(state), hidden[-1], atol=ROUNDING)
    assert said == [f"{['low', 'high'][whole.argmax()]}, {100 * whole.max():.2f} %"]
    np.testing.assert_allclose(numbers(frame_before), heard[-2], atol=5e-3)
    np.testing.assert_allclose(numbers(before), shorter, atol=ROUNDING)
    assert broken == ["This browser cannot read the sound."]
    assert re.match(r"(low|high), \d", recorded[0])


WINDOW, HORIZON = 6, 3
Rows = list[list[float | None]]
PAST: Rows = [[1.5, -2, 10], [None, -1.25, 11], [2, None, 12], [2.25, 0.5, 13]]  # x, y and load


def test_series_are_forecast_from_rows_that_are_typed(tmp_path: Path, visit: Visit) -> None:
    values, known = (keras.Input((WINDOW, 3), name=name) for name in ("values", "known"))
    future = keras.Input((HORIZON, 1), name="future")
    both = keras.layers.Concatenate()([values * known, known])
    outputs = GRU(models.UNITS, return_sequences=True)(both)
    features = [outputs[:, -1], keras.layers.Flatten()(future)]
    flat = keras.layers.Dense(HORIZON * 2 * 4)(keras.layers.Concatenate()(features))
    ahead = keras.layers.Reshape((HORIZON, 2, 4), name="forecast")(flat)
    model = models.randomized(keras.Model([values, known, future], [ahead, outputs]))
    examples = {
        "values": np.zeros((1, WINDOW, 3), np.float32),
        "known": np.zeros((1, WINDOW, 3), np.float32),
        "future": np.array([[[0.5], [1], [2]]], np.float32),
    }
    examples["values"][0, -1] = examples["known"][0, -1] = 1
    exported = export(
        keras.Model([values, known, future], ahead),
        tmp_path / "artifact",
        formats=["onnx"],
        examples=examples,
        forecast=Forecast(("x", "y"), future=("load",), step="1 hour"),
    )

    def answered(rows: Rows) -> list[np.ndarray]:
        table = np.full((WINDOW, 3), np.nan, np.float32)
        table[WINDOW - len(rows) :] = np.array(rows, np.float32)
        there = ~np.isnan(table)
        inputs = {"values": np.nan_to_num(table), "known": there.astype(np.float32)}
        given = {name: each[None] for name, each in inputs.items()}
        return [
            each[0] for each in model.predict(given | {"future": examples["future"]}, verbose=0)
        ]

    def rows(values: Rows) -> str:
        lines = (",".join("" if each is None else str(each) for each in row) for row in values)
        return "\n".join(lines)

    none: list[float | None] = [None] * 3
    one: Rows = [none, none, none, none, none, [1, 1, 1]]
    whole: Rows = [[9, 9, 9], [9, 9, 9], *PAST]
    shown = [texts("#ahead td"), states(1), texts("#note")]
    came = visit(
        exported,
        [
            ("inputValue", "#past"),
            *shown,
            ("fill", "#past", rows(PAST)),
            *shown,
            ("getAttribute", "#charts figure:nth-of-type(2) svg", "aria-label"),
            ("getAttribute", "#charts figure:nth-of-type(2) .past", "points"),
            ("fill", "#past", rows([[7, 7, 7], *whole])),
            *shown,
            ("fill", "#past", "1,2,3\n4,much,5"),
            texts("#note"),
            ("fill", "#future", "1\n2"),
            ("fill", "#past", "1,2,3"),
            texts("#note"),
            texts("#size"),
        ],
    )
    example, *first = came[:4]
    assert example.split("\n")[0] == "x,y,load" and example.split("\n")[-1] == "1,1,1"
    typed, long = came[5:8], came[11:14]
    for (numbers_shown, state, note), given in ((first, one), (typed, PAST), (long, whole)):
        forecast, hidden = answered(given)
        np.testing.assert_allclose(numbers(numbers_shown), forecast.ravel(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(numbers(state), hidden[-1], atol=ROUNDING)
        assert note[0].startswith(f"{len(given)} of 6 steps are given.") == (len(given) < WINDOW)
        mean, low, _, high = forecast[-1, 0]
        told = re.search(r"In 3 steps: x (\S+) \((\S+) to (\S+)\), y ", note[0])
        assert told
        np.testing.assert_allclose(numbers(told.groups()), [mean, low, high], rtol=1e-4)
    label, points = came[8:10]
    assert label.startswith("y: 3 known values, then")
    steps, heights = np.array([each.split(",") for each in points.split()], float).T
    np.testing.assert_allclose(steps, 800 / 6 * np.array([0, 1, 3]))
    np.testing.assert_allclose(np.diff(heights) / np.diff(heights)[0], [1, 1.75 / 0.75], rtol=1e-6)
    assert came[15] == ["Row 2 is 4,much,5: give 3 numbers, x, y, load."]
    assert came[18:] == [["Give all of load in 3 rows."], ["1 hour"]]


def test_a_forecast_fits_its_model(tmp_path: Path) -> None:
    positions = keras.Input((None, 3), name="positions")
    model = keras.Model(positions, keras.layers.Dense(3)(positions))
    with pytest.raises(ExportError, match=r"a forecast has inputs .*'known': 3"):
        export(model, tmp_path / "artifact", formats=["onnx"], forecast=Forecast(("x", "y", "z")))
    assert not (tmp_path / "artifact").exists()


def test_the_page_runs_on_what_the_tests_run_on() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))
    locked = lock["packages"][f"node_modules/{RUNTIME.name}"]
    assert (locked["version"], locked["integrity"]) == (RUNTIME.version, RUNTIME.digest)


def recurrent(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", *map(str, arguments)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.usefixtures("interruptible")
def test_the_command_builds_a_page_and_serves_it(tmp_path: Path) -> None:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    hidden = GRU(models.UNITS)(keras.layers.Embedding(models.WORDS, models.FEATURES)(tokens))
    model = keras.Model(tokens, keras.layers.Dense(2, name="label")(hidden))
    encoder = TextEncoder(models.VOCABULARY, max_length=9)
    artifact, page = tmp_path / "artifact", tmp_path / "page"
    export(model, artifact, formats=["onnx"], encoder=encoder, labels=["bad", "good"])
    cache = str(tmp_path / "cache")

    without_npm = recurrent("demo", artifact, page, PATH="", **{VARIABLE: cache})
    _, complaint = without_npm.communicate()
    assert without_npm.returncode == 1 and not page.exists()
    assert "npm is not installed; it comes with Node.js" in complaint

    first = recurrent("demo", artifact, page, **{VARIABLE: cache})
    assert first.communicate()[0] == f"{page}\n" and first.returncode == 0
    before = page.stat().st_ino
    opening = recurrent(
        "demo", artifact, page, "--open", PATH="", BROWSER="true", **{VARIABLE: cache}
    )
    assert opening.stderr is not None
    address = next(found[0] for line in opening.stderr if (found := re.findall(r"http\S+", line)))
    with urllib.request.urlopen(f"{address}/index.html") as answer:
        assert b'src="text.mjs"' in answer.read() and page.stat().st_ino != before
    opening.send_signal(signal.SIGINT)
    opening.communicate(timeout=60)
    assert opening.returncode == 130

    of_others = tmp_path / "others"
    of_others.mkdir()
    refused = recurrent("demo", artifact, of_others, PATH="", **{VARIABLE: cache})
    assert "no page of ours as it was built" in refused.communicate()[1] and of_others.exists()


def test_a_model_without_a_page_is_told_apart(tmp_path: Path) -> None:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    outputs = keras.layers.Embedding(models.WORDS, 2)(tokens)
    exported = export(keras.Model(tokens, outputs), tmp_path / "artifact", formats=["onnx"])
    with pytest.raises(ExportError, match=r"no page for a model that takes tokens \['batch'"):
        page_of(exported)
