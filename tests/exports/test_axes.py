"""Axes and their lengths, with `lengths` that the user gives: any range, for any inputs."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from keras import layers

from exports import ExportError, axes, export
from exports.formats.onnx import conversion, session
from exports.runtime import Predictor
from tests.exports.models import FEATURES, UNITS, classifier, randomized

Range = tuple[int, int]


def _drawn(seed: int) -> tuple[Range, Range | None]:
    """Draw a range for one sequence, and perhaps one for the other."""
    generator = np.random.default_rng(seed)
    read, write = (
        (int(least), int(least + generator.integers(1, 20)))
        for least in generator.integers(1, 40, size=2)
    )
    return read, write if generator.random() < 0.7 else None


RANGES = [((1, 10), None), ((3, 4), (30, 31)), ((7, 7), (1, 2)), *map(_drawn, range(3))]


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Two sequences that may differ in length, and the masks of both."""
    names = ("read", "write")
    steps = [keras.Input((None, FEATURES), name=name) for name in names]
    masks = [keras.Input((None,), dtype="bool", name=f"{name}_mask") for name in names]
    read, write = (
        layers.GRU(UNITS, return_sequences=True)(x, mask=mask)
        for x, mask in zip(steps, masks, strict=True)
    )
    return randomized(keras.Model([*steps, *masks], layers.Attention()([write, read])))


@pytest.mark.parametrize(("read", "write"), RANGES)
def test_a_mask_has_the_axis_of_its_sequence_in_any_range(
    model: keras.Model, read: Range, write: Range | None, tmp_path: Path
) -> None:
    bounds = {"read": read} if write is None else {"read": read, "write": write}
    signature, run = axes.signature(model, {}, bounds)
    inputs = {array.name: array for array in signature.inputs}
    for name, (least, most) in bounds.items():
        steps, own_mask = inputs[name].dimensions()[1], inputs[f"{name}_mask"].dimensions()[1]
        assert steps == own_mask == (least if least == most else f"{name}_time")
        if least < most:
            proved = signature.lengths[f"{name}_time"].proved
            assert (proved[0], proved[-1]) == (least, most)
    path = tmp_path / "model.onnx"
    onnx.save(conversion.convert(model, signature), path)
    in_onnx = session.read(path, signature=signature)
    generator = np.random.default_rng(0)
    for _ in range(3):
        arrays: dict[str, Any] = {}
        for name in ("read", "write"):
            size = int(generator.integers(*bounds.get(name, (1, 20)), endpoint=True))
            values = generator.normal(size=(2, size, FEATURES))
            arrays[name] = values.astype("float32")
            arrays[f"{name}_mask"] = generator.random((2, size)) < 0.6
        (got,), (want,) = in_onnx(arrays).values(), run(arrays).values()
        np.testing.assert_allclose(got, want, atol=1e-5)


def test_a_mask_input_and_a_short_range_are_proved(model: keras.Model, tmp_path: Path) -> None:
    lengths = {"read": (1, 10), "write_time": (2, 8)}
    exported = export(model, tmp_path / "artifact", lengths=lengths, formats=["onnx"])
    assert {name: each.proved for name, each in exported.signature.lengths.items()} == {
        "read_time": (1, 2, 10),
        "write_time": (2, 8),
    }
    with pytest.raises(ExportError, match="different lengths on the axis 'read_time'"):
        Predictor(exported.directory).predict(
            {
                "read": np.ones((1, 3, FEATURES)),
                "read_mask": np.ones((1, 4), bool),
                "write": np.ones((1, 3, FEATURES)),
                "write_mask": np.ones((1, 3), bool),
            }
        )


@pytest.mark.parametrize("wrong", [(0, 3), (4, 3), 7, (1, 2, 3), ("1", "2"), (1.0, 2.0)])
def test_a_range_is_two_numbers_in_order(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"`lengths\['time'\]` must be the least and the"):
        export(classifier(), tmp_path / "artifact", lengths={"time": wrong})
    with pytest.raises(ExportError, match="`lengths` must be a mapping of names to ranges"):
        export(classifier(), tmp_path / "artifact", lengths=wrong)


def test_a_length_that_a_layer_refuses_when_it_knows_it_is_left_out(tmp_path: Path) -> None:
    """A graph of free axes takes two steps here, and gives padding alone."""
    x = keras.Input((None, FEATURES), name="x")
    cropped = layers.ZeroPadding1D(1)(layers.Cropping1D(1)(x))
    model = randomized(keras.Model(x, layers.LSTM(UNITS)(cropped)))
    exported = export(model, tmp_path / "artifact", formats=["onnx"])
    assert exported.signature.lengths["time"].minimum == 3
