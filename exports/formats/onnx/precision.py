"""An ONNX file with smaller weights."""

import collections
import itertools
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

# The operators with weights that the quantizer knows; it would reorder masks as numbers, too.
_QUANTIZED = ["Conv", "Gather", "LSTM", "MatMul"]
_PREPARED = ("onnx.quant.pre_process", "onnxruntime.quant")


def float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` in float16, but for its inputs and outputs.

    Weights beyond 65504 become that. Where a processor has no float16 arithmetic, ONNX Runtime
    computes in float32.
    """
    return convert_float_to_float16(_copy(model), keep_io_types=True)


def int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with the weights of its `LSTM`, `MatMul`, `Gather` and `Conv` in 8 bits.

    ONNX Runtime has no 8-bit form of `GRU` and of the body of a `Scan`: they stay float32.
    """
    prepared = _copy(model)
    # Else the quantizer asks, on the root logger, for a preparation that convolutions need.
    onnx.helper.set_model_props(prepared, dict([_PREPARED]))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "model.onnx")
        # Weights of 7 bits: products of 8 overflow on processors without VNNI, unlike here.
        quantize_dynamic(prepared, path, op_types_to_quantize=_QUANTIZED, reduce_range=True)
        quantized = onnx.load(path)
    properties = {each.key: each.value for each in model.metadata_props}
    onnx.helper.set_model_props(quantized, properties)
    return quantized


PRECISIONS: dict[str, Callable[[onnx.ModelProto], onnx.ModelProto]] = {
    "float16": float16,
    "int8": int8,
}


def in_float32(model: onnx.ModelProto) -> dict[str, int]:
    """Count the bytes of float32 weights by the operators that read them, the most first.

    What is inside a `Scan` counts as the Scan's.
    """
    sizes = {
        weight.name: 4 * math.prod(weight.dims)
        for graph in _graphs(model.graph)
        for weight in graph.initializer
        if weight.data_type == onnx.TensorProto.FLOAT and weight.dims
    }
    counts: collections.Counter[str] = collections.Counter()
    for node in model.graph.node:
        bodies = [graph.node for body in _bodies(node) for graph in _graphs(body)]
        for reader in itertools.chain([node], *bodies):
            counts[node.op_type] += sum(sizes.pop(name, 0) for name in reader.input)
    return {operator: size for operator, size in counts.most_common() if size}


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Go through a graph and the graphs inside it."""
    yield graph
    for node in graph.node:
        for body in _bodies(node):
            yield from _graphs(body)


def _bodies(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]
