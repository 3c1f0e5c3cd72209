"""Models that Keras built on JAX or torch, exported there: each program is a process of its own."""

import importlib
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exports
from exports import Artifact, formats
from exports.text import TextEncoder
from tests.exports.models import VOCABULARY, first_outputs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

# A module of the user's, with bugs that show in the other process alone.
LAYERS = """
import os
import signal
import threading
import keras

@keras.saving.register_keras_serializable("layers")
class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return doubled(inputs)

@keras.saving.register_keras_serializable("layers")
def doubled(inputs):
    return 2 * inputs

@keras.saving.register_keras_serializable("layers")
class Misremembered(keras.layers.Dense):
    def save_own_variables(self, store):
        store["0"] = 1.01 * keras.ops.convert_to_numpy(self.kernel)
        store["1"] = keras.ops.convert_to_numpy(self.bias)

@keras.saving.register_keras_serializable("layers")
class Failing(keras.layers.Layer):
    def __init__(self, how, **options):
        super().__init__(**options)
        self.how = how

    def call(self, inputs):
        if keras.backend.backend() == "tensorflow":
            globals()[self.how]()
        return inputs

    def get_config(self):
        return {**super().get_config(), "how": self.how}

class Unregistered(keras.layers.Layer):
    def call(self, inputs):
        return inputs

def mistake():
    raise TypeError("not here")

def lack():
    raise NotImplementedError("no such operator")

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def interrupt():
    os.kill(os.getppid(), signal.SIGINT)
    threading.Event().wait()
"""

BEGIN = """
import contextlib, json, os, sys
import keras, numpy as np
import exports, layers
from custom_layers import GRU
from exports.text import TextEncoder

def model(*given):
    return keras.Sequential([keras.Input((None, 3), name="sequences"), *given])
"""

EXPORT = """
vocabulary = json.loads(sys.argv[1])
tokens = keras.Input((None,), dtype="int32", name="tokens")
x = keras.layers.Embedding(len(vocabulary), 4, mask_zero=True)(tokens)
x = keras.layers.LSTM(5, return_sequences=True, name="first")(x)
x = GRU(6, name="second")(x)
x = keras.layers.Dense(4, activation=layers.doubled)(layers.Doubled()(x))
classifier = keras.Model(tokens, keras.layers.Dense(2, activation="softmax", name="label")(x))
generator = np.random.default_rng(0)
classifier.set_weights([generator.normal(size=w.shape) for w in classifier.get_weights()])
ids = generator.integers(1, len(vocabulary), (5, 9)) * (np.arange(9) < [[9], [4], [1], [9], [6]])
classifier.save("classifier.keras")
np.savez("original.npz", tokens=ids, label=classifier.predict(ids, verbose=0))
exports.export(
    classifier,
    "artifact",
    formats=["onnx", "saved_model"],
    encoder=TextEncoder(vocabulary, max_length=12),
    labels=["bad", "good"],
    texts=["good!", "not good"],
    examples=keras.ops.convert_to_tensor(ids, "int32"),
    streaming=True,
    card={"task": "sentiment"},
)
print(json.dumps([*exports.verify("artifact")]))
"""

REFUSALS = """
@keras.saving.register_keras_serializable("here")
class Here(keras.layers.Layer):
    def call(self, inputs):
        return inputs

def score(run):
    return {"score": 1.0}

def refuse(given, **options):
    try:
        exports.export(given, "refused", formats=["onnx"], **options)
    except (exports.ExportError, KeyboardInterrupt) as error:
        refusals.append([str(error), os.listdir()])

refusals = []
linear = model(keras.layers.Dense(2))
refuse(model(keras.layers.Lambda(lambda x: 2 * x, name="twice")))
refuse(model(keras.layers.Dense(2, activation=lambda x: x, name="plain")))
refuse(model(layers.Unregistered()))
refuse(model(Here()))
refuse(linear, small=exports.Precision(["int8"], lambda run: {}))
refuse(linear, small=exports.Precision(["int8"], score))
refuse(keras.Sequential([keras.layers.Dense(2)]))
refuse(model(layers.Failing("mistake")))
refuse(model(layers.Failing("lack")))
refuse(model(layers.Failing("die")))
refuse(model(layers.Misremembered(2, name="sums")))
refuse(model(layers.Failing("interrupt")))
with contextlib.suppress(ChildProcessError):
    refusals.append(["a process is left", os.waitpid(-1, os.WNOHANG)])
print(json.dumps(refusals))
"""
REFUSED = (
    r"`function` of layer 'twice' is a lambda, .*: write it as a function",
    r"`activation` of layer 'plain' is a lambda, .*: write it as a function",
    r"The class 'Unregistered' is not known .* under @keras.saving.register_keras_serializable",
    r"The class 'here>Here' is not known .*: put it into a module",
    r"`small` cannot be sent .*lambda.*: put it into a module",
    r"`small` cannot be sent .*it is defined in __main__\): put it into a module",
    r"has no known inputs: say what it takes",
    r"cannot be rebuilt on TensorFlow \(not here\): .*keras.ops",
    r"cannot be rebuilt on TensorFlow \(a layer cannot be called\): .*keras.ops",
    r"ended with code -9: ",
    r"onnx differs from keras on (jax|torch) in float32 .* output 'sums'",
    r"^$",  # of Ctrl-C
)


def result(program: str, folder: Path, backend: str, *arguments: str) -> Any:
    """Run a user's program in `folder`; return the JSON that it prints last."""
    (folder / "program.py").write_text(BEGIN + program)
    (folder / "layers.py").write_text(LAYERS)
    done = subprocess.run(
        [sys.executable, "program.py", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # which take longer than what they save here
            "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(each, marks=pytest.mark.skipif(not find_spec(each), reason=f"no {each}"))
        for each in ("jax", "torch")
    ],
)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def exported(backend: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, list[str]]:
    """What was exported there, and what was compared when it was verified there."""
    folder = tmp_path_factory.mktemp(backend)
    verified = result(EXPORT, folder, backend, json.dumps(VOCABULARY))
    return exports.load(folder / "artifact"), verified


@pytest.mark.parametrize("name", ["onnx", "saved_model"])
def test_files_give_the_numbers_of_the_original(
    exported: tuple[Artifact, list[str]], name: str
) -> None:
    artifact, _ = exported
    with np.load(artifact.directory.with_name("original.npz")) as original:
        found = formats.read(artifact, name)({"tokens": original["tokens"].astype("int32")})
        np.testing.assert_allclose(found["label"], original["label"], atol=1e-5)


def test_a_text_has_the_numbers_of_its_ids(exported: tuple[Artifact, list[str]]) -> None:
    artifact, _ = exported
    ids = np.array([[VOCABULARY.index("not"), VOCABULARY.index("good")]], "int32")
    expected = formats.read(artifact, "onnx")({"tokens": ids})["label"]
    np.testing.assert_allclose(first_outputs(artifact, ["Not good"]), expected, atol=1e-6)


def test_the_artifact_is_that_of_tensorflow(
    exported: tuple[Artifact, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file, every setting, every comparison, and one more with the original."""
    artifact, verified = exported
    states = [state.name for state in artifact.states]
    assert states == ["first.h", "first.c", "second.h"]
    assert artifact.labels == ["bad", "good"]
    assert "- task: sentiment" in (artifact.directory / "README.md").read_text()
    assert set(verified) == {"recorded", "model", "step", "text"}
    (backend,) = {*artifact.proofs} - {"model", "step", "text", "given"}
    assert {*artifact.proofs[backend].differences} == {"onnx", "saved_model"}
    assert backend in ("model on jax", "model on torch")
    found = {path.relative_to(artifact.directory) for path in artifact.directory.rglob("*")}
    here = artifact.directory.with_name("here")
    monkeypatch.syspath_prepend(here.parent)
    importlib.import_module("layers")
    other = exports.export(
        exports.read_keras(here.with_name("classifier.keras")),
        here,
        formats=["onnx", "saved_model"],
        encoder=TextEncoder(VOCABULARY, max_length=12),
        labels=["bad", "good"],
        streaming=True,
    )
    assert found == {path.relative_to(here) for path in here.rglob("*")}
    assert artifact.config == other.config


def test_what_fails_is_said_in_one_line_and_leaves_nothing(backend: str, tmp_path: Path) -> None:
    refusals = result(REFUSALS, tmp_path, backend)
    assert len(refusals) == len(REFUSED)
    for (message, files), expected in zip(refusals, REFUSED, strict=True):
        assert re.search(expected, message), message
        assert "\n" not in message
        assert set(files) <= {"__pycache__", "layers.py", "program.py"}
