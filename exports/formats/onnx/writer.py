"""How operators get into a graph of tf2onnx."""

from typing import Any

import numpy as np
import onnx
import tf2onnx
from tf2onnx.onnx_opset.controlflow import Select


class Writer:
    """Adds operators to a graph of tf2onnx, each after those that it reads.

    Attributes:
        graph: the graph of tf2onnx.
        scope: begins the names of what is added.
    """

    def __init__(self, graph: Any, scope: str) -> None:
        self.graph, self.scope = graph, scope

    def __call__(self, operator: str, *inputs: Any, count: int = 1, **attributes: Any) -> Any:
        """Add an operator, its arrays as constants; return its output, or a list of `count`."""
        names = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        node = self.graph.make_node(
            operator, names, attr=attributes, output_count=count, op_name_scope=self.scope
        )
        return node.output[0] if count == 1 else list(node.output)

    def _constant(self, value: Any) -> str:
        name = tf2onnx.utils.make_name(self.scope)
        return str(self.graph.make_const(name, np.asarray(value)).output[0])


def where(graph: Any, node: Any, name: str, _: list[Any]) -> None:
    """Make `tf.where` one operator, unless ONNX Runtime lacks it.

    The converter would make it two products and a sum, where a NaN in one branch spoils the other.
    """
    if graph.get_dtype(node.output[0]) == onnx.TensorProto.BOOL:
        Select.version_7(graph, node)
    else:
        node.type = "Where"


def erfc(graph: Any, node: Any, name: str, _: list[Any]) -> None:
    """Make 1 - erf(x) of the complementary error function, which ONNX lacks: gelu needs it."""
    source, replaced = node.input[0], node.output[0]
    graph.remove_node(node.name)
    write = Writer(graph, name.rpartition("/")[0])
    one = np.ones([], "float32")
    graph.replace_all_inputs(replaced, write("Sub", one, write("Erf", source)))


_COMPARING = ("Equal", "SelectV2")  # what `argmax` of Keras does beside reading bits


def sign_bit(graph: Any, node: Any, name: str, _: list[Any]) -> None:
    """Make of the bits of floats, which ONNX cannot see, integers that have the same sign.

    Keras reads the sign bit alone: to tell -0 from 0 in `argmax` and `argmin`, and in `signbit`.
    Any other use of the bits stays as it is, and is refused. TensorFlow compares numbers below
    1e-38 as zeros of their sign, so these become zeros there.
    """
    readers = [each for output in node.output for each in graph.find_output_consumers(output)]
    least = np.iinfo(np.int32).min
    if not all(_reads_bits(each, least) for each in readers):
        return
    source, replaced = node.input[0], node.output[0]
    others = [each for each in graph.find_output_consumers(source) if each.type in _COMPARING]
    graph.remove_node(node.name)
    write = Writer(graph, name.rpartition("/")[0])
    zero = np.zeros([], "float32")
    tiny = write("Less", write("Abs", source), np.finfo("float32").tiny)
    graph.replace_all_inputs(source, write("Where", tiny, zero, source), ops=others)
    negative = write("Less", source, zero)
    negative_zero = write("Less", write("Reciprocal", source), zero)
    sign = write("Or", negative, negative_zero)
    graph.replace_all_inputs(replaced, write("Where", sign, np.int32(least), np.int32(0)))


def _reads_bits(node: Any, bits: int) -> bool:
    """Tell whether `node` reads these bits of an integer alone."""
    constants = [each.get_tensor_value() for each in node.inputs if each.is_const()]
    return node.type == "BitwiseAnd" and constants == [bits]


def reverse(write: Writer, tensor: str, axis: int) -> str:
    """Turn an axis of `tensor` around."""
    last, first = [-1], [np.iinfo(np.int64).min]
    reversed_tensor: str = write("Slice", tensor, last, first, [axis], [-1])
    return reversed_tensor


def slice_backwards(graph: Any, node: Any, name: str, _: list[Any]) -> None:
    """Make `tf.reverse` a Slice; the converter would transpose, and reverse by lengths."""
    tensor, replaced = node.input[0], node.output[0]
    axes = np.ravel(node.inputs[1].get_tensor_value())
    graph.remove_node(node.name)
    write = Writer(graph, name.rpartition("/")[0])
    for axis in axes:
        tensor = reverse(write, tensor, int(axis))
    graph.replace_all_inputs(replaced, tensor)


# tf2onnx's `custom_op_handlers` for what it does wrongly, slowly or not at all.
HANDLERS: dict[str, Any] = {
    "SelectV2": (where, []),
    "Erfc": (erfc, []),
    "ReverseV2": (slice_backwards, []),
    "Bitcast": (sign_bit, []),
}
