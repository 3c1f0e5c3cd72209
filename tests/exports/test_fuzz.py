"""Random recurrent models: each is written as ONNX and LiteRT, and every number compared.

`FUZZ` in the environment sets how many: 50 without it, thousands by `make fuzz`.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import custom_layers
from exports import axes, declared, formats, streaming, tracing
from exports.endpoints.base import Endpoint
from exports.endpoints.model import Model
from exports.endpoints.step import Step
from exports.parity.compare import EPSILONS, Tolerance
from tests.custom_layers.table import CASES
from tests.exports.models import randomized

Arrays = dict[str, np.ndarray]

MODELS, EACH = int(os.environ.get("FUZZ", "50")), 10
WORDS, FEATURES, STEPS = 9, 4, 9
ACTIVATIONS = ("tanh", "sigmoid", "relu", "linear", "hard_sigmoid", "softsign", "elu")
MERGES = ("concat", "sum", "mul", "ave")
POLICIES = ("float32", "mixed_float16", "mixed_bfloat16", "float64")
FUZZ_TOLERANCE = Tolerance(absolute=2e-5, relative=1e-4)


@keras.saving.register_keras_serializable("tests")
class ShimLSTM(keras.layers.LSTM):
    """A subclass that computes what its parent does."""


@keras.saving.register_keras_serializable("tests")
class ShimGRU(keras.layers.GRU):
    """The same of another layer."""


@keras.saving.register_keras_serializable("tests")
class DoublingCell(keras.layers.LSTMCell):
    """A subclass that computes something else."""

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        return super().call(2 * inputs, states, training)


@keras.saving.register_keras_serializable("tests")
class OuterCell(keras.layers.Layer):
    """A cell whose state is a matrix and whose output is no state."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.state_size, self.output_size = (units, 2), 2

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], self.state_size[0] + 2))

    def get_initial_state(self, batch_size: Any) -> Any:
        return [keras.ops.zeros((batch_size, *self.state_size))]

    def call(self, inputs: Any, states: Any) -> Any:
        key, value = keras.ops.split(inputs @ self.kernel, [self.state_size[0]], axis=-1)
        matrix = states[0] / 2 + key[:, :, None] * value[:, None, :]
        return keras.ops.einsum("bij,bi->bj", matrix, keras.ops.tanh(key)), [matrix]


class Draw:
    """Choices that depend on a number alone."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def one_of(self, *choices: Any) -> Any:
        return choices[self.generator.integers(len(choices))]

    def chance(self, probability: float) -> bool:
        return bool(self.generator.random() < probability)


class RandomModel:
    """Tokens or features, perhaps masked; one to three recurrent layers, merged or stacked.

    Attributes:
        model: the model.
        is_streamed: whether nothing in it needs the whole sequence.
        signature: its inputs and outputs.
        tolerance: how far a file may be from it.
    """

    def __init__(self, seed: int) -> None:
        self.draw = draw = Draw(seed)
        self.is_streamed = draw.chance(0.3)
        self.steps = STEPS if not self.is_streamed and draw.chance(0.3) else None
        inputs, x = self._beginning()
        for _ in range(draw.one_of(1, 1, 2, 3)):
            x = self._stage(x)
        ends = [self._recurrent(sequences=False)(x)]
        if draw.chance(0.5):
            ends.append(keras.layers.Dense(3, activation="softmax", name="tags")(x))
        # Small weights, because a model that grows chaotic differs from itself, one bit changed.
        self.model = randomized(keras.Model(inputs, ends, name=f"model_{seed}"), scale=0.3)
        for layer in self.model.layers:
            layer.trainable = draw.chance(0.8)
        self.signature, self.tolerance = declared.signature(self.model), FUZZ_TOLERANCE

    def _beginning(self) -> tuple[Any, Any]:
        kind = self.draw.one_of("tokens", "tokens", "float32", "float32", "uint8")
        self.is_masked = kind != "uint8" and self.draw.chance(0.7)
        if kind == "tokens":
            tokens = keras.Input((self.steps,), dtype="int32", name="tokens")
            embedding = keras.layers.Embedding(WORDS, FEATURES, mask_zero=self.is_masked)
            return tokens, embedding(tokens)
        steps = keras.Input((self.steps, FEATURES), dtype=kind, name="steps")
        return steps, keras.layers.Masking()(steps) if self.is_masked else steps

    def _stage(self, x: Any) -> Any:
        """Put one layer, or several side by side, behind `x`."""
        draw = self.draw
        kind = draw.one_of("one", "one", "one", "branches", "shared", "pictures")
        if kind == "branches":
            branches = [self._recurrent(sequences=True)(x) for _ in range(2)]
            x = keras.layers.Concatenate()(branches)
        elif kind == "shared" and not self.is_streamed:
            layer = self._recurrent(sequences=True)
            x = keras.layers.Concatenate()([layer(x), layer(keras.layers.Activation("tanh")(x))])
        elif kind == "pictures" and not self.is_masked:
            x = keras.layers.Reshape((-1, 2, 2))(keras.layers.Dense(4)(x))
            x = keras.layers.ConvLSTM1D(2, 2, padding="same", return_sequences=True)(x)
            x = keras.layers.Reshape((self.steps or -1, 4))(x)
        else:
            x = self._recurrent(sequences=True)(x)
        if draw.chance(0.2):
            x = keras.layers.LayerNormalization()(x)
        if draw.chance(0.2):
            x = keras.layers.TimeDistributed(keras.layers.Dense(FEATURES, activation="tanh"))(x)
        return x

    def _recurrent(self, sequences: bool) -> keras.layers.Layer:
        """Draw a layer; in either direction or both, of ours or of Keras's."""
        draw = self.draw
        units = int(draw.one_of(1, 3, 5))
        options: dict[str, Any] = {"return_sequences": sequences}
        if self.steps:
            options["unroll"] = draw.chance(0.5)
        kind = draw.one_of("ours", "ours", "keras", "keras", "cell", "other", "subclass")
        if kind == "other":
            name = draw.one_of(*(name for name, case in CASES.items() if case.keras_layer is None))
            layer = CASES[name].make(units, **options)
        elif kind == "cell":
            layer = keras.layers.RNN(_cell(draw, units), **options)
        elif kind == "subclass":
            layer = draw.one_of(ShimLSTM, ShimGRU)(units, **options)
        else:
            layer = _standard(draw, kind, units, options)
        if kind != "cell" and not self.is_streamed and draw.chance(0.3):
            home = custom_layers if isinstance(layer, custom_layers.Recurrent) else keras.layers
            wrapper = draw.one_of(home, keras.layers).Bidirectional
            return wrapper(layer, merge_mode=draw.one_of(*MERGES))
        return layer

    def cases(self) -> list[Arrays]:
        """Draw inputs: rows that are full, padded on either side, with holes, or empty."""
        generator, time = self.draw.generator, np.arange(STEPS)
        keep = np.stack(
            [time >= 0, time < 4, time >= 5, generator.random(STEPS) < 0.6, time >= STEPS]
        )
        (tensor,) = self.model.inputs
        shape = (*keep.shape, *tensor.shape[2:])
        is_float = tensor.dtype == "float32"
        values: Any = (
            generator.normal(size=shape) if is_float else generator.integers(1, WORDS, shape)
        )
        values = (values * keep.reshape(keep.shape + (1,) * (len(shape) - 2))).astype(tensor.dtype)
        return [{tensor.name: values}, {tensor.name: values[3:4, : self.steps or 1]}]


class SeveralSequences:
    """Two or three sequences, each with a length and a precision of its own, perhaps with a mask.

    Attributes: those of `RandomModel`, and `lengths`, as `export` takes them.
    """

    is_streamed = False

    def __init__(self, seed: int) -> None:
        self.draw = draw = Draw(seed)
        self.inputs: list[Any] = []
        join = draw.one_of("attention", "states", "outputs")
        common = draw.one_of(None, *POLICIES)
        before, ends = keras.config.dtype_policy(), []
        for number in range(draw.one_of(2, 3)):
            keras.config.set_dtype_policy(common or draw.one_of(*POLICIES))
            ends.append(self._encoded(f"input_{number}", sequences=join != "states"))
        keras.config.set_dtype_policy(before)
        if join == "attention":
            ends = [functools.reduce(lambda x, other: keras.layers.Attention()([x, other]), ends)]
        elif join == "states":
            ends = [keras.layers.Dense(3)(keras.layers.Concatenate()(ends))]
        self.model = randomized(keras.Model(self.inputs, ends, name=f"model_{seed}"), scale=0.3)
        self.lengths = {
            tensor.name: (least, least + draw.one_of(0, 1, 7))
            for tensor in self.inputs
            for least in [draw.one_of(2, 3, 20)]
            if tensor.dtype != "bool" and draw.chance(0.4)
        }
        with tracing.in_float32(self.model):
            limits = declared.limits(self.model)
            self.signature, _ = axes.signature(self.model, limits, self.lengths)
        precision = tracing.precision(self.model)
        is_half = precision in EPSILONS
        self.tolerance = Tolerance.of(precision) if is_half else FUZZ_TOLERANCE

    def _encoded(self, name: str, sequences: bool) -> Any:
        """Put a recurrent layer behind a new input, which may have a mask as an input too."""
        draw = self.draw
        if draw.chance(0.5):
            x = keras.Input((None,), dtype="int32", name=name)
            encoded = keras.layers.Embedding(WORDS, FEATURES, mask_zero=draw.chance(0.5))(x)
        else:
            x = encoded = keras.Input((None, FEATURES), dtype="float32", name=name)
        self.inputs.append(x)
        options: dict[str, Any] = {"return_sequences": sequences}
        layer = _standard(draw, draw.one_of("ours", "keras"), draw.one_of(1, 3, 5), options)
        if draw.chance(0.3):
            layer = keras.layers.Bidirectional(layer)
        if draw.chance(0.5):
            mask = keras.Input((None,), dtype="bool", name=f"{name}_mask")
            self.inputs.append(mask)
            encoded = layer(encoded, mask=mask)
        else:
            encoded = layer(encoded)
        return keras.layers.Dense(FEATURES)(encoded)

    def cases(self) -> list[Arrays]:
        """Draw inputs of different lengths."""
        return [self._case(rows) for rows in (4, 1)]

    def _case(self, rows: int) -> Arrays:
        generator = self.draw.generator
        arrays: Arrays = {}
        steps = 0
        for tensor in self.inputs:
            if tensor.dtype == "bool":  # as long as the sequence before it
                arrays[tensor.name] = generator.random((rows, steps)) < 0.6
                continue
            least, most = self.lengths.get(tensor.name, (2, STEPS))
            steps = int(generator.integers(least, most + 1))
            shape = (rows, steps, *tensor.shape[2:])
            is_float = tensor.dtype == "float32"
            values = generator.normal(size=shape) if is_float else generator.integers(0, 4, shape)
            arrays[tensor.name] = values.astype(tensor.dtype)
        return arrays


def _standard(draw: Draw, home: str, units: int, options: dict[str, Any]) -> keras.layers.Layer:
    """Draw an LSTM, GRU or RNN with its options."""
    name = draw.one_of("LSTM", "GRU", "RNN")
    module = {"ours": custom_layers, "keras": keras.layers}[home]
    options["activation"] = draw.one_of("tanh", *ACTIVATIONS)
    options["use_bias"] = draw.chance(0.8)
    options["zero_output_for_mask"] = draw.chance(0.3)
    if name != "RNN":
        options["recurrent_activation"] = draw.one_of("sigmoid", "hard_sigmoid")
    if name == "GRU":
        options["reset_after"] = draw.chance(0.5)
    kind = getattr(module, "SimpleRNN" if (home, name) == ("keras", "RNN") else name)
    layer: keras.layers.Layer = kind(units, **options)
    return layer


def _cell(draw: Draw, units: int) -> Any:
    layers = keras.layers
    own = custom_layers.cells
    makers = (layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell, own.JANETCell, own.LSTMCell)
    if draw.chance(0.4):
        return layers.StackedRNNCells([draw.one_of(*makers)(units), draw.one_of(*makers)(2)])
    return draw.one_of(*makers, DoublingCell, OuterCell)(units)


def _in_chunks(run: Callable[[Arrays], Arrays], states: Any, inputs: Arrays) -> Arrays:
    """Feed a step model the first step, the next three, and the others."""
    ((name, values),) = inputs.items()
    shapes: dict[str, Any] = {state.name: (len(values), *state.shape[1:]) for state in states}
    carried = {state: np.zeros(shape, "float32") for state, shape in shapes.items()}
    chunks: list[Arrays] = []
    for chunk in np.split(values, [cut for cut in (1, 4) if cut < values.shape[1]], axis=1):
        outputs = run({name: chunk, **carried})
        carried = {state.name: outputs.pop(state.next) for state in states}
        chunks.append(outputs)
    return {
        end: np.concatenate([chunk[end] for chunk in chunks], axis=1) if end == "tags" else last
        for end, last in chunks[-1].items()
    }


FORMATS = ("onnx", "litert")


def _check(seed: int, directory: Path) -> None:
    """Convert the model of a number, and run it beside Keras."""
    drawn = SeveralSequences(seed) if seed % 5 == 4 else RandomModel(seed)
    model, signature = drawn.model, drawn.signature
    able: list[Endpoint] = [Model(signature, model)]
    if drawn.is_streamed:
        able.append(Step(signature, streaming.states(model, signature), model))
    runs = {}
    for format in map(formats.get, FORMATS):
        with tracing.in_float32(model):
            format.write(able, directory, {})
        runs[format.name] = format.read(directory, "model", signature)
        for step in able[1:]:
            run = format.read(directory, "step", step.signature)
            runs[f"{format.name} in chunks"] = functools.partial(_in_chunks, run, step.states)
    for inputs in drawn.cases():
        arrays = [tf.constant(values) for values in inputs.values()]
        packed = keras.tree.pack_sequence_as(model.input, arrays)
        expected = keras.tree.flatten(model(packed, training=False))
        for name, run in runs.items():
            for got, want in zip(run(inputs).values(), expected, strict=True):
                np.testing.assert_allclose(
                    got,
                    tf.cast(want, "float32"),
                    rtol=drawn.tolerance.relative,
                    atol=drawn.tolerance.absolute,
                    err_msg=f"model {seed}, {name}, inputs {[each.shape for each in arrays]}",
                )
    written = formats.get("onnx").described(directory)
    linear = "chunks side by side" in str(written["recurrent_layers"])
    assert linear or "Loop" not in written["operators"], f"model {seed} has a Loop"


@pytest.mark.parametrize("first", range(0, MODELS, EACH))
def test_random_models(first: int, tmp_path: Path) -> None:
    keras.backend.clear_session()
    for seed in range(first, first + EACH):
        directory = tmp_path / str(seed)
        directory.mkdir()
        _check(seed, directory)
