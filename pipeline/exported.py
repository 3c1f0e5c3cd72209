"""Where the exported model of a run is."""

from pathlib import Path

from exports import artifact
from exports.artifact import Artifact
from exports.errors import ExportError
from pipeline.errors import PipelineError


def directory(path: Path) -> Path:
    """Return the artifact directory of a run directory, or `path` itself if it is one.

    Raises:
        PipelineError: there is none.
    """
    found = path if (path / artifact.MANIFEST).exists() else path / "exports"
    if not found.exists():
        raise PipelineError(f"{path} has no exported model: recurrent export {path}")
    return found


def load(path: Path) -> Artifact:
    """Open the artifact of a run directory, or the artifact directory `path`.

    Raises:
        PipelineError: there is none, or it is damaged.
    """
    try:
        return artifact.load(directory(path))
    except ExportError as error:
        raise PipelineError(str(error)) from error
