"""From strings to a model's outputs in one ONNX file, of operators that every ONNX Runtime has."""

from string import Template

import onnx
from onnx import compose, version_converter

from exports.errors import UnsupportedLayerError, reason
from exports.text import LETTER, MARK, TAG, UNKNOWN, TextEncoder

TEXT = "text"  # the name of the strings

# Opset 20 is the first with StringConcat and RegexFullMatch.
_OPSETS = {"": 20, "ai.onnx.ml": 2, "com.microsoft": 1}

# What a TextEncoder does: standardize, split, look up, cut. StringNormalizer lowers A to Z on a
# server and all letters in a browser, so it gets the ASCII pieces of a text alone; then the pieces
# are joined, two by two, until one is left.
_ENCODING = Template(
    """
encoding (string[batch] text) => ($kind[batch, time] ids)
<string[batch, count] found, string[batch, words] tokens>
{
    nothing = Constant <value_strings = [""]> ()
    space = Constant <value_string = " "> ()
    zero = Constant <value_ints = [0]> ()
    one = Constant <value_ints = [1]> ()
    two = Constant <value_ints = [2]> ()
    any = Constant <value_ints = [-1]> ()

    [needs_at_least_one_text] texts = StringNormalizer <locale = "C"> (text)

    found = com.microsoft.Tokenizer <
        mark = 0, mincharnum = 1, pad_value = "", tokenexp = $piece
    > (texts)
    rows = Shape (texts)
    rows_by_one = Concat <axis = 0> (rows, one)
    empty = Expand (nothing, rows_by_one)
    pieces = Concat <axis = 1> (empty, found)

    shape = Shape (pieces)
    list = Reshape (pieces, any)
    lower_list = StringNormalizer <
        case_change_action = "LOWER", is_case_sensitive = 1, locale = "C"
    > (list)
    lower = Reshape (lower_list, shape)
    is_ascii = RegexFullMatch <pattern = "[[:ascii:]]*"> (pieces)
    is_tag = RegexFullMatch <pattern = "<[^<]+"> (pieces)
    cased = Where (is_ascii, lower, pieces)
    parts = Where (is_tag, space, cased)

    yes = Constant <value = bool {1}> ()
    joined = Loop <
        body = join (int64 step, bool go, string[batch, count] old)
            => (bool again, string[batch, half] new)
        {
            width = Shape <start = 1, end = 2> (old)
            left = Slice (old, zero, width, one, two)
            padded = Concat <axis = 1> (old, empty)
            padded_width = Add (width, one)
            right = Slice (padded, one, padded_width, one, two)
            new = StringConcat (left, right)
            more = Greater (width, two)
            again = Squeeze (more)
        }
    > (, yes, parts)
    standard = Reshape (joined, any)

    tokens = com.microsoft.Tokenizer <
        mark = 0, mincharnum = 1, pad_value = "", tokenexp = $token
    > (standard)
    places = ai.onnx.ml.LabelEncoder <
        keys_strings = $words, values_int64s = $places, default_int64 = $unknown
    > (tokens)

    columns = Constant <value_ints = [0, 0, 0, $min_length]> ()
    least = Constant <value_int = $min_length> ()
    most = Constant <value_int = $max_length> ()
    padded_places = Pad (places, columns)
    longest = Shape <start = 1, end = 2> (places)
    time = Clip (longest, least, most)
    cut = Slice (padded_places, zero, time, one)
    ids = Cast <to = $type> (cut)
}
"""
)


def with_text(model: onnx.ModelProto, encoder: TextEncoder) -> onnx.ModelProto:
    """Put `encoder` before `model`, whose input is ids: the result takes strings named `text`.

    Raises:
        ExportError: if an output of the model is named `text` too, or if the model has an operator
            without a form in the opset that has operators on strings.
    """
    if TEXT in (output.name for output in model.graph.output):
        raise UnsupportedLayerError(
            f"The output {TEXT!r} needs another name: the strings are named so."
        )
    try:
        model = version_converter.convert_version(model, _OPSETS[""])
        (tokens,) = model.graph.input
        encoding = _encoding(encoder, tokens.type.tensor_type.elem_type)
        encoding = compose.add_prefix_graph(encoding, "text/", rename_inputs=False)
        graph = compose.merge_graphs(encoding, model.graph, [("text/ids", tokens.name)])
        opsets = [onnx.helper.make_opsetid(*each) for each in _OPSETS.items()]
        merged = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=model.ir_version)
        known = {each.key: each.value for each in model.metadata_props}
        onnx.helper.set_model_props(merged, {**known, "opset": str(_OPSETS[""])})
        onnx.checker.check_model(merged, full_check=True)
    except (RuntimeError, ValueError, onnx.checker.ValidationError) as error:
        raise UnsupportedLayerError(f"The ONNX file cannot take text: {reason(error)}") from error
    return merged


def _encoding(encoder: TextEncoder, kind: int) -> onnx.GraphProto:
    """Write `encoder` as a graph from `text` to `ids` of the ONNX type `kind`."""
    return onnx.parser.parse_graph(
        _ENCODING.substitute(
            kind=onnx.TensorProto.DataType.Name(kind).lower(),
            type=kind,
            piece=_quoted(f"(?i:{TAG})|<|[^<[:^ascii:]]+|[[:^ascii:]]+"),
            token=_quoted(f"[{LETTER}]{'+' if encoder.tokens == 'words' else ''}|[{MARK}]"),
            words=f"[{', '.join(map(_quoted, encoder.vocabulary))}]",
            places=list(range(len(encoder.vocabulary))),
            unknown=encoder.vocabulary.index(UNKNOWN),
            min_length=encoder.min_length,
            max_length=encoder.max_length,
        )
    )


def _quoted(text: str) -> str:
    """Write a string as the parser of ONNX reads it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
