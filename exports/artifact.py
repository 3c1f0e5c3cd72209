"""The directory of an exported model: whoever gets it needs nothing else.

README.md  config.json  vocabulary.txt  labels.json  answers.mjs  parity.json  report.json
MANIFEST.sha256  examples/request.json  examples/response.json, and the files of each format: see
`exports.formats`.
It holds data, and predicts nothing: see `exports.runtime`.
"""

import contextlib
import functools
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from exports import files
from exports.errors import DamagedFileError, InvalidInputError, WriteError
from exports.parity.compare import Parity
from exports.schema import SOUND, STEP, TEXT, Config, Report
from exports.signature import Arrays, Signature, State

ANSWERS = "answers.mjs"
GENERATION = "generation.mjs"
CONFIG = "config.json"
LABELS = "labels.json"
MANIFEST = "MANIFEST.sha256"
PARITY = "parity.json"
README = "README.md"
REPORT = "report.json"
REQUEST = "examples/request.json"
RESPONSE = "examples/response.json"
VOCABULARY = "vocabulary.txt"

_ABSENT = {
    STEP: "holds no step model: export with --streaming, or streaming=True in Python.",
    TEXT: "holds a model that takes no text.",
    SOUND: "holds a model that takes no sound.",
}
_MOST_FILES, _MOST_BYTES = 10_000, 2**33  # of a directory


def _refuse(directory: Path) -> None:
    raise WriteError(f"{directory} exists already: remove it, or export to another directory.")


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
        raise WriteError(f"{directory} cannot be written: {error.strerror or error}.") from error


def write_json(path: Path, content: Any) -> None:
    """Write plain data and dataclasses, for people to read too."""
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False, default=msgspec.to_builtins)
    path.write_text(f"{text}\n", encoding="utf-8")


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a directory."""
    paths = [path] if path.is_file() else _files(path)
    return sum(each.stat().st_size for each in paths)


@dataclass(frozen=True)
class Artifact:
    """An exported model, checked against its manifest.

    Attributes:
        directory: where it is.
        config: what `config.json` says.
    """

    directory: Path
    config: Config

    def endpoint(self, name: str) -> Signature:
        """Return the signature of an endpoint.

        Raises:
            ExportError: if there is no such endpoint.
        """
        signatures = self.config.signatures
        if name not in signatures:
            known = ", ".join(signatures)
            reason = _ABSENT.get(name, f"has no endpoint {name!r}; it has {known}.")
            raise InvalidInputError(f"{self.directory} {reason}")
        return signatures[name]

    @property
    def formats(self) -> list[str]:
        """Return the formats that the directory holds."""
        return list(self.config.formats)

    @property
    def small(self) -> list[str]:
        """Return the precisions beside float32 that formats have."""
        return list(self.config.small)

    @property
    def signature(self) -> Signature:
        """Return the names, shapes and types of inputs and outputs."""
        return self.config.signature

    @property
    def limits(self) -> dict[str, int]:
        """Return how many values each integer input may take, as far as it is known."""
        return dict(self.config.limits)

    @property
    def states(self) -> tuple[State, ...]:
        """Return the states of the step model; none if there is no step model."""
        return self.config.states

    @functools.cached_property
    def labels(self) -> list[str] | None:
        """Return the name of each class, if the model has classes.

        Raises:
            ExportError: if they are not as many as the scores of an output, or an answer is said
                in labels and they are missing or not as many.
        """
        path, answer = self.directory / LABELS, self.config.answer
        wanted = self.signature.outputs[0].shape[-1] if answer and answer.has_labels else None
        if not path.exists() and wanted is None:
            return None
        labels = files.read_json(path, list[str])
        sizes = {each.name: each.shape[-1] for each in self.signature.outputs if each.shape[1:]}
        if not {None, len(labels)} & set(sizes.values()):
            raise DamagedFileError(
                f"{path} names {len(labels)} classes, and no output has as many scores: {sizes}."
            )
        if wanted not in (None, len(labels)):
            raise DamagedFileError(f"{path} names {len(labels)} classes, and not {wanted}.")
        return labels

    @functools.cached_property
    def vocabulary(self) -> list[str]:
        """Return the words of a model of text, each at the place of its id.

        Raises:
            ExportError: if they are missing.
        """
        return _lines(self.directory / VOCABULARY)

    @property
    def proofs(self) -> dict[str, Parity]:
        """Return how far the formats were from Keras, as `parity.json` says."""
        return files.read_json(self.directory / PARITY, dict[str, Parity])

    @property
    def report(self) -> Report:
        """Return what the exporter measured, as `report.json` says."""
        path = self.directory / REPORT
        report = files.read_json(path, Report)
        measured = {name for each in report.precision.values() for name in each.forms}
        if not measured >= set(self.small) or not report.sizes.keys() >= set(self.formats):
            raise DamagedFileError(f"{path} is damaged: it lacks what {CONFIG} names")
        return report

    @property
    def request(self) -> Arrays:
        """Return the recorded examples."""
        return self.signature.name_inputs(self._recorded(REQUEST))

    @property
    def response(self) -> Arrays:
        """Return the recorded answers of Keras."""
        recorded = self._recorded(RESPONSE)
        if recorded.keys() != {array.name for array in self.signature.outputs}:
            raise DamagedFileError(f"{self.directory / RESPONSE} has the outputs {list(recorded)}.")
        return {array.name: array.read(recorded[array.name]) for array in self.signature.outputs}

    def _recorded(self, name: str) -> dict[str, Any]:
        return files.read_json(self.directory / name, dict[str, list[Any]])


def load(directory: str | os.PathLike[str]) -> Artifact:
    """Open an exported model.

    Raises:
        ExportError: if the directory holds none, or its files are not those that were written.
    """
    directory = Path(directory)
    check(directory)
    return Artifact(directory, files.read_json(directory / CONFIG, Config))


def check(directory: Path) -> set[str]:
    """Return the names of the files in `directory`, which are those that its manifest lists.

    Raises:
        ExportError: if there is no manifest, or a file is missing, is not listed or has changed.
    """
    if not os.path.lexists(directory / MANIFEST):
        raise DamagedFileError(f"{directory} holds no exported model: there is no {MANIFEST}.")
    digests = {}
    for line in _lines(directory / MANIFEST):
        digest, _, name = line.partition("  ")
        digests[name or line] = digest
    present = {path.relative_to(directory).as_posix() for path in _files(directory)} - {MANIFEST}
    if missing := sorted(digests.keys() - present):
        raise DamagedFileError(f"{directory} is incomplete: {missing[0]!r} is missing.")
    if unlisted := sorted(present - digests.keys()):
        raise DamagedFileError(
            f"{directory} holds {unlisted[0]!r}, which {MANIFEST} does not list."
        )
    for name, digest in digests.items():
        if files.digest(directory / name) != digest:
            raise DamagedFileError(
                f"{directory / name} is not what was exported: its SHA-256 differs."
            )
    return present


def _lines(path: Path) -> list[str]:
    """Read lines that end in a line feed, and hold what else Python takes for the end of one."""
    return files.read_text(path).removesuffix("\n").split("\n")


def _files(directory: Path) -> list[Path]:
    """List the files in a directory and those below.

    Raises:
        ExportError: if there is anything but files and directories, or if they are too many or
            too large.
    """
    found: list[Path] = []
    waiting, size = [directory], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                information = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(information.st_mode):
                    waiting.append(Path(entry.path))
                elif stat.S_ISREG(information.st_mode):
                    found.append(Path(entry.path))
                    size += information.st_size
                else:
                    raise DamagedFileError(
                        f"{entry.path!r} is neither a regular file nor a directory."
                    )
                if len(found) + len(waiting) > _MOST_FILES or size > _MOST_BYTES:
                    raise DamagedFileError(
                        f"{directory} has more than {_MOST_FILES:,} files or {_MOST_BYTES:,} bytes."
                    )
    return sorted(found)


def _write_manifest(directory: Path) -> None:
    """Write hashes as `sha256sum --check` reads them."""
    paths = _files(directory)
    lines = [f"{files.digest(path)}  {path.relative_to(directory).as_posix()}\n" for path in paths]
    (directory / MANIFEST).write_text("".join(lines), encoding="utf-8", newline="\n")
