"""Folders with a folder for each label, and sound or text files in it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.data import sound
from pipeline.data.sources.base import Source
from pipeline.data.table import OnError, Table
from pipeline.data.views import View
from pipeline.errors import PipelineError

_TEXT = ".txt"


class Folder(Source):
    """Files of sound (WAV, FLAC, OGG) or text; the folder that a file is in is its label."""

    accepts = "a folder"
    wants = "It needs a folder for each label, with WAV, FLAC, OGG or TXT files inside."

    def reads(self, data: str) -> bool:
        """Say whether there is such a folder."""
        return Path(data).is_dir()

    def read(self, data: str, on_error: OnError) -> Table:
        """List the files, in the order of their names."""
        folder = Path(data)
        paths = sorted(
            path
            for path in folder.glob("*/*")
            if path.suffix.lower() in (*sound.SUFFIXES, _TEXT) and not path.name.startswith(".")
        )
        texts = [path for path in paths if path.suffix.lower() == _TEXT]
        if not paths or 0 < len(texts) < len(paths):
            found = "both sound and texts" if paths else "neither sound nor texts"
            raise PipelineError(f"{data} holds {found}. {self.wants}")
        version = hashlib.sha256()
        for path in paths:
            files.reject_irregular(path)
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            version.update(f"{path.relative_to(folder)} {content}\n".encode())
        inputs: dict[str, Sequence[Any]] = (
            {"text": View(paths, files.read)} if texts else {"recording": paths}
        )
        columns = {**inputs, "label": [path.parent.name for path in paths]}
        places = [str(path.relative_to(folder.parent)) for path in paths]
        return Table(folder.name, version.hexdigest(), columns, places)


source = Folder()
