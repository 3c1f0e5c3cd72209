"""An artifact that somebody else made: whatever its files are, the answer is one line."""

import hashlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports import Artifact, ExportError, Small, export, load
from exports.runtime import Predictor
from exports.text import TextEncoder
from exports.web import kinds
from tests import damage
from tests.damage import besieging, bounded
from tests.exports import models

JSON = ("config.json", "labels.json", "parity.json", "report.json")


@pytest.fixture(scope="module")
def whole(encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """An artifact with all that a file in it can be read for."""
    folder = tmp_path_factory.mktemp("whole")
    return export(
        models.classifier(),
        folder / "artifact",
        formats=["onnx"],
        encoder=encoder,
        labels=["negative", "positive"],
        texts=["good!", "not good"],
        streaming=True,
        small=Small(["float16", "int8"], lambda run: {"accuracy": 1.0}),
    )


def sign(directory: Path) -> None:
    """Write the manifest anew, as an enemy would."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(directory)}\n"
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.name != "MANIFEST.sha256"
        if path.stat().st_size < 2**29
    ]
    (directory / "MANIFEST.sha256").write_text("".join(lines))


def use(directory: Path) -> None:
    """Read all that is in an artifact, as far as it goes."""
    predictor = Predictor(directory)
    loaded = predictor.artifact
    for read in (
        lambda: loaded.report,
        lambda: loaded.proofs,
        lambda: loaded.response,
        lambda: loaded.encoder,
        lambda: loaded.runs([*loaded.formats, *loaded.small]),
        lambda: kinds.kind_of(loaded),
        lambda: predictor.predict(loaded.request),
        lambda: predictor.predict_text(["good"]),
        lambda: predictor.stream().feed(np.ones((1, 3), "int32")),
    ):
        with suppress(ExportError):
            read()


@besieging
@given(st.data())
def test_whatever_is_in_an_artifact_is_answered(
    whole: Artifact, tmp_path: Path, data: st.DataObject
) -> None:
    directory = damage.copied(whole.directory, tmp_path / "copy")
    names = [path.relative_to(directory) for path in sorted(directory.rglob("*")) if path.is_file()]
    name = data.draw(st.sampled_from(JSON).map(Path) | st.sampled_from(names))
    damage.damage(data.draw, directory / name)
    if name.name != "MANIFEST.sha256" and data.draw(st.booleans() | st.just(True)):
        sign(directory)
    with suppress(ExportError), bounded():
        use(directory)


def test_damage_to_every_file_that_the_manifest_lists_is_seen(
    whole: Artifact, tmp_path: Path
) -> None:
    """Those of the small forms and of the step model among them."""
    names = [
        line.partition("  ")[2]
        for line in (whole.directory / "MANIFEST.sha256").read_text().splitlines()
    ]
    assert {"onnx/model.int8.onnx", "onnx/model.float16.onnx", "onnx/step.onnx"} < set(names)
    for name in names:
        path = damage.copied(whole.directory, tmp_path / "copy") / name
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        with pytest.raises(ExportError, match=f"{name} is not what was exported"):
            load(tmp_path / "copy")
