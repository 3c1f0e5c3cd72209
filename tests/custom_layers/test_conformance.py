"""What every public layer must do, checked against references that are not ours."""

import inspect
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import custom_layers
from tests.custom_layers.gradients import BACKEND, arrays, tensorflow_only, values_and_gradients
from tests.custom_layers.table import CASES, REPRESENTATIVES, Case, public_layers

BATCH, TIME, FEATURES, UNITS = 5, 7, 3, 4

MASKS: dict[str, Any] = {
    "none": None,
    "right": np.arange(TIME) < np.array([7, 4, 1, 0, 6])[:, None],
    "left": np.arange(TIME) >= np.array([0, 3, 6, 7, 1])[:, None],
    "holes": np.array([[1, 0, 1, 1, 0, 0, 1]] * BATCH, bool) ^ (np.arange(BATCH) % 2 > 0)[:, None],
}

masks = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)


def inputs(time: int = TIME, batch: int = BATCH) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(batch, time, FEATURES)).astype("float32")


def states(layer: custom_layers.Recurrent, batch: int = BATCH) -> list[np.ndarray]:
    generator = np.random.default_rng(2)
    sizes = layer.cell.state_size
    return [generator.normal(size=(batch, size)).astype("float32") for size in sizes]


def comparable_states(
    layer: custom_layers.Recurrent, batch: int = BATCH
) -> list[np.ndarray] | None:
    """Return states to begin with, where Keras's layers then do on all backends the same as ours.

    Before the first real step Keras's output is zero, as ours; on JAX it is the initial state.
    """
    return None if BACKEND == "jax" else states(layer, batch)


def randomize(layer: keras.layers.Layer) -> None:
    """Give every weight, biases too, a value that matters."""
    generator = np.random.default_rng(3)
    for variable in layer.trainable_variables:
        variable.assign(generator.normal(size=variable.shape) * 0.6)


def built(layer: keras.layers.Layer, batch: int | None = None) -> Any:
    layer.build((batch, None, FEATURES))
    return layer


def outputs_and_gradients(
    layer: keras.layers.Layer,
    x: np.ndarray,
    state: list[np.ndarray] | None = None,
    mask: np.ndarray | None = None,
    training: bool = True,
) -> list[np.ndarray]:
    """Return all outputs, and the gradients of a curved function of them."""

    def call(x: Any, *state: Any) -> Any:
        return layer(x, initial_state=list(state) or None, mask=mask, training=training)

    return values_and_gradients(layer, call, x, *(state or []))


def assert_all_close(
    ours: list[np.ndarray], reference: list[np.ndarray], atol: float = 2e-5
) -> None:
    for a, b in zip(ours, reference, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=atol)


def test_every_public_layer_is_in_the_table() -> None:
    assert public_layers() == {case.layer for case in CASES.values()}


def test_the_constructor_takes_what_keras_takes(case: Case) -> None:
    def arguments(layer: type) -> dict[str, Any]:
        found = inspect.signature(layer).parameters.values()
        return {each.name: each.default for each in found if each.kind is not each.VAR_KEYWORD}

    if case.keras_layer is None:
        assert next(iter(arguments(case.layer))) == "units"
        return
    ours, reference = arguments(case.layer), arguments(case.keras_layer)
    del reference["activity_regularizer"]  # an option of every Keras layer
    for name in case.keras_arguments:
        del reference[name]
    assert reference.items() <= ours.items()
    assert list(ours)[:3] == list(arguments(case.keras_layer))[:3]


@pytest.mark.parametrize(
    ("go_backwards", "return_sequences", "training", "mask"),
    [(False, False, False, "none"), (True, True, True, "holes")],
)
def test_equals_the_keras_layer(
    case: Case, go_backwards: bool, return_sequences: bool, training: bool, mask: str
) -> None:
    options = {
        "go_backwards": go_backwards,
        "return_sequences": return_sequences,
        "return_state": True,
    }
    ours, reference = built(case.make(**options)), built(case.make_keras(**options))
    randomize(ours)
    reference.set_weights(ours.get_weights())
    arguments = inputs(), comparable_states(ours), MASKS[mask], training
    assert_all_close(
        outputs_and_gradients(ours, *arguments), outputs_and_gradients(reference, *arguments)
    )


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.keras_layer])
def test_equals_keras_rnn_around_the_cell(name: str) -> None:
    mask = MASKS["holes"]
    ours = built(CASES[name].make(return_sequences=True))
    randomize(ours)
    reference = keras.layers.RNN(ours.cell, return_sequences=True)
    assert_all_close(
        outputs_and_gradients(ours, inputs(), mask=mask),
        outputs_and_gradients(built(reference), inputs(), mask=mask),
    )


def test_equals_keras_inside_bidirectional(representative: Case) -> None:
    case, mask = representative, MASKS["holes"]
    options = {"return_sequences": True, "return_state": True}
    ours, reference = (
        built(keras.layers.Bidirectional(layer))
        for layer in (case.make(**options), case.make_keras(**options))
    )
    randomize(ours)
    reference.set_weights(ours.get_weights())
    assert_all_close(
        outputs_and_gradients(ours, inputs(), mask=mask),
        outputs_and_gradients(reference, inputs(), mask=mask),
    )


@pytest.mark.skipif(BACKEND != "tensorflow", reason="Keras has float64 on TensorFlow alone")
def test_gradients_equal_finite_differences_in_float64(representative: Case) -> None:
    layer = built(representative.make(return_sequences=True, dtype="float64"))
    randomize(layer)
    start, epsilon, values = layer.get_weights(), 1e-6, []
    direction = [np.random.default_rng(k).normal(size=w.shape) for k, w in enumerate(start)]
    arguments = inputs().astype("float64"), None, MASKS["holes"]
    _, _, *gradients = outputs_and_gradients(layer, *arguments)
    slope = sum(np.sum(g * d) for g, d in zip(gradients, direction, strict=True))
    for e in (epsilon, -epsilon):
        layer.set_weights([w + e * d for w, d in zip(start, direction, strict=True)])
        outputs, *_ = outputs_and_gradients(layer, *arguments)
        values.append(np.sum(np.sin(outputs)))
    assert slope == pytest.approx((values[0] - values[1]) / (2 * epsilon), rel=1e-6)


@settings(max_examples=10)
@given(
    cuts=st.lists(st.integers(1, TIME - 1), max_size=3),
    name=st.sampled_from(sorted(REPRESENTATIVES)),
)
def test_chunks_of_a_sequence_equal_the_whole(cuts: list[int], name: str) -> None:
    layer = built(CASES[name].make(return_sequences=True, return_state=True))
    randomize(layer)
    whole, *final = arrays(layer(inputs()))
    state, chunks = None, []
    for begin, end in zip([0, *sorted(set(cuts))], [*sorted(set(cuts)), TIME], strict=True):
        chunk, *state = layer(inputs()[:, begin:end], initial_state=state)
        chunks.append(arrays(chunk))
    np.testing.assert_allclose(np.concatenate(chunks, axis=1), whole, atol=1e-6)
    assert_all_close(arrays(state), final, 1e-6)


@settings(max_examples=15)
@given(data=st.data())
def test_any_mask_of_any_shape_equals_keras(data: st.DataObject) -> None:
    case = CASES[data.draw(st.sampled_from(sorted(REPRESENTATIVES)))]
    batch, time = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 9))
    rows = st.lists(st.booleans(), min_size=time, max_size=time)
    mask = np.array(data.draw(st.lists(rows, min_size=batch, max_size=batch)))
    options = {"return_sequences": data.draw(st.booleans()), "return_state": True}
    ours, reference = built(case.make(**options)), built(case.make_keras(**options))
    randomize(ours)
    reference.set_weights(ours.get_weights())
    arguments = inputs(time, batch), comparable_states(ours, batch), mask
    assert_all_close(
        outputs_and_gradients(ours, *arguments), outputs_and_gradients(reference, *arguments)
    )


@pytest.mark.parametrize("training", [False, True])
def test_nan_in_padding_never_leaks(representative: Case, training: bool) -> None:
    """Neither of a row without a step, nor out of gaps at the beginning, between and at the end."""
    mask = MASKS["holes"] & (np.arange(BATCH) > 0)[:, None]
    layer = built(representative.make(return_sequences=True, return_state=True))
    randomize(layer)
    clean = np.where(mask[..., None], inputs(), 0)
    dirty = np.where(mask[..., None], inputs(), np.nan)
    assert_all_close(
        outputs_and_gradients(layer, dirty, states(layer), mask, training),
        outputs_and_gradients(layer, clean, states(layer), mask, training),
        atol=0,
    )


@tensorflow_only
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_compiled_step_equals_the_eager_one(representative: Case, jit_compile: bool) -> None:
    assert_compiled_equals_eager(representative, jit_compile, training=jit_compile)


@tensorflow_only
@pytest.mark.parametrize("name", ["LSTM", "LRU"])
def test_xla_takes_the_gradient_of_a_loop_that_is_no_training(name: str) -> None:
    assert_compiled_equals_eager(CASES[name], jit_compile=True, training=False)


def assert_compiled_equals_eager(case: Case, jit_compile: bool, training: bool) -> None:
    layer = built(case.make(return_sequences=True))
    randomize(layer)
    compiled = tf.function(
        lambda x: outputs_and_gradients_of(layer, x, training),
        jit_compile=jit_compile,
        autograph=False,
    )
    assert_all_close(
        [np.asarray(each) for each in compiled(tf.constant(inputs()))],
        outputs_and_gradients(layer, inputs()),
    )


def outputs_and_gradients_of(
    layer: keras.layers.Layer, x: tf.Tensor, training: bool = True
) -> list[tf.Tensor]:
    """The same as `outputs_and_gradients`, in TensorFlow from end to end."""
    weights = [variable.value for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = layer(x, training=training)
        loss = tf.reduce_sum(tf.sin(output))
    return [output, *tape.gradient(loss, [x, *weights])]


@tensorflow_only
def test_one_trace_serves_every_batch_and_length(representative: Case) -> None:
    layer = built(representative.make())
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, None, FEATURES])], autograph=False)
    def step(x: tf.Tensor) -> list[tf.Tensor]:
        traces.append(x.shape)
        return outputs_and_gradients_of(layer, x)

    for batch, time in [(1, 1), (2, 10)]:
        x = inputs(time, batch)
        assert_all_close([np.asarray(each) for each in step(x)], outputs_and_gradients(layer, x))
    assert len(traces) == 1


def test_keras_trains_saves_and_loads_it(representative: Case, tmp_path: Any) -> None:
    model = keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            keras.layers.Masking(),
            representative.make(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.03), "mse")
    x = np.tile(inputs(batch=32), (20, 1, 1))  # one batch, 20 times
    y = x[:, :, :1].sum(axis=1)
    losses = model.fit(x, y, epochs=2, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(arrays(loaded(x)), arrays(model(x)))


def distance(got: np.ndarray, wanted: np.ndarray) -> float:
    """How far two arrays are apart, as a part of their size."""
    return float(np.linalg.norm(got.astype("float32") - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(representative: Case, policy: str) -> None:
    full, mixed = (
        built(representative.make(16, return_sequences=True, dtype=each))
        for each in ("float32", policy)
    )
    mixed.set_weights(full.get_weights())
    assert {variable.dtype for variable in mixed.trainable_variables} == {"float32"}
    x = inputs() / 4
    output, *gradients = outputs_and_gradients(mixed, x)
    assert output.dtype == mixed.compute_dtype
    reference, *expected = outputs_and_gradients(full, x)
    assert distance(output, reference) < 0.05
    assert all(distance(*pair) < 0.2 for pair in zip(gradients, expected, strict=True))


def test_a_stateless_call_hands_out_the_states_that_it_would_keep(representative: Case) -> None:
    layer = built(representative.make(return_state=True, stateful=True), BATCH)
    randomize(layer)
    variables = layer.trainable_variables, layer.non_trainable_variables
    values = ([variable.value for variable in each] for each in variables)
    (_, *final), updates = layer.stateless_call(*values, inputs(), training=True)
    kept = dict(zip((variable.path for variable in variables[1]), updates, strict=True))
    for state, expected in zip(layer.states, final, strict=True):
        np.testing.assert_array_equal(arrays(kept[state.path]), arrays(expected))
        assert not arrays(state).any()


@tensorflow_only
def test_the_input_projection_is_outside_the_loop(representative: Case) -> None:
    layer = built(representative.make(use_cudnn=False))
    function = tf.function(lambda x: layer(x), autograph=False)
    graph = function.get_concrete_function(tf.TensorSpec([None, None, FEATURES])).graph
    products = [op for op in graph.get_operations() if op.type == "MatMul"]
    further = (custom_layers.MinimalRNN, custom_layers.LRU)  # one more product of all steps
    assert len(products) == (2 if representative.layer in further else 1)
    library = graph.as_graph_def().library.function
    inside = [node.op for function in library for node in function.node_def].count("MatMul")
    assert inside == len(layer.cell.products())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "positive integer, not 0"),
        ({"units": 2.5}, r"positive integer, not 2\.5"),
        ({"dropout": 1.0}, r"`dropout` must be at least 0 and below 1, not 1\.0"),
        ({"recurrent_dropout": -0.1}, "`recurrent_dropout` must be"),
        ({"zoneout": 2}, "`zoneout` must be"),
        ({"truncate": 0}, "`truncate` must be None or above 0, not 0"),
        ({"clip_state_gradient": -1.0}, "`clip_state_gradient` must be"),
        ({"use_cudnn": "yes"}, "`use_cudnn` must be"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        custom_layers.LSTM(**{"units": UNITS, **arguments})


def test_wrong_calls_are_named() -> None:
    with pytest.raises(ValueError, match="needs a fixed batch size"):
        built(custom_layers.LSTM(UNITS, stateful=True))
    with pytest.raises(ValueError, match="fixed number of time steps"):
        custom_layers.LSTM(UNITS, unroll=True)(keras.Input((None, FEATURES)))
    with pytest.raises(ValueError, match="`initial_state` holds 5 tensors"):
        custom_layers.LSTM(UNITS)(inputs(), initial_state=[np.zeros((BATCH, UNITS))] * 5)
    with pytest.raises(ValueError, match="batch size 5, but its inputs have batch size 2"):
        built(custom_layers.LSTM(UNITS, stateful=True), BATCH)(inputs(batch=2))
    with pytest.raises(TypeError, match=r"custom_layers\.Cell"):
        custom_layers.Recurrent(keras.layers.LSTMCell(4))
