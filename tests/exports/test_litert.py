"""Every recurrent layer in LiteRT, of builtin operators alone, gives Keras's numbers."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import custom_layers
from custom_layers import cells
from exports import ExportError, declared, streaming, tracing
from exports.endpoints.step import in_chunks
from exports.formats.litert import conversion, session
from exports.signature import Signature
from tests.custom_layers.table import CASES
from tests.exports import models
from tests.exports.models import FEATURES, UNITS

Arrays = dict[str, np.ndarray]

MASKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda steps: steps >= 0,
    "right": lambda steps: steps < [[9], [4], [1], [0]],
    "left": lambda steps: steps >= [[0], [4], [8], [9]],
    "holes": lambda steps: steps % 3 != [[1], [0], [2], [1]],
}


class Converted(NamedTuple):
    model: keras.Model
    content: bytes
    keras: Any
    litert: Any


def convert(model: keras.Model, directory: Path, precision: str = "float32") -> Converted:
    signature = declared.signature(model)
    content = conversion.convert(model, signature, precision=precision)
    return loaded(model, content, signature, directory)


def loaded(model: keras.Model, content: bytes, signature: Signature, directory: Path) -> Converted:
    assert "CUSTOM" not in conversion.operators(content)  # what Flex's operators are, too
    path = directory / "model.tflite"
    path.write_bytes(content)
    run = session.read(path, signature=signature)
    return Converted(model, content, tracing.run(model, signature), run)


def assert_equal(converted: Converted, inputs: Arrays, tolerance: float = 1e-5) -> None:
    expected, got = converted.keras(inputs), converted.litert(inputs)
    assert list(expected) == list(got)
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=tolerance, atol=tolerance, err_msg=name)


def drawn(model: keras.Model, mask: np.ndarray) -> Arrays:
    """Return inputs of a model: the mask, sequences of its shape, and states."""
    generator = np.random.default_rng(mask.size)
    inputs = {}
    for each in model.inputs:
        if each.dtype == "bool":
            inputs[each.name] = mask
            continue
        sizes = mask.shape if len(each.shape) > 2 else mask.shape[:1]
        values = generator.normal(size=(*sizes, *each.shape[len(sizes) :]))
        inputs[each.name] = values.astype("float32")
    return inputs


def masked(layer_calls: Callable[[Any, Any], Any], *shape: int) -> keras.Model:
    """A model of sequences and their mask."""
    steps = keras.Input((None, *(shape or (FEATURES,))), name="sequences")
    mask = keras.Input((None,), dtype="bool", name="mask")
    return models.randomized(keras.Model([steps, mask], layer_calls(steps, mask)))


def assert_equal_for_all_masks(converted: Converted) -> None:
    for make in MASKS.values():
        for time in (1, 9, 14):
            mask = np.broadcast_to(make(np.arange(time)), (4, time))
            assert_equal(converted, drawn(converted.model, mask))
    assert_equal(converted, drawn(converted.model, np.ones((1, 3), bool)))


def with_states(make: Callable[..., Any], sizes: Any) -> keras.Model:
    """A layer that is given a mask and states and gives all it has, and one that goes back."""
    steps = keras.Input((None, FEATURES), name="sequences")
    mask = keras.Input((None,), dtype="bool", name="mask")
    states = [keras.Input((size,), name=f"state_{number}") for number, size in enumerate(sizes)]
    forwards = make(return_sequences=True, return_state=True)
    backwards = make(go_backwards=True)
    outputs = [
        *forwards(steps, mask=mask, initial_state=states),
        backwards(steps, mask=mask),
        backwards(steps),
    ]
    return models.randomized(keras.Model([steps, mask, *states], outputs))


@pytest.mark.parametrize("name", CASES)
def test_each_of_our_layers(name: str, tmp_path: Path) -> None:
    make = CASES[name].make
    model = with_states(lambda **options: make(UNITS, **options), make(UNITS).cell.state_size)
    assert_equal_for_all_masks(convert(model, tmp_path))


class Named(keras.layers.GRU):
    """A subclass that leaves `call` alone."""


KERAS: dict[str, tuple[Callable[..., Any], int]] = {
    "SimpleRNN": (keras.layers.SimpleRNN, 1),
    "LSTM": (keras.layers.LSTM, 2),
    "GRU": (keras.layers.GRU, 1),
    "GRU, reset before": (lambda units, **o: keras.layers.GRU(units, reset_after=False, **o), 1),
    "subclass": (Named, 1),
    "zeros": (lambda units, **o: keras.layers.LSTM(units, zero_output_for_mask=True, **o), 2),
    "unlike any": (
        lambda units, **o: keras.layers.GRU(units, lambda x: 2 * keras.ops.tanh(x), **o),
        1,
    ),
    "RNN of a cell": (lambda units, **o: keras.layers.RNN(keras.layers.LSTMCell(units), **o), 2),
    "RNN of ours": (lambda units, **o: keras.layers.RNN(cells.MGUCell(units), **o), 1),
}


@pytest.mark.parametrize("name", KERAS)
def test_each_of_kerass_layers(name: str, tmp_path: Path) -> None:
    make, states = KERAS[name]
    model = with_states(lambda **options: make(UNITS, **options), [UNITS] * states)
    assert_equal_for_all_masks(convert(model, tmp_path))


class Doubling(keras.layers.Layer):
    """A cell as Keras's guide writes one: its output is no state, and its state is no list."""

    state_size, output_size = UNITS, 2 * UNITS

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], UNITS))

    def call(self, inputs: Any, states: Any) -> Any:
        state = keras.ops.tanh(inputs @ self.kernel + states[0] / 2)
        return keras.ops.concatenate([state, 1 - state], axis=-1), [state]


def _stacked() -> Any:
    return keras.layers.StackedRNNCells(
        [keras.layers.LSTMCell(UNITS), keras.layers.GRUCell(2), cells.LayerNormGRUCell(3)]
    )


@pytest.mark.parametrize("make", [Doubling, _stacked], ids=["own", "stacked"])
@pytest.mark.parametrize("go_backwards", [False, True])
def test_any_cell_in_kerass_own_layer(make: Any, go_backwards: bool, tmp_path: Path) -> None:
    options = {"return_state": True, "go_backwards": go_backwards}
    layer_calls = [
        keras.layers.RNN(make(), return_sequences=not go_backwards, **options),
        keras.layers.RNN(make(), zero_output_for_mask=True, return_sequences=True, **options),
    ]
    model = masked(lambda x, mask: keras.tree.flatten([each(x, mask=mask) for each in layer_calls]))
    assert_equal_for_all_masks(convert(model, tmp_path))


def test_states_of_any_rank(tmp_path: Path) -> None:
    layer = keras.layers.ConvLSTM2D(2, 2, return_sequences=True, return_state=True)
    model = masked(lambda x, mask: keras.tree.flatten(layer(x, mask=mask)), 4, 3, 2)
    assert_equal_for_all_masks(convert(model, tmp_path))


@pytest.mark.parametrize("wrapper", [keras.layers.Bidirectional, custom_layers.Bidirectional])
def test_bidirectional_in_every_merge_mode(wrapper: Any, tmp_path: Path) -> None:
    kinds = [custom_layers.GRU, custom_layers.MinGRU, custom_layers.PeepholeLSTM]
    if wrapper is keras.layers.Bidirectional:
        kinds += [keras.layers.GRU, keras.layers.LSTM]
    modes = ["sum", "mul", "concat", "ave", None]
    model = masked(
        lambda x, mask: [
            wrapper(kind(UNITS, return_sequences=number % 2 == 0), merge_mode=mode)(x, mask=mask)
            for number, (kind, mode) in enumerate(zip(kinds * 2, modes, strict=False))
        ]
    )
    assert_equal_for_all_masks(convert(model, tmp_path))


def test_a_stack_behind_an_embedding(tmp_path: Path) -> None:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(models.WORDS, FEATURES, mask_zero=True)(tokens)
    stack = custom_layers.Stack(
        [cells.GRUCell(UNITS), custom_layers.SRU(UNITS)], residual=True, layer_norm=True
    )
    converted = convert(models.randomized(keras.Model(tokens, stack(x))), tmp_path)
    for shape in ((1, 1), (3, 8), (2, 13)):
        ids = np.random.default_rng(0).integers(0, models.WORDS, shape).astype("int32")
        assert_equal(converted, {"tokens": ids})


def test_an_unrolled_layer(tmp_path: Path) -> None:
    steps = keras.Input((5, FEATURES), name="sequences")
    options = {"unroll": True, "return_sequences": True}
    hidden = custom_layers.LSTM(UNITS, **options)(steps)
    model = keras.Model(steps, keras.layers.GRU(UNITS, **options)(hidden))
    converted = convert(models.randomized(model), tmp_path)
    assert_equal(converted, drawn(model, np.ones((3, 5), bool)))


def test_a_scan_of_a_users_own(tmp_path: Path) -> None:
    def decayed(x: Any) -> Any:
        steps = keras.ops.swapaxes(x, 0, 1)
        add = lambda carry, now: (carry / 2 + now, carry / 2 + now)  # noqa: E731
        _, sums = keras.ops.scan(add, keras.ops.zeros_like(steps[0]), steps)
        (products,) = keras.ops.associative_scan(
            lambda a, b: (a[0] * b[0],), (keras.ops.tanh(steps),), reverse=True
        )
        return keras.ops.swapaxes(sums + products, 0, 1)

    steps = models.sequences()
    converted = convert(keras.Model(steps, models.Apply(decayed)(steps)), tmp_path)
    for time in (1, 10):
        assert_equal(converted, drawn(converted.model, np.ones((3, time), bool)))


def test_new_axes_anywhere(tmp_path: Path) -> None:
    def indexed(x: Any) -> Any:
        last = x[:, -1]
        outer = last[:, None, :, None] * last[..., None, :][:, None]
        weighted = x[:, :, 0, None] * x + x[:, :1][:, 0][:, None]
        return weighted + keras.ops.sum(outer * x[..., None], axis=-2)

    steps = models.sequences()
    converted = convert(keras.Model(steps, models.Apply(indexed)(steps)), tmp_path)
    for shape in ((1, 1), (2, 5)):
        assert_equal(converted, drawn(converted.model, np.ones(shape, bool)))


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """A model of several layers, for masks and shapes of all kinds."""

    def layer_calls(x: Any, mask: Any) -> list[Any]:
        h = custom_layers.LSTM(UNITS, return_sequences=True)(x, mask=mask)
        both = keras.layers.Bidirectional(keras.layers.GRU(UNITS, return_sequences=True))
        h = both(h, mask=mask)
        return [keras.layers.Dense(2, name="labels")(h), custom_layers.MinGRU(3)(h, mask=mask)]

    return convert(masked(layer_calls), tmp_path_factory.mktemp("tagged"))


@settings(max_examples=30)
@given(batch=st.integers(1, 5), time=st.integers(1, 30) | st.just(150), data=st.data())
def test_masks_and_shapes_of_all_kinds(
    tagged: Converted, batch: int, time: int, data: st.DataObject
) -> None:
    share, seed = data.draw(st.sampled_from([0.0, 0.2, 0.9, 1.0])), data.draw(st.integers(0, 99))
    mask = np.random.default_rng(seed).random((batch, time)) < share
    assert_equal(tagged, drawn(tagged.model, mask))


STEPS: dict[str, Callable[..., Any]] = {
    "ours": custom_layers.LSTM,
    "linear": custom_layers.QRNN,
    "keras": keras.layers.GRU,
    "cell": lambda units, **options: keras.layers.RNN(Doubling(), **options),
}


@pytest.mark.parametrize("kind", STEPS)
def test_chunks_of_any_length_give_what_the_whole_gives(kind: str, tmp_path: Path) -> None:
    steps = models.sequences()
    x = keras.layers.Masking()(steps)
    hidden = STEPS[kind](UNITS, return_sequences=True, name="lower")(x)
    outputs = [
        keras.layers.Dense(2, name="labels")(hidden),
        STEPS[kind](UNITS, name="upper")(hidden),
    ]
    model = models.randomized(keras.Model(steps, outputs))
    signature = declared.signature(model)
    states = streaming.states(model, signature)
    known = signature.of_steps(states)
    content = conversion.convert(model, known, streaming.function(model, signature, states))
    (tmp_path / "step.tflite").write_bytes(content)
    run = session.read(tmp_path / "step.tflite", signature=known)
    generator = np.random.default_rng(0)
    values = generator.normal(size=(3, 23, FEATURES)).astype("float32")
    values[generator.random((3, 23)) < 0.5] = 0
    whole = tracing.run(model, signature)({"sequences": values})
    got = in_chunks(run, signature, states)({"sequences": values})
    for name, expected in whole.items():
        np.testing.assert_allclose(got[name], expected, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("layer", [custom_layers.GRU, keras.layers.LSTM])
def test_a_stateful_model_begins_with_zeros(layer: Any, tmp_path: Path) -> None:
    steps = keras.Input((None, FEATURES), batch_size=2, name="sequences")
    model = models.randomized(keras.Model(steps, layer(UNITS, stateful=True, name="lower")(steps)))
    values = np.random.default_rng(0).normal(size=(2, 7, FEATURES)).astype("float32")
    model.get_layer("lower").reset_state()
    expected = model.predict(values, verbose=0)  # and now it holds a state
    run = convert(model, tmp_path).litert
    for _ in range(2):
        np.testing.assert_allclose(run({"sequences": values})["lower"], expected, atol=1e-5)


def test_inputs_that_are_outputs_or_unused(tmp_path: Path) -> None:
    first, unused = models.sequences(), keras.Input((2,), dtype="int64", name="unused")
    same = keras.layers.Identity(name="same")(first)
    hidden = custom_layers.GRU(UNITS, name="hidden")(first)
    model = models.randomized(keras.Model([unused, first], [same, hidden, hidden]))
    converted = convert(model, tmp_path)
    values = np.random.default_rng(0).normal(size=(2, 7, FEATURES)).astype("float32")
    assert_equal(converted, {"unused": np.ones((2, 2), "int64"), "sequences": values})


LIMITS: dict[str, tuple[float, float]] = {"float16": (0.6, 2e-3), "int8": (0.4, 5e-2)}


@pytest.mark.parametrize("precision", LIMITS)
def test_smaller_files_are_near(precision: str, tmp_path: Path) -> None:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(500, 64, mask_zero=True)(tokens)
    x = keras.layers.Bidirectional(keras.layers.LSTM(64, return_sequences=True))(x)
    x = custom_layers.GRU(64)(x)
    model = keras.Model(tokens, keras.layers.Dense(3, activation="softmax", name="label")(x))
    full, small = convert(model, tmp_path), convert(model, tmp_path, precision)
    share, distance = LIMITS[precision]
    assert len(small.content) < share * len(full.content)
    ids = np.random.default_rng(0).integers(0, 500, (4, 30)).astype("int32")
    assert_equal(full, {"tokens": ids})
    moved = np.abs(small.litert({"tokens": ids})["label"] - full.litert({"tokens": ids})["label"])
    assert 0 < moved.max() < distance


def bent(x: Any) -> Any:
    """An activation that has no LiteRT form."""
    return keras.ops.erfinv(0.9 * keras.ops.tanh(x))


def test_what_litert_lacks_is_named_with_its_layer(capfd: Any) -> None:
    steps = models.sequences()
    hidden = keras.layers.GRU(UNITS, bent, name="memory")(steps)
    model = keras.Model(steps, keras.layers.Dense(2, bent, name="last")(hidden), name="mine")
    before = [set(vars(layer)) for layer in model.layers]
    with pytest.raises(ExportError) as raised:
        conversion.convert(model, declared.signature(model))
    assert str(raised.value) == (
        "'mine' cannot be converted to LiteRT: there is no LiteRT form of TensorFlow's Erfinv in "
        "layer 'last', Erfinv in layer 'memory': let the layer use other operators, or export to "
        "another format."
    )
    assert [set(vars(layer)) for layer in model.layers] == before
    assert "Erfinv" not in capfd.readouterr().err


class OwnLoop(keras.layers.GRU):
    """A layer with a loop of its own, of which nobody knows what it computes."""

    def inner_loop(self, *inputs: Any, **options: Any) -> Any:
        return super().inner_loop(*inputs, **options)


def test_a_loop_of_a_users_own_is_named() -> None:
    steps = models.sequences()
    model = keras.Model(steps, OwnLoop(UNITS, return_sequences=True, name="memory")(steps))
    message = r"no LiteRT form of TensorFlow's TensorListReserve in layer 'memory': let"
    with pytest.raises(ExportError, match=message):
        conversion.convert(model, declared.signature(model))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    return convert(models.classifier("keras_gru"), tmp_path_factory.mktemp("small"))


@pytest.fixture
def path(small: Converted, tmp_path: Path) -> Path:
    (tmp_path / "model.tflite").write_bytes(small.content)
    return tmp_path / "model.tflite"


def test_threads_share_a_session(small: Converted, path: Path) -> None:
    run = session.read(path)
    given = [
        np.random.default_rng(number).integers(0, models.WORDS, (1 + number % 3, 2 + number))
        for number in range(8)
    ]
    expected = [small.keras({"tokens": ids.astype("int32")})["label"] for ids in given]
    got: dict[int, list[np.ndarray]] = {number: [] for number in range(len(given))}

    def work(number: int) -> None:
        for _ in range(20):
            got[number].append(run({"tokens": given[number].astype("int32")})["label"])

    workers = [threading.Thread(target=work, args=[number]) for number in range(len(given))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for number, labels in got.items():
        assert len(labels) == 20
        for label in labels:
            np.testing.assert_allclose(label, expected[number], atol=1e-5)


IDS = np.ones((2, 3), "int32")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"tokens": IDS[:0]}, "at least one row and one step in 'tokens'"),
        ({"tokens": IDS[:, :0]}, "at least one row and one step in 'tokens'"),
        ({"tokens": IDS[0]}, r"as int32 \['batch', 'time'\], not int32 \[3\]"),
        ({"tokens": IDS.astype("int64")}, "not int64"),
        ({"token": IDS}, r"takes the inputs \['tokens'\], not \['token'\]"),
        ({"tokens": 99 * IDS}, r"fails in LiteRT: gather index out of bounds; node number"),
    ],
)
def test_inputs_that_do_not_fit(inputs: Arrays, message: str, path: Path) -> None:
    run = session.read(path)
    expected = run({"tokens": IDS})["label"]
    with pytest.raises(ExportError, match=message) as raised:
        run(inputs)
    assert len(str(raised.value).splitlines()) == 1
    np.testing.assert_array_equal(run({"tokens": IDS})["label"], expected)


def test_a_session_recovers_from_inputs_that_are_too_short(tmp_path: Path) -> None:
    steps = models.sequences()
    model = keras.Model(steps, keras.layers.Conv1D(2, 3)(steps))
    converted = convert(models.randomized(model), tmp_path)
    for time in (5, 2, 5):
        inputs = drawn(model, np.ones((2, time), bool))
        if time == 2:
            with pytest.raises(ExportError, match="fails in LiteRT"):
                converted.litert(inputs)
        else:
            assert_equal(converted, inputs)


def damages(content: bytes) -> Iterator[bytes]:
    yield b""
    yield b"no file of LiteRT"
    yield content[: len(content) // 2]


def test_a_damaged_file_is_refused(small: Converted, path: Path) -> None:
    for damaged in damages(small.content):
        path.write_bytes(damaged)
        with pytest.raises(ExportError, match=r"cannot be loaded by LiteRT: .*Flatbuffer"):
            session.read(path)
    path.unlink()
    with pytest.raises(ExportError, match=r"cannot be loaded by LiteRT: .*No such file"):
        session.read(path)


def test_a_file_of_another_model_is_refused(path: Path) -> None:
    steps = models.sequences()
    other = keras.Model(steps, keras.layers.Dense(2, name="label")(steps))
    with pytest.raises(ExportError, match=r"has the inputs \['tokens'\], not \['sequences'\]"):
        session.read(path, signature=declared.signature(other))
