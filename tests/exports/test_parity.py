"""The proof can fail: each kind of difference is found, and the figures are right."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from exports import ExportError, declared, tracing, verify
from exports.formats.onnx import conversion, session
from exports.parity.cases import Case, grid
from exports.parity.compare import Parity, compare
from exports.signature import Array, Run, Signature
from tests.exports import models
from tests.exports.models import FEATURES


def giving(*values: float, name: str = "y", dtype: str = "float32") -> Run:
    """A format that gives one row of numbers, whatever it is asked."""
    return lambda inputs: {name: np.array([values], dtype)}


def compared(expected: Run, got: Run, *, real: bool = False) -> Parity:
    return compare({"keras": expected, "onnx": got}, [Case("a case", {}, real)])


def test_figures_are_right() -> None:
    expected = np.array([[1.0, -2.0, 0.0, 1e-6]], "float32")
    ulp = np.float32(2**-23)
    got = expected + np.array([[3 * ulp, -8 * ulp, 1e-5, 2e-6]], "float32")
    outcome = compare(
        {"keras": lambda _: {"y": expected}, "onnx": lambda x: {"y": got if x else expected}},
        [Case("equal", {}), Case("near", {"x": np.ones(1)})],
    )
    difference = outcome.differences["onnx"]
    assert outcome.cases == ["equal", "near"] and outcome.reference == "keras"
    assert difference.case == "near"
    # The largest difference is where the reference is 0; there, neither quotient means anything.
    assert difference.absolute == outcome.worst == pytest.approx(1e-5)
    # 8 units of 1 are 4 units of 2, and as a part of 2 more than 3 units are of 1.
    assert difference.relative == pytest.approx(4 * ulp)
    assert difference.ulp == 4
    assert outcome.to_json()["tolerance"] == {"absolute": 2e-5, "relative": 1e-4}
    assert outcome.to_json()["differences"]["onnx"]["ulp"] == 4


@pytest.mark.parametrize(
    ("expected", "got", "message"),
    [
        (giving(1.0), giving(1.0, name="z"), r"outputs \['z'\], not \['y'\]"),
        (giving(1.0), giving(1.0, 1.0), r"float32\[1, 2\], not float32\[1, 1\]"),
        (giving(1.0), lambda _: {"y": np.ones(1, "float32")}, r"float32\[1\], not float32\[1, 1\]"),
        (giving(1.0), giving(1.0, dtype="float64"), r"float64\[1, 1\], not float32\[1, 1\]"),
        (giving(1.0), giving(1.0 + 1.3e-4), "by up to 0.00013, more than 2e-05"),
        (giving(0.0), giving(2.1e-5), "by up to 2.1e-05"),
        (giving(1.0), giving(np.nan), "not a number instead of 1, in 1 of 1"),
        (giving(np.nan), giving(1.0), "1 instead of not a number"),
        (giving(np.nan, 1.0), giving(1.0, np.nan), "in 2 of 2 numbers"),
        (giving(np.inf), giving(1.0), "1 instead of inf"),
        (giving(1.0), giving(-np.inf), "-inf instead of 1"),
        (giving(-np.inf), giving(np.inf), "inf instead of -inf"),
        (giving(np.inf), giving(np.nan), "not a number instead of inf"),
        (giving(7, dtype="int32"), giving(8, dtype="int32"), "by up to 1"),
        (giving(True, dtype="bool"), giving(False, dtype="bool"), "by up to 1"),
    ],
)
def test_difference_is_found(expected: Run, got: Run, message: str) -> None:
    with pytest.raises(ExportError, match=f"onnx differs from keras on a case.*{message}"):
        compared(expected, got)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_same_nonsense_is_equal_and_counted(value: float) -> None:
    """As of a mean over no steps: that is what the model computes, and the report says so."""
    outcome = compared(giving(value, 2.0), giving(value, 2.0)).differences["onnx"]
    assert outcome.not_finite == 1
    assert outcome.absolute == outcome.relative == outcome.ulp == 0


def test_mean_over_an_empty_row_is_no_difference() -> None:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(5, FEATURES, mask_zero=True)(tokens)
    x = models.make("gru", return_sequences=True)(x)
    model = keras.Model(tokens, keras.layers.GlobalAveragePooling1D()(x))
    run = tracing.run(model, declared.signature(model))
    cases = grid(declared.signature(model), {"tokens": 5})
    outcome = compare({"keras": run, "again": run}, cases)
    assert outcome.differences["again"].not_finite


def test_another_label_is_found_however_small_the_difference() -> None:
    formats = giving(0.500001, 0.499999), giving(0.499999, 0.500001)
    assert compared(*formats).differences["onnx"].labels_compared == 0
    with pytest.raises(ExportError, match="another label in 1 of 1 rows"):
        compared(*formats, real=True)
    same = compared(formats[0], formats[0], real=True).differences["onnx"]
    assert same.labels_compared == same.labels_equal == 1


@pytest.mark.parametrize(
    ("expected", "got"),
    [([[0.5, 0.5]], [[0.4999999, 0.5000001]]), ([0.500001, 0.499999], [0.499999, 0.500001])],
)
def test_ties_and_numbers_of_several_rows_are_no_labels(expected: Any, got: Any) -> None:
    runs = [lambda _, y=y: {"y": np.array(y, "float32")} for y in (expected, got)]
    assert compared(*runs, real=True).differences["onnx"].labels_compared == 0


@settings(max_examples=50)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=9),
    st.floats(-3, 3, width=32),
)
def test_tolerance_holds_and_no_more(values: list[float], parts: float) -> None:
    """Differences of a part of the tolerance pass if it is below one."""
    expected = np.array([values], "float64")
    got = expected + parts * (2e-5 + 1e-4 * np.abs(expected))
    formats = (lambda _: {"y": expected}), (lambda _: {"y": got})
    if abs(parts) < 0.999:
        assert compared(*formats).worst == np.abs(got - expected).max()
    elif abs(parts) > 1.001:
        with pytest.raises(ExportError, match="more than"):
            compared(*formats)


class TestGrid:
    cases = grid(
        Signature(
            (Array("ids", (None, None), "int32"), Array("x", (None, None, 3), "float32")), ()
        ),
        {"ids": 5},
    )

    def shapes(self) -> set[tuple[int, ...]]:
        return {case.inputs["ids"].shape for case in self.cases}

    def test_has_the_shapes_that_matter(self) -> None:
        batches, times = zip(*self.shapes(), strict=True)
        assert min(batches) == min(times) == 1 and max(batches) > 1 and max(times) > 200

    def test_has_every_kind_of_padding(self) -> None:
        kept = [case.inputs["ids"] > 0 for case in self.cases]
        assert any(keep.all() for keep in kept)
        assert any((~keep.any(axis=1)).any() for keep in kept)
        steps = [np.diff(keep.astype(int), axis=1) for keep in kept if keep.shape[1] > 1]
        assert any((step == 1).any() and not (step == -1).any() for step in steps)
        assert any((step == -1).any() and not (step == 1).any() for step in steps)
        assert any(((step == 1).sum(axis=1) > 1).any() for step in steps)

    def test_keeps_to_limits_and_types_and_pads_inputs_alike(self) -> None:
        for case in self.cases:
            ids, x = case.inputs["ids"], case.inputs["x"]
            assert ids.dtype == "int32" and x.dtype == "float32"
            assert ids.min() >= 0 and ids.max() <= 4
            np.testing.assert_array_equal(ids > 0, (x != 0).all(axis=-1))

    def test_inputs_with_a_time_of_their_own_are_longer_and_shorter(self) -> None:
        own = Array("asked", (None, None), "int32", ("batch", "asked_time"))
        aligned = Array("more", (None, None, 2), "float32", ("batch", "asked_time", "axis_2"))
        first = Array("ids", (None, None), "int32")
        cases = grid(Signature((first, own, aligned), ()), {})
        shapes = [[case.inputs[name].shape for name in ("ids", "asked", "more")] for case in cases]
        assert all(len(ids) == len(asked) == 2 and ids[0] == asked[0] for ids, asked, _ in shapes)
        assert all(asked == more[:2] for _, asked, more in shapes)
        differences = {np.sign(ids[1] - asked[1]) for ids, asked, _ in shapes}
        assert {-1, 1} <= differences

    def test_is_the_same_for_the_same_seed_only(self) -> None:
        signature = Signature((Array("x", (None, 4), "float32"),), ())
        one, same, other = (grid(signature, {}, seed)[0].inputs["x"] for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, same)
        assert np.all(one != other)


def node(graph: onnx.ModelProto, operator: str) -> onnx.NodeProto:
    return next(each for each in graph.graph.node if each.op_type == operator)


def edit(graph: onnx.ModelProto, name: str, change: Callable[[np.ndarray], Any]) -> None:
    weight = next(each for each in graph.graph.initializer if each.name == name)
    array = numpy_helper.to_array(weight).copy()
    weight.CopyFrom(numpy_helper.from_array(change(array), name))


def nudged(graph: onnx.ModelProto, operator: str) -> None:
    """One weight of many."""

    def change(recurrent_kernel: np.ndarray) -> np.ndarray:
        recurrent_kernel[0, -1, -1] += 0.05
        return recurrent_kernel

    edit(graph, node(graph, operator).input[2], change)


def with_gates_swapped(graph: onnx.ModelProto, operator: str) -> None:
    """The first two blocks of every weight, as if another library had named the gates."""

    def change(weight: np.ndarray) -> np.ndarray:
        count = {"LSTM": 4, "GRU": 3}[operator] * (2 if weight.ndim == 2 else 1)
        blocks = np.split(weight, count, axis=1)
        order = list(range(count))
        order[0:2] = [1, 0]
        return np.concatenate([blocks[place] for place in order], axis=1)

    for name in node(graph, operator).input[1:4]:
        edit(graph, name, change)


def without_mask(graph: onnx.ModelProto, operator: str) -> None:
    """No `sequence_lens`: every row is as long as the batch."""
    node(graph, operator).input[4] = ""


def without_biases(graph: onnx.ModelProto, operator: str) -> None:
    edit(graph, node(graph, operator).input[3], np.zeros_like)


def with_another_activation(graph: onnx.ModelProto, operator: str) -> None:
    attribute = next(each for each in node(graph, operator).attribute if each.name == "activations")
    attribute.strings[0] = b"HardSigmoid"


def with_reset_before(graph: onnx.ModelProto, operator: str) -> None:
    for attribute in node(graph, operator).attribute:
        if attribute.name == "linear_before_reset":
            attribute.i = 0


@pytest.fixture(scope="module", params=["gru", "lstm"])
def formats(request: pytest.FixtureRequest, tmp_path_factory: Any) -> tuple[Any, ...]:
    """A masked model, and a way to run its ONNX graph after something was done to it."""
    model = models.classifier(request.param)
    signature = declared.signature(model)
    graph = conversion.convert(model, signature)
    path = tmp_path_factory.mktemp("graphs") / "model.onnx"

    def changed(change: Callable[..., None] | None) -> Run:
        copy = onnx.ModelProto()
        copy.CopyFrom(graph)
        if change:
            change(copy, request.param.upper())
            assert copy != graph
        onnx.save(copy, path)
        return session.read(path)

    cases = grid(signature, {"tokens": models.WORDS})
    return tracing.run(model, signature), changed, cases


@pytest.mark.parametrize(
    "change",
    [
        nudged,
        with_gates_swapped,
        without_mask,
        without_biases,
        with_another_activation,
    ],
)
def test_change_of_the_graph_is_found(formats: tuple[Any, ...], change: Any) -> None:
    run, changed, cases = formats
    assert compare({"keras": run, "onnx": changed(None)}, cases).worst < 1e-6
    with pytest.raises(
        ExportError, match=r"onnx differs from keras on .* output 'label': by up to"
    ):
        compare({"keras": run, "onnx": changed(change)}, cases)


@pytest.mark.parametrize("formats", ["gru"], indirect=True)
def test_reset_in_the_other_place_is_found(formats: tuple[Any, ...]) -> None:
    run, changed, cases = formats
    with pytest.raises(ExportError, match="by up to"):
        compare({"keras": run, "onnx": changed(with_reset_before)}, cases)


@pytest.mark.parametrize("change", [nudged, without_mask, with_gates_swapped])
def test_verify_finds_a_change_that_the_manifest_vouches_for(copied: Any, change: Any) -> None:
    """Whoever changes a file and its hash has not changed the recorded answers of Keras."""
    directory: Path = copied()
    verify(directory)
    path = directory / "onnx/model.onnx"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    graph = onnx.load(path)
    change(graph, "GRU")
    onnx.save(graph, path)
    manifest = directory / "MANIFEST.sha256"
    after = hashlib.sha256(path.read_bytes()).hexdigest()
    line = "{}  onnx/model.onnx\n"
    manifest.write_text(manifest.read_text().replace(line.format(before), line.format(after)))
    with pytest.raises(ExportError, match=r"onnx differs from (keras, as recorded|saved_model)"):
        verify(directory)
