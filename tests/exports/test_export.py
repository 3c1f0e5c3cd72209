"""What `export` refuses, what it leaves behind when it fails, and half precision."""

import contextlib
import resource
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

import custom_layers
from exports import ExportError, export, formats, verifier, verify
from exports.parity import compare as comparison
from exports.parity.compare import Parity
from exports.runtime import Predictor
from exports.text import TextEncoder
from tests.exports import models
from tests.exports.models import FEATURES, UNITS, Apply


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
@pytest.mark.parametrize("kind", ["gru", "keras_lstm"])
def test_other_precisions_are_exported_as_float32(policy: str, kind: str, tmp_path: Path) -> None:
    keras.config.set_dtype_policy(policy)
    steps = keras.Input((None, FEATURES), name="sequences", dtype="float32")
    x = keras.layers.Bidirectional(models.make(kind, return_sequences=True))(steps)
    x = keras.Sequential([models.make(kind), keras.layers.Dense(2, name="end")])(x)
    model = models.randomized(keras.Model(steps, x))
    values = np.random.default_rng(0).normal(size=(4, 9, FEATURES)).astype("float32")
    exported = export(model, tmp_path / "artifact", examples=values)
    graph = onnx.load(exported.directory / "onnx/model.onnx").graph
    wanted = (onnx.TensorProto.BFLOAT16, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    assert not {each.data_type for each in graph.initializer} & set(wanted)
    assert [output.dtype for output in exported.signature.outputs] == ["float32"]
    expected = np.asarray(keras.ops.cast(model(values), "float32"))
    for run in formats.runs(exported).values():
        (outputs,) = run({"sequences": values}).values()
        np.testing.assert_allclose(outputs, expected, atol=0.03 if policy != "float64" else 1e-5)
    assert keras.config.dtype_policy().name == policy
    assert {layer.compute_dtype for layer in model.layers[1:]} == {model.compute_dtype}


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="mine")
        self.layer = custom_layers.GRU(UNITS)

    def call(self, inputs: Any) -> Any:
        return self.layer(inputs)


def _called(model: keras.Model) -> keras.Model:
    model(np.zeros((1, 2, FEATURES), "float32"))
    return model


class Nested(keras.Model):
    """Two inputs by name, and outputs by name."""

    def __init__(self) -> None:
        super().__init__(name="nested")
        self.inner = Subclassed()
        self.twice = keras.layers.Bidirectional(keras.layers.GRU(UNITS, return_sequences=True))

    def call(self, inputs: Any) -> Any:
        return {"one": self.inner(inputs["steps"]), "other": self.twice(inputs["more"])}


def _steps(name: str) -> Any:
    return keras.Input((None, FEATURES), name=name)


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (Subclassed, lambda: _steps("steps")),
        (lambda: _called(Subclassed()), lambda: _steps("steps")),
        (Nested, lambda: {"steps": _steps("steps"), "more": _steps("more")}),
        (lambda: keras.Sequential([custom_layers.GRU(UNITS)]), lambda: _steps("steps")),
    ],
)
def test_a_model_is_exported_that_does_not_know_its_inputs(
    model: Callable[[], keras.Model], inputs: Callable[[], Any], tmp_path: Path
) -> None:
    made, given = model(), inputs()
    artifact = export(made, tmp_path / "artifact", inputs=given)
    generator = np.random.default_rng(0)
    arrays = {
        array.name: generator.normal(size=(2, 7, FEATURES)).astype("float32")
        for array in artifact.signature.inputs
    }
    expected = made(arrays if isinstance(given, dict) else arrays["steps"])
    if not isinstance(expected, dict):
        expected = {artifact.signature.outputs[0].name: expected}
    for run in formats.runs(artifact).values():
        got = run(arrays)
        assert got.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(got[name], values, atol=1e-5)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda x: tf.math.bessel_i0(x),
            "BesselI0 in layer 'mine': let.*saved_model",
        ),
        (lambda x: tf.numpy_function(lambda a: a, [x], tf.float32), "PyFunc in layer 'mine'"),
        (lambda x: x[:1], r"Output 'mine' of .* batch axis is free, but has 1 rows for .*2, 1, 3"),
        (
            lambda x: tf.reshape(x, [-1, 5, 7]),
            r"shapes \{'x': \[2, 1, 3\]\}, in layer 'mine': .*multiple of 35.*fixed in its k",
        ),
    ],
)
def test_a_layer_that_cannot_be_exported_is_named(
    function: Any, message: str, tmp_path: Path
) -> None:
    steps = keras.Input((None, FEATURES), name="x")
    hidden = custom_layers.GRU(FEATURES, return_sequences=True)(steps)
    model = keras.Model(steps, Apply(function, name="mine")(hidden))
    with pytest.raises(ExportError, match=message):
        export(model, tmp_path / "artifact")
    assert not list(tmp_path.iterdir())


def test_no_kernel_is_asked_for_that_only_a_gpu_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Keras meets a GPU, these are the functions that put its kernels in the graph."""

    def kernel(*_: Any, **__: Any) -> None:
        if tf.executing_eagerly():  # the model as it was given may use what is there
            raise NotImplementedError
        raise AssertionError("a file with this kernel runs on a GPU alone")

    for name in ("lstm", "gru", "bidirectional_lstm", "bidirectional_gru"):
        monkeypatch.setattr(f"keras.src.backend.{name}", kernel)
    steps = keras.Input((None, FEATURES), name="x")
    ends = [
        keras.layers.LSTM(UNITS, use_cudnn=False)(steps),
        keras.layers.Bidirectional(keras.layers.GRU(UNITS, use_cudnn=False))(steps),
    ]
    model = keras.Model(steps, ends)
    for layer in model._flatten_layers():
        if hasattr(layer, "use_cudnn"):
            layer.use_cudnn = "auto"
    export(model, tmp_path / "artifact")


def test_nothing_is_rounded_to_tf32_while_formats_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU rounds what it multiplies, by more than formats may differ, unless told not to."""
    tf.config.experimental.enable_tensor_float_32_execution(True)
    rounds = tf.config.experimental.tensor_float_32_execution_enabled
    compare, found = comparison.compare, []

    def watched(*arguments: Any, **options: Any) -> Parity:
        found.append(rounds())
        return compare(*arguments, **options)

    monkeypatch.setattr(verifier, "compare", watched)
    steps = keras.Input((None, FEATURES), name="x")
    export(keras.Model(steps, custom_layers.LSTM(UNITS)(steps)), tmp_path / "artifact")
    while_exporting = len(found)
    verify(tmp_path / "artifact")
    assert 0 < while_exporting < len(found)
    assert not any(found)
    assert rounds()


@pytest.mark.gpu
@pytest.mark.parametrize("layer", [custom_layers.LSTM, custom_layers.UGRNN, keras.layers.GRU])
def test_what_is_exported_on_a_gpu_agrees(layer: type[keras.layers.Layer], tmp_path: Path) -> None:
    tf.config.experimental.enable_tensor_float_32_execution(True)
    steps = keras.Input((None, FEATURES), name="x")
    export(keras.Model(steps, layer(64)(steps)), tmp_path / "artifact")
    verify(tmp_path / "artifact")


def test_what_a_layer_holds_as_a_tensor_is_kept(tmp_path: Path) -> None:
    steps = keras.Input((None, FEATURES), name="steps")
    scale = keras.layers.Normalization(mean=np.arange(FEATURES), variance=[4.0] * FEATURES)
    artifact = export(keras.Model(steps, scale(steps)), tmp_path / "artifact")
    values = np.random.default_rng(0).normal(size=(2, 5, FEATURES)).astype("float32")
    for run in formats.runs(artifact).values():
        (got,) = run({"steps": values}).values()
        np.testing.assert_allclose(got, (values - np.arange(FEATURES)) / 2, atol=1e-6)


def test_a_table_is_kept_in_the_saved_model(tmp_path: Path) -> None:
    numbers = keras.Input((None,), dtype="int32", name="numbers")
    model = keras.Model(numbers, keras.layers.IntegerLookup(vocabulary=[5, 7, 9])(numbers))
    artifact = export(model, tmp_path / "artifact", formats=["saved_model"])
    (ids,) = Predictor(artifact.directory).predict(np.array([[7, 5, 8]])).values()
    np.testing.assert_array_equal(ids, [[2, 1, 0]])


def _of(steps: Any) -> keras.Model:
    return keras.Model(steps, keras.layers.Flatten()(steps))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Subclassed, r"'mine' has no known inputs: .*inputs=keras.Input\("),
        (lambda: _called(Subclassed()), "'mine' has no known inputs"),
        (lambda: keras.Sequential([custom_layers.GRU(UNITS)], name="s"), "'s' has no known inputs"),
        (lambda: _of(keras.Input((1,), dtype="string", name="x")), "'x' takes strings.*TextEnc"),
    ],
)
def test_unusable_model(model: Callable[[], keras.Model], message: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=message):
        export(model(), tmp_path / "artifact")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": ["onnx", "torch"]}, r"Unknown formats \['torch'\].*onnx, saved_model"),
        ({"formats": []}, "choose among litert, onnx, saved_model"),
        ({"texts": ["good"]}, "`texts` need an `encoder`"),
        ({"examples": {"words": np.ones((1, 2))}}, r"inputs are \['tokens'\], not \['words'\]"),
        ({"examples": [np.ones((1, 2))] * 2}, r"inputs are \['tokens'\], but 2 arrays are given"),
    ],
)
def test_unusable_options(
    model: keras.Model, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=message):
        export(model, tmp_path / "artifact", **{"formats": ["onnx"], **options})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ["full directory", "empty directory", "file", "dangling link"])
def test_what_exists_is_left_alone(model: keras.Model, there: str, tmp_path: Path) -> None:
    target = tmp_path / "artifact"
    if there == "file":
        target.write_text("mine")
    elif there == "dangling link":
        target.symlink_to(tmp_path / "nowhere")
    else:
        target.mkdir()
    if there == "full directory":
        (target / "file").write_text("mine")
    before = sorted((str(path), path.lstat()) for path in tmp_path.rglob("*"))
    with pytest.raises(ExportError, match="artifact exists already: remove it, or export to"):
        export(model, target)
    assert sorted((str(path), path.lstat()) for path in tmp_path.rglob("*")) == before


def test_new_parents_are_made(model: keras.Model, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    exported = export(model, "runs/1/exports", formats=["onnx"])
    assert Predictor(exported.directory).predict(np.ones((1, 2)))["label"].shape == (1, 2)
    assert [path.name for path in tmp_path.rglob("*")][:3] == ["runs", "1", "exports"]


def test_export_is_quiet(
    model: keras.Model, encoder: TextEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing to read when nothing is wrong; a progress bar may be on the screen."""
    tf.get_logger().addHandler(caplog.handler)
    try:
        export(model, tmp_path / "artifact", encoder=encoder)
    finally:
        tf.get_logger().removeHandler(caplog.handler)
    assert [record.getMessage() for record in caplog.records if record.levelno > 20] == []


def another_number(x: Any) -> Any:
    """Add a number that each trace draws anew."""
    return x + np.random.default_rng().uniform(1, 2)


@pytest.mark.parametrize("formats", [["saved_model"], ["onnx"]])
def test_difference_fails_the_export(formats: list[str], tmp_path: Path) -> None:
    """A model that no two graphs agree on."""
    steps = models.sequences()
    model = keras.Model(steps, models.make("gru")(Apply(another_number)(steps)))
    with pytest.raises(ExportError, match=f"{formats[0]} differs from keras on 1 x 1, full"):
        export(model, tmp_path / "new" / "artifact", formats=formats)
    assert not list(tmp_path.iterdir())


class Fuse:
    """Raises an error when it is called for the n-th time."""

    def __init__(self, calls: int, error: type[BaseException]) -> None:
        self.calls, self.error = calls, error

    def __call__(self, x: Any = None) -> Any:
        self.calls -= 1
        if self.calls == 0:
            raise self.error("stop")
        return x


class CardOnFire(Mapping[str, Any]):
    """A model card that can be made, but not read."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse

    def __getitem__(self, name: str) -> Any:
        return name

    def __iter__(self) -> Any:
        self.fuse()
        return iter(["Task"])

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RuntimeError])
@pytest.mark.parametrize("moment", ["saved_model", "onnx", "parity", "report"])
def test_interruption_leaves_nothing(
    moment: str, error: type[BaseException], tmp_path: Path
) -> None:
    steps = models.sequences()
    # The model is called once for its axes, and for each of the lengths 1, 2 and 17.
    calls = {"saved_model": 5, "onnx": 6, "parity": 7, "report": 0}
    fuse = Fuse(calls[moment], error)
    layer = models.make("keras_gru")
    model = keras.Model(steps, layer(Apply(fuse)(steps)))
    attributes = set(vars(layer))
    card = CardOnFire(Fuse(int(moment == "report"), error))
    with pytest.raises((error, ExportError), match="stop"):
        export(model, tmp_path / "new" / "artifact", card=card)
    assert not list(tmp_path.iterdir())
    assert set(vars(layer)) == attributes


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("name", "size"), [("saved_model", 100), ("saved_model", 20_000), ("onnx", 100)]
)
def test_file_that_cannot_be_written(
    model: keras.Model, name: str, size: int, tmp_path: Path
) -> None:
    """Variables, then the graph of a SavedModel; an ONNX file."""
    with (
        files_of_at_most(size),
        pytest.raises(ExportError, match=r"artifact cannot be written: .*File too large") as error,
    ):
        export(model, tmp_path / "new" / "artifact", formats=[name])
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", ["4k", "40k", "60k"])
def test_disk_that_is_full(model: keras.Model, size: str, small_disk: Any) -> None:
    disk = small_disk(f"size={size}")
    with pytest.raises(ExportError, match="artifact cannot be written: No space left") as error:
        export(model, disk / "new" / "artifact")
    assert "\n" not in str(error.value)
    assert not list(disk.iterdir())


def test_disk_that_is_read_only(model: keras.Model, small_disk: Any) -> None:
    with pytest.raises(ExportError, match="artifact cannot be written: Read-only file system"):
        export(model, small_disk("ro") / "new" / "artifact")


@pytest.mark.parametrize(
    ("place", "reason"), [("file/artifact", "Not a directory"), ("x" * 300, "File name too long")]
)
def test_place_that_cannot_be(model: keras.Model, place: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ExportError, match=f"cannot be written: {reason}"):
        export(model, tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
