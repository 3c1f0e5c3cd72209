"""One ONNX file from strings: the tokens are those of the SavedModel and of the pipeline."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exports import Artifact, ExportError, export, formats
from exports.formats.onnx import session
from exports.formats.onnx import text as text_graph
from exports.signature import Run
from exports.text import TextEncoder
from tests.exports import models
from tests.exports.texts import FRAGMENTS, characters, ids, texts

# What a wrong lower case, or a word cut elsewhere, would find or miss.
WORDS = ("αθηνα", "ΑΘΗΝΑ", "École", "école", "goodдень", "don't", "'", "br", "i", "k", "日本語")
VOCABULARY = (*models.VOCABULARY, *WORDS)
LETTERS = ("", "[UNK]", *"god'!日語ภд\u0301")
MAX_LENGTH = 12

some = settings(max_examples=100)
few = settings(max_examples=20)


def strings(texts: list[str]) -> dict[str, np.ndarray]:
    return {"text": np.array(texts, object)}


def echo(name: str = "ids", **options: Any) -> keras.Model:
    """A model that returns the ids it is given."""
    tokens = keras.Input((None,), **{"dtype": "int32", "name": "tokens", **options})
    return keras.Model(tokens, keras.layers.Identity(name=name)(tokens))


@pytest.fixture(scope="module")
def wordy() -> TextEncoder:
    return TextEncoder(VOCABULARY, MAX_LENGTH)


@pytest.fixture(scope="module")
def echoing(wordy: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return export(echo(), tmp_path_factory.mktemp("echo") / "artifact", encoder=wordy)


@pytest.fixture(scope="module")
def onnx_ids(echoing: Artifact) -> Run:
    return session.read(echoing.directory / "onnx/text.onnx")


@pytest.fixture(scope="module")
def saved_model_ids(echoing: Artifact) -> Run:
    return formats.read(echoing, "saved_model", "text")


@some
@given(st.lists(texts, min_size=1, max_size=6))
@example([""])
@example(["", ""])
@example(["<br />", " .,"])
@example(["".join(FRAGMENTS), ""])
@example([" ".join(FRAGMENTS[::-1])])
@example(FRAGMENTS)
def test_ids(onnx_ids: Run, saved_model_ids: Run, wordy: TextEncoder, texts: list[str]) -> None:
    got = onnx_ids(strings(texts))["ids"]
    assert got.dtype == "int32"
    np.testing.assert_array_equal(got, wordy(tf.constant(texts)).numpy())
    np.testing.assert_array_equal(got, saved_model_ids(strings(texts))["ids"])
    for row, text in zip(got.tolist(), texts, strict=True):
        expected = ids(text, VOCABULARY, MAX_LENGTH)
        assert row == expected + [0] * (len(row) - len(expected))


@few
@given(st.lists(texts, min_size=1, max_size=6))
@example([" ".join(FRAGMENTS[::-1])])
@example(["日本語のテキスト", "ภาษาไทย", "don't"])
def test_ids_of_characters(characters_in_both: list[Run], texts: list[str]) -> None:
    known = {letter: place for place, letter in enumerate(LETTERS) if letter}
    for run in characters_in_both:
        got = run(strings(texts))["ids"].tolist()
        for row, text in zip(got, texts, strict=True):
            expected = [known.get(letter, 1) for letter in characters(text)][:MAX_LENGTH]
            assert row == expected + [0] * (len(row) - len(expected))


@pytest.fixture(scope="module")
def characters_in_both(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    encoder = TextEncoder(LETTERS, MAX_LENGTH, tokens="characters")
    artifact = export(echo(), tmp_path_factory.mktemp("letters") / "artifact", encoder=encoder)
    assert TextEncoder.recorded(artifact).tokens == "characters"
    return [
        session.read(artifact.directory / "onnx/text.onnx"),
        formats.read(artifact, "saved_model", "text"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("good " * 100_000, "good" * 100_000, "!" * 100_000, " " * 100_000, "<br />" * 100_000),
        *("день a" * 100_000, "<" * 100_000, "\0" * 100_000, "день" * 100_000),
    ],
)
def test_long_text(text: str, onnx_ids: Run) -> None:
    (row,) = onnx_ids(strings([text]))["ids"].tolist()
    assert row == (ids(text, VOCABULARY, MAX_LENGTH) or [0])


def test_many_texts(onnx_ids: Run) -> None:
    generator = np.random.default_rng(0)
    many = ["".join(generator.choice(FRAGMENTS, 9)) for _ in range(3000)]
    got = onnx_ids(strings(many))["ids"].tolist()
    for row, text in zip(got, many, strict=True):
        expected = ids(text, VOCABULARY, MAX_LENGTH)
        assert row == expected + [0] * (MAX_LENGTH - len(expected)), text


def test_no_text_is_an_error_and_no_crash(echoing: Artifact, onnx_ids: Run) -> None:
    with pytest.raises(ExportError, match=r"text.onnx needs at least one row .* in 'text'"):
        onnx_ids(strings([]))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(echoing.directory / "onnx/text.onnx", options)
    with pytest.raises(Exception, match="needs_at_least_one_text"):
        session.run(None, strings([]))


def test_bytes_that_are_no_text(onnx_ids: Run) -> None:
    with pytest.raises(ExportError, match=r"text.onnx fails in ONNX Runtime: .*UTF-8"):
        onnx_ids({"text": np.array([b"good \xff"])})


@pytest.fixture(scope="module")
def ids_in_utf8(echoing: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The file with a locale that lowers every letter, as ONNX Runtime in a browser does."""
    graph = onnx.load(echoing.directory / "onnx/text.onnx")
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name == "locale":
                attribute.s = b"C.UTF-8"
    path = tmp_path_factory.mktemp("utf8") / "text.onnx"
    onnx.save(graph, path)
    try:
        return session.read(path)
    except ExportError as error:
        pytest.skip(f"no such locale here: {error}")


@some
@given(st.lists(texts, min_size=1, max_size=6))
@example(["ΑΘΗΝΑ ÉCOLE İ K", "goodДень"])
def test_ids_where_all_letters_become_lower_case(
    ids_in_utf8: Run, onnx_ids: Run, texts: list[str]
) -> None:
    given = strings(texts)
    np.testing.assert_array_equal(ids_in_utf8(given)["ids"], onnx_ids(given)["ids"])


@pytest.fixture(scope="module")
def onnx_labels(exported: Artifact) -> Run:
    return session.read(exported.directory / "onnx/text.onnx")


@few
@given(st.lists(texts, min_size=1, max_size=6))
def test_outputs_are_those_of_the_model(
    onnx_labels: Run, model: keras.Model, encoder: TextEncoder, texts: list[str]
) -> None:
    expected = model(encoder(tf.constant(texts)))
    np.testing.assert_allclose(onnx_labels(strings(texts))["label"], expected, atol=1e-6)


def test_file_has_the_model_s_recurrent_node_and_no_custom_operator(exported: Artifact) -> None:
    path = exported.directory / "onnx"
    whole, alone = onnx.load(path / "text.onnx"), onnx.load(path / "model.onnx")
    assert models.operators(whole)["GRU"] == models.operators(alone)["GRU"] == 1
    assert {node.domain for node in models.nodes(whole.graph)} == {
        *("", "ai.onnx.ml", "com.microsoft")
    }
    facts, others = (
        {each.key: each.value for each in file.metadata_props} for file in (whole, alone)
    )
    assert facts == {**others, "opset": "20"}
    assert [each.name for each in whole.graph.input] == ["text"]
    assert models.axes(whole.graph.input[0]) == ["batch"]
    assert list(whole.graph.output) == list(alone.graph.output)


@pytest.mark.parametrize("scan", [False, True], ids=["native node", "Scan"])
def test_opset_with_strings_leaves_recurrent_layers_alone(
    scan: bool, wordy: TextEncoder, tmp_path: Path
) -> None:
    """Not one bit differs from the file without text."""
    tokens = keras.Input((None,), dtype="int32", name="text")  # a name that is taken
    x = keras.layers.Embedding(len(VOCABULARY), models.FEATURES, mask_zero=True)(tokens)
    x = models.make("lstm", activation="gelu" if scan else "tanh")(x)
    exported = export(models.randomized(keras.Model(tokens, x)), tmp_path / "a", encoder=wordy)
    given = ["good <br> bad", "", " ".join(FRAGMENTS)]
    whole = session.read(exported.directory / "onnx/text.onnx")(strings(given))
    alone = session.read(exported.directory / "onnx/model.onnx")(
        {"text": wordy(tf.constant(given)).numpy()}
    )
    for name, values in alone.items():
        np.testing.assert_array_equal(whole[name], values)


def test_any_line_is_a_word(tmp_path: Path) -> None:
    strange = ('"', "\\", '\\"', "a\\nb", "$words", "${x}", "{", "#", "<br>", "a\tb", "\r", "\x85")
    vocabulary = ("", "[UNK]", *strange, "'", "good")
    encoder = TextEncoder(vocabulary, MAX_LENGTH)
    exported = export(echo(), tmp_path / "artifact", formats=["onnx"], encoder=encoder)
    run = session.read(exported.directory / "onnx/text.onnx")
    expected = ids("good ' bad", vocabulary)
    assert run(strings([*strange, "good ' bad"]))["ids"][-1].tolist() == expected


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8"])
def test_ids_have_the_type_that_the_model_takes(
    dtype: str, wordy: TextEncoder, tmp_path: Path
) -> None:
    exported = export(echo(dtype=dtype), tmp_path / "a", formats=["onnx"], encoder=wordy)
    got = session.read(exported.directory / "onnx/text.onnx")(strings(["good bad"]))["ids"]
    assert got.dtype == dtype and got.tolist() == [[2, 3]]


@pytest.mark.parametrize(
    ("name", "changed"), [("LETTER", r"\pL\pN\pM"), ("MARK", "!"), ("TAG", "<br>")]
)
def test_other_tokens_fail_the_export(
    name: str,
    changed: str,
    model: keras.Model,
    encoder: TextEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(text_graph, name, changed)
    with pytest.raises(ExportError, match="onnx of text differs from keras on texts"):
        export(model, tmp_path / "artifact", formats=["onnx"], encoder=encoder)
    assert not list(tmp_path.iterdir())


def test_model_that_cannot_be_put_behind_text(wordy: TextEncoder, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="The output 'text' needs another name"):
        export(echo(name="text"), tmp_path / "artifact", formats=["onnx"], encoder=wordy)
    two = [keras.Input((None,), dtype="int32", name=name) for name in ("left", "right")]
    model = keras.Model(two, keras.layers.Add()(two))
    with pytest.raises(ExportError, match=r"to one input, .*'left'.*'right'"):
        export(model, tmp_path / "artifact", encoder=wordy)
    assert not list(tmp_path.iterdir())
