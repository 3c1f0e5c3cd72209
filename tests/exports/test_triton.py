"""The model repository, read with Triton's own message definition. No server runs here."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
from google.protobuf import text_format
from onnx import TensorProto, helper
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

import custom_layers
from exports import Artifact, export
from exports.formats.onnx import triton
from tests.exports import models
from tests.exports.models import FEATURES, UNITS


def configuration(exported: Artifact, name: str) -> Any:
    path = exported.directory / "triton" / name / "config.pbtxt"
    return text_format.Parse(path.read_text(), ModelConfig())


def session(exported: Artifact, name: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(exported.directory / "triton" / name / "1/model.onnx")


_TYPES = {"TYPE_FP32": "tensor(float)", "TYPE_INT32": "tensor(int32)"}


def described(end: Any) -> tuple[str, str, list[int]]:
    return end.name, _TYPES[DataType.Name(end.data_type)], list(end.dims)


def actual(end: Any) -> tuple[str, str, list[int]]:
    batch, *axes = end.shape
    assert batch == "batch"
    return end.name, end.type, [-1 if isinstance(axis, str) else axis for axis in axes]


def streamed(directory: Path) -> tuple[keras.Model, Artifact]:
    """A model with a native node and a Scan, which labels every step."""
    steps = models.sequences()
    hidden = custom_layers.LSTM(UNITS, return_sequences=True, name="lower")(steps)
    hidden = custom_layers.LayerNormLSTM(UNITS, return_sequences=True, name="upper")(hidden)
    labels = keras.layers.Dense(2, name="labels")(hidden)
    model = models.randomized(keras.Model(steps, labels))
    return model, export(model, directory, formats=["onnx"], streaming=True)


def test_the_model_batches_requests(exported: Artifact) -> None:
    config, model = configuration(exported, "model"), session(exported, "model")
    assert config.backend == "onnxruntime" and config.max_batch_size > 1
    assert config.WhichOneof("scheduling_choice") == "dynamic_batching"
    assert [described(end) for end in config.input] == [actual(end) for end in model.get_inputs()]
    assert [described(end) for end in config.output] == [actual(end) for end in model.get_outputs()]


def test_the_step_model_keeps_the_states_of_each_sequence(tmp_path: Path) -> None:
    model, exported = streamed(tmp_path / "artifact")
    config, step = configuration(exported, "step"), session(exported, "step")
    assert config.WhichOneof("scheduling_choice") == "sequence_batching"
    batching = config.sequence_batching
    assert batching.WhichOneof("strategy_choice") == "oldest" and not batching.control_input

    # What its ONNX Runtime backend checks when it loads the model.
    assert [described(end) for end in config.input] == [actual(step.get_inputs()[0])]
    assert [described(end) for end in config.output] == [actual(step.get_outputs()[0])]
    kept = [(_TYPES[DataType.Name(state.data_type)], list(state.dims)) for state in batching.state]
    before = [(state.input_name, *kind) for state, kind in zip(batching.state, kept, strict=True)]
    after = [(state.output_name, *kind) for state, kind in zip(batching.state, kept, strict=True)]
    assert before == [actual(end) for end in step.get_inputs()[1:]]
    assert after == [actual(end) for end in step.get_outputs()[1:]]

    values = np.random.default_rng(0).normal(size=(2, 9, FEATURES)).astype("float32")
    answers = np.concatenate(list(batched(config, step, values)), axis=1)
    np.testing.assert_allclose(answers, model.predict(values, verbose=0), rtol=1e-4, atol=2e-5)


def batched(
    config: Any, step: onnxruntime.InferenceSession, sequences: np.ndarray
) -> Iterator[np.ndarray]:
    """Do what Triton's sequence batcher does when a step of each sequence is there."""
    states = config.sequence_batching.state
    kept = {}
    for state in states:
        (initial,) = state.initial_state
        assert initial.zero_data and initial.name and initial.data_type == state.data_type
        kept[state.input_name] = np.zeros((len(sequences), *initial.dims), "float32")
    names = [*(end.name for end in config.output), *(state.output_name for state in states)]
    for time in range(sequences.shape[1]):
        values = {config.input[0].name: sequences[:, time : time + 1]}
        answer, *after = step.run(names, {**values, **kept})
        kept = {state.input_name: array for state, array in zip(states, after, strict=True)}
        yield answer


def test_a_row_of_one_thing_is_reshaped(exported: Artifact, tmp_path: Path) -> None:
    """A shape of the batch alone is none to Triton."""
    steps = models.sequences()
    number = keras.layers.Reshape(())(custom_layers.GRU(1)(steps))
    other = export(keras.Model(steps, number), tmp_path / "artifact", formats=["onnx"])
    (output,) = configuration(other, "model").output
    (text,) = configuration(exported, "text").input
    assert [output.data_type, text.data_type] == [DataType.TYPE_FP32, DataType.TYPE_STRING]
    for end in (output, text):
        assert list(end.dims) == [1] and end.HasField("reshape") and not end.reshape.shape


def test_a_batch_of_a_fixed_size_is_an_axis_like_others() -> None:
    shapes: dict[str, list[int | str]] = {"x": [2, "time", 3], "y": [2]}
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    graph = helper.make_graph([], "graph", ends[:1], ends[1:])
    config = text_format.Parse(triton._configuration(graph, []), ModelConfig())
    assert config.max_batch_size == 0 and not config.WhichOneof("scheduling_choice")
    assert [list(end.dims) for end in (*config.input, *config.output)] == [[2, -1, 3], [2]]


def test_the_files_take_no_space(exported: Artifact) -> None:
    original, again = (exported.directory / name for name in ("onnx", "triton/model/1"))
    assert os.path.samefile(original / "model.onnx", again / "model.onnx")


def test_a_file_system_without_links_gets_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    steps = models.sequences()
    model = keras.Model(steps, custom_layers.GRU(UNITS)(steps))
    exported = export(model, tmp_path / "artifact", formats=["onnx"])
    assert session(exported, "model").get_inputs()[0].name == "sequences"
