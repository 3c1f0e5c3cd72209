"""Files that are whole or not there at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import PipelineError

_PARTIAL = ".partial-"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a file to write next to `path`, and put it in the place of `path` when it is complete.

    Raises:
        PipelineError: it cannot be written; `path` is as it was.
    """
    partial = path.with_name(_PARTIAL + path.name)
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise PipelineError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def write(path: Path, text: str) -> None:
    """Replace the content of `path` by `text`."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def read(path: Path) -> str:
    """Return the text in `path`.

    Raises:
        PipelineError: there is no such file, or it holds no text.
    """
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            return file.read()
    except FileNotFoundError as error:
        raise PipelineError(f"there is no file {path}") from error
    except UnicodeDecodeError as error:
        raise PipelineError(f"{path} is damaged: it is not UTF-8 text") from error


def contents(folder: Path) -> list[Path]:
    """List what is in `folder`, but for what a killed process left half-written."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(_PARTIAL))


def clean(folder: Path) -> None:
    """Remove what a killed process left half-written anywhere in `folder`."""
    for partial in folder.rglob(_PARTIAL + "*"):
        partial.unlink()
