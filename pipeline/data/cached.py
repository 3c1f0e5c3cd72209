"""What takes long to make of data, kept on disk by the content that it was made of."""

import hashlib
import logging
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import joblib

from pipeline.data.cache import cache_directory

T = TypeVar("T")

_ROOM = 4_000_000_000  # bytes, beyond which the oldest go

# It would print the stack of what it could not read.
logging.getLogger("joblib").setLevel(logging.ERROR)


def cached(what: str, make: Callable[[], T], *content: Any) -> T:
    """Return what `make` returns, without a call if it made that of the same `content` before.

    `what` names it. `content` is all that it depends on, but for our own code, which counts by
    itself. What is kept and cannot be read is made again.
    """
    folder = cache_directory() / "made"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return make()
    key = joblib.hash((_code(), what, content))
    memory = joblib.Memory(folder, verbose=0)
    remembered = memory.cache(_made, ignore=["make"])
    new = not remembered.check_call_in_cache(key, make)
    made: T = remembered(key, make)
    if new:
        memory.reduce_size(bytes_limit=_ROOM)
    return made


def digest(folder: Path) -> str:
    """Return the SHA-256 of the files in `folder`, and of their names."""
    total = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder)} {content}\n".encode())
    return total.hexdigest()


def _made(key: str, make: Callable[[], T]) -> T:
    return make()


@cache
def _code() -> str:
    """The fingerprint of the code that makes what is kept."""
    total = hashlib.sha256()
    for package in ("exports", "pipeline"):
        spec = find_spec(package)
        assert spec is not None and spec.submodule_search_locations is not None
        for folder in spec.submodule_search_locations:
            for source in sorted(Path(folder).rglob("*.py")):
                total.update(source.read_bytes())
    return total.hexdigest()
