"""Who writes where: a directory has one owner, and what is written is whole or not there at all.

The owner holds a lock of the operating system on the file `.lock` in its directory. The lock ends
with the process, however that ends. What is not finished yet is in a directory `.draft-NAME`
beside NAME, owned by the process that writes it; whoever comes next removes it if that has died.
"""

import contextlib
import errno
import fcntl
import os
import platform
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from exports.errors import ExportError

LOCK = ".lock"
DRAFT = ".draft-"

_REPLACED = ".replaced"  # in a draft: what was there before, between the two renames
_REPLACEABLE = {stat.S_IFREG, stat.S_IFDIR}  # kinds of files; /dev/stdout is another
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # what such a file system answers
_PATIENCE, _POLL = 0.5, 0.02  # seconds, in which a process that only cleans up is done

Waiting = Callable[[str], object]


class InUse(ExportError):
    """Another process owns a directory."""


@contextlib.contextmanager
def held(
    directory: Path, *, named: Path | None = None, waiting: Waiting | None = None
) -> Iterator[None]:
    """Own `directory`, which is made where needed, as long as the block runs.

    A directory in which nobody can write needs no owner, and one on a file system without locks
    has none.

    Args:
        directory: to own.
        named: what it is called in a message, if not by its path.
        waiting: is told who owns the directory, and then it is waited for; None: do not wait.

    Raises:
        InUse: another process owns it.
        OSError: it cannot be made, or its lock cannot be written.
    """
    if directory.is_dir() and not os.access(directory, os.W_OK):
        yield
        return
    with contextlib.ExitStack() as stack:
        _lock(directory, named or directory, waiting, stack)
        yield


@contextlib.contextmanager
def draft(path: Path, *, waiting: Waiting | None = None) -> Iterator[Path]:
    """Give the place of a file or directory that is to become `path`, for `put` in the end.

    Whatever goes wrong in the block, an interrupt included, nothing is left behind.

    Raises:
        InUse: another process is writing `path`, and `waiting` is None.
        OSError: nothing can be written there.
    """
    beside = next(parent for parent in path.absolute().parents if parent.exists())
    clean(beside)
    folder = beside / f"{DRAFT}{path.name}"
    with contextlib.ExitStack() as stack:
        stack.callback(clean, beside)  # of what an interrupt leaves before or in `_discard`
        stack.enter_context(held(folder, named=path, waiting=waiting))
        stack.callback(_discard, folder)
        yield folder / path.name


def silently(owner: str) -> None:
    """Wait for `owner` without a word, where it needs but a moment."""


def put(drafted: Path, path: Path) -> None:
    """Let what was drafted become `path`, and replace what is there once it is in place.

    Raises:
        OSError: it cannot, or `path` is a link, a device or the like; it is as it was once the
            draft has ended.
    """
    if os.path.lexists(path) and stat.S_IFMT(path.lstat().st_mode) not in _REPLACEABLE:
        raise OSError(errno.EEXIST, "it is neither a regular file nor a directory", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    if drafted.is_dir() and path.is_dir():
        path.rename(drafted.with_name(_REPLACED))
    drafted.replace(path)


def clean(folder: Path) -> None:
    """Remove from `folder` what processes that have died were writing."""
    for left in folder.glob(f"{DRAFT}*"):
        if (left / LOCK).exists() and os.access(folder, os.W_OK):
            with contextlib.suppress(InUse), held(left):
                _discard(left)
        else:
            with contextlib.suppress(OSError):
                left.rmdir()  # it is empty; an owner that is about to lock it makes it again


def _discard(folder: Path) -> None:
    """Remove the draft `folder`; what it was about to replace is put back if it is missing."""
    path, replaced = folder.with_name(folder.name.removeprefix(DRAFT)), folder / _REPLACED
    if replaced.exists() and not os.path.lexists(path):
        replaced.rename(path)
    shutil.rmtree(folder, ignore_errors=True)


def _lock(
    directory: Path, named: Path, waiting: Waiting | None, stack: contextlib.ExitStack
) -> None:
    """Lock `directory` until `stack` is closed."""
    path = directory / LOCK
    while True:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except FileNotFoundError:
            continue  # its last owner has just removed the directory
        stack.callback(_unlock, path, descriptor)
        _wait_for(descriptor, named, waiting)
        if _is_at(path, descriptor):
            _sign(descriptor)
            return
        stack.close()


def _unlock(path: Path, descriptor: int) -> None:
    """Remove the lock, if it is ours or nobody's."""
    if _take(descriptor) and _is_at(path, descriptor):
        path.unlink()
    os.close(descriptor)


def _wait_for(descriptor: int, named: Path, waiting: Waiting | None) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not _take(descriptor):
        owner = os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
        if waiting:
            waiting(owner)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        elif time.monotonic() < deadline:
            time.sleep(_POLL)
        else:
            raise InUse(
                f"{named} is in use by {owner}: wait until it has ended, stop it, or name "
                "another place"
            )


def _take(descriptor: int) -> bool:
    """Lock an open file unless another process has; one that has the lock keeps it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the file is still there: its last owner removes it before unlocking it."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """Write who the owner is, for messages; a full disk takes no name."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {platform.node()}".encode(), 0)
