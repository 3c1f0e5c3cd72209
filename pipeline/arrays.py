"""Arrays in files: `.npy` and `.npz` of NumPy, and JSON."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from exports import files
from pipeline.errors import PipelineError

SUFFIXES = (".npy", ".npz", ".json")
_MOST_BYTES = 2**30

Given = Any  # one array, or arrays by name


def read(path: Path) -> Given:
    """Return the array in a file, or its arrays by name.

    JSON is rows, or a mapping of names to rows, as `examples/request.json` of an artifact.

    Raises:
        PipelineError: it is damaged.
        ExportError: it cannot be read.
    """
    if path.suffix == ".json":
        return files.read_json(path, dict[str, list[Any]] | list[Any])  # type: ignore[arg-type]
    content = io.BytesIO(files.read_bytes(path, _MOST_BYTES))
    try:
        found = np.load(content, allow_pickle=False)
        return found if isinstance(found, np.ndarray) else dict(found)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise PipelineError(f"{path} is damaged, or holds no arrays of numbers: {error}") from error
