"""The predictor: light, right, and clear about what it does not take."""

import concurrent.futures
import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import onnxruntime
import pytest

import exports
from exports import Artifact, ExportError, export, formats
from exports.runtime import Predictor
from exports.signature import Array, Run
from exports.text import TextEncoder
from tests.exports import models

TEXTS = ["good!", "not good", "bad, bad день", "", "GOOD good good good good"]
HEAVY = ("keras", "onnx", "tensorflow", "tf2onnx", "custom_layers")

PREDICT = f"""
import sys, time
start = time.process_time()
import exports.runtime
seconds = time.process_time() - start
predictor = exports.runtime.Predictor(sys.argv[1])
print(seconds, predictor("good!").label, *(set({HEAVY}) & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def predictor(exported: Artifact) -> Predictor:
    return Predictor(exported.directory)


@pytest.fixture(scope="module")
def reader(streamed: tuple[Artifact, keras.Model]) -> Predictor:
    return Predictor(streamed[0].directory)


def test_it_loads_in_half_a_second_of_a_core_and_neither_tensorflow_nor_keras(
    exported: Artifact, predictor: Predictor
) -> None:
    def call() -> list[str]:
        return subprocess.run(
            [sys.executable, "-c", PREDICT, exported.directory],
            env={**os.environ, "PYTHONPATH": str(Path(exports.__file__).parent.parent)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()

    outcomes = [call() for _ in range(3)]
    assert min(float(seconds) for seconds, *_ in outcomes) < 0.5
    assert [said for _, *said in outcomes] == [[predictor("good!").label]] * 3


def test_texts_get_what_keras_gives_them(
    predictor: Predictor, model: keras.Model, encoder: TextEncoder
) -> None:
    for text, prediction in zip(TEXTS, predictor(TEXTS), strict=True):
        (expected,) = np.asarray(model(encoder([text])))
        np.testing.assert_allclose(list(prediction.scores.values()), expected, atol=1e-6)
        np.testing.assert_allclose(prediction.outputs["label"], expected, atol=1e-6)
        assert prediction.label == ["negative", "positive"][expected.argmax()]
        assert predictor(text).label == prediction.label
    assert predictor([]) == []


def test_the_first_output_has_the_label(exported: Artifact) -> None:
    predictor = Predictor(exported.directory)
    more = Array("more", (None, 2), "float32")
    outputs = {"more": np.array([[0.2, 0.8]]), "label": np.array([[0.9, 0.1]])}
    signature = predictor.signature._replace(outputs=(*predictor.signature.outputs, more))
    vars(predictor).update(signature=signature, _run_text=lambda texts: outputs)
    assert predictor("good").label == "negative"
    assert predictor("good").scores == {"negative": 0.9, "positive": 0.1}


def test_arrays_get_what_keras_gives_them(predictor: Predictor, model: keras.Model) -> None:
    tokens = [[2, 5, 0], [3, 4, 2]]
    expected = model(np.array(tokens))
    for given in (np.array(tokens), {"tokens": tokens}, {"tokens": np.array(tokens, float)}):
        np.testing.assert_allclose(predictor(given)["label"], expected, atol=1e-6)


def test_threads_may_share_it(predictor: Predictor) -> None:
    texts = [f"{' '.join(TEXTS[number % 5 :])} good" * (number % 7) for number in range(200)]
    alone = [predictor(text).scores for text in texts]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        shared = list(pool.map(lambda text: predictor(text).scores, texts))
    assert shared == alone


def test_a_call_uses_as_many_threads_as_it_may(
    exported: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, begun = onnxruntime.InferenceSession, []

    def session(path: str, options: onnxruntime.SessionOptions, **others: Any) -> Any:
        begun.append(options.intra_op_num_threads)
        return opened(path, options, **others)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    Predictor(exported.directory, 3)(np.array([[2, 3]]))
    assert begun == [3]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"words": [[1]]}, r"The inputs are \['tokens'\], not \['words'\]"),
        ([[1, 2]], "its item 0 is a list: give an array, or arrays by name"),
        (["good", None], "its item 1 is a NoneType"),
        ("\ud800", "Text 0 is not Unicode: surrogates not allowed"),
        (np.ones(3), r"'tokens' has the shape \[batch, time\], not \[3\]"),
        ({"tokens": [[1, 2], [3]]}, "'tokens' is given what is no array"),
        ({"tokens": [[1.5]]}, "'tokens' holds int32 numbers, and some given are not"),
        ({"tokens": [[np.nan]]}, "'tokens' holds int32 numbers, and some given are not"),
        ({"tokens": [[2**40]]}, "'tokens' holds int32 numbers, and some given are not"),
        ({"tokens": [["1"]]}, "'tokens' holds int32 numbers, not <U1"),
        (np.ones((0, 3)), "needs at least one row and one step in 'tokens'"),
        (np.full((1, 3), 99), "fails in ONNX Runtime"),
    ],
)
def test_what_it_does_not_take(given: Any, message: str, predictor: Predictor) -> None:
    with pytest.raises(ExportError, match=message):
        predictor(given)


def test_numbers_that_float32_does_not_hold(reader: Predictor) -> None:
    with pytest.raises(ExportError, match="'sequences' holds float32 numbers, and some"):
        reader(np.full((1, 1, models.FEATURES), 1e300))


def _with(value: float) -> np.ndarray:
    """A sequence with one number replaced, in a step that is otherwise padding."""
    sequences = np.zeros((2, 4, models.FEATURES))
    sequences[:, :2] = 1
    sequences[1, 3, 2] = value
    return sequences


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_by_name(
    value: float, reader: Predictor, streamed: tuple[Artifact, keras.Model]
) -> None:
    stream = reader.stream(batch=2)
    calls: list[Callable[[Any], Any]] = [reader, reader.trace, stream.feed]
    for call in calls:
        with pytest.raises(ExportError, match=rf"'sequences' holds {value} at \[1, 3, 2\]") as told:
            call({"sequences": _with(value)})
        assert "allow_nonfinite=True" in str(told.value)
        assert call({"sequences": _with(1)})
    stream.state = {**stream.state, "reader.c": np.full_like(stream.state["reader.c"], value)}
    with pytest.raises(ExportError, match=rf"'reader.c' holds {value} at \[0, 0\]"):
        stream.feed(_with(1))


def test_what_is_not_finite_can_be_allowed(streamed: tuple[Artifact, keras.Model]) -> None:
    artifact, _ = streamed
    reader = Predictor(artifact.directory, allow_nonfinite=True)
    whole = _with(np.nan)
    for outputs in (
        reader(whole),
        reader.trace(whole).outputs,
        reader.stream(batch=2).feed(whole),
        Predictor(artifact.directory, allow_nonfinite=True).predict(whole),
    ):
        assert outputs["steps"].shape == (2, 4, 2)


def test_a_saved_model_refuses_what_is_not_finite(tmp_path: Path) -> None:
    inputs = keras.Input((2,), name="x")
    model = keras.Model(inputs, keras.layers.Dense(1, name="y")(inputs))
    artifact = export(model, tmp_path / "artifact", formats=["saved_model"])
    whole = np.array([[1, np.nan]])
    with pytest.raises(ExportError, match=r"'x' holds nan at \[0, 1\]"):
        Predictor(artifact.directory).predict(whole)
    assert np.isnan(Predictor(artifact.directory, allow_nonfinite=True).predict(whole)["y"]).all()


def _pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("copy_of", [_pickled, copy.deepcopy, copy.copy])
def test_one_that_was_used_can_be_copied(
    copy_of: Callable[[Any], Any], exported: Artifact, streamed: tuple[Artifact, keras.Model]
) -> None:
    predictor = Predictor(exported.directory)
    before = predictor("good!"), predictor(np.array([[2, 3]]))["label"]
    again = copy_of(predictor)
    assert again("good!").scores == before[0].scores and again.labels == predictor.labels
    np.testing.assert_array_equal(again(np.array([[2, 3]]))["label"], before[1])

    lenient = Predictor(streamed[0].directory, allow_nonfinite=True)
    stream = lenient.stream(batch=2)
    stream.feed(_with(1))
    other = copy_of(stream)
    expected = stream.feed(_with(2))["steps"]
    np.testing.assert_array_equal(other.feed(_with(2))["steps"], expected)
    assert copy_of(lenient)(_with(np.nan))


def test_other_processes_can_use_one_that_was_used(
    exported: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(exported.directory.parent)
    predictor = Predictor(exported.directory.name)
    expected = [predictor(text).scores for text in TEXTS]
    monkeypatch.chdir("/")
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, spawn) as pool:
        assert [each.scores for each in pool.map(predictor, TEXTS)] == expected
    answers = joblib.Parallel(n_jobs=2)(joblib.delayed(predictor)(text) for text in TEXTS)
    assert [each.scores for each in answers] == expected


def test_rows_of_inputs_must_agree(tmp_path: Path) -> None:
    inputs = [keras.Input((2,), name=name) for name in ("left", "right")]
    model = keras.Model(inputs, keras.layers.Add(name="sum")(inputs))
    predictor = Predictor(export(model, tmp_path / "artifact", formats=["onnx"]).directory)
    with pytest.raises(ExportError, match=r"rows: {'left': 1, 'right': 2}"):
        predictor({"left": np.ones((1, 2)), "right": np.ones((2, 2))})


def test_a_model_of_arrays_takes_no_text(reader: Predictor) -> None:
    with pytest.raises(ExportError, match="holds a model that takes no text"):
        reader("good")


def test_an_artifact_without_onnx(model: keras.Model, tmp_path: Path) -> None:
    """Where TensorFlow is, the SavedModel answers; ONNX is named if it is asked for."""
    exported = export(model, tmp_path / "artifact", formats=["saved_model"])
    assert Predictor(exported.directory)(np.ones((1, 3)))["label"].shape == (1, 2)
    predictor = Predictor(exported.directory, format="onnx")
    with pytest.raises(ExportError, match=r'model.onnx is missing: export with "onnx"'):
        predictor(np.ones((1, 3)))


def test_a_stream_gives_what_keras_gives_for_the_whole(
    reader: Predictor, streamed: tuple[Artifact, keras.Model]
) -> None:
    whole = np.random.default_rng(3).normal(size=(2, 12, models.FEATURES)).astype("float32")
    stream = reader.stream(batch=2)
    assert {name: values.any() for name, values in stream.state.items()} == {
        "reader.h": False,
        "reader.c": False,
    }
    chunks = [stream.feed(chunk)["steps"] for chunk in np.split(whole, [1, 4, 5], axis=1)]
    expected = streamed[1](whole)
    np.testing.assert_allclose(np.concatenate(chunks, axis=1), expected, atol=1e-6)


def test_a_stream_goes_on_from_a_state_that_was_kept(reader: Predictor) -> None:
    first, second = np.random.default_rng(4).normal(size=(2, 1, 3, models.FEATURES))
    stream, other = reader.stream(), reader.stream()
    stream.feed(first)
    other.state = stream.state
    np.testing.assert_array_equal(other.feed(second)["steps"], stream.feed(second)["steps"])


def test_a_chunk_that_is_refused_leaves_the_state(reader: Predictor) -> None:
    stream = reader.stream()
    stream.feed(np.ones((1, 2, models.FEATURES)))
    before = dict(stream.state)
    with pytest.raises(ExportError, match="The stream has 1 sequences, and the chunk 2"):
        stream.feed(np.ones((2, 2, models.FEATURES)))
    with pytest.raises(ExportError, match=r"has the shape \[batch, time, 3\]"):
        stream.feed(np.ones((1, models.FEATURES)))
    assert all(stream.state[name] is values for name, values in before.items())


def test_a_model_without_a_step_model_has_no_stream(predictor: Predictor) -> None:
    with pytest.raises(ExportError, match="holds no step model: export with --streaming"):
        predictor.stream()


def test_the_number_of_threads_is_the_faster_one(
    exported: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one and all cores, by the recorded examples; a number that is given stays."""
    asked: list[int | None] = []
    read = formats.get("onnx").read

    def slow(*arguments: Any, threads: int | None = None, **options: Any) -> Run:
        run = read(*arguments, threads=threads, **options)
        asked.append(threads)
        waste = np.random.default_rng(0).normal(size=400_000 if threads == slower else 0)
        return lambda inputs: run(inputs) if np.sort(waste) is not None else {}

    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.setattr(type(formats.get("onnx")), "read", lambda _, *a, **o: slow(*a, **o))
    for slower in (1, 3):
        asked.clear()
        predictor = Predictor(exported.directory)
        assert predictor.threads == 4 - slower and set(asked) == {1, 3}
        predictor("good")
        assert asked[2:] == [4 - slower]
    assert Predictor(exported.directory, threads=2).threads == 2
