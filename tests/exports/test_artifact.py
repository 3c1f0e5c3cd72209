"""The directory: complete, readable by others, movable, and every damage is seen."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf

import exports
from exports import Artifact, ExportError, export, load, verify
from exports.runtime import Predictor
from exports.text import TextEncoder
from tests.exports import models
from tests.exports.models import VOCABULARY, first_outputs

ROOT = Path(exports.__file__).parent.parent
ALWAYS = {"README.md", "config.json", "parity.json", "report.json", "MANIFEST.sha256"}
EXAMPLES = {"examples/request.json", "examples/response.json"}
SAVED_MODEL = {
    "saved_model/saved_model.pb",
    "saved_model/fingerprint.pb",
    "saved_model/variables/variables.index",
    "saved_model/variables/variables.data-00000-of-00001",
}
ONNX = {"onnx/model.onnx", "triton/model/1/model.onnx", "triton/model/config.pbtxt"}
FILES = [
    *sorted(ALWAYS | EXAMPLES | SAVED_MODEL | ONNX),
    "labels.json",
    "vocabulary.txt",
    "onnx/text.onnx",
    "triton/text/1/model.onnx",
    "triton/text/config.pbtxt",
]


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_directory_is_complete(exported: Artifact) -> None:
    assert files(exported.directory) == set(FILES)
    assert exported.directory.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in exported.directory.parent.iterdir()] == ["artifact"]


def test_directory_without_what_was_not_asked_for(model: keras.Model, tmp_path: Path) -> None:
    exported = export(model, tmp_path / "artifact", formats=["onnx"])
    assert files(exported.directory) == ALWAYS | EXAMPLES | ONNX
    assert exported.labels is None and exported.formats == ["onnx"]
    with pytest.raises(ExportError, match="takes no text"):
        first_outputs(exported, ["good"])
    assert list(verify(exported.directory)) == ["recorded"]


def test_manifest_is_what_sha256sum_reads(exported: Artifact) -> None:
    command = ["sha256sum", "--check", "--strict", "MANIFEST.sha256"]
    result = subprocess.run(command, cwd=exported.directory, capture_output=True, text=True)
    assert result.returncode == 0 and not result.stderr
    assert set(result.stdout.splitlines()) == {
        f"{name}: OK" for name in set(FILES) - {"MANIFEST.sha256"}
    }


def test_what_was_given_is_kept(reloaded: Artifact, model: keras.Model) -> None:
    assert reloaded.labels == ["negative", "positive"]
    assert reloaded.config.run == {"units": models.UNITS}
    assert (
        TextEncoder.recorded(reloaded).vocabulary == VOCABULARY
        and TextEncoder.recorded(reloaded).max_length == 12
    )
    assert [array.name for array in reloaded.signature.inputs] == ["tokens"]
    assert reloaded.signature.inputs[0].axes == ("batch", "time")
    tokens = [[2, 5, 0], [3, 4, 2]]
    expected = model(np.array(tokens))
    for inputs in (np.array(tokens), [tokens], {"tokens": tokens}):
        np.testing.assert_allclose(
            Predictor(reloaded.directory).predict(inputs)["label"], expected, atol=1e-6
        )
    np.testing.assert_allclose(first_outputs(reloaded, ["Good !", "bad NOT good"]), expected, 1e-5)


def test_proof_is_recorded(exported: Artifact) -> None:
    proof = json.loads((exported.directory / "parity.json").read_text())["model"]
    assert proof["reference"] == "keras" and "1 x 37, holes" in proof["cases"]
    assert proof["cases"][0] == "real texts from 0"
    for name in ("saved_model", "onnx"):
        difference = proof["differences"][name]
        assert difference["labels_equal"] == difference["labels_compared"] == 4
        assert difference["absolute"] < 1e-6
    report = json.loads((exported.directory / "report.json").read_text())
    assert report["operators"]["GRU"] == 1 and not models.LOOPS & set(report["operators"])
    assert report["sizes"]["onnx"] == (exported.directory / "onnx/model.onnx").stat().st_size
    assert report["versions"]["tensorflow"] == tf.__version__
    graph = onnx.load(exported.directory / "onnx/model.onnx")
    assert report["opset"] == graph.opset_import[0].version and report["precision"] == {}


def test_model_card_can_be_followed(exported: Artifact, monkeypatch: Any) -> None:
    """Its code runs, from inside the directory, and gives the recorded answers."""
    card = (exported.directory / "README.md").read_text()
    assert "- Task: sentiment" in card and "labels, in order: negative, positive" in card
    assert card.count("```js\n") == 2 and "Smaller onnx files" not in card
    monkeypatch.chdir(exported.directory)
    request, response = (
        json.loads(Path(f"examples/{name}.json").read_text()) for name in ("request", "response")
    )
    answers = []
    for code in card.split("```python\n")[1:]:
        known = {"tokens": np.array(request["tokens"], "int32")}
        exec(code.split("```")[0], known)
        answers.append(known["outputs"])
    assert len(answers) == 3
    np.testing.assert_allclose(answers[1][0], response["label"], atol=1e-6)
    np.testing.assert_allclose(answers[2][0], answers[0]["label"], atol=1e-6)


def test_the_card_of_litert_can_be_followed(
    model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = export(model, tmp_path / "artifact", formats=["litert"])
    monkeypatch.chdir(exported.directory)
    (code,) = (exported.directory / "README.md").read_text().split("```python\n")[1:]
    known = {"tokens": exported.request["tokens"]}
    exec(code.split("```")[0], known)
    np.testing.assert_allclose(known["outputs"]["label"], exported.response["label"], atol=1e-6)


def test_recorded_answers_are_those_of_keras(exported: Artifact, model: keras.Model) -> None:
    request, response = (
        json.loads((exported.directory / f"examples/{name}.json").read_text())
        for name in ("request", "response")
    )
    np.testing.assert_allclose(model(np.array(request["tokens"])), response["label"], atol=1e-6)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink])
@pytest.mark.parametrize("name", FILES)
def test_damage_is_seen(name: str, damage: Callable[[Path], None], copied: Any) -> None:
    directory = copied()
    damage(directory / name)
    for read in (load, verify):
        with pytest.raises(ExportError, match=name if name != "MANIFEST.sha256" else "copy") as e:
            read(directory)
        assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    "garble",
    [
        lambda text: "",
        lambda text: text[: text.index("\n") + 1],
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("  ", " "),
        lambda text: text.upper(),
        lambda text: text + "no line of a manifest\n",
        lambda text: text + "\udcff\udcfe",
        lambda text: text.replace("config.json", "../copy/config.json"),
        lambda text: text + f"{'0' * 64}  ../outside\n",
        lambda text: text + f"{'0' * 64}  /etc/hostname\n",
        lambda text: text + f"{'0' * 64}  examples\n",
        lambda text: text + f"{'0' * 64}  \n",
    ],
)
def test_garbled_manifest(garble: Callable[[str], str], copied: Any) -> None:
    directory = copied()
    (directory.parent / "outside").write_text("not ours")
    manifest = directory / "MANIFEST.sha256"
    garbled = garble(manifest.read_text()).encode("utf-8", "surrogateescape")
    manifest.write_bytes(garbled)
    with pytest.raises(ExportError, match=r"is incomplete|does not list|is damaged"):
        load(directory)


def test_stray_file_is_seen(copied: Any) -> None:
    directory = copied()
    (directory / "saved_model/assets").mkdir(exist_ok=True)
    (directory / "saved_model/assets/evil.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"assets/evil.txt', which MANIFEST.sha256 does not list"):
        load(directory)


@pytest.mark.parametrize("limit", ["_MOST_FILES", "_MOST_BYTES"])
def test_a_directory_of_too_much_is_refused(
    limit: str, exported: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports.artifact, limit, 10)
    with pytest.raises(ExportError, match="artifact has more than "):
        load(exported.directory)


@pytest.mark.parametrize("place", ["missing", "empty", "file"])
def test_no_artifact(place: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ExportError, match=r"holds no exported model: there is no MANIFEST.sha256"):
        load(tmp_path / place)


def test_verify_compares_recorded_and_new_inputs(exported: Artifact) -> None:
    recorded, anew, of_text = verify(str(exported.directory)).values()
    assert recorded.reference == "keras, as recorded"
    assert set(recorded.differences) == {"saved_model", "onnx"}
    assert recorded.differences["onnx"].labels_equal == 4
    assert anew.reference == "saved_model" and set(anew.differences) == {"onnx"}
    assert set(of_text.differences) == {"saved_model of text", "onnx of text"}
    assert max(recorded.worst, anew.worst, of_text.worst) < 1e-6


def test_artifact_moves(copied: Any, tmp_path: Path) -> None:
    """Whoever gets the directory needs neither the place nor the process that made it."""
    (tmp_path / "elsewhere").mkdir()
    copied().rename(tmp_path / "elsewhere" / "moved")
    code = "\n".join(
        [
            "from exports import verify",
            "from exports.runtime import Predictor",
            "print(max(proof.worst for proof in verify('moved').values()) < 1e-6)",
            "print(len(Predictor('moved').predict_text(['good', ''])))",
        ]
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "elsewhere",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.stdout == "True\n2\n", result.stderr


def test_vocabulary_survives_the_file(model: keras.Model, tmp_path: Path) -> None:
    """`vocabulary.txt` has lines that end in a line feed, and in nothing else."""
    ends = ["\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e", " ", "\t"]
    words = ("", "[UNK]", *ends, *(f"a{end}b" for end in ends), "\ufeff", "🙂", "last")
    encoder = TextEncoder(words, max_length=3)
    export(model, tmp_path / "artifact", formats=["onnx"], encoder=encoder)
    read = TextEncoder.recorded(load(tmp_path / "artifact"))
    assert read.vocabulary == words
    assert read.encode(["last"])[0].tolist() == [len(words) - 1]


def test_formats_give_the_same_for_a_list_of_texts(exported: Artifact, model: keras.Model) -> None:
    session = onnxruntime.InferenceSession(exported.directory / "onnx/model.onnx")
    tokens = TextEncoder.recorded(exported)(["not good", "bad!"]).numpy()
    expected = first_outputs(exported, ["not good", "bad!"])
    np.testing.assert_allclose(session.run(None, {"tokens": tokens})[0], expected, atol=1e-6)
