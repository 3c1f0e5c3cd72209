"""The directory of an exported model: whoever gets it needs nothing else.

README.md  config.json  vocabulary.txt  labels.json  parity.json  report.json  MANIFEST.sha256
saved_model/  onnx/model.onnx  onnx/model.float16.onnx  onnx/model.int8.onnx  onnx/step.onnx
onnx/text.onnx  onnx/sound.onnx  examples/request.json  examples/response.json  triton/model/
triton/step/  triton/text/
"""

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exports.errors import ExportError, reason
from exports.signature import Array, Signature, State, reject_nonfinite

CONFIG = "config.json"
LABELS = "labels.json"
MANIFEST = "MANIFEST.sha256"
ONNX = "onnx/model.onnx"
PARITY = "parity.json"
README = "README.md"
REPORT = "report.json"
REQUEST = "examples/request.json"
RESPONSE = "examples/response.json"
SAVED_MODEL = "saved_model"
SOUND = "onnx/sound.onnx"
STEP = "onnx/step.onnx"
TEXT_ONNX = "onnx/text.onnx"
TRITON = "triton"
VOCABULARY = "vocabulary.txt"

FORMATS = {"saved_model": SAVED_MODEL, "onnx": ONNX}
SMALL = {"float16": "onnx/model.float16.onnx", "int8": "onnx/model.int8.onnx"}


def _refuse(directory: Path) -> None:
    raise ExportError(f"{directory} exists already: remove it, or export to another directory.")


@contextlib.contextmanager
def draft(directory: Path, *, replaceable: Callable[[Path], None] = _refuse) -> Iterator[Path]:
    """Yield an empty directory that becomes `directory`, whole, when all went well.

    Whatever goes wrong, an interrupt included, nothing is left behind.

    Args:
        directory: to make.
        replaceable: raises ExportError if what is there already is to stay; by default it is.

    Raises:
        ExportError: if `directory` exists or cannot be written, or another process writes it.
    """
    # Its lock is one that Windows lacks, where artifacts can be read.
    from exports import ownership

    if os.path.lexists(directory):
        replaceable(directory)
    try:
        with ownership.draft(directory) as drafted:
            drafted.mkdir()
            yield drafted
            _write_manifest(drafted)
            if os.path.lexists(directory):
                replaceable(directory)
            ownership.put(drafted, directory)
    except OSError as error:
        raise ExportError(f"{directory} cannot be written: {error.strerror or error}.") from error


def write_json(path: Path, content: Any) -> None:
    """Write plain data, for people to read too."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read plain data.

    Raises:
        ExportError: if the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} cannot be read: {reason(error)}") from error


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a directory."""
    files = [path] if path.is_file() else _files(path)
    return sum(file.stat().st_size for file in files)


@dataclass(frozen=True)
class Artifact:
    """An exported model, checked against its manifest.

    Attributes:
        directory: where it is.
        config: what `config.json` says.
    """

    directory: Path
    config: dict[str, Any]

    @property
    def formats(self) -> list[str]:
        """Return the formats that the directory holds."""
        return list(self.config["formats"])

    @property
    def small(self) -> list[str]:
        """Return the small forms of the ONNX file that the directory holds."""
        return list(self.config["small"])

    @property
    def signature(self) -> Signature:
        """Return the names, shapes and types of inputs and outputs."""
        return Signature(
            *(
                tuple(Array(**{**item, "shape": tuple(item["shape"])}) for item in arrays)
                for arrays in (self.config["inputs"], self.config["outputs"])
            )
        )

    @property
    def limits(self) -> dict[str, int]:
        """Return how many values each integer input may take, as far as it is known."""
        return dict(self.config["limits"])

    @property
    def states(self) -> tuple[State, ...]:
        """Return the states of the step model; none if there is no step model."""
        streaming = self.config["streaming"] or {"states": []}
        return tuple(
            State(**{**state, "shape": tuple(state["shape"])}) for state in streaming["states"]
        )

    @property
    def labels(self) -> list[str] | None:
        """Return the name of each class, if the model has classes."""
        path = self.directory / LABELS
        return list(read_json(path)) if path.exists() else None

    @functools.cached_property
    def encoder(self) -> Any:
        """Return the `TextEncoder` of a model of text.

        Raises:
            ExportError: if the model takes no text.
        """
        from exports.text import TextEncoder

        if self.config["text"] is None:
            raise ExportError(f"{self.directory} holds a model that takes no text.")
        vocabulary = _lines(self.directory / VOCABULARY)
        return TextEncoder(vocabulary, self.config["text"]["max_length"])

    @functools.cached_property
    def run(self) -> Any:
        """Return the model as a function of named arrays, by its first format."""
        return self.runs([self.formats[0]])[self.formats[0]]

    def runs(self, formats: Sequence[str]) -> dict[str, Any]:
        """Return the model as a function of named arrays, by each of `formats` or small forms."""
        from exports import runtime, saved_model

        paths = {name: self.directory / path for name, path in {**FORMATS, **SMALL}.items()}
        read = {"saved_model": saved_model.read}
        return {name: read.get(name, runtime.read)(paths[name]) for name in formats}

    def predict(self, inputs: Any, *, allow_nonfinite: bool = False) -> dict[str, np.ndarray]:
        """Run the model on arrays: one, a list or a mapping by name.

        Raises:
            ExportError: if the arrays are not those that the model takes, or hold NaN or infinity
                and `allow_nonfinite` is false.
        """
        arrays = self.signature.name_inputs(inputs)
        if not allow_nonfinite:
            reject_nonfinite(arrays)
        outputs: dict[str, np.ndarray] = self.run(arrays)
        return outputs

    def predict_text(self, texts: Sequence[str]) -> np.ndarray:
        """Run the model on texts and return its first output."""
        tokens = self.encoder(np.array(list(texts), object)).numpy()
        return self.predict(tokens)[self.signature.outputs[0].name]


def load(directory: str | os.PathLike[str]) -> Artifact:
    """Open an exported model.

    Raises:
        ExportError: if the directory holds none, or its files are not those that were written.
    """
    directory = Path(directory)
    check(directory)
    return Artifact(directory, read_json(directory / CONFIG))


def check(directory: Path) -> set[str]:
    """Return the names of the files in `directory`, which are those that its manifest lists.

    Raises:
        ExportError: if there is no manifest, or a file is missing, is not listed or has changed.
    """
    if not (directory / MANIFEST).is_file():
        raise ExportError(f"{directory} holds no exported model: there is no {MANIFEST}.")
    digests = {}
    for line in _lines(directory / MANIFEST):
        digest, _, name = line.partition("  ")
        digests[name or line] = digest
    present = {path.relative_to(directory).as_posix() for path in _files(directory)} - {MANIFEST}
    if missing := sorted(digests.keys() - present):
        raise ExportError(f"{directory} is incomplete: {missing[0]!r} is missing.")
    if unlisted := sorted(present - digests.keys()):
        raise ExportError(f"{directory} holds {unlisted[0]!r}, which {MANIFEST} does not list.")
    for name, digest in digests.items():
        if _digest(directory / name) != digest:
            raise ExportError(f"{directory / name} is not what was exported: its SHA-256 differs.")
    return present


def _lines(path: Path) -> list[str]:
    """Read lines that end in a line feed, and hold what else Python takes for the end of one."""
    return path.read_bytes().decode("utf-8", errors="replace").removesuffix("\n").split("\n")


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_manifest(directory: Path) -> None:
    """Write hashes as `sha256sum --check` reads them."""
    files = _files(directory)
    lines = [f"{_digest(path)}  {path.relative_to(directory).as_posix()}\n" for path in files]
    (directory / MANIFEST).write_text("".join(lines), encoding="utf-8", newline="\n")
