"""States in the open: chunks of a sequence give what the whole sequence gives."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf

import custom_layers
from exports import Artifact, ExportError, declared, export, formats, streaming, tracing, verify
from exports.endpoints.step import call_by_call, in_chunks
from exports.formats.onnx import session
from exports.parity.cases import grid
from exports.parity.compare import STRICT, compare
from exports.runtime.predictor import Predictor
from tests.exports.models import FEATURES, UNITS, randomized, sequences

LAYERS: dict[str, tuple[Callable[..., Any], list[str]]] = {
    "lstm": (custom_layers.LSTM, ["h", "c"]),
    "gru": (custom_layers.GRU, ["h"]),
    "scan": (custom_layers.LayerNormLSTM, ["h", "c"]),
    "keras_lstm": (keras.layers.LSTM, ["h", "c"]),
    "keras_gru": (keras.layers.GRU, ["h"]),
}


def tagger(layer: Callable[..., Any], **options: Any) -> keras.Model:
    """A label for every step, and one for the sequence."""
    steps = keras.Input((None, FEATURES), name="sequences", batch_size=options.pop("batch", None))
    hidden = layer(UNITS, return_sequences=True, name="lower", **options)(steps)
    last = layer(UNITS, name="upper", **options)(hidden)
    labels = keras.layers.Dense(2, name="labels")(hidden)
    return randomized(keras.Model(steps, [labels, keras.layers.Dense(2, name="label")(last)]))


@pytest.fixture(scope="module", params=LAYERS)
def case(request: pytest.FixtureRequest, tmp_path_factory: Any) -> tuple[str, Artifact, Any]:
    layer, _ = LAYERS[request.param]
    model = tagger(layer)
    directory = tmp_path_factory.mktemp("streaming") / "artifact"
    return request.param, export(model, directory, streaming=True), model


def test_states_are_named_after_layer_and_state(case: Any) -> None:
    kind, artifact, _ = case
    expected = [f"{layer}.{state}" for layer in ("lower", "upper") for state in LAYERS[kind][1]]
    step = onnxruntime.InferenceSession(str(artifact.directory / "onnx/step.onnx"))
    assert [each.name for each in step.get_inputs()] == ["sequences", *expected]
    assert [each.name for each in step.get_outputs()] == [
        "labels",
        "label",
        *(f"{name}.next" for name in expected),
    ]
    zeros = json.loads(step.get_modelmeta().custom_metadata_map["zero_initial_states"])
    assert zeros == {name: {"next": f"{name}.next", "shape": [None, UNITS]} for name in expected}


def test_chunks_of_any_length_give_what_the_whole_sequence_gives(case: Any) -> None:
    _, artifact, model = case
    values = np.random.default_rng(0).normal(size=(3, 23, FEATURES)).astype("float32")
    expected = model.predict(values, verbose=0)
    step = onnxruntime.InferenceSession(str(artifact.directory / "onnx/step.onnx"))
    loaded = tf.saved_model.load(str(artifact.directory / "saved_model"))
    saved = loaded.signatures["serving_step"]
    names = [each.name for each in step.get_outputs()]
    runs: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "onnx": lambda feeds: dict(zip(names, step.run(names, feeds), strict=True)),
        "saved_model": lambda feeds: {
            name: output.numpy()
            for name, output in saved(**{k: tf.constant(v) for k, v in feeds.items()}).items()
        },
    }
    for kind, run in runs.items():
        carried = {name.name: np.zeros((3, UNITS), "float32") for name in artifact.states}
        labels = []
        for start, stop in [(0, 1), (1, 2), (2, 15), (15, 23)]:
            outputs = run({"sequences": values[:, start:stop], **carried})
            carried = {state.name: outputs[state.next] for state in artifact.states}
            labels.append(outputs["labels"])
        np.testing.assert_allclose(np.concatenate(labels, 1), expected[0], atol=1e-5, err_msg=kind)
        np.testing.assert_allclose(outputs["label"], expected[1], 0, 1e-5, err_msg=kind)


def test_a_trace_has_the_states_and_outputs_of_keras_at_every_step(case: Any) -> None:
    kind, artifact, model = case
    values = np.random.default_rng(0).normal(size=(3, 9, FEATURES)).astype("float32")
    steps = Predictor(artifact.directory).trace(values)
    prefixes = [model.predict(values[:, : step + 1], verbose=0) for step in range(9)]
    label = np.stack([label for _, label in prefixes], axis=1)
    np.testing.assert_allclose(steps.outputs["labels"], prefixes[-1][0], atol=1e-5)
    np.testing.assert_allclose(steps.outputs["label"], label, atol=1e-5)
    assert list(steps.states) == [state.name for state in artifact.states]
    if kind.startswith("keras"):
        return  # nothing else tells its states
    for layer, trace in custom_layers.trace(model, values).items():
        for name, expected in trace.states.items():
            np.testing.assert_allclose(steps.states[f"{layer}.{name}"], expected, atol=1e-5)


def test_only_a_step_model_has_a_trace(exported: Artifact) -> None:
    with pytest.raises(ExportError, match="holds no step model: export with --streaming"):
        Predictor(exported.directory).trace(np.array([[1, 2]]))


def test_the_proof_covers_the_step_model(case: Any) -> None:
    _, artifact, _ = case
    proof = json.loads((artifact.directory / "parity.json").read_text())["step"]
    assert set(proof["differences"]) == {"saved_model in chunks", "onnx in chunks"}
    assert proof["tolerance"] == asdict(STRICT)
    assert list(verify(artifact.directory)) == ["recorded", "model", "step"]


def test_a_step_model_that_forgets_a_state_is_noticed(case: Any, tmp_path: Path) -> None:
    _, artifact, _ = case
    copy = Path(shutil.copytree(artifact.directory, tmp_path / "copy"))
    path, manifest = copy / "onnx/step.onnx", copy / "MANIFEST.sha256"
    graph = onnx.load(path)
    state = artifact.states[0]
    for node in graph.graph.node:
        node.input[:] = ["zeros" if name == state.name else name for name in node.input]
    zeros = onnx.helper.make_node("Sub", [state.name, state.name], ["zeros"])
    graph.graph.node.insert(0, zeros)
    onnx.save(graph, path)
    manifest.write_text(_hashed(manifest.read_text(), path))
    with pytest.raises(ExportError, match="onnx in chunks differs"):
        verify(copy)


def _hashed(manifest: str, path: Path) -> str:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    lines = manifest.splitlines()
    return "".join(
        f"{digest}  onnx/step.onnx\n" if line.endswith("step.onnx") else f"{line}\n"
        for line in lines
    )


@pytest.mark.parametrize("layer", [custom_layers.GRU, keras.layers.LSTM])
def test_a_stateful_model_is_exported_from_zeros_with_its_step_model(
    layer: Any, tmp_path: Path
) -> None:
    model = tagger(layer, stateful=True, batch=2)
    for name in ("lower", "upper"):
        model.get_layer(name).reset_state()
    values = np.random.default_rng(0).normal(size=(2, 9, FEATURES)).astype("float32")
    expected = model.predict(values, verbose=0)  # and now it holds a state
    held = [variable.numpy() for variable in model.variables]
    artifact = export(model, tmp_path / "artifact")
    assert artifact.states
    for run in formats.runs(artifact).values():
        for _ in range(2):
            outputs = run({"sequences": values})
            np.testing.assert_allclose(outputs["labels"], expected[0], atol=1e-5)
    for variable, before in zip(model.variables, held, strict=True):
        np.testing.assert_array_equal(variable.numpy(), before)


def test_calls_one_after_another_begin_anew_for_other_rows(tmp_path: Path) -> None:
    """Each call has the steps that the model is made for, in a stream and in a trace too."""
    steps = keras.Input((4, FEATURES), batch_size=2, name="sequences")
    hidden = custom_layers.LSTM(UNITS, return_sequences=True, stateful=True)(steps)
    model = randomized(
        keras.Model(steps, custom_layers.GRU(UNITS, stateful=True, name="last")(hidden))
    )
    run = call_by_call(model, declared.signature(model))
    values = np.random.default_rng(0).normal(size=(6, 12, FEATURES)).astype("float32")
    whole, rest = (run({"sequences": rows})["last"] for rows in (values, values[4:]))
    np.testing.assert_allclose(whole[4:], rest, atol=1e-6)
    export(model, tmp_path / "artifact", formats=["onnx"])
    predictor = Predictor(tmp_path / "artifact")
    stream = predictor.stream(batch=2)
    first, *_, last = (stream.feed(each)["last"] for each in np.split(values[4:], 3, axis=1))
    np.testing.assert_allclose(last, rest, atol=1e-5)
    seen = predictor.trace(values[4:, :4]).outputs["last"]
    np.testing.assert_allclose(seen, first[:, None], atol=1e-5)


def _with(layer: Callable[[Any], Any], **shape: Any) -> keras.Model:
    steps = keras.Input((shape.get("time"), FEATURES), name="sequences")
    return keras.Model(steps, layer(steps), name="mine")


def _given_its_state(steps: Any) -> Any:
    first = keras.layers.GlobalAveragePooling1D()(steps)
    return keras.layers.GRU(FEATURES, name="memory")(steps, initial_state=first)


def _twice(steps: Any) -> Any:
    layer = custom_layers.GRU(FEATURES, return_sequences=True, name="memory")
    return layer(layer(steps))


def _behind(layer: Callable[[Any], Any]) -> keras.Model:
    """A model whose last layer sees what a recurrent one gives."""
    return _with(lambda x: layer(custom_layers.RNN(UNITS, return_sequences=True)(x)))


class _Attending(keras.layers.Layer):
    """A layer of one's own that mixes steps."""

    def call(self, steps: Any) -> Any:
        scores = keras.ops.softmax(steps @ keras.ops.swapaxes(steps, 1, 2))
        return scores @ steps


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda: _with(keras.layers.Bidirectional(custom_layers.RNN(UNITS, name="memory"))),
            "'backward_memory' begins at the last step.*streaming=False",
        ),
        (lambda: _with(keras.layers.Dense(2)), "'mine' has no recurrent layer"),
        (lambda: _with(custom_layers.RNN(UNITS), time=5), "'sequences' has 5 steps.*None"),
        (lambda: _with(_given_its_state), "'memory' is given its first state by the model"),
        (lambda: _with(_twice), "'memory' is used twice"),
        (
            lambda: _behind(keras.layers.GlobalMaxPooling1D(name="most")),
            r"'mine' cannot be fed in chunks: layer 'most' \(GlobalMaxPooling1D\) needs the whole",
        ),
        (lambda: _behind(keras.layers.Conv1D(2, 3, padding="same", name="near")), "layer 'near'"),
        (lambda: _behind(keras.layers.Conv1D(2, 2, padding="causal", name="near")), "layer 'near'"),
        (lambda: _behind(_Attending(name="look")), r"layer 'look' \(_Attending\) needs"),
        (lambda: _behind(lambda x: x - keras.ops.mean(x, 1, True)), r"layer 'mean\w*' \(Mean\)"),
    ],
)
def test_what_cannot_stream_is_refused(
    model: Callable[[], keras.Model], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=message):
        export(model(), tmp_path / "artifact", streaming=True)
    assert not list(tmp_path.iterdir())


class Doubling(keras.layers.Layer):
    """A cell whose output is no state."""

    state_size, output_size = UNITS, 2 * UNITS

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], UNITS))

    def call(self, inputs: Any, states: Any) -> Any:
        state = keras.ops.tanh(inputs @ self.kernel + states[0] / 2)
        return keras.ops.concatenate([state, 1 - state], axis=-1), [state]


MASKED: dict[str, tuple[Callable[..., Any], list[str]]] = {
    "ours": (custom_layers.LayerNormGRU, ["h"]),
    "keras": (keras.layers.LSTM, ["h", "c"]),
    "zeros": (partial(keras.layers.GRU, zero_output_for_mask=True), ["h"]),
    "cell": (
        lambda units, **options: keras.layers.RNN(Doubling(), **options),
        ["state_0", "output"],
    ),
}


@pytest.mark.parametrize("kind", MASKED)
def test_masked_steps_in_chunks_show_what_they_show_in_the_whole(kind: str, tmp_path: Path) -> None:
    steps = sequences()
    make, states = MASKED[kind]
    masked = keras.layers.Masking()(steps)
    hidden = make(UNITS, return_sequences=True, name="lower")(masked)
    outputs = [keras.layers.Dense(2, name="labels")(hidden), make(UNITS, name="upper")(hidden)]
    model = randomized(keras.Model(steps, outputs))
    artifact = export(model, tmp_path / "artifact", streaming=True)
    assert [each.name for each in artifact.states] == [
        f"{layer}.{state}" for layer in ("lower", "upper") for state in states
    ]
    generator = np.random.default_rng(0)
    values = generator.normal(size=(3, 23, FEATURES)).astype("float32")
    values[generator.random((3, 23)) < 0.5] = 0
    values[0, 4:9] = values[1, :7] = values[2, 12:] = 0
    expected = model.predict(values, verbose=0)
    step = session.read(artifact.directory / "onnx/step.onnx")
    for cuts in ([5, 7, 14], range(1, 23), []):
        shapes: dict[str, Any] = {each.name: (3, *each.shape[1:]) for each in artifact.states}
        carried = {name: np.zeros(shape, "float32") for name, shape in shapes.items()}
        labels = []
        for chunk in np.split(values, cuts, axis=1):
            shown = step({"sequences": chunk, **carried})
            carried = {state.name: shown[state.next] for state in artifact.states}
            labels.append(shown["labels"])
        np.testing.assert_allclose(np.concatenate(labels, 1), expected[0], atol=1e-5)
        np.testing.assert_allclose(shown[model.output_names[1]], expected[1], atol=1e-5)


@pytest.mark.parametrize("stateful", [False, True])
def test_pictures_in_chunks(stateful: bool, tmp_path: Path) -> None:
    video = keras.Input(batch_shape=(2 if stateful else None, None, 4, 3, 1), name="video")
    layer = keras.layers.ConvLSTM2D(2, 3, padding="same", stateful=stateful, name="seen")
    model = randomized(keras.Model(video, layer(video)))
    values = np.random.default_rng(0).normal(size=(2, 9, 4, 3, 1)).astype("float32")
    expected = model.predict(values, verbose=0)
    artifact = export(model, tmp_path / "artifact", streaming=True)
    assert [state.shape[1:] for state in artifact.states] == [(4, 3, 2)] * 2
    stream = Predictor(artifact.directory).stream(2)
    for chunk in np.split(values, [1, 4], axis=1):
        (shown,) = stream.feed(chunk).values()
    np.testing.assert_allclose(shown, expected, atol=1e-5)


def test_a_masked_first_step_that_shows_zero_is_noticed() -> None:
    x = keras.layers.Masking()(steps := sequences())
    model = keras.Model(steps, custom_layers.GRU(UNITS, return_sequences=True, name="memory")(x))
    signature = declared.signature(randomized(model))
    states = streaming.states(model, signature)
    step = tf.function(
        streaming.function(model, signature, states),
        input_signature=tracing.specifications(signature.of_steps(states)),
        autograph=False,
    )

    def right(inputs: Any) -> Any:
        given = [inputs[name] for name in ("sequences", "memory.h")]
        return {name: output.numpy() for name, output in step(*given).items()}

    def wrong(inputs: Any) -> Any:
        outputs = right(inputs)
        outputs["memory"][~inputs["sequences"][:, 0].any(-1), 0] = 0
        return outputs

    runs = {"keras": tracing.run(model, signature)}
    for name, run in (("right", right), ("wrong", wrong)):
        runs[name] = in_chunks(run, signature, states)
    with pytest.raises(ExportError, match="wrong differs from keras"):
        compare(runs, grid(signature, {}))


def test_without_states_there_is_no_step_model(tmp_path: Path) -> None:
    steps = sequences()
    model = keras.Model(steps, custom_layers.GRU(UNITS)(steps))
    artifact = export(model, tmp_path / "artifact")
    assert artifact.states == ()
    assert not (artifact.directory / "onnx/step.onnx").exists()
