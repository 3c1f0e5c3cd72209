"""The ONNX graph beside recurrence: names, operators, and accuracy."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

import custom_layers
from exports import ExportError, axes, declared, export, formats
from exports.formats.onnx import conversion, session
from exports.runtime import Predictor
from tests.exports import models
from tests.exports.models import FEATURES, UNITS, Apply


def applying(function: Any) -> keras.Model:
    steps = models.sequences()
    return keras.Model(steps, models.make("gru")(Apply(function)(steps)))


@pytest.mark.parametrize(
    ("message", "function"),
    {
        "no ONNX form of TensorFlow's Erfinv": keras.ops.erfinv,
        "no ONNX form of TensorFlow's Lgamma": tf.math.lgamma,
        "no ONNX form of TensorFlow's Qr": lambda x: keras.ops.qr(x)[0],
        # The converter knows this one, and fails.
        "no ONNX form of TensorFlow's RFFT": lambda x: keras.ops.rfft(x)[0][..., :1] + x,
        "no ONNX form of TensorFlow's PyFunc": lambda x: tf.ensure_shape(
            tf.numpy_function(np.sin, [x], "float32"), x.shape
        ),
        # An ONNX operator, but not on these numbers.
        "Mul.*inconsistent type": lambda x: tf.cast(2 * tf.cast(x, "bfloat16"), "float32"),
        "Dimensions must be equal, but are 3 and 5": lambda x: x @ tf.ones((5, 5)),
    }.items(),
)
def test_function_that_cannot_be_converted(
    message: str, function: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(
        ExportError, match=f"(converted to ONNX|of any length, in layer 'apply.*'): .*{message}"
    ) as error:
        export(applying(function), tmp_path / "artifact", formats=["onnx"])
    assert "\n" not in str(error.value)
    assert not [record for record in caplog.records if record.name.startswith("tf2onnx")]
    assert not list(tmp_path.iterdir())


def test_function_without_recurrence_is_converted_as_it_is(tmp_path: Path) -> None:
    exported = export(applying(keras.ops.sin), tmp_path / "artifact")
    operators = models.operators(onnx.load(exported.directory / "onnx/model.onnx"))
    assert operators["Sin"] == operators["GRU"] == 1


def test_ends_keep_their_names_and_order(tmp_path: Path) -> None:
    """Neither sorted by name nor by shape; a layer of several outputs numbers them."""
    later, first = keras.Input((None, 2), name="z"), keras.Input((4,), name="a", dtype="int64")
    whole, *states = custom_layers.LSTM(UNITS, return_state=True, name="memory")(later)
    outputs = [
        keras.layers.Dense(3, name="zeta")(whole),
        whole,
        *states,
        keras.layers.Dense(2, name="alpha")(keras.ops.cast(first, "float32")),
    ]
    model = models.randomized(keras.Model([later, first], outputs))
    exported = export(model, tmp_path / "artifact")
    inputs = [("z", (None, None, 2), "float32"), ("a", (None, 4), "int64")]
    names = ["zeta", "memory", "memory_1", "memory_2", "alpha"]
    assert [(each.name, each.shape, each.dtype) for each in exported.signature.inputs] == inputs
    assert [output.name for output in exported.signature.outputs] == names

    graph = onnx.load(exported.directory / "onnx/model.onnx").graph
    assert {end.name: models.axes(end) for end in graph.input} == {
        "z": ["batch", "time", 2],
        "a": ["batch", 4],
    }
    assert [end.name for end in graph.output] == names
    assert [models.axes(end)[-1] for end in graph.output] == [3, UNITS, UNITS, UNITS, 2]

    arrays = {"z": np.ones((3, 5, 2), "float32"), "a": np.arange(12).reshape(3, 4)}
    expected = model([arrays["z"], arrays["a"]])
    for run in formats.runs(exported).values():
        got = run(arrays)
        for name, values in zip(names, expected, strict=True):
            np.testing.assert_allclose(got[name], values, atol=1e-5, err_msg=name)


def test_inputs_of_any_two_lengths_have_axes_of_their_own(tmp_path: Path) -> None:
    """Else ONNX Runtime takes the one length for the other, and fails where they differ."""
    read, asked = models.sequences(), keras.Input((None, FEATURES), name="asked")
    memory = models.make("gru", return_sequences=True)(read)
    questions = models.make("gru", return_sequences=True)(asked)
    answers = keras.layers.Attention(name="answers")([questions, memory])
    halves = keras.layers.AveragePooling1D(2, padding="same", name="halves")(memory)
    model = models.randomized(keras.Model([read, asked], [answers, memory, halves]))
    exported = export(model, tmp_path / "artifact")

    graph = onnx.load(exported.directory / "onnx/model.onnx").graph
    times = {end.name: models.axes(end)[1] for end in [*graph.input, *graph.output]}
    assert times == {
        "sequences": "sequences_time",
        "asked": "asked_time",
        "answers": "asked_time",
        graph.output[1].name: "sequences_time",
        "halves": "halves_time",
    }
    for ours, theirs in ((9, 4), (4, 9), (2, 30)):
        arrays = [np.ones((3, steps, FEATURES), "float32") for steps in (ours, theirs)]
        np.testing.assert_allclose(
            Predictor(exported.directory).predict(arrays)["answers"], model(arrays)[0], atol=1e-5
        )


def test_inputs_that_must_be_of_one_length_share_an_axis() -> None:
    first, second, other = (keras.Input((None, FEATURES), name=name) for name in "abc")
    steps = models.make("gru", return_sequences=True)(first + second)
    model = keras.Model([first, second, other], [steps, keras.ops.sum(other, axis=1)])
    found, _ = axes.signature(model, {}, {})
    assert [array.axes[1] for array in found.inputs] == ["a_time", "a_time", "c_time"]
    assert found.outputs[0].axes == ("batch", "a_time", "axis_2")


@pytest.mark.parametrize(
    ("names", "numbered"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a", "a_1", "a_2"]),
        (["a", "a", "a_1"], ["a", "a_1", "a_1_1"]),
    ],
)
def test_output_names_are_distinct(names: list[str], numbered: list[str]) -> None:
    steps = models.sequences()
    model = keras.Model(steps, [Apply(keras.ops.sin, name=name)(steps) for name in set(names)])
    layers = {layer.name: layer.output for layer in model.layers[1:]}
    model = keras.Model(steps, [layers[name] for name in names])
    assert [output.name for output in declared.signature(model).outputs] == numbered


@pytest.mark.parametrize("name", ["two words", "день", "for", "input-1", "1st"])
def test_input_name_that_some_format_cannot_have(name: str, tmp_path: Path) -> None:
    steps = keras.Input((None, FEATURES), name=name)
    with pytest.raises(ExportError, match=f"The input '{name}' needs a name of letters"):
        export(keras.Model(steps, models.make("gru")(steps)), tmp_path / "artifact")
    assert not list(tmp_path.iterdir())


def test_sequential_model(tmp_path: Path) -> None:
    model = models.randomized(
        keras.Sequential(
            [models.sequences(), models.make("lstm"), keras.layers.Dense(2, name="end")]
        )
    )
    steps = np.ones((2, 3, FEATURES), "float32")
    outputs = Predictor(export(model, tmp_path / "artifact").directory).predict(steps)
    assert list(outputs) == ["end"]
    np.testing.assert_allclose(outputs["end"], model(steps), atol=1e-5)


def gru_in_float64(steps: np.ndarray, mask: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Cho et al., 2014, with the reset gate after the product, in NumPy."""
    kernel, recurrent_kernel, bias = (weight.astype("float64") for weight in weights)
    h = np.zeros((len(steps), len(recurrent_kernel)))
    for time in range(steps.shape[1]):
        x = np.split(steps[:, time] @ kernel + bias[0], 3, axis=1)
        r = np.split(h @ recurrent_kernel + bias[1], 3, axis=1)
        update, reset = (1 / (1 + np.exp(-x[gate] - r[gate])) for gate in (0, 1))
        new = update * h + (1 - update) * np.tanh(x[2] + reset * r[2])
        h = np.where(mask[:, time, None], new, h)
    return h


def test_masked_gru_is_one_node_and_accurate(tmp_path: Path) -> None:
    """As near to the equations as what Keras itself exports of the same model: a loop."""
    steps = models.sequences()
    model = keras.Model(steps, keras.layers.GRU(32, name="gru")(keras.layers.Masking()(steps)))
    generator = np.random.default_rng(0)
    mask = np.arange(200) < generator.integers(1, 201, (8, 1))
    inputs = (generator.normal(size=(*mask.shape, FEATURES)) * mask[..., None]).astype("float32")
    exact = gru_in_float64(inputs, mask, model.get_weights())
    model(inputs)
    model.export(tmp_path / "keras.onnx", format="onnx", verbose=False)
    theirs = session.read(tmp_path / "keras.onnx")({model.input.name: inputs})
    ours = export(model, tmp_path / "artifact", formats=["onnx"])
    operators = models.operators(onnx.load(ours.directory / "onnx/model.onnx"))
    assert operators["GRU"] == 1 and not models.LOOPS & set(operators)
    assert models.LOOPS & set(models.operators(onnx.load(tmp_path / "keras.onnx")))
    worst = np.abs(Predictor(ours.directory).predict(inputs)["gru"] - exact).max()
    assert worst < 1e-6
    assert worst < 2 * np.abs(next(iter(theirs.values())) - exact).max()


def test_metadata_is_kept() -> None:
    model = models.classifier(name="memory")
    graph = conversion.convert(model, declared.signature(model), {"task": "sentiment"})
    kept = {each.key: each.value for each in graph.metadata_props}
    layers = '{"memory": "GRU node"}'
    assert kept == {"task": "sentiment", "opset": "18", "recurrent_layers": layers}


def test_what_each_recurrent_layer_became_is_said(tmp_path: Path) -> None:
    steps = models.sequences()
    x = keras.layers.GRU(4, return_sequences=True, name="native")(steps)
    x = custom_layers.LSTM(4, "gelu", return_sequences=True, name="bent")(x)
    model = keras.Model(steps, custom_layers.LEM(4, name="rare")(x))
    export(model, tmp_path / "artifact", formats=["onnx"])
    report = json.loads((tmp_path / "artifact/report.json").read_text())
    assert report["recurrent_layers"] == {
        "native": "GRU node",
        "bent": "Scan: ONNX's recurrent operators have no activation 'gelu'",
        "rare": "Scan: ONNX has no recurrent operator for LEMCell",
    }
    card = (tmp_path / "artifact/README.md").read_text()
    assert "- recurrent layer `native`: GRU node" in card


def test_the_place_of_the_largest_number(tmp_path: Path) -> None:
    """Among signed zeros, ties, and numbers so small that TensorFlow takes them for zeros."""
    x = keras.Input((6,), name="x")
    places = [keras.ops.argmax(x, -1), keras.ops.argmin(x, -1)]
    model = keras.Model(x, [*places, keras.ops.one_hot(places[0], 6) * x])
    path = tmp_path / "model.onnx"
    onnx.save(conversion.convert(model, declared.signature(model)), path)
    numbers = np.array([-1.0, 1.0, 0.0, -0.0, 1e-40, 2e-40, -1e-40, 1e-37], "float32")
    values = np.random.default_rng(0).choice(numbers, (200, 6))
    for got, want in zip(session.read(path)({"x": values}).values(), model(values), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-37)
