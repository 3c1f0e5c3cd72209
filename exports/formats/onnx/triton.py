"""The ONNX files of an exported model as a model repository of Triton Inference Server."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import onnx

from exports.signature import State

_DIRECTORY = "triton"
_MOST_ROWS, _MOST_SEQUENCES, _MOST_IDLE_MICROSECONDS = 64, 1024, 60_000_000
_TYPES = {"FLOAT": "FP32", "DOUBLE": "FP64", "FLOAT16": "FP16"}  # the others have ONNX's names


def write(directory: Path, states: Sequence[State]) -> None:
    """Write what `tritonserver --model-repository` takes, with a model for each ONNX file.

    Args:
        directory: of the exported model; its `onnx/step.onnx` becomes the model `step`.
        states: what Triton is to keep for each sequence, where a model has them as inputs.

    Raises:
        OSError: if the files cannot be written.
    """
    for path in sorted((directory / "onnx").glob("*.onnx")):
        place = directory / _DIRECTORY / path.stem
        (place / "1").mkdir(parents=True)
        _share(path, place / "1" / "model.onnx")
        configuration = _configuration(onnx.load(path).graph, states)
        (place / "config.pbtxt").write_text(configuration, encoding="utf-8")


def _share(file: Path, other: Path) -> None:
    """Give a file a second place that takes no space, where the file system can."""
    try:
        os.link(file, other)
    except OSError:
        shutil.copyfile(file, other)


def _configuration(graph: onnx.GraphProto, states: Sequence[State]) -> str:
    inputs = {end.name: end for end in graph.input}
    kept = [state for state in states if state.name in inputs]
    hidden = {name for state in kept for name in (state.name, state.next)}
    rows, batching = (
        (0, []) if _is_fixed(graph.input[0]) else (_MOST_ROWS, ["dynamic_batching { }"])
    )
    lines = [
        'backend: "onnxruntime"',
        f"max_batch_size: {rows}",
        *(f"input {{ {_end(end)} }}" for end in graph.input if end.name not in hidden),
        *(f"output {{ {_end(end)} }}" for end in graph.output if end.name not in hidden),
        *(_sequences(kept, inputs) if kept else batching),
    ]
    return "\n".join(lines) + "\n"


def _sequences(states: Sequence[State], inputs: Mapping[str, onnx.ValueInfoProto]) -> Iterator[str]:
    """Let Triton keep the states of each sequence, which begin as zeros."""
    yield "sequence_batching {"
    yield f"  max_sequence_idle_microseconds: {_MOST_IDLE_MICROSECONDS}"
    yield f"  oldest {{ max_candidate_sequences: {_MOST_SEQUENCES} }}"
    for state in states:
        kind = f"data_type: {_type(inputs[state.name])} dims: {_dims(inputs[state.name])}"
        yield "  state {"
        yield f"    input_name: {_quoted(state.name)}"
        yield f"    output_name: {_quoted(state.next)}"
        yield f"    {kind}"
        yield f'    initial_state {{ name: "zeros" {kind} zero_data: true }}'
        yield "  }"
    yield "}"


def _end(end: onnx.ValueInfoProto) -> str:
    """Describe an input or output; a row without axes is one of a single number."""
    described = f"name: {_quoted(end.name)} data_type: {_type(end)}"
    dims = _dims(end)
    return f"{described} dims: {dims}" if dims else f"{described} dims: [1] reshape {{ }}"


def _type(end: onnx.ValueInfoProto) -> str:
    name = onnx.TensorProto.DataType.Name(end.type.tensor_type.elem_type)
    return f"TYPE_{_TYPES.get(name, name)}"


def _dims(end: onnx.ValueInfoProto) -> list[int]:
    """Return the axes of a row, or of a batch of a fixed size, -1 where the size is free."""
    axes = end.type.tensor_type.shape.dim[0 if _is_fixed(end) else 1 :]
    return [axis.dim_value if axis.HasField("dim_value") else -1 for axis in axes]


def _is_fixed(end: onnx.ValueInfoProto) -> bool:
    """Tell whether the batch has one size: Triton, too, is to make no other."""
    return bool(end.type.tensor_type.shape.dim[0].HasField("dim_value"))


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
