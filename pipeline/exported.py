"""Where the exported model of a run is."""

from pathlib import Path

from exports import artifact
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
