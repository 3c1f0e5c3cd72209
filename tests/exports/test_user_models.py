"""Small models that people export: the light runtime gives the numbers of Keras, called here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import onnx
import pytest
from keras import layers, ops

import custom_layers
from exports import ExportError, export, formats, verify
from exports.runtime import Predictor
from exports.text import TextEncoder
from tests.exports import models
from tests.exports.models import FEATURES, UNITS

Make = Callable[[Any], Any]


class UserModel(NamedTuple):
    """What is made of a sequence of features, and which shape, type and operators it has."""

    make: Make
    steps: int | None = None
    dtype: str = "float32"
    operators: tuple[str, ...] = ()


def frozen(layer: keras.layers.Layer) -> keras.layers.Layer:
    layer.trainable = False
    return layer


@keras.saving.register_keras_serializable("tests")
class Compatible(layers.LSTM):
    """The usual shim for old files: nothing but another constructor."""

    def __init__(self, *args: Any, time_major: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)


class CompatibleCell(layers.LSTMCell):
    """The same of a cell."""


class OurCell(custom_layers.cells.GRUCell):
    """The same of a cell of this library."""


class OurGRU(custom_layers.GRU, cell=OurCell):
    """The same of a layer of this library."""


class Doubling(layers.GRUCell):
    """A cell that computes something else than its parent."""

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        return super().call(2 * inputs, states, training)


class Backwards(layers.GRU):
    """A layer with a loop of its own."""

    def inner_loop(self, sequences: Any, *arguments: Any, **options: Any) -> Any:
        return super().inner_loop(ops.flip(sequences, 1), *arguments, **options)


def sequences_of(*made: Callable[..., keras.layers.Layer], **options: Any) -> Make:
    """Stack layers that return sequences."""

    def make(x: Any) -> Any:
        for layer in made:
            x = layer(UNITS, return_sequences=True, **options)(x)
        return x

    return make


def step_by_step(x: Any) -> Any:
    """Steps told apart by their number, which a recurrent layer before must not lose."""
    x = layers.LSTM(UNITS, return_sequences=True)(x)
    x = custom_layers.MGU(UNITS, return_sequences=True)(x)
    x = layers.Bidirectional(custom_layers.GRU(UNITS, return_sequences=True))(x)
    first, *_, last = ops.unstack(x, axis=1)
    return layers.Lambda(lambda x: sum(x[:, step] for step in range(x.shape[1])))(x), first - last


def nested(x: Any) -> Any:
    y = layers.LSTM(UNITS, return_sequences=True)(x)
    return {"x": y, "all": (y, [2 * y, {"last": y[:, -1]}]), "same": y}


USER_MODELS = {
    "frozen": UserModel(lambda x: frozen(layers.LSTM(UNITS))(x), operators=("LSTM",)),
    "frozen in both directions": UserModel(
        lambda x: frozen(layers.Bidirectional(layers.GRU(UNITS)))(x), operators=("GRU",)
    ),
    "frozen cell, part of a frozen model": UserModel(
        lambda x: frozen(keras.Sequential([layers.RNN(layers.GRUCell(UNITS)), layers.Dense(2)]))(x),
        operators=("GRU",),
    ),
    "subclass": UserModel(sequences_of(Compatible), operators=("LSTM",)),
    "subclass in both directions": UserModel(
        lambda x: layers.Bidirectional(Compatible(UNITS))(x), operators=("LSTM",)
    ),
    "subclass of a cell": UserModel(
        lambda x: layers.RNN(CompatibleCell(UNITS))(x), operators=("LSTM",)
    ),
    "subclass of ours": UserModel(sequences_of(OurGRU), operators=("GRU",)),
    "subclass of our cell": UserModel(
        lambda x: custom_layers.Recurrent(OurCell(UNITS))(x), operators=("GRU",)
    ),
    "subclass that computes": UserModel(lambda x: layers.RNN(Doubling(UNITS))(x)),
    "subclass with a loop": UserModel(lambda x: Backwards(UNITS)(x)),
    "unrolled": UserModel(sequences_of(layers.LSTM, layers.GRU, unroll=True), steps=12),
    "unrolled ours": UserModel(sequences_of(custom_layers.LSTM, layers.GRU, unroll=True), steps=5),
    "step by step": UserModel(step_by_step, steps=6),
    "uint8": UserModel(sequences_of(layers.LSTM, custom_layers.GRU), dtype="uint8"),
    "bool": UserModel(lambda x: custom_layers.MGU(UNITS)(x), dtype="bool"),
    "int64": UserModel(lambda x: layers.Bidirectional(layers.SimpleRNN(UNITS))(x), dtype="int64"),
    "passed on": UserModel(lambda x: [x, layers.LSTM(UNITS)(x), x]),
    "nested outputs": UserModel(nested),
}


@pytest.mark.parametrize("name", USER_MODELS)
def test_runtime_gives_the_numbers_of_keras(name: str, tmp_path: Path) -> None:
    make, steps, dtype, operators = USER_MODELS[name]
    x = keras.Input((steps, FEATURES), dtype=dtype, name="x")
    model = models.randomized(keras.Model(x, make(x)))
    export(model, tmp_path / "artifact", formats=["onnx"])
    verify(tmp_path / "artifact")
    generator = np.random.default_rng(0)
    values = (2 * generator.normal(size=(3, steps or 9, FEATURES)) ** 2).astype(dtype)
    expected = keras.tree.flatten(model(values))
    got = Predictor(tmp_path / "artifact").predict(values)
    for have, want in zip(got.values(), expected, strict=True):
        np.testing.assert_allclose(have, want, atol=1e-5, err_msg=name)
    found = models.operators(onnx.load(tmp_path / "artifact/onnx/model.onnx"))
    if operators:
        assert set(operators) <= set(found) and not models.LOOPS & set(found)


def steps_first(x: Any) -> Any:
    return ops.swapaxes(x, 0, 1)


@keras.saving.register_keras_serializable("tests")
class Scanned(layers.Layer):
    """A recurrent layer by `keras.ops.scan`: its step reads weights, and a tensor beside it."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options, self.cell = options, layers.GRUCell(UNITS)

    def build(self, shape: Any) -> None:
        self.cell.build((shape[0], shape[-1]))

    def call(self, x: Any) -> Any:
        scale = ops.mean(x, axis=(1, 2))[:, None]
        first = ops.zeros((ops.shape(x)[0], UNITS))

        def step(h: Any, x: Any) -> Any:
            h, _ = self.cell(x * scale, [h])
            return h, 2 * h

        last, outputs = ops.scan(step, first, steps_first(x), **self.options)
        return steps_first(outputs) - last[:, None]


def scan_of_nested(x: Any) -> Any:
    """Carry a state and a count of steps; read a mapping, for which Keras needs fixed steps."""

    def step(carry: Any, now: Any) -> Any:
        state, (count,) = carry
        state = ops.tanh(now["x"] + state * now["pair"][0] + ops.cast(count, "float32"))
        return (state, (count + 1,)), (state + 1, (count,))

    xs = {"x": steps_first(x), "pair": [steps_first(x)]}
    (last, (count,)), (outputs, (counts,)) = ops.scan(
        step, (x[:, 0], (ops.zeros((), "int32"),)), xs
    )
    counts = ops.cast(count + counts, "float32")
    return steps_first(outputs) * counts[:, None] + last[:, None]


SCANS: dict[str, tuple[Make, int | None]] = {
    "layer": (lambda x: Scanned()(x), None),
    "backwards": (lambda x: Scanned(reverse=True)(x), None),
    "fixed length": (lambda x: Scanned(length=6, reverse=True)(x), 6),
    "nested": (lambda x: layers.Lambda(scan_of_nested)(x), 6),
    "no outputs": (
        lambda x: layers.Lambda(
            lambda x: ops.scan(lambda h, x: (h / 2 + x, None), x[:, 0], steps_first(x))[0],
            output_shape=(FEATURES,),
        )(x),
        None,
    ),
    "no sequence, in a graph of operations": (
        lambda x: steps_first(ops.scan(lambda h, _: (h / 2 + 1, h), x[:, 0], length=5)[1]),
        None,
    ),
}


@pytest.mark.parametrize("name", SCANS)
def test_a_scan_of_operations_gives_the_numbers_of_keras(name: str, tmp_path: Path) -> None:
    make, steps = SCANS[name]
    x = keras.Input((steps, FEATURES), name="x")
    model = models.randomized(keras.Model(x, make(x)))
    exported = export(model, tmp_path / "artifact", formats=["onnx"])
    for length in [steps] if steps else [1, 2, 13]:
        values = np.random.default_rng(length).normal(size=(3, length, FEATURES))
        (got,) = Predictor(exported.directory).predict(values.astype("float32")).values()
        np.testing.assert_allclose(got, model(values), atol=1e-5, err_msg=name)


def recurrence_in_parallel(x: Any) -> Any:
    """h_t = decay_t h_{t-1} + x_t, from either end."""

    def join(one: Any, other: Any) -> Any:
        return one[0] * other[0], one[1] * other[0] + other[1]

    pair = ops.sigmoid(x), x
    forward = ops.associative_scan(join, pair, axis=1)[1]
    return forward - ops.associative_scan(join, pair, axis=-2, reverse=True)[1]


def test_an_associative_scan_gives_the_numbers_of_keras(tmp_path: Path) -> None:
    x = models.sequences()
    y = layers.Lambda(recurrence_in_parallel, output_shape=lambda shape: shape)(x)
    model = models.randomized(keras.Model(x, layers.GRU(UNITS, return_sequences=True)(y)))
    exported = export(model, tmp_path / "artifact")
    for length in (1, 2, 13):
        values = np.random.default_rng(length).normal(size=(3, length, FEATURES))
        for run in formats.runs(exported).values():
            (got,) = run({"sequences": values.astype("float32")}).values()
            np.testing.assert_allclose(got, model(values), atol=1e-5)


def test_outputs_are_named_after_keys_and_unlike_inputs(tmp_path: Path) -> None:
    x = models.sequences()
    exported = export(keras.Model(x, nested(x)), tmp_path / "one", formats=["onnx"])
    names = [output.name for output in exported.signature.outputs]
    assert names == ["all", "all_1", "all_last", "same", "x"]
    x = keras.Input((None, FEATURES), name="x")
    exported = export(keras.Model(x, [x, nested(x)]), tmp_path / "other", formats=["onnx"])
    names = [output.name for output in exported.signature.outputs]
    assert names == ["x_1", "all", "all_1", "all_last", "same", "x_2"]


@keras.saving.register_keras_serializable("tests")
class Scale(layers.Layer):
    """A layer with a number that its config does not hold."""

    factor = 1.0

    def call(self, x: Any) -> Any:
        return x * self.factor


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_half_precision_is_proved_against_the_model_itself(policy: str, tmp_path: Path) -> None:
    x, scale = models.sequences(), Scale()
    hidden = layers.GRU(UNITS, dtype=policy)(x)
    model = keras.Model(x, scale(layers.Lambda(lambda x: x + 1, dtype=policy)(hidden)))
    scale.factor = 10.0
    before = [(variable.dtype, variable.numpy()) for variable in model.variables]
    policies = [layer.dtype_policy.name for layer in model.layers]
    values = np.random.default_rng(0).normal(size=(2, 5, FEATURES)).astype("float32")
    expected = np.asarray(model(values), "float32")
    exported = export(model, tmp_path / "artifact", formats=["onnx"])
    (got,) = Predictor(tmp_path / "artifact").predict(values).values()
    np.testing.assert_allclose(got, expected, rtol=0.02, atol=0.1)
    epsilon = 2**-7 if policy == "mixed_bfloat16" else 2**-10
    assert exported.proofs["given"].tolerance.relative == 8 * epsilon
    assert [layer.dtype_policy.name for layer in model.layers] == policies
    for variable, (dtype, value) in zip(model.variables, before, strict=True):
        assert variable.dtype == dtype
        np.testing.assert_array_equal(variable.numpy(), value)


def test_a_weight_that_is_not_finite_is_named(tmp_path: Path) -> None:
    x = models.sequences()
    model = keras.Model(x, layers.GRU(UNITS, name="memory")(x))
    kernel, *others = model.get_weights()
    model.set_weights([np.where(np.eye(*kernel.shape), np.nan, kernel), *others])
    with pytest.raises(ExportError, match=r"'memory/gru_cell/kernel' holds NaN .* in 3 of 36"):
        export(model, tmp_path / "artifact")
    assert not list(tmp_path.iterdir())


def test_a_mask_shares_the_axis_of_its_sequence(tmp_path: Path) -> None:
    """Two sources of any two lengths, each with a mask of its length."""
    source, target = (keras.Input((None, FEATURES), name=name) for name in ("source", "target"))
    mask = keras.Input((None,), dtype="bool", name="mask")
    read = layers.GRU(UNITS, return_sequences=True)(source, mask=mask)
    write = layers.GRU(UNITS, return_sequences=True)(target)
    model = keras.Model([source, mask, target], layers.Attention()([write, read]))
    exported = export(model, tmp_path / "artifact", formats=["onnx"])
    times = [array.axes[1] for array in exported.signature.inputs]
    assert times == ["source_time", "source_time", "target_time"]
    arrays = {
        "source": np.ones((2, 3, FEATURES), "float32"),
        "mask": np.array([[True, True, False]] * 2),
        "target": np.ones((2, 8, FEATURES), "float32"),
    }
    (got,) = Predictor(exported.directory).predict(arrays).values()
    np.testing.assert_allclose(got, model(list(arrays.values())), atol=1e-5)
    with pytest.raises(ExportError, match="different lengths on the axis 'source_time'"):
        Predictor(exported.directory).predict({**arrays, "mask": np.ones((2, 8), bool)})


def test_lengths_on_which_keras_fails_are_left_out(tmp_path: Path) -> None:
    x = models.sequences()
    model = keras.Model(x, layers.LSTM(UNITS)(layers.Conv1D(UNITS, 5)(x)))
    exported = export(model, tmp_path / "artifact", formats=["onnx"])
    lengths = exported.signature.lengths["time"]
    assert (lengths.minimum, lengths.proved[-1]) == (5, 301)
    values = np.ones((1, 5, FEATURES), "float32")
    (got,) = Predictor(exported.directory).predict(values).values()
    np.testing.assert_allclose(got, model(values), atol=1e-5)
    with pytest.raises(ExportError, match=r"length 4 on the axis 'time'.* at least 5"):
        Predictor(exported.directory).predict(values[:, :4])


@pytest.mark.parametrize("steps", [None, 7])
def test_a_short_text_is_padded_to_what_the_model_needs(steps: int | None, tmp_path: Path) -> None:
    """Behind a convolution that needs five steps, or where the number of steps is fixed."""
    tokens = keras.Input((steps,), dtype="int32", name="tokens")
    x = layers.Embedding(models.WORDS, FEATURES)(tokens)
    model = keras.Model(tokens, layers.GRU(UNITS)(layers.Conv1D(UNITS, 5)(x)))
    encoder = TextEncoder(models.VOCABULARY, max_length=7)
    export(models.randomized(model), tmp_path / "artifact", encoder=encoder, texts=["not good"])
    verify(tmp_path / "artifact")
    predictor = Predictor(tmp_path / "artifact")
    for text, ids in (("", []), ("good", [2]), ("not good bad not good bad", [4, 2, 3, 4, 2, 3])):
        padded = np.array([ids + [0] * ((steps or 5) - len(ids))])
        (got,) = predictor(text).outputs.values()
        np.testing.assert_allclose(got, model(padded)[0], atol=1e-5, err_msg=text)


@pytest.mark.parametrize(("steps", "most"), [(None, 4), (7, 6), (7, 8)])
def test_an_encoder_that_cannot_fit_is_refused(
    steps: int | None, most: int, tmp_path: Path
) -> None:
    tokens = keras.Input((steps,), dtype="int32", name="tokens")
    x = layers.Conv1D(UNITS, 5)(layers.Embedding(models.WORDS, FEATURES)(tokens))
    needed = "exactly 7" if steps else "at least 5"
    with pytest.raises(ExportError, match=f"up to {most} ids, and 'tokens' needs {needed}"):
        export(
            keras.Model(tokens, layers.GRU(UNITS)(x)),
            tmp_path / "artifact",
            encoder=TextEncoder(models.VOCABULARY, most),
        )
