"""Smaller forms of the ONNX file: really smaller, measured, and refused if they cost much."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

import custom_layers
from exports import Artifact, ExportError, Precision, artifact, export, formats, load, verify
from exports.signature import Run
from exports.text import TextEncoder
from tests.exports import models

WORDS, UNITS = 300, 48
SMALL = ["float16", "int8"]
FILES = {
    "float32": "onnx/model.onnx",
    **{name: f"onnx/model.{name}.onnx" for name in SMALL},
}
ROWS = np.random.default_rng(1).integers(1, WORDS, (200, 12)).astype("int32")
LAYERS: dict[str, Callable[[], keras.layers.Layer]] = {
    "LSTM": lambda: keras.layers.Bidirectional(custom_layers.LSTM(UNITS)),
    "GRU": lambda: custom_layers.GRU(UNITS),
    "Scan": lambda: custom_layers.MGU(UNITS),
}


def classifier(layer: keras.layers.Layer) -> keras.Model:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(WORDS, 32, mask_zero=True, name="words")(tokens)
    x = keras.layers.Dense(2, activation="softmax", name="label")(layer(x))
    return models.randomized(keras.Model(tokens, x), scale=0.2)


def evaluate_of(model: keras.Model) -> Callable[[Run], Mapping[str, float]]:
    """Accuracy on rows that Keras labels rightly in nine cases of ten."""
    truth = np.argmax(model(ROWS), axis=-1)
    truth[::10] = 1 - truth[::10]

    def evaluate(run: Run) -> Mapping[str, float]:
        return {"accuracy": float(np.mean(np.argmax(run({"tokens": ROWS})["label"], -1) == truth))}

    return evaluate


def saying(label: np.ndarray) -> Run:
    return lambda _: {"label": label}


def sessions(directory: Path) -> dict[str, onnxruntime.InferenceSession]:
    return {
        name: onnxruntime.InferenceSession(directory / path, providers=["CPUExecutionProvider"])
        for name, path in FILES.items()
    }


def report(exported: Artifact) -> Any:
    return json.loads((exported.directory / "report.json").read_text())


@pytest.fixture(scope="module", params=LAYERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def made(kind: str) -> keras.Model:
    keras.utils.set_random_seed(0)
    return classifier(LAYERS[kind]())


@pytest.fixture(scope="module")
def small(made: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Each layer's classifier with both small forms, which may lose a lot."""
    return export(
        made,
        tmp_path_factory.mktemp("small") / "artifact",
        formats=["onnx"],
        examples=ROWS,
        small=Precision(SMALL, evaluate_of(made), max_drop=0.2),
    )


def test_what_is_reported_is_what_the_files_do(small: Artifact, made: keras.Model) -> None:
    forms = report(small)["precision"]["onnx"]["forms"]
    assert list(forms) == ["float32", *SMALL] and small.small == SMALL
    opened = sessions(small.directory)
    expected = opened["float32"].run(None, {"tokens": ROWS})[0]
    for name, session in opened.items():
        form, (outputs,) = forms[name], session.run(None, {"tokens": ROWS})
        path = small.directory / FILES[name]
        assert form["bytes"] == path.stat().st_size
        accuracy = evaluate_of(made)(saying(outputs))["accuracy"]
        assert form["figures"] == {"accuracy": accuracy}
        drop = forms["float32"]["figures"]["accuracy"] - accuracy
        assert form["drops"]["accuracy"] == pytest.approx(drop)
        assert np.abs(outputs - expected).max() <= form["difference"] < 0.2
    assert forms["float32"]["figures"]["accuracy"] == pytest.approx(0.9)
    assert 0 < forms["float16"]["difference"] < 0.02
    assert forms["float32"]["difference"] == 0 < forms["int8"]["difference"]


def test_files_are_smaller_and_say_what_stays_in_float32(small: Artifact, kind: str) -> None:
    forms = report(small)["precision"]["onnx"]["forms"]
    assert forms["float16"]["bytes"] < 0.65 * forms["float32"]["bytes"]
    assert forms["int8"]["bytes"] < (0.4 if kind == "LSTM" else 0.8) * forms["float32"]["bytes"]
    assert forms["float16"]["in_float32"] == {}
    assert forms["float32"]["in_float32"]["Gather"] == 4 * 32 * WORDS
    stays, wide = forms["int8"]["in_float32"], 32 + UNITS + 2  # kernels and two biases
    weights = {"GRU": 3 * UNITS * wide, "Scan": 2 * UNITS * UNITS}
    assert stays.get(kind) == (4 * weights[kind] if kind in weights else None)
    assert "Gather" not in stays and "MatMul" not in stays
    card = (small.directory / "README.md").read_text()
    assert f"| int8 | `onnx/model.int8.onnx` | {forms['int8']['bytes']} |" in card
    if kind == "GRU":
        assert f"- bytes of weights that int8 keeps in float32: GRU {stays['GRU']}" in card


def test_native_nodes_that_can_be_quantized_are(small: Artifact, kind: str) -> None:
    file = onnx.load(small.directory / FILES["int8"])
    counts = Counter(node.op_type for node in file.graph.node)
    assert counts["DynamicQuantizeLSTM" if kind == "LSTM" else kind] == 1
    assert counts["MatMulInteger"] and not counts["MatMul"] and not counts["LSTM"]


def test_inputs_and_outputs_are_the_same(small: Artifact) -> None:
    graphs = [onnx.load(small.directory / path).graph for path in FILES.values()]
    for ends in ("input", "output"):
        of_float32, *others = (list(getattr(graph, ends)) for graph in graphs)
        assert all(other == of_float32 for other in others)


def test_small_forms_run_and_are_verified(small: Artifact) -> None:
    verify(small.directory)
    for run in formats.small(load(small.directory)).values():
        assert run({"tokens": ROWS[:3, :1]})["label"].shape == (3, 2)


def test_another_model_in_a_small_file_is_seen(small: Artifact, tmp_path: Path) -> None:
    """Even where the manifest was written anew."""
    copy = tmp_path / "copy"
    with artifact.draft(copy) as draft:
        for path in small.directory.rglob("*"):
            target = draft / path.relative_to(small.directory)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file() and path.name != artifact.MANIFEST:
                target.write_bytes(path.read_bytes())
        other = onnx.load(draft / FILES["float32"])
        bias = next(
            each
            for each in other.graph.initializer
            if each.dims == [2] and each.data_type == onnx.TensorProto.FLOAT
        )
        bias.CopyFrom(onnx.numpy_helper.from_array(np.array([9, -9], np.float32), bias.name))
        onnx.save(other, draft / FILES["int8"])
    with pytest.raises(ExportError, match="int8 differs from float32 on recorded examples by 0"):
        verify(copy)


def spoilt(model: keras.Model) -> keras.Model:
    """One large number in the table, and 8 bits tell none of the others apart."""
    (table,) = model.get_layer("words").get_weights()
    table[0, 0] = 1000.0
    model.get_layer("words").set_weights([table])
    return model


def test_drop_beyond_the_limit_leaves_nothing(tmp_path: Path) -> None:
    model = spoilt(classifier(custom_layers.GRU(UNITS)))
    said = r"int8 lowers accuracy from 0\.9000 by 0\.\d+, and 0\.01 is allowed: export without"
    with pytest.raises(ExportError, match=said) as error:
        export(model, tmp_path / "new" / "artifact", small=Precision(["int8"], evaluate_of(model)))
    assert "max_drop" in str(error.value) and "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
    export(
        model, tmp_path / "artifact", small=Precision(["int8"], evaluate_of(model), max_drop=1.0)
    )


def test_figure_that_is_no_number_is_a_drop(model: keras.Model, tmp_path: Path) -> None:
    figures = iter([{"accuracy": 0.9}, {"accuracy": float("nan")}])
    with pytest.raises(ExportError, match=r"float16 lowers accuracy from 0\.9000 by nan"):
        export(model, tmp_path / "artifact", small=Precision(["float16"], lambda _: next(figures)))
    assert not list(tmp_path.iterdir())


def test_figure_of_which_less_is_better_must_not_rise(model: keras.Model, tmp_path: Path) -> None:
    figures = iter([{"error": 0.2}, {"error": 0.1}, {"error": 0.2}, {"error": 0.5}])
    judged = Precision(["float16"], lambda _: next(figures), better="lower")
    made = export(model, tmp_path / "artifact", small=judged)
    assert report(made)["precision"]["onnx"]["forms"]["float16"]["drops"] == {
        "error": pytest.approx(-0.1)
    }
    with pytest.raises(ExportError, match=r"float16 raises error from 0\.2000 by 0\.3000"):
        export(model, tmp_path / "again", small=judged)


def test_overflow_of_float16_is_refused(tmp_path: Path) -> None:
    steps = models.sequences()
    x = keras.layers.Rescaling(100, offset=300)(custom_layers.GRU(models.UNITS)(steps))
    x = keras.layers.Concatenate(name="large")([models.Apply(keras.ops.square)(x), x])
    model = models.randomized(keras.Model(steps, x), scale=0.5)
    small = Precision(["float16"], lambda _: {"accuracy": 1.0})
    with pytest.raises(ExportError, match="float16 has numbers in 'large' that are not finite"):
        export(model, tmp_path / "artifact", formats=["onnx"], small=small)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"forms": ["int4"]}, r"Unknown small forms \['int4'\]: choose among float16, int8"),
        ({"formats": ["saved_model"]}, 'add a format that has them, such as "onnx"'),
    ],
)
def test_unusable_options(
    model: keras.Model, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    given = {"forms": ["int8"], "formats": ["onnx"], **options}
    with pytest.raises(ExportError, match=message):
        export(
            model,
            tmp_path / "artifact",
            formats=given["formats"],
            small=Precision(given["forms"], lambda _: {}),
        )
    assert not list(tmp_path.iterdir())


def test_small_forms_are_made_quietly(
    model: keras.Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    export(model, tmp_path / "artifact", small=Precision(SMALL, lambda _: {"accuracy": 1.0}))
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_onnx_files_say_what_they_were_made_from(
    model: keras.Model, encoder: TextEncoder, tmp_path: Path
) -> None:
    exported = export(
        model,
        tmp_path / "artifact",
        formats=["onnx"],
        encoder=encoder,
        labels=["schlecht", "großartig"],
        card={"data set": "reviews 1.2.0"},
        small=Precision(SMALL, lambda _: {"accuracy": 1.0}),
    )
    vocabulary = (exported.directory / "vocabulary.txt").read_bytes()
    for path in (*FILES.values(), "onnx/text.onnx"):
        file = onnx.load(exported.directory / path)
        said = {each.key: each.value for each in file.metadata_props}
        assert json.loads(said.pop("labels")) == ["schlecht", "großartig"]
        assert said.pop("vocabulary_sha256") == hashlib.sha256(vocabulary).hexdigest()
        assert said.pop("code").startswith("keras-recurrent")
        assert said.pop("data set") == "reviews 1.2.0"
        assert said.pop("opset") == str(file.opset_import[0].version)
        assert list(said) == ["recurrent_layers"]
