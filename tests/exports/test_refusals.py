"""What is refused: in one line that says what is wrong, and nothing is left behind."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import custom_layers
from exports import ExportError, declared, export, read_keras, tracing, verify
from exports.errors import reason
from exports.parity import cases
from exports.parity.cases import grid
from exports.parity.compare import compare
from tests.exports import models


def refused(model: Any, directory: Path, **options: Any) -> str:
    with pytest.raises(ExportError) as caught:
        export(model, directory / "artifact", **options)
    said = str(caught.value)
    assert said and not {"\n", "\x1b"} & set(said) and "Arguments received" not in said
    assert not list(directory.iterdir())
    return said


def network(gain: float, *, tokens: bool = False) -> keras.Model:
    """A plain recurrent network, which is chaotic where `gain` is well above 1."""
    if tokens:
        steps = keras.Input((None,), dtype="int32", name="tokens")
        x = keras.layers.Embedding(models.WORDS, models.FEATURES)(steps)
    else:
        x = steps = models.sequences()
    model = keras.Model(steps, keras.layers.SimpleRNN(64, name="memory")(x))
    generator = np.random.default_rng(0)
    kernel = generator.normal(scale=gain / 8, size=(64, 64))
    model.get_layer("memory").cell.recurrent_kernel.assign(kernel)
    return model


@pytest.mark.parametrize("tokens", [False, True])
def test_a_chaotic_model_is_refused_with_both_figures(tokens: bool, tmp_path: Path) -> None:
    said = refused(network(gain=1.5, tokens=tokens), tmp_path, formats=["onnx"])
    assert "onnx differs from keras on" in said and "by up to" in said
    assert "The model itself amplifies rounding: its own output moves by up to" in said


def test_a_chaotic_model_ships_with_the_lengths_that_are_advised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network(gain=1.5)
    said = refused(model, tmp_path, formats=["onnx"])
    (most,) = re.findall(r"The formats agree with lengths={'time': \(1, (\d+)\)}\.", said)
    exported = export(model, tmp_path / "artifact", lengths={"time": (1, int(most))})
    assert exported.signature.lengths["time"].proved[-1] == int(most) > 2
    # Where a file is checked later, without Keras, the reason is the same.
    monkeypatch.setattr(cases, "_nearest", lambda signature, axis, wanted: wanted)
    with pytest.raises(ExportError, match=r"The model itself amplifies rounding: its own output"):
        verify(exported.directory)


def test_a_wrong_file_is_no_chaos() -> None:
    model, other = network(gain=0.5), network(gain=0.6)
    signature = declared.signature(model)
    runs = {"keras": tracing.run(model, signature), "other": tracing.run(other, signature)}
    with pytest.raises(ExportError, match="other differs") as caught:
        compare(runs, grid(signature, {}), tracing.sensitivity(model, signature))
    assert "amplifies" not in str(caught.value)


def test_what_amplifies_is_held_to_the_same_tolerance() -> None:
    model, other = network(gain=1.5), network(gain=1.5)
    nudged = other.get_layer("memory").cell.bias
    nudged.assign(nudged + 1e-3)
    signature = declared.signature(model)
    runs = {"keras": tracing.run(model, signature), "other": tracing.run(other, signature)}
    short = [case for case in grid(signature, {}) if case.name.startswith("1 x 1,")]
    with pytest.raises(ExportError, match="other differs from keras on 1 x 1, full"):
        compare(runs, short, tracing.sensitivity(model, signature))


def _ragged(**options: Any) -> keras.Model:
    x = keras.Input((4,), name="x", **options)
    return keras.Model(x, x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["a", "b", "c"]}, "`labels` names 3 classes, and no output has as many"),
        ({"labels": []}, "`labels` names 0 classes"),
        ({"labels": "ab"}, "`labels` must be a list of strings, not one string"),
        ({"labels": [0, 1]}, "`labels` must be a list of strings, and holds 0 .int."),
        ({"texts": "good"}, "`texts` must be a list of strings, not one string"),
        ({"formats": "onnx"}, r"`formats` must be .*: \['onnx'\]"),
        ({"formats": []}, "choose among"),
        ({"examples": np.zeros((0, 3), "int32")}, "`examples` holds no rows"),
        ({"examples": []}, "0 arrays are given"),
        ({"examples": {"tokens": [[1, 2], [3]]}}, "'tokens' is given what is no array"),
        ({"encoder": "vocabulary.txt"}, "`encoder` must be a TextEncoder, not 'vocabulary.txt'"),
        ({"small": "int8"}, "`small` must be a Precision"),
        ({"config": ["units"]}, "`config` must be a mapping"),
    ],
)
def test_arguments_that_do_not_fit(options: Any, message: str, tmp_path: Path) -> None:
    assert re.search(message, refused(models.classifier(), tmp_path, **options))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: "model.keras", "`model` must be a keras.Model; exports.read_keras"),
        (lambda: custom_layers.GRU(2), "`model` must be a keras.Model.*not <GRU"),
        (lambda: _ragged(ragged=True), "The input 'x' is ragged"),
        (lambda: _ragged(sparse=True), "The input 'x' is sparse"),
    ],
)
def test_models_that_are_none(model: Callable[[], Any], message: str, tmp_path: Path) -> None:
    assert re.search(message, refused(model(), tmp_path))


def test_what_is_quoted_is_the_line_that_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Arguments received by") as caught:
        keras.layers.Reshape((5,))(np.zeros((2, 3)))
    assert reason(caught.value).startswith("The total size of the tensor must be unchanged")
    framed = (
        "Exception encountered when calling A.call().\n\n\x1b[1mIt is wrong.\x1b[0m\n\nArguments"
    )
    assert reason(ValueError(f"{framed} received by A.call():\n  * x=1")) == "It is wrong."
    assert reason(KeyError()) == "KeyError"
    path = tmp_path / "model.keras"
    path.write_bytes(b"no model")
    with pytest.raises(ExportError, match="is damaged or not a file of Keras") as refusal:
        read_keras(path)
    assert "\n" not in str(refusal.value)


def test_the_layer_that_fails_is_named(tmp_path: Path) -> None:
    x = models.sequences()
    y = keras.layers.Lambda(lambda x: x if keras.ops.sum(x) > 0 else -x, (3,), name="branch")
    said = refused(keras.Model(x, y(x), name="own"), tmp_path)
    assert said.startswith("'own' fails in Keras for inputs of any length, in layer 'branch': Usi")


class Noisy(keras.layers.Layer):
    """A layer that draws numbers in use, too, by a seed of its own or of nobody."""

    def __init__(self, own: bool) -> None:
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(0) if own else None

    def call(self, x: Any) -> Any:
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seed_generator)


@pytest.mark.parametrize("own", [True, False])
def test_a_model_that_draws_random_numbers_is_refused(own: bool, tmp_path: Path) -> None:
    x = models.sequences()
    said = refused(keras.Model(x, keras.layers.GRU(4, name="memory")(Noisy(own)(x))), tmp_path)
    assert re.match(r"Output 'memory' changes by up to .*: it draws random numbers", said)


def test_a_variable_that_no_layer_holds_is_refused(tmp_path: Path) -> None:
    x, hidden = models.sequences(), tf.Variable(2.0)
    y = keras.layers.Lambda(lambda x: x * hidden)(x)
    said = refused(keras.Model(x, keras.layers.GRU(4)(y), name="own"), tmp_path)
    assert said.startswith("'own' cannot be written as a SavedModel: Tried to export a function")
