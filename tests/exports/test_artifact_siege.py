"""An artifact that somebody else made: whatever its files are, the answer is one line."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports import Artifact, ExportError, Precision, export, formats, load
from exports.answers import Labels
from exports.runtime.predictor import Predictor
from exports.text import TextEncoder
from pipeline.web import kinds
from tests import damage
from tests.damage import (
    KINDS,
    NO_TYPE,
    Change,
    becomes,
    besieging,
    bounded,
    elsewhere,
    has,
    holds,
    lacks,
)
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
        config={"units": models.UNITS},
        answer=Labels((0.5, 0.5)),
        small=Precision(["float16", "int8"], lambda run: {"accuracy": 1.0}),
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


def use(directory: Path) -> list[str]:
    """Read all that is in an artifact, as far as it goes; return the complaints."""
    try:
        predictor = Predictor(directory)
    except ExportError as error:
        return [str(error)]
    loaded, complaints = predictor.artifact, []
    for read in (
        lambda: loaded.report,
        lambda: loaded.proofs,
        lambda: loaded.response,
        lambda: TextEncoder.recorded(loaded),
        lambda: [formats.runs(loaded), formats.small(loaded)],
        lambda: kinds.page_of(loaded),
        lambda: predictor.predict(loaded.request),
        lambda: predictor.predict_text(["good"]),
        lambda: predictor.answer(loaded.request),
        lambda: predictor.stream().feed(np.ones((1, 3), "int32")),
    ):
        try:
            read()
        except ExportError as error:
            complaints.append(str(error))
    return complaints


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
    with bounded():
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


# What an enemy puts into a directory, and signs.

CONFIG, LABELS, PARITY, REPORT = JSON
REQUEST, RESPONSE = "examples/request.json", "examples/response.json"
MODEL, VOCABULARY, MANIFEST = "onnx/model.onnx", "vocabulary.txt", "MANIFEST.sha256"
COLOURED = "a\x1b[31m\nb"


def edited(name: str, old: str, new: str) -> Change:
    def change(directory: Path) -> None:
        text = (directory / name).read_text()
        assert old in text
        (directory / name).write_text(text.replace(old, new, 1))

    return change


HOSTILE: dict[str, Change] = {
    **{f"{name} is a {kind}": becomes(name, kind) for name in (CONFIG, MODEL) for kind in KINDS},
    **{f"{name} is elsewhere": elsewhere(name) for name in (CONFIG, MODEL, LABELS, VOCABULARY)},
    **{f"{name} is empty": holds(name, b"") for name in (*JSON, MODEL, VOCABULARY)},
    **{
        f"{name} is {content!r}": holds(name, content)
        for name in (CONFIG, LABELS)
        for content in (b"null", b"7", b'{"a": 1}', b"NaN", b"\xff\xfe", b'"\\ud800"', b"[1")
    },
    "deep": holds(CONFIG, b"[" * 10**6),
    "deep where anything may stand": has(CONFIG, "run", "x", json.loads("[" * 200 + "]" * 200)),
    "one name twice": edited(CONFIG, '"formats"', '"formats": [], "formats"'),
    "a setting of the run twice": edited(CONFIG, '"run": {', '"run": {"a": 1, "a": 2,'),
    "a format that is none": has(CONFIG, "formats", ["pickle"]),
    "no formats": has(CONFIG, "formats", []),
    "no inputs": has(CONFIG, "inputs", []),
    "a format that is missing": has(CONFIG, "formats", ["saved_model"]),
    "another name of the input": has(CONFIG, "inputs", 0, "name", "ids"),
    "another name of the output": has(CONFIG, "outputs", 0, "name", "other"),
    "a name of colours": has(CONFIG, "outputs", 0, "name", COLOURED),
    "one name of two": has(CONFIG, "outputs", 0, "name", "tokens"),
    "another type": has(CONFIG, "inputs", 0, "dtype", "float32"),
    "a type that is none": has(CONFIG, "inputs", 0, "dtype", "object"),
    "another shape": has(CONFIG, "inputs", 0, "shape", [None, 5]),
    "a huge shape": has(CONFIG, "outputs", 0, "shape", [None, 10**30]),
    "a negative shape": has(CONFIG, "outputs", 0, "shape", [None, -2]),
    "a shape that is no number": has(CONFIG, "outputs", 0, "shape", [None, float("nan")]),
    "another state": has(CONFIG, "streaming", "states", 0, "name", "other"),
    "a wider state": has(CONFIG, "streaming", "states", 0, "shape", [None, 99]),
    "no states": has(CONFIG, "streaming", "states", []),
    "a small form that is missing": becomes("onnx/model.int8.onnx", "missing"),
    "no length": has(CONFIG, "text", "max_length", 0),
    "a huge length": has(CONFIG, "text", "max_length", 10**30),
    "a limit of an input that is none": has(CONFIG, "limits", "other", 3),
    "three labels for two scores": holds(LABELS, b'["a", "b", "c"]'),
    "labels of numbers": holds(LABELS, b"[1, 2]"),
    "a word twice": holds(VOCABULARY, b"\n[UNK]\ngood\ngood\n"),
    "no words": holds(VOCABULARY, b"\n[UNK]\n"),
    "words that are no text": holds(VOCABULARY, b"\n[UNK]\n\xff\n"),
    "an answer that is no number": has(RESPONSE, "label", 0, 0, "x"),
    "answers of another name": holds(RESPONSE, b'{"other": [[0.5, 0.5]]}'),
    "questions of another name": holds(REQUEST, b'{"other": [[1, 2]]}'),
    "questions of fractions": holds(REQUEST, b'{"tokens": [[0.5]]}'),
    "questions of huge numbers": holds(REQUEST, b'{"tokens": [[1e999]]}'),
    "ragged questions": holds(REQUEST, b'{"tokens": [[1], [1, 2]]}'),
    "a report without sizes": lacks(REPORT, "sizes"),
    "a report without a form": lacks(REPORT, "precision", "onnx", "forms", "int8"),
    "a proof without differences": lacks(PARITY, "model", "differences"),
    "a graph that is none": holds(MODEL, b"\x08\x07"),
    "a file of an odd name": holds(COLOURED, b""),
}
UNSIGNED: dict[str, Change] = {
    **{f"{MANIFEST} is a {kind}": becomes(MANIFEST, kind) for kind in KINDS},
    "a wrong digest": edited(MANIFEST, "a", "b"),
    "a wrong digest of an odd name": lambda directory: [
        holds("a\x1b[31mb", b"")(directory),
        edited(MANIFEST, "\n", f"\n{'0' * 64}  a\x1b[31mb\n")(directory),
    ],
}


def test_a_hostile_directory_is_refused_in_one_line(whole: Artifact, tmp_path: Path) -> None:
    """A wrong type at every place of the configuration, too, but for the settings of the run."""
    found = [each for each in damage.places(whole.directory / CONFIG) if each[0] != "run"]
    types = {f"another type of {place}": has(CONFIG, *place, NO_TYPE) for place in found}
    faults = {}
    for kind, change in {**HOSTILE, **types, **UNSIGNED}.items():
        directory = damage.copied(whole.directory, tmp_path / "copy")
        change(directory)
        if kind not in UNSIGNED:
            sign(directory)
        with bounded():
            complaints = use(directory)
        if not complaints or not all(map(str.isprintable, complaints)):
            faults[kind] = complaints
    assert not faults
