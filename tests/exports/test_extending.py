"""A new format and a new endpoint are one file each: nothing else knows how many there are."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from exports import ExportError, endpoints, export, formats, load, verify
from exports.signature import Run
from exports.text import TextEncoder
from tests.exports.models import FEATURES, sequences

# Every weight and the number of the output, as arrays: a format for a Dense layer on a mean.
FORMAT = '''
"""Weights as NumPy's archive."""

import numpy as np

from exports.formats.base import Format


class Toy(Format):
    name = "toy"

    def path(self, endpoint, precision="float32"):
        return f"toy_{endpoint}.npz"

    def write(self, endpoints, directory, properties):
        for endpoint in endpoints:
            weights = [each.numpy() for each in endpoint.model.weights]
            flag = endpoint.name == "largest"
            np.savez(directory / self.path(endpoint.name), *weights, largest=flag)

    def read(self, directory, endpoint, signature, *, precision="float32", threads=None):
        with np.load(self.require(directory, endpoint, precision)) as file:
            kernel, bias, largest = (file[name] for name in ("arr_0", "arr_1", "largest"))
        (output,) = signature.outputs

        def run(inputs):
            (values,) = inputs.values()
            scores = (values.mean(axis=1) @ kernel + bias).astype("float32")
            result = scores.argmax(-1).astype("int32") if largest else scores
            return {output.name: result}

        return run


format = Toy()
'''

# The place of the largest output.
ENDPOINT = '''
"""The label instead of its scores."""

import numpy as np
import tensorflow as tf

from exports import tracing
from exports.endpoints.base import Endpoint
from exports.parity.compare import compare
from exports.signature import Array, Signature


class Largest(Endpoint):
    name = "largest"

    def __init__(self, whole, model=None):
        self._whole, self.model = whole, model
        place = Array("place", (None,), "int32")
        self.signature = Signature(whole.inputs, (place,), whole.lengths)

    @classmethod
    def requested(cls, request):
        return cls(request.signature, request.model)

    @classmethod
    def recorded(cls, artifact):
        return cls(artifact.signature) if "largest" in artifact.config.signatures else None

    def function(self):
        call = tracing.function(self.model, self._whole)

        def largest(*inputs):
            (scores,) = call(*inputs).values()
            return {"place": tf.argmax(scores, -1, tf.int32)}

        return largest

    def compare(self, load, reference, samples):
        def largest(inputs):
            (scores,) = reference.run(inputs).values()
            return {"place": np.argmax(scores, -1).astype("int32")}

        sides = {f"{name} of place": run for name, run in load(self.name).items()}
        return compare({reference.name: largest, **sides}, samples.cases)


endpoint = Largest
'''


@pytest.fixture(autouse=True)
def _two_files(tmp_path: Path) -> Iterator[None]:
    homes = {formats: ("toy.py", FORMAT), endpoints: ("largest.py", ENDPOINT)}
    for package, (name, text) in homes.items():
        folder = tmp_path / package.__name__.rpartition(".")[2]
        folder.mkdir()
        (folder / name).write_text(text)
        package.__path__.append(str(folder))
    yield
    for package in homes:
        package.__path__.pop()


def mean_model() -> keras.Model:
    x = sequences()
    mean = keras.ops.mean(x, axis=1)
    return keras.Model(x, keras.layers.Dense(3, name="scores")(mean))


def test_an_endpoint_and_a_format_of_one_file_each(tmp_path: Path) -> None:
    every = ["saved_model", "onnx", "litert", "toy"]
    exported = export(mean_model(), tmp_path / "artifact", formats=every)
    assert (exported.directory / "toy_largest.npz").exists()
    assert (exported.directory / "onnx/largest.onnx").exists()
    values = np.random.default_rng(0).normal(size=(5, 4, FEATURES)).astype("float32")
    runs: dict[str, Run] = formats.runs(load(exported.directory), "largest")
    assert list(runs) == every
    scores = formats.read(exported, "onnx")({"sequences": values})["scores"]
    for run in runs.values():
        np.testing.assert_array_equal(run({"sequences": values})["place"], scores.argmax(-1))
    checked = verify(exported.directory)
    assert set(checked["largest"].differences) == {f"{name} of place" for name in every}
    assert "`toy_largest.npz`" in (exported.directory / "README.md").read_text()


def test_a_format_that_computes_something_else_fails_the_export(tmp_path: Path) -> None:
    x = sequences()
    model = keras.Model(x, keras.layers.Dense(3, name="scores")(keras.ops.max(x, axis=1)))
    with pytest.raises(ExportError, match="toy differs from keras"):
        export(model, tmp_path / "artifact", formats=["onnx", "toy"])
    assert not (tmp_path / "artifact").exists()


def test_a_declined_endpoint_has_its_reason_in_the_card(
    model: keras.Model, encoder: TextEncoder, tmp_path: Path
) -> None:
    exported = export(model, tmp_path / "artifact", formats=["onnx", "litert"], encoder=encoder)
    assert list(exported.config.declined) == ["text"]
    (reason,) = exported.config.declined["text"].values()
    assert (
        f"| text | `text` | `onnx/text.onnx` | {reason} |"
        in (exported.directory / "README.md").read_text()
    )
    assert list(formats.runs(exported, "text")) == ["onnx"]
