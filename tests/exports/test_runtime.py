"""Reading files back: without TensorFlow, and when they are damaged."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exports
from exports import Artifact, ExportError, formats
from exports.formats.onnx import session
from exports.runtime import Predictor

PREDICT_WITHOUT_TENSORFLOW = """
import sys
from pathlib import Path
import numpy as np
from exports.formats.onnx import session
from exports.errors import ExportError

run = session.read(Path(sys.argv[1]))
print(run({"tokens": np.ones((2, 3), "int32")})["label"].shape)
for shape in (0, 3), (2, 0):
    try:
        run({"tokens": np.ones(shape, "int32")})
    except ExportError as error:
        print(str(error).endswith("needs at least one row and one step in 'tokens'."))
heavy = {"keras", "onnx", "tensorflow", "tf2onnx", "custom_layers"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
"""


def test_runs_without_tensorflow_and_refuses_what_would_crash(exported: Artifact) -> None:
    """In a process of its own: on a batch of no rows, ONNX Runtime's GRU is a crash of it all."""
    result = subprocess.run(
        [sys.executable, "-c", PREDICT_WITHOUT_TENSORFLOW, exported.directory / "onnx/model.onnx"],
        env={**os.environ, "PYTHONPATH": str(Path(exports.__file__).parent.parent)},
        capture_output=True,
        text=True,
    )
    assert result.stdout == "(2, 2)\nTrue\nTrue\n[]\n", (result.returncode, result.stderr)


def test_public_names_are_found_when_used() -> None:
    assert all(getattr(exports, name) for name in exports.__all__)
    with pytest.raises(AttributeError, match="module 'exports' has no attribute 'nothing'"):
        exports.nothing  # noqa: B018


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "text": lambda path: path.write_text("this is no model"),
    "noise": lambda path: path.write_bytes(np.random.default_rng(0).bytes(1000)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_onnx_file(damage: Callable[[Path], Any], copied: Any) -> None:
    path = copied() / "onnx/model.onnx"
    damage(path)
    with pytest.raises(ExportError, match=r"model.onnx cannot be loaded by ONNX Runtime"):
        session.read(path)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize(
    "name",
    ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"],
)
def test_damaged_saved_model(
    name: str, damage: Callable[[Path], Any], exported: Artifact, copied: Any
) -> None:
    directory = copied()
    damage(directory / "saved_model" / name)
    with pytest.raises(ExportError, match="saved_model cannot be loaded as a SavedModel"):
        formats.get("saved_model").read(directory, "model", exported.signature)


def test_signature_that_is_not_there(exported: Artifact) -> None:
    with pytest.raises(ExportError, match="has no signature 'serving_other'; it has"):
        formats.get("saved_model").read(exported.directory, "other", exported.signature)


@pytest.mark.parametrize("format_", ["saved_model", "onnx"])
@pytest.mark.parametrize("tokens", [np.ones((2, 3, 4)), np.full((2, 3), 99)])
def test_inputs_that_cannot_be(format_: str, tokens: np.ndarray, exported: Artifact) -> None:
    run = formats.runs(exported, formats=[format_])[format_]
    with pytest.raises(ExportError, match=r"fails in (TensorFlow|ONNX Runtime)"):
        run({"tokens": tokens.astype("int32")})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"words": [[1]]}, r"The inputs are \['tokens'\], not \['words'\]"),
        ([[[1]], [[1]]], "but 2 arrays are given"),
    ],
)
def test_inputs_of_other_names(inputs: Any, message: str, exported: Artifact) -> None:
    with pytest.raises(ExportError, match=message):
        Predictor(exported.directory).predict(inputs)
