"""Files that are whole or not there at all, in folders that one process at a time writes to."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from exports import ownership
from exports.errors import ExportError
from exports.ownership import Waiting
from pipeline.errors import PipelineError


@contextmanager
def owned(folder: Path, waiting: Waiting | None = None) -> Iterator[None]:
    """Own `folder`, which is made where needed, as long as the block runs.

    What processes that have died were writing there is removed. `waiting` is told who owns the
    folder, and then that process is waited for; None: do not wait.

    Raises:
        PipelineError: another process owns it, or it cannot be written.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(ownership.held(folder, waiting=waiting))
        except ExportError as error:
            raise PipelineError(str(error)) from error
        except OSError as error:
            raise PipelineError(f"cannot write {folder}: {error.strerror or error}") from error
        ownership.clean(folder)
        yield


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a file to write, and put it in the place of `path` when it is complete.

    Raises:
        PipelineError: it cannot be written; `path` is as it was.
    """
    try:
        with ownership.draft(path, waiting=ownership.silently) as drafted:
            yield drafted
            with drafted.open("rb") as file:
                os.fsync(file.fileno())
            ownership.put(drafted, path)
    except OSError as error:
        raise PipelineError(f"cannot write {path}: {error.strerror or error}") from error


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
    """List what is in `folder`, but for locks and what is half-written."""
    ours = (ownership.LOCK, ownership.DRAFT)
    return sorted(path for path in folder.iterdir() if not path.name.startswith(ours))
