"""ONNX files of a model, with what a page shows among their outputs."""

from dataclasses import dataclass

import onnx
from onnx import helper

from exports.formats.onnx.names import BACKWARDS

UNKNOWN = 1  # the id of every word that a vocabulary lacks

_NATIVE = ("LSTM", "GRU", "RNN")  # the last one in artifacts of version 0.1


@dataclass(frozen=True)
class Watched:
    """An output that has the states of a recurrent operator after each step.

    Attributes:
        name: of the output, `[batch, time, directions, units]`.
        titles: of each direction, for a reader.
        backwards: of each direction, whether it begins at the last step.
    """

    name: str
    titles: list[str]
    backwards: list[bool]


def watched(model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[Watched]]:
    """Return `model` with what its recurrent operators give at each step as further outputs."""
    more = onnx.ModelProto()
    more.CopyFrom(model)
    nodes = [node for node in more.graph.node if node.op_type in (*_NATIVE, "Scan")]
    states = []
    for number, node in enumerate(sorted(nodes, key=_is_backwards), start=1):
        name = f"states_{number}"
        states.append(_watched(node, name, f" {number}" if nodes[1:] else ""))
        more.graph.node.extend(_gathered(node, name))
        end = helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * 4)
        more.graph.output.append(end)
    onnx.checker.check_model(more)
    return more, states


def reader(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return what of `model`, an `onnx/text.onnx`, turns texts into `tokens` and their `ids`."""
    nodes = [node for node in model.graph.node if node.output[0].startswith("text/")]
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    (ids,) = (value for value in inferred if value.name == "text/ids")
    kinds = {"tokens": onnx.TensorProto.STRING, "ids": ids.type.tensor_type.elem_type}
    graph = helper.make_graph(
        [*nodes, *(helper.make_node("Identity", [f"text/{name}"], [name]) for name in kinds)],
        "reader",
        model.graph.input,
        [helper.make_tensor_value_info(name, kind, [None, None]) for name, kind in kinds.items()],
    )
    read = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.checker.check_model(read)
    return read


def _watched(node: onnx.NodeProto, name: str, number: str) -> Watched:
    if node.op_type == "Scan":
        return Watched(name, [_body(node).name], [_is_backwards(node)])
    title = f"{node.op_type}{number}"
    if any(each.s == b"bidirectional" for each in node.attribute):
        return Watched(name, [f"{title}, forwards", f"{title}, backwards"], [False, True])
    return Watched(name, [title], [False])


def _is_backwards(node: onnx.NodeProto) -> bool:
    return node.op_type == "Scan" and _body(node).name.endswith(BACKWARDS)


def _body(node: onnx.NodeProto) -> onnx.GraphProto:
    return next(each.g for each in node.attribute if each.name == "body")


def _gathered(node: onnx.NodeProto, name: str) -> list[onnx.NodeProto]:
    """Bring what a recurrent operator gives at each step into one order of axes, and of time."""
    if node.op_type in _NATIVE:  # [time, directions, batch, units]
        return [helper.make_node("Transpose", [node.output[0]], [name], perm=[2, 0, 1, 3])]
    outputs, axis = node.output[-1], f"{name}/axis"  # [batch, time, units]
    nodes = [_constant(axis, [2])]
    if _is_backwards(node):
        last, first, time = f"{name}/last", f"{name}/first", f"{name}/time"
        nodes += [_constant(last, [-1]), _constant(first, [-(2**63)]), _constant(time, [1])]
        forwards = f"{name}/forwards"
        nodes += [helper.make_node("Slice", [outputs, last, first, time, last], [forwards])]
        outputs = forwards
    return [*nodes, helper.make_node("Unsqueeze", [outputs, axis], [name])]


def _constant(name: str, values: list[int]) -> onnx.NodeProto:
    tensor = helper.make_tensor("", onnx.TensorProto.INT64, [len(values)], values)
    return helper.make_node("Constant", [], [name], value=tensor)
