"""What the path is that a verb is given: a run directory, an artifact directory or a Keras file."""

from enum import Enum
from pathlib import Path

from exports import artifact
from exports.artifact import Artifact
from exports.errors import ExportError
from pipeline.errors import PipelineError


class Kind(Enum):
    """A kind of path; the value is its name in messages."""

    RUN = "a run directory"
    ARTIFACT = "an artifact directory"
    KERAS = "a .keras file"


_SUFFIXES = (".keras", ".h5", ".hdf5")  # the older ones are told what to do
_WANTED = f"give {Kind.RUN.value}, {Kind.ARTIFACT.value} or {Kind.KERAS.value}"


def kind(path: Path) -> Kind:
    """Return what `path` is. Whether its files are damaged is not looked at.

    Raises:
        PipelineError: it is none of them.
    """
    if path.is_file() and path.suffix in _SUFFIXES:
        return Kind.KERAS
    if path.is_file():
        raise PipelineError(f"{path} is no .keras file: {_WANTED}")
    if not path.is_dir():
        hint = f"save one with model.save({path.name!r})" if path.suffix == ".keras" else _WANTED
        raise PipelineError(f"{path} is not there: {hint}")
    if any((path / name).exists() for name in (artifact.MANIFEST, artifact.PARITY)):
        return Kind.ARTIFACT
    if (path / "config.json").exists():
        return Kind.RUN
    raise PipelineError(
        f"{path} is neither {Kind.RUN.value}, which has a config.json, nor {Kind.ARTIFACT.value}, "
        f"which has a {artifact.MANIFEST}"
    )


def require_run(path: Path, verb: str) -> None:
    """Raise unless `path` is a run directory.

    Raises:
        PipelineError: it is something else.
    """
    found = kind(path)
    if found is not Kind.RUN:
        raise PipelineError(f"{path} is {found.value}, and recurrent {verb} takes {Kind.RUN.value}")


def beside(path: Path, what: str) -> Path:
    """Return where something made of `path` is put by default, such as FILE-exports."""
    named = path if path.name not in ("", "..") else path.resolve()
    return named.with_name(f"{named.stem if path.is_file() else named.name}-{what}")


def directory(path: Path) -> Path:
    """Return the artifact directory: `path`, or the exports in a run or beside a Keras file.

    Raises:
        PipelineError: there is none.
    """
    match kind(path):
        case Kind.ARTIFACT:
            return path
        case Kind.RUN:
            found = path / "exports"
        case Kind.KERAS:
            found = beside(path, "exports")
    if not found.exists():
        raise PipelineError(f"{path} is not exported yet. Try: recurrent export {path}")
    return found


def load(path: Path) -> Artifact:
    """Open the artifact of `path`: see `directory`.

    Raises:
        PipelineError: there is none, or it is damaged.
    """
    try:
        return artifact.load(directory(path))
    except ExportError as error:
        raise PipelineError(str(error)) from error
