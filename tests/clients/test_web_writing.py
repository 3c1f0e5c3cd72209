"""Pages of models that write, in headless Chromium: the texts are those of Python."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from custom_layers import GRU
from exports import Artifact, ExportError, export, load
from exports.runtime import Predictor
from exports.schema import Source, Writing
from pipeline.data import images
from pipeline.web import page_of
from tests import damage
from tests.clients.pages import ROUNDING, Visit, numbers, texts
from tests.exports import models, writers
from tests.exports.test_artifact_siege import sign

ASKED = {"ab": "", "dcba": "", "ab日a日": "日", "": "", "bc?": "?"}  # and the unknown letters


def test_a_text_is_written_for_the_one_that_is_typed(translator: Artifact, visit: Visit) -> None:
    predictor = Predictor(translator.directory)
    typed = [(("fill", "#text", text), texts("#answer"), texts("#note")) for text in ASKED]
    came = visit(
        translator,
        [
            *(step for steps in typed for step in steps),
            texts("#found th"),
            texts("#found td"),
            texts("#words span"),
            texts("#words small"),
            texts("#read, #count"),
            ("fill", "#step", "0"),
            texts("#scores th"),
            texts("#scores td:nth-child(2)"),
            texts("#scores [aria-current] th"),
            ("selectOption", "#way", "greedy"),
            texts("#answer"),
            ("isVisible", "#beam"),
            ("selectOption", "#way", "beam"),
            ("fill", "#beam", "1"),
            texts("#answer"),
        ],
    )
    texts_of_page, notes = came[1 : 3 * len(ASKED) : 3], came[2 : 3 * len(ASKED) : 3]
    assert texts_of_page == [[text or "(empty)"] for text in predictor.generate(list(ASKED))]
    assert notes == [[each and f"The model does not know {each}"] for each in ASKED.values()]

    found, odds, tokens, under, count, _, names, next_odds, written = came[3 * len(ASKED) :][:9]
    ((*expected,),) = predictor.hypotheses("bc?")
    assert found == [each.text or "(empty)" for each in expected]
    np.testing.assert_allclose(
        numbers(odds), [each.probability for each in expected], rtol=5e-3, atol=ROUNDING
    )
    best = expected[0]
    assert tokens == [*best.text, "(end)"] and count == [str(len(best.text))] * 2
    assert np.prod(numbers(under)) == pytest.approx(best.probability, abs=0.03)
    whole = predictor({"letters": [[2, 3, 5]], "previous": [[writers.END]]})["odds"][0, 0]
    labels = ["", "(end)", *writers.SYMBOLS[2:]]
    order = [place for place in np.argsort(-whole) if place != 0]  # which is never written
    assert names == [labels[place] for place in order] and written == [tokens[0]]
    np.testing.assert_allclose(numbers(next_odds), whole[order], atol=ROUNDING)

    (greedy,) = predictor.generate("bc?", beam=1)
    taken, shown, _, _, narrow = came[-5:]
    assert narrow == taken == [greedy] != [best.text] and shown is False


def test_texts_are_drawn_by_a_temperature_and_a_seed(translator: Artifact, visit: Visit) -> None:
    seeds = [*map(str, range(1, 9)), "1"]
    drawn = [(("fill", "#seed", seed), texts("#answer")) for seed in seeds]
    came = visit(
        translator,
        [
            ("fill", "#text", "cab"),
            ("selectOption", "#way", "draw"),
            ("fill", "#temperature", "0"),
            texts("#answer"),
            ("fill", "#temperature", "2"),
            texts("#heat"),
            *(step for steps in drawn for step in steps),
        ],
    )
    assert came[3] == Predictor(translator.directory).generate("cab", temperature=0.0) != [""]
    assert came[5] == ["2.00"]
    first, *others, again = came[7::2]
    assert first == again and any(other != first for other in others)
    assert all(text == "(empty)" or re.fullmatch("[xyz]{1,3}", text) for (text,) in came[7::2])


SOURCE = ("the", "cat", "sat")
PROSE = ["", "[UNK]", "\n", "The", "cat", "sat", ",", "it", "(", ")", "."]


def test_words_are_read_and_written(tmp_path: Path, visit: Visit) -> None:
    """A sentence for another, with a word that is not known."""
    words = ("", "end", "le", "chat", "dort")
    writing = Writing("words", 4, start=1, end=1, source=Source("letters", "words", SOURCE))
    exported = export(
        writers.translator(),
        tmp_path / "artifact",
        formats=["onnx"],
        labels=words,
        writing=writing,
    )
    asked = ["the cat sat", "  cat\u3000dog \n", "dog the"]
    typed = [(("fill", "#text", text), texts("#answer"), texts("#note")) for text in asked]
    came = visit(exported, [step for steps in typed for step in steps])
    expected = Predictor(exported.directory).generate(asked)
    assert came[1::3] == [[text or "(empty)"] for text in expected] and " " in "".join(expected)
    assert came[2::3] == [[""], ["The model does not know dog"], ["The model does not know dog"]]


def test_prose_is_gone_on_with(tmp_path: Path, visit: Visit) -> None:
    """By a model in which the most probable token is the next one of `PROSE`."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    embedded = keras.layers.Embedding(len(PROSE), models.FEATURES)(tokens)
    hidden = GRU(models.UNITS, return_sequences=True)(embedded)
    following = keras.layers.Embedding(len(PROSE), len(PROSE), name="following")(tokens)
    logits = keras.layers.Dense(len(PROSE))(hidden) + following
    scores = keras.layers.Softmax(name="scores")(logits)
    model = models.randomized(keras.Model(tokens, scores))
    order = np.roll(np.eye(len(PROSE)), 1, axis=1)
    order[-1, PROSE.index("\n")] = 1
    model.get_layer("following").set_weights([9 * order])
    exported = export(
        model,
        tmp_path / "artifact",
        formats=["onnx"],
        labels=PROSE,
        streaming=True,
        writing=Writing("prose", 12, never=(0, 1), previous="tokens"),
    )
    begun = ["The cat sat (", "it, the dog.", ""]
    steps = [(("fill", "#text", text), ("click", "#write"), texts("#written")) for text in begun]
    came = visit(
        exported,
        [
            ("fill", "#tokens", "12"),
            ("fill", "#temperature", "0"),
            *(step for each in steps for step in each),
            texts("#note"),
            ("fill", "#text", begun[1]),
            texts("#note"),
        ],
    )
    whole = "The cat sat, it ().\n"
    pieces = [").\n" + whole, "\n" + whole + "The cat", whole + "The cat sat"]
    assert came[4:11:3] == [[text + piece] for text, piece in zip(begun, pieces, strict=True)]
    predictor = Predictor(exported.directory)
    assert [predictor.generate(text, temperature=0.0)[0] for text in begun] == pieces
    assert came[-3:] == [[""], None, ["The model does not know the dog"]]


def captioner(channels: int) -> keras.Model:
    """A model that sees all pixels of an image."""
    image = keras.Input((SIZE, SIZE, channels), dtype="uint8", name="image")
    previous = keras.Input((None,), dtype="int32", name="previous")
    pixels = keras.layers.Flatten()(keras.ops.cast(image, "float32") / 255)
    seen = keras.layers.Dense(6, activation="tanh")(pixels)
    written = keras.layers.Embedding(len(writers.SYMBOLS), 6)(previous)
    decoder = GRU(6, return_sequences=True, name="decoder")
    decoded = decoder(written, initial_state=[seen])
    odds = keras.layers.Dense(len(writers.SYMBOLS), activation="softmax", name="odds")(decoded)
    return models.randomized(keras.Model([image, previous], odds, name="captioner"), scale=1.0)


SIZE = 8


@pytest.mark.parametrize("channels", [1, 3])
def test_a_text_is_written_for_an_image(channels: int, tmp_path: Path, visit: Visit) -> None:
    """The pixels are those of the pipeline: of any colours in its size, or of one in another."""
    exported = export(
        captioner(channels),
        tmp_path / "artifact",
        formats=["onnx"],
        labels=writers.SYMBOLS,
        writing=Writing("characters", 4, start=writers.END, end=writers.END),
    )
    random = np.random.default_rng(0)
    for name in "abcd":
        colours = random.integers(0, 256, (SIZE, SIZE, 3)).astype("uint8")
        Image.fromarray(colours).save(tmp_path / f"{name}.png")
    Image.new("RGB", (5 * SIZE, 3 * SIZE), (200, 30, 90)).save(tmp_path / "wide.png")
    Image.new("RGBA", (SIZE, SIZE), (0, 90, 0, 0)).save(tmp_path / "clear.png")
    (tmp_path / "broken.png").write_bytes(b"PNG")
    files = [tmp_path / f"{name}.png" for name in ("a", "b", "c", "d", "wide", "clear")]

    opened = [(("setInputFiles", "#file", str(file)), texts("#found td")) for file in files]
    came = visit(
        exported,
        [
            *(step for steps in opened for step in steps),
            ("check", "#negative"),
            texts("#found td"),
            ("setInputFiles", "#file", str(tmp_path / "broken.png")),
            texts("#note"),
            ("isVisible", "#text"),
        ],
    )
    pixels = np.stack([images.to_channels(images.load(file, SIZE), channels) for file in files])
    pixels = np.concatenate([pixels, 255 - pixels[-1:]])
    hypotheses = Predictor(exported.directory).hypotheses({"image": pixels})
    assert len({row[0].probability for row in hypotheses}) == len(files) + 1
    for shown, row in zip(came[1 : 2 * len(files) + 2 : 2], hypotheses, strict=True):
        expected = [each.probability for each in row]
        np.testing.assert_allclose(numbers(shown), expected, rtol=6e-3, atol=ROUNDING)
    assert came[-2:] == [["This browser cannot read the image."], False]


def test_a_model_whose_halves_are_missing_is_told_apart(
    translator: Artifact, tmp_path: Path
) -> None:
    copy = damage.copied(translator.directory, tmp_path / "copy")
    damage.lacks("config.json", "endpoints", "decode_step")(copy)
    sign(copy)
    with pytest.raises(ExportError, match="has no endpoint 'decode_step'"):
        page_of(load(copy))
