"""Every recurrent layer, one native node, the same numbers."""

import re
from typing import Any, NamedTuple

import keras
import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import custom_layers
from exports import ExportError, declared, tracing
from exports.formats.onnx import conversion, session
from tests.custom_layers.table import CASES, REPRESENTATIVES
from tests.exports import models
from tests.exports.models import FEATURES, LAYERS, UNITS, WORDS

few = settings(max_examples=8)


class Converted(NamedTuple):
    model: keras.Model
    graph: onnx.ModelProto
    keras: Any
    onnx: Any


def convert(model: keras.Model, directory: Any) -> Converted:
    signature = declared.signature(model)
    graph = conversion.convert(model, signature)
    onnx.save(graph, directory / "model.onnx")
    return Converted(
        model, graph, tracing.run(model, signature), session.read(directory / "model.onnx")
    )


def assert_equal(
    converted: Converted, inputs: dict[str, np.ndarray], tolerance: float = 1e-5
) -> None:
    expected, got = converted.keras(inputs), converted.onnx(inputs)
    assert list(expected) == list(got)
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=tolerance, atol=tolerance, err_msg=name)


def assert_native(graph: onnx.ModelProto, operator: str, count: int) -> None:
    operators = models.operators(graph)
    assert operators[operator] == count
    assert not models.LOOPS & set(operators)


@st.composite
def masks(draw: Any) -> np.ndarray:
    """Masks of every form: padding on either side, holes, rows without a step, all steps."""
    batch, time = draw(st.integers(1, 5)), draw(st.integers(1, 20) | st.just(150))
    lengths = draw(arrays.arrays(int, (batch, 1), elements=st.integers(0, time)))
    right = np.arange(time) < lengths
    holes = np.random.default_rng(draw(st.integers(0, 99))).random((batch, time)) < 0.5
    return draw(st.sampled_from([right, right[:, ::-1], holes, right & holes, right | True]))


def draw_sequences(mask: np.ndarray, padding: float = 0.0) -> np.ndarray:
    generator = np.random.default_rng(mask.size)
    values = generator.normal(size=(*mask.shape, FEATURES)).astype("float32")
    return np.where(mask[..., None], values, np.float32(padding))


@pytest.fixture(scope="module", params=LAYERS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def converted(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """One kind of layer in both directions, with states in and out, with a mask and without."""
    steps = models.sequences()
    mask = keras.Input((None,), dtype="bool", name="mask")
    states = [
        keras.Input((UNITS,), name=f"state_{each}")
        for each in range(1 + (LAYERS[kind][0] == "LSTM"))
    ]
    outputs = []
    for number, masked in enumerate([mask, mask, mask, mask, None, None]):
        layer = models.make(
            kind,
            return_sequences=number % 2 == 0,
            go_backwards=number in (2, 3, 4),
            return_state=True,
            name=f"{'full' if masked is None else 'masked'}_{number}",
        )
        outputs.append(layer(steps, mask=masked, initial_state=states))
    model = keras.Model([steps, mask, *states], outputs)
    return convert(models.randomized(model), tmp_path_factory.mktemp("layers"))


def test_each_is_one_native_node(kind: str, converted: Converted) -> None:
    assert_native(converted.graph, LAYERS[kind][0], count=6)


def test_axes_are_dynamic_and_named(converted: Converted) -> None:
    ends = {end.name: models.axes(end) for end in converted.graph.graph.input}
    assert ends["sequences"] == ["batch", "time", FEATURES]
    assert ends["mask"] == ["batch", "time"]
    assert ends["state_0"] == ["batch", UNITS]
    outputs = {end.name: models.axes(end) for end in converted.graph.graph.output}
    assert outputs["masked_0"] == ["batch", "time", UNITS]
    assert outputs["masked_1"] == outputs["masked_0_1"] == ["batch", UNITS]


@few
@given(mask=masks(), padding=st.sampled_from([0.0, 1e4, np.nan]))
@example(mask=np.zeros((2, 3), bool), padding=np.nan)
@example(mask=np.ones((1, 1), bool), padding=0.0)
def test_equals_keras(converted: Converted, mask: np.ndarray, padding: float) -> None:
    generator = np.random.default_rng(0)
    inputs = {"sequences": draw_sequences(mask), "mask": mask}
    for each in converted.model.inputs[2:]:
        inputs[each.name] = generator.normal(size=(len(mask), UNITS)).astype("float32")
    assert_equal(converted, inputs)
    # What stands in masked steps is nobody's business.
    del inputs["sequences"]
    filled = converted.onnx({"sequences": draw_sequences(mask, padding), **inputs})
    clean = converted.onnx({"sequences": draw_sequences(mask), **inputs})
    for name in clean:
        if name.startswith("masked"):
            np.testing.assert_array_equal(filled[name], clean[name], err_msg=name)


@pytest.mark.parametrize(
    ("wrapper", "kind"),
    [
        (keras.layers.Bidirectional, "keras_gru"),
        (keras.layers.Bidirectional, "keras_lstm"),
        (keras.layers.Bidirectional, "gru"),
        (custom_layers.Bidirectional, "coupled_lstm"),
        (custom_layers.Bidirectional, "peephole_lstm"),
        (custom_layers.Bidirectional, "gru_reset_before"),
    ],
)
def test_bidirectional_is_one_node_in_every_merge_mode(
    wrapper: Any, kind: str, tmp_path: Any
) -> None:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(WORDS, FEATURES, mask_zero=True)(tokens)
    outputs = [
        wrapper(models.make(kind, return_sequences=number % 2 == 0), merge_mode=mode)(x)
        for number, mode in enumerate(["sum", "mul", "concat", "ave", None])
    ]
    converted = convert(models.randomized(keras.Model(tokens, outputs)), tmp_path)
    assert_native(converted.graph, LAYERS[kind][0], count=5)
    became = sorted(conversion.recurrent_layers(converted.graph).values())
    assert sum(each.endswith("node of both directions") for each in became) == 5

    @few
    @given(mask=masks())
    def check(mask: np.ndarray) -> None:
        ids = np.random.default_rng(0).integers(1, WORDS, mask.shape) * mask
        assert_equal(converted, {"tokens": ids.astype("int32")})

    check()


@pytest.mark.parametrize("wrapper", [keras.layers.Bidirectional, custom_layers.Bidirectional])
@pytest.mark.parametrize("return_sequences", [True, False])
def test_bidirectional_with_states_in_and_out(
    wrapper: Any, return_sequences: bool, tmp_path: Any
) -> None:
    steps, mask = models.sequences(), keras.Input((None,), dtype="bool", name="mask")
    states = [keras.Input((UNITS,), name=f"state_{each}") for each in range(4)]
    layer = models.make("lstm", return_sequences=return_sequences, return_state=True)
    outputs = wrapper(layer)(steps, initial_state=states, mask=mask)
    model = models.randomized(keras.Model([steps, mask, *states], outputs))
    converted = convert(model, tmp_path)
    assert_native(converted.graph, "LSTM", count=1)
    for real in (
        np.arange(9) < np.array([[3], [0], [8], [9]]),
        np.arange(9) != np.array([[3], [0], [8], [9]]),
        np.arange(9) >= np.array([[3], [0], [8], [9]]),
    ):
        inputs: dict[str, Any] = {"sequences": draw_sequences(real), "mask": real}
        for each in states:
            values = np.random.default_rng(0).normal(size=(4, UNITS))
            inputs[each.name] = values.astype("float32")
        assert_equal(converted, inputs)


def test_bidirectional_of_which_one_direction_is_given_a_state(tmp_path: Any) -> None:
    steps, state = models.sequences(), keras.Input((UNITS,), name="state")
    layer = keras.layers.Bidirectional(models.make("keras_gru"))
    zeros = keras.layers.Lambda(keras.ops.zeros_like)(state)
    model = keras.Model([steps, state], layer(steps, initial_state=[zeros, state]))
    converted = convert(models.randomized(model), tmp_path)
    first = np.random.default_rng(0).normal(size=(3, UNITS)).astype("float32")
    assert_equal(converted, {"sequences": draw_sequences(np.ones((3, 7), bool)), "state": first})


@pytest.mark.parametrize("backward", ["gru", "lstm_no_bias"])
def test_directions_that_one_node_cannot_join_are_two(backward: str, tmp_path: Any) -> None:
    steps = models.sequences()
    layers = [
        models.make("keras_lstm", return_sequences=True),
        LAYERS[backward][1](return_sequences=True, go_backwards=True, name="other"),
    ]
    layer = keras.layers.Bidirectional(layers[0], backward_layer=layers[1])
    converted = convert(models.randomized(keras.Model(steps, layer(steps))), tmp_path)
    assert_equal(converted, {"sequences": draw_sequences(np.ones((3, 7), bool))})


@pytest.mark.parametrize("kind", ["coupled_lstm", "lstm", "gru_reset_before", "keras_gru"])
def test_stacked_two_deep(kind: str, tmp_path: Any) -> None:
    steps = models.sequences()
    x = keras.layers.Masking()(steps)
    x = models.make(kind, return_sequences=True, go_backwards=True)(x)
    x = models.make(kind, zero_output_for_mask=True, return_sequences=True)(x)
    converted = convert(models.randomized(keras.Model(steps, x)), tmp_path)
    assert_native(converted.graph, LAYERS[kind][0], count=2)

    @few
    @given(mask=masks())
    def check(mask: np.ndarray) -> None:
        assert_equal(converted, {"sequences": draw_sequences(mask)})

    check()


@pytest.mark.parametrize("kind", ["lstm", "keras_gru"])
def test_layer_that_is_called_twice(kind: str, tmp_path: Any) -> None:
    one, two = keras.Input((None, FEATURES), name="one"), keras.Input((None, FEATURES), name="two")
    shared = models.make(kind)
    model = keras.Model([one, two], [shared(one), shared(keras.layers.Masking()(two))])
    converted = convert(models.randomized(model), tmp_path)
    assert_native(converted.graph, LAYERS[kind][0], count=2)
    mask = np.array([[True, True, False], [False, True, False]])
    assert_equal(converted, {"one": draw_sequences(mask | True), "two": draw_sequences(mask)})


@pytest.mark.parametrize("kind", ["gru", "keras_lstm"])
def test_unrolled_layer(kind: str, tmp_path: Any) -> None:
    steps = keras.Input((5, FEATURES), name="sequences")
    model = keras.Model(steps, models.make(kind, unroll=True)(keras.layers.Masking()(steps)))
    converted = convert(models.randomized(model), tmp_path)
    assert_native(converted.graph, LAYERS[kind][0], count=1)
    assert models.axes(converted.graph.graph.input[0]) == ["batch", 5, FEATURES]
    assert_equal(converted, {"sequences": draw_sequences(np.arange(5) < [[5], [2], [0]])})


def test_an_unrolled_layer_shows_zeros_where_keras_does(tmp_path: Any) -> None:
    """Keras 3.15 forgets to turn the mask around; ours, which it wraps here too, does not."""
    steps, mask = keras.Input((4, 3), name="steps"), keras.Input((4,), dtype="bool", name="mask")
    layers, own = keras.layers, custom_layers.cells
    sequences = {"return_sequences": True, "unroll": True}
    backwards = {"unroll": True, "go_backwards": True, "zero_output_for_mask": True}
    layer_calls = [
        layers.LSTM(2, **sequences | backwards),
        layers.GRU(2, **backwards),
        layers.RNN([layers.GRUCell(2), own.MGUCell(2)], **sequences | backwards),
        layers.RNN(own.GRUCell(2), **sequences | backwards),
        custom_layers.MGU(2, **sequences | backwards),
        layers.Bidirectional(layers.SimpleRNN(2, **sequences)),
        layers.Bidirectional(custom_layers.GRU(2, **sequences)),
    ]
    outputs = [layer_call(steps, mask=mask) for layer_call in layer_calls]
    pictures = layers.Reshape((4, 3, 1))(steps)
    outputs.append(layers.ConvLSTM1D(1, 2, **sequences | backwards)(pictures, mask=mask))
    converted = convert(models.randomized(keras.Model([steps, mask], outputs)), tmp_path)
    given = np.array([[0, 1, 1, 1], [1, 1, 0, 1], [1, 0, 0, 0], [0] * 4]) > 0
    values = np.random.default_rng(0).normal(size=(*given.shape, 3)).astype("float32")
    assert_equal(converted, {"steps": values, "mask": given})


@pytest.mark.parametrize(
    "activation",
    ["tanh", "sigmoid", "relu", "linear", "hard_sigmoid", "softsign", "elu", "leaky_relu"],
)
def test_activation_that_onnx_has(activation: str, tmp_path: Any) -> None:
    steps = models.sequences()
    gates = {"recurrent_activation": activation}
    outputs = [
        custom_layers.GRU(UNITS, activation)(steps),
        custom_layers.GRU(UNITS, **gates)(steps),
        keras.layers.LSTM(UNITS, "softsign", **gates)(steps),
        keras.layers.LSTM(UNITS, activation, "hard_sigmoid")(steps),
    ]
    converted = convert(models.randomized(keras.Model(steps, outputs), scale=0.3), tmp_path)
    assert not models.LOOPS & set(models.operators(converted.graph))
    usual = draw_sequences(np.ones((4, 9), bool))
    assert_equal(converted, {"sequences": usual})
    assert_equal(converted, {"sequences": 300 * usual[:, :2]})


def assert_scan(graph: onnx.ModelProto, count: int = 1) -> None:
    operators = models.operators(graph)
    assert operators["Scan"] == count
    assert not {"Loop", "LSTM", "GRU", "RNN"} & set(operators)


@pytest.mark.parametrize("activation", ["gelu", "softplus", lambda x: 2 * keras.ops.tanh(x)])
@pytest.mark.parametrize(
    ("layer", "argument"),
    [
        (custom_layers.RNN, "activation"),
        (custom_layers.GRU, "recurrent_activation"),
        (keras.layers.LSTM, "activation"),
    ],
)
def test_activation_that_onnx_lacks_is_a_scan(
    layer: Any, argument: str, activation: Any, tmp_path: Any
) -> None:
    model = keras.Sequential([models.sequences(), keras.layers.Masking()])
    model.add(layer(UNITS, name="memory", **{argument: activation}))
    converted = convert(models.randomized(model, scale=0.3), tmp_path)
    assert_scan(converted.graph)
    assert_equal(converted, {"sequences": draw_sequences(np.arange(9) < [[9], [4], [0]])})


@pytest.mark.parametrize("layer", [custom_layers.RNN, custom_layers.IRNN, keras.layers.SimpleRNN])
@pytest.mark.parametrize("options", [{}, {"go_backwards": True, "return_sequences": True}])
def test_a_plain_rnn_is_a_scan(layer: Any, options: dict[str, Any], tmp_path: Any) -> None:
    """ONNX Runtime's own operator for it is slower: see the decision on endpoints and formats."""
    model = keras.Sequential([models.sequences(), keras.layers.Masking()])
    model.add(layer(UNITS, name="memory", **options))
    converted = convert(models.randomized(model, scale=0.3), tmp_path)
    assert_scan(converted.graph)
    assert_equal(converted, {"sequences": draw_sequences(np.arange(9) < [[9], [4], [0]])})


def test_zoneout_is_a_scan(tmp_path: Any) -> None:
    steps = models.sequences()
    model = keras.Model(steps, custom_layers.LSTM(UNITS, zoneout=0.3)(steps))
    converted = convert(models.randomized(model), tmp_path)
    assert_scan(converted.graph)
    assert_equal(converted, {"sequences": draw_sequences(np.ones((4, 9), bool))})


@keras.saving.register_keras_serializable("tests")
class ShiftCell(custom_layers.Cell):
    gates = ("h",)
    state = ("h",)

    def step(self, x: Any, h: Any, state: Any) -> Any:
        return self.State(h=keras.ops.tanh(x.h + h.h - state.h / 2))


def test_cell_of_ones_own_is_a_scan(tmp_path: Any) -> None:
    steps = models.sequences()
    layer = custom_layers.Recurrent(ShiftCell(UNITS), return_sequences=True)
    both = custom_layers.Bidirectional(custom_layers.Recurrent(ShiftCell(UNITS)))
    masked = keras.layers.Masking()(steps)
    # Small weights, because a model that grows chaotic differs from itself, one bit changed.
    model = models.randomized(keras.Model(steps, both(layer(masked))), scale=0.2)
    converted = convert(model, tmp_path)
    assert_scan(converted.graph, count=3)

    @few
    @given(mask=masks())
    def check(mask: np.ndarray) -> None:
        assert_equal(converted, {"sequences": draw_sequences(mask)})

    check()


def _keras_cells() -> dict[str, tuple[Any, str]]:
    cells = custom_layers.cells
    stack = [keras.layers.LSTMCell(UNITS), keras.layers.GRUCell(2), cells.LayerNormGRUCell(3)]
    return {
        "lstm": (keras.layers.LSTMCell(UNITS), "LSTM node"),
        "gru": (keras.layers.GRUCell(UNITS, reset_after=False), "GRU node"),
        "ours": (cells.PeepholeLSTMCell(UNITS), "LSTM node"),
        "ours_without_node": (cells.MGUCell(UNITS), "Scan: .*MGUCell"),
        "stacked": (keras.layers.StackedRNNCells(stack), "Scan: .*StackedRNNCells"),
        "own": (Doubling(UNITS), "Scan: .*Doubling"),
    }


class Doubling(keras.layers.Layer):
    """A cell as Keras's guide writes one: its output is no state, and its state is no list."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.state_size = units
        self.output_size = 2 * units

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], self.state_size))

    def call(self, inputs: Any, states: Any) -> Any:
        state = keras.ops.tanh(inputs @ self.kernel + states[0] / 2)
        return keras.ops.concatenate([state, 1 - state], axis=-1), [state]


@pytest.mark.parametrize("name", _keras_cells())
@pytest.mark.parametrize("go_backwards", [False, True])
def test_a_cell_in_kerass_own_layer(name: str, go_backwards: bool, tmp_path: Any) -> None:
    cell, form = _keras_cells()[name]
    steps = models.sequences()
    mask = keras.Input((None,), dtype="bool", name="mask")
    layer = keras.layers.RNN(
        cell, return_sequences=True, return_state=True, go_backwards=go_backwards, name="layer"
    )
    outputs = keras.tree.flatten(layer(steps, mask=mask))
    model = models.randomized(keras.Model([steps, mask], [*outputs, layer(steps)[0]]))
    converted = convert(model, tmp_path)
    assert "Loop" not in models.operators(converted.graph)
    assert re.match(form, conversion.recurrent_layers(converted.graph)["layer"])

    @few
    @given(mask=masks())
    def check(mask: np.ndarray) -> None:
        assert_equal(converted, {"sequences": draw_sequences(mask), "mask": mask})

    check()


def test_a_cell_in_kerass_own_layer_with_a_state_to_begin_with(tmp_path: Any) -> None:
    steps, state = models.sequences(), keras.Input((UNITS,), name="state")
    mask = keras.Input((None,), dtype="bool", name="mask")
    layer = keras.layers.RNN(Doubling(UNITS), return_sequences=True, return_state=True)
    outputs = keras.tree.flatten(layer(steps, initial_state=[state], mask=mask))
    converted = convert(models.randomized(keras.Model([steps, mask, state], outputs)), tmp_path)
    given = np.arange(9) != np.array([[3], [0], [8], [9]])
    first = np.random.default_rng(0).normal(size=(4, UNITS)).astype("float32")
    assert_equal(converted, {"sequences": draw_sequences(given), "mask": given, "state": first})


class Outer(keras.layers.Layer):
    """A cell of fast weights: its state is a matrix, and its output is no state."""

    state_size, output_size = ((2, 3), UNITS), 3

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 2 + 3 + UNITS))

    def get_initial_state(self, batch_size: Any) -> Any:
        return [keras.ops.zeros((batch_size, 2, 3)), keras.ops.zeros((batch_size, UNITS))]

    def call(self, inputs: Any, states: Any) -> Any:
        matrix, vector = states
        key, value, gate = keras.ops.split(inputs @ self.kernel, [2, 5], axis=-1)
        matrix = 0.5 * matrix + key[:, :, None] * value[:, None, :]
        vector = keras.ops.tanh(gate + vector / 2)
        return keras.ops.einsum("bij,bi->bj", matrix, key) + vector[:, :3], [matrix, vector]


CONVOLUTIONS: dict[str, Any] = {
    "1D": (keras.layers.ConvLSTM1D, (5, 2), {}),
    "2D": (keras.layers.ConvLSTM2D, (5, 4, 2), {"padding": "same", "strides": 2}),
    "3D": (keras.layers.ConvLSTM3D, (4, 5, 4, 1), {}),
}


@pytest.mark.parametrize("kind", [*CONVOLUTIONS, "matrix"])
@pytest.mark.parametrize("options", [{}, {"go_backwards": True, "zero_output_for_mask": True}])
def test_states_of_any_rank_are_a_scan(kind: str, options: Any, tmp_path: Any) -> None:
    layer, shape, own = CONVOLUTIONS.get(kind, (None, (FEATURES,), {}))
    options = {"return_sequences": True, "name": "layer", **options}
    steps = keras.Input((None, *shape), name="steps")
    mask = keras.Input((None,), dtype="bool", name="mask")
    if layer is None:  # Keras cannot return such states
        layer_call = keras.layers.RNN(Outer(), **options)
    else:
        layer_call = layer(2, 2, return_state=True, **own, **options)
    outputs = keras.tree.flatten([layer_call(steps, mask=mask), layer_call(steps)])
    converted = convert(models.randomized(keras.Model([steps, mask], outputs)), tmp_path)
    assert_scan(converted.graph, count=2)
    said = conversion.recurrent_layers(converted.graph)["layer"]
    assert re.fullmatch("Scan: ONNX has no recurrent operator for (ConvLSTMCell|Outer)", said)
    values = np.random.default_rng(0).normal(size=(4, 9, *shape)).astype("float32")
    for real in (np.arange(9) < [[9], [4], [1], [0]], np.arange(9) != [[3], [0], [8], [9]]):
        inputs = {"steps": values, "mask": real}
        assert_equal(converted, inputs)
        ours, expected = converted.onnx(inputs), converted.model.predict(inputs, verbose=0)
        for got, should in zip(ours.values(), expected, strict=True):
            np.testing.assert_allclose(got, should, atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("steps", [None, 5])
def test_a_layer_at_every_step_is_applied_to_all_at_once(
    masked: bool, steps: int | None, tmp_path: Any
) -> None:
    inner = models.make("gru")
    words = keras.Input((steps, 6, FEATURES), name="words")
    mask = keras.Input((steps, 6), dtype="bool", name="mask")
    layer = keras.layers.TimeDistributed(inner)
    outputs = layer(words, mask=mask) if masked else layer(words)
    converted = convert(models.randomized(keras.Model([words, mask], outputs)), tmp_path)
    assert_native(converted.graph, "GRU", count=1)
    assert models.axes(converted.graph.graph.output[0]) == ["batch", steps or "time", UNITS]
    values = np.random.default_rng(0).normal(size=(2, 5, 6, FEATURES)).astype("float32")
    real = np.random.default_rng(1).random((2, 5, 6)) < 0.6
    expected = [inner(values[:, step], mask=real[:, step] if masked else None) for step in range(5)]
    for run in (converted.keras, converted.onnx):  # of Keras, because its own call is wrong here
        (got,) = run({"words": values, "mask": real}).values()
        np.testing.assert_allclose(got, np.stack(expected, axis=1), atol=1e-5)


OTHERS = [name for name in REPRESENTATIVES if CASES[name].keras_layer is None]


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_layer_is_a_scan_or_chunks(name: str, tmp_path: Any) -> None:
    steps = models.sequences()
    mask = keras.Input((None,), dtype="bool", name="mask")
    options = {"return_sequences": True, "return_state": True}
    layers = [CASES[name].make(UNITS, **options, go_backwards=each) for each in (False, True)]
    states = [
        keras.Input((size,), name=f"state_{number}")
        for number, size in enumerate(layers[0].cell.state_size)
    ]
    outputs = [layers[0](steps, mask=mask, initial_state=states), layers[1](steps)]
    model = models.randomized(keras.Model([steps, mask, *states], outputs))
    converted = convert(model, tmp_path)
    if isinstance(layers[0].cell, custom_layers.LinearCell):
        assert "Scan" not in models.operators(converted.graph)
        said = conversion.recurrent_layers(converted.graph).values()
        assert all(each.startswith("chunks side by side") for each in said)
    else:
        assert_scan(converted.graph, count=2)
    given = np.arange(9) != np.array([[3], [0], [8], [9]])
    inputs = {"sequences": draw_sequences(given), "mask": given}
    for each in states:
        inputs[each.name] = np.random.default_rng(0).normal(size=(4, each.shape[1]))
    assert_equal(
        converted, {key: v.astype("float32") if key != "mask" else v for key, v in inputs.items()}
    )


def test_a_stack_is_native_nodes(tmp_path: Any) -> None:
    steps = models.sequences()
    cells = [custom_layers.cells.GRUCell(UNITS), custom_layers.LSTM(UNITS)]
    stack = custom_layers.Stack(cells, residual=True, layer_norm=True)
    model = keras.Model(steps, stack(keras.layers.Masking()(steps)))
    converted = convert(models.randomized(model), tmp_path)
    operators = models.operators(converted.graph)
    assert (operators["GRU"], operators["LSTM"]) == (1, 1) and not models.LOOPS & set(operators)
    assert_equal(converted, {"sequences": draw_sequences(np.arange(9) < [[9], [4], [1], [0]])})


def bent(x: Any) -> Any:
    """An activation that has no ONNX form."""
    return keras.ops.erfinv(0.9 * keras.ops.tanh(x))


@pytest.mark.parametrize("kind", ["lstm", "gru", "keras_lstm", "keras_gru"])
@pytest.mark.parametrize("fails", [False, True])
def test_model_is_left_as_it_was(kind: str, fails: bool, tmp_path: Any) -> None:
    steps = models.sequences()
    layers = [models.make(kind, return_sequences=True), models.make(kind)]
    last = custom_layers.RNN(UNITS, bent if fails else "tanh", name="last")
    x = last(keras.layers.RepeatVector(3)(layers[1](layers[0](steps))))
    model = models.randomized(keras.Model(steps, x))
    inputs = draw_sequences(np.ones((4, 6), bool))
    before, weights = model(inputs), model.get_weights()
    attributes = [set(vars(layer)) for layer in [*layers, last]]
    if fails:
        with pytest.raises(ExportError, match="there is no ONNX form of TensorFlow's Erfinv"):
            conversion.convert(model, declared.signature(model))
    else:
        convert(model, tmp_path)
    assert [set(vars(layer)) for layer in [*layers, last]] == attributes
    np.testing.assert_array_equal(model(inputs), before)
    np.testing.assert_allclose(model.predict(inputs, verbose=0), before, rtol=1e-5, atol=1e-6)
    model.compile("sgd", "mse", jit_compile=False)
    losses = [model.train_on_batch(inputs, np.zeros((4, UNITS))) for _ in range(3)]
    assert losses[2] < losses[0]
    assert all(np.any(new != old) for new, old in zip(model.get_weights(), weights, strict=True))
