"""Smaller forms of an ONNX file, and what each costs: measured, and held to a limit."""

import collections
import itertools
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

from exports import artifact, parity, sessions
from exports.directions import Directions, direction
from exports.errors import ExportError
from exports.parity import Arrays, Case, Run

Evaluate = Callable[[Run], Mapping[str, float]]

# The operators with weights that the quantizer knows; it would reorder masks as numbers, too.
_QUANTIZED = ["Conv", "Gather", "LSTM", "MatMul"]
_PREPARED = ("onnx.quant.pre_process", "onnxruntime.quant")


_SIGNS = {"higher": 1, "lower": -1, None: 0}


@dataclass(frozen=True)
class Precision:
    """Smaller forms to write beside the ONNX file, and what they must keep.

    Attributes:
        forms: of "float16" and "int8".
        evaluate: measures a form on data whose answers are known.
        max_drop: how far a figure may be worse than that of float32.
        better: whether higher or lower figures are better; by name, if not all alike: figures
            that are not named may change.

    Raises:
        ExportError: if there is no such form.
    """

    forms: Sequence[str]
    evaluate: Evaluate
    max_drop: float = 0.01
    better: Directions = "higher"

    def __post_init__(self) -> None:
        """Refuse what is not there."""
        if unknown := [name for name in self.forms if name not in FORMS]:
            raise ExportError(f"Unknown small forms {unknown}: choose among {', '.join(FORMS)}.")


@dataclass(frozen=True)
class Variant:
    """A form of an ONNX file, measured.

    Attributes:
        bytes: of its file.
        figures: what `evaluate` measured.
        drops: how far each figure is worse than that of float32.
        difference: largest |output - output of float32|, over all cases.
        in_float32: bytes of the weights that stay float32, by the operators that read them.
    """

    bytes: int
    figures: dict[str, float]
    drops: dict[str, float]
    difference: float
    in_float32: dict[str, int]


def float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` in float16, but for its inputs and outputs.

    Weights beyond 65504 become that. Where a processor has no float16 arithmetic, ONNX Runtime
    computes in float32.
    """
    return convert_float_to_float16(_copy(model), keep_io_types=True)


def int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with the weights of its `LSTM`, `MatMul`, `Gather` and `Conv` in 8 bits.

    ONNX Runtime has no 8-bit form of `GRU`, `RNN` and the body of a `Scan`: they stay float32.
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


FORMS: dict[str, Callable[[onnx.ModelProto], onnx.ModelProto]] = {"float16": float16, "int8": int8}


def write(directory: Path, small: Precision, cases: Sequence[Case]) -> dict[str, Any]:
    """Write small forms of the ONNX file in an artifact's directory, and measure all forms.

    Args:
        directory: holds the file in float32.
        small: what to write.
        cases: inputs to compare the outputs on.

    Returns:
        As plain data, the limit, and a `Form` for float32 and for each small form.

    Raises:
        ExportError: if a form does not run, gives what is no number where float32 gives one, or
            lowers a figure beyond the limit.
    """
    path = directory / artifact.ONNX
    model, reference = onnx.load(path), sessions.read(path)
    answers = [reference(case.inputs) for case in cases]
    expected = dict(small.evaluate(reference))
    unchanged = dict.fromkeys(expected, 0.0)
    forms = {"float32": Variant(path.stat().st_size, expected, unchanged, 0.0, in_float32(model))}
    for name in small.forms:
        smaller, path = FORMS[name](model), directory / artifact.SMALL[name]
        path.write_bytes(smaller.SerializeToString())
        run = sessions.read(path)
        largest = difference(name, run, cases, answers)
        figures = dict(small.evaluate(run))
        drops = {
            figure: _SIGNS[direction(small.better, figure)] * (value - figures[figure])
            for figure, value in expected.items()
        }
        _hold(name, expected, drops, small)
        forms[name] = Variant(path.stat().st_size, figures, drops, largest, in_float32(smaller))
    described = {name: asdict(form) for name, form in forms.items()}
    return {"max_drop": small.max_drop, "forms": described}


def verify(name: str, run: Run, case: Case, answers: Arrays, recorded: float) -> None:
    """Run the small form `name` again, on a case that it was measured on.

    Raises:
        ExportError: if it is further from the `answers` than was `recorded` for any case.
    """
    found = difference(name, run, [case], [answers])
    if found > recorded + parity.ABSOLUTE:
        raise ExportError(
            f"{name} differs from float32 on {case.name} by {found:.2g}, and by {recorded:.2g} "
            "where it was exported."
        )


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


def difference(name: str, run: Run, cases: Sequence[Case], answers: Sequence[Arrays]) -> float:
    """Return how far the outputs of the small form `name` are from the `answers`, at most.

    Raises:
        ExportError: if one is no finite number where the answer is.
    """
    largest = 0.0
    for case, expected in zip(cases, answers, strict=True):
        for output, values in run(case.inputs).items():
            finite = np.isfinite(expected[output])
            distances = np.abs(values[finite].astype("float64") - expected[output][finite])
            if not np.isfinite(distances).all():
                raise ExportError(
                    f"{name} has numbers in {output!r} that are not finite, on {case.name}, where "
                    f"float32 has none: export without {name}."
                )
            largest = max(largest, float(distances.max(initial=0.0)))
    return largest


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


def _hold(
    name: str, expected: Mapping[str, float], drops: Mapping[str, float], small: Precision
) -> None:
    """Raise if a figure is worse than the expected one by more than is allowed."""
    for figure, drop in drops.items():
        if not drop <= small.max_drop:
            changes = "lowers" if direction(small.better, figure) == "higher" else "raises"
            raise ExportError(
                f"{name} {changes} {figure} from {expected[figure]:.4f} by {drop:.4f}, and "
                f"{small.max_drop:g} is allowed: export without {name}, or allow more (max_drop)."
            )
