"""Files that are whole or not there at all, in folders that one process at a time writes to."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from exports import files, ownership
from exports.errors import ExportError
from exports.ownership import Waiting
from pipeline.errors import PipelineError

T = TypeVar("T")


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
    with _for_the_user():
        return files.read_text(path)


def read_json(path: Path, kind: type[T]) -> T:
    """Read JSON of a known type.

    Raises:
        PipelineError: there is no such file, or it holds something else.
    """
    with _for_the_user():
        return files.read_json(path, kind)


def read_json_lines(path: Path, kind: type[T]) -> list[T]:
    """Read lines of JSON of a known type.

    Raises:
        PipelineError: there is no such file, or a line is something else.
    """
    lines = read(path).splitlines()
    with _for_the_user():
        return [
            files.parse_json(line.encode(), kind, f"{path}, line {number},")
            for number, line in enumerate(lines, start=1)
        ]


def reject_irregular(path: Path) -> None:
    """Raise for what nobody should begin to read.

    Raises:
        PipelineError: there is no such file, or it is a directory, a FIFO or a device.
    """
    with _for_the_user():
        files.open_regular(path).close()


@contextmanager
def _for_the_user() -> Iterator[None]:
    try:
        yield
    except ExportError as error:
        raise PipelineError(str(error)) from error


def contents(folder: Path) -> list[Path]:
    """List what is in `folder`, but for locks and what is half-written."""
    ours = (ownership.LOCK, ownership.DRAFT)
    return sorted(path for path in folder.iterdir() if not path.name.startswith(ours))
