"""Random damage to a file, and the bounds within which whoever reads it must answer."""

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

# How many files each test of damage spoils: few in CI, thousands by `make siege`.
besieging = settings(
    max_examples=int(os.environ.get("SIEGE", "40")),
    derandomize="SIEGE" not in os.environ,
    phases=[Phase.generate],  # the damage is small as it is
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

Draw = Callable[[st.SearchStrategy[Any]], Any]

_NUMBERS = st.one_of(
    st.integers(-3, 300),
    st.sampled_from([2**31, 2**63, -(2**63), 10**30, 0.5, -1e308, 1e-320]),
    st.sampled_from([float("nan"), float("inf"), -float("inf")]),
)
_TEXTS = st.one_of(
    st.text(max_size=5),
    st.sampled_from(["", "\0", "\ud800", "../../x", "/dev/zero", "a" * 300, "<b>", "|", "\n"]),
)
_SCALARS = st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=5,
)

_LARGE = 2**27  # bytes; what is larger is not packed
_OF_SQLITE = (sqlite3.Error, OverflowError, UnicodeError)  # raised for values that it cannot hold


class HangError(BaseException):
    """It took longer than a reader may."""


@contextlib.contextmanager
def bounded(seconds: float = 30, memory: int = 2**30) -> Iterator[None]:
    """Let a block take no longer, and no more memory, than this."""

    def stop(*_: Any) -> None:
        raise HangError

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limits = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory, limits[1]))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGALRM, handler)


def damage(draw: Draw, path: Path) -> None:
    """Spoil a file: what is in it, or what it is."""
    kinds = [_bytes, _kind]
    if _json(path) is not None:
        kinds += [_values, _values, _values]
    if zipfile.is_zipfile(path):
        kinds += [_member, _member, _member]
    if path.suffix == ".db":
        kinds += [_cell, _cell, _cell]
    draw(st.sampled_from(kinds))(draw, path)


def _bytes(draw: Draw, path: Path) -> None:
    content = bytearray(path.read_bytes())
    place = draw(st.integers(0, len(content)))
    match draw(st.sampled_from(["cut", "flip", "insert", "noise", "deep", "huge", "twice"])):
        case "cut":
            del content[place:]
        case "flip" if content:
            content[place % len(content)] ^= 1 << draw(st.integers(0, 7))
        case "insert":
            content[place:place] = draw(st.binary(min_size=1, max_size=9))
        case "noise":
            content = bytearray(draw(st.binary(max_size=99)))
        case "deep":
            content = bytearray(b"[" * draw(st.sampled_from([150, 10**3, 10**6])))
        case "huge":
            os.truncate(path, draw(st.sampled_from([2 * _LARGE, 2**40])))
            return
        case _:
            content = content + content
    path.write_bytes(content)


def _kind(draw: Draw, path: Path) -> None:
    """Put something else in the place of a file."""
    links = ["/dev/zero", "/dev/null", "/dev/tty", path.name, "..", "/etc/hostname", "none"]
    kinds = ["missing", "FIFO", "directory", "socket"]
    become(path, draw(st.sampled_from(kinds) | st.sampled_from(links).map("link to {}".format)))


def become(path: Path, kind: str) -> None:
    """Let a path be of another kind: a directory, say, or a link to something."""
    path.unlink(missing_ok=True)
    match kind:
        case "FIFO":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "socket":
            with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as server:
                server.bind(path.name)
        case "missing":
            pass
        case _:
            path.symlink_to(kind.removeprefix("link to "))


def _member(draw: Draw, path: Path) -> None:
    """Spoil a file in an archive, and pack all of them anew."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
            names, comment = archive.namelist(), archive.comment
        damage(draw, Path(folder, draw(st.sampled_from(names))))
        with zipfile.ZipFile(path, "w") as archive:
            archive.comment = comment
            for member in (Path(folder, name) for name in names):
                if member.is_file() and member.stat().st_size < _LARGE:
                    archive.write(member, member.relative_to(folder))


def _cell(draw: Draw, path: Path) -> None:
    """Change a column of a table in a database, or remove the table."""
    with contextlib.closing(sqlite3.connect(path)) as database, contextlib.suppress(*_OF_SQLITE):
        found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        table = draw(st.sampled_from([name for (name,) in found]))
        columns = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
        column, value = draw(st.sampled_from(columns)), draw(_SCALARS | _VALUES.map(json.dumps))
        match draw(st.sampled_from(["change", "change", "change", "empty", "drop"])):
            case "change":
                database.execute(f"UPDATE {table} SET {column} = ?", [value])
            case "empty":
                database.execute(f"DELETE FROM {table}")
            case _:
                database.execute(f"DROP TABLE {table}")
        database.commit()


def _values(draw: Draw, path: Path) -> None:
    """Change values in JSON, or in a line of it: types, names, numbers of items."""
    content = _json(path)
    for _ in range(draw(st.integers(1, 3))):
        content = _changed(draw, content)
    _write_json(path, content)


def _changed(draw: Draw, content: Any) -> Any:
    """Return JSON with one value, at any depth, another one."""
    if not content or not isinstance(content, dict | list) or draw(st.integers(0, 5)) == 0:
        return draw(_VALUES)
    keys = list(content) if isinstance(content, dict) else list(range(len(content)))
    key = draw(st.sampled_from(keys))
    match draw(st.sampled_from(["within", "within", "within", "remove", "add", "rename"])):
        case "remove":
            del content[key]
        case "add" if isinstance(content, list):
            content.append(content[key])
        case "rename" if isinstance(content, dict):
            content[draw(_TEXTS)] = content.pop(key)
        case _:
            content[key] = _changed(draw, content[key])
    return content


def _json(path: Path) -> Any:
    if path.suffix == ".json":
        return json.loads(path.read_text())
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return None


def _write_json(path: Path, content: Any) -> None:
    if path.suffix == ".json":
        path.write_text(json.dumps(content))
    else:
        lines = content if isinstance(content, list) else [content]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def copied(directory: Path, to: Path) -> Path:
    """Copy a directory afresh, to be spoilt."""
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(directory, to))


# What an enemy does to a directory, by the name of a file in it.

Change = Callable[[Path], object]
KINDS = ("FIFO", "directory", "socket", "link to /dev/zero", "link to ..")
NO_TYPE: Any = {"?": [[]]}  # that any place has


def holds(name: str, content: bytes) -> Change:
    """Let a file have this content."""
    return lambda directory: (directory / name).write_bytes(content)


def has(name: str, *place: Any) -> Change:
    """Let the last of `place` stand where the others lead in JSON."""
    *keys, last, value = place

    def change(directory: Path) -> None:
        content = within = _json(directory / name)
        for key in keys:
            within = within[key]
        within[last] = value
        _write_json(directory / name, content)

    return change


def lacks(name: str, *place: Any) -> Change:
    """Remove what stands where `place` leads in JSON."""
    *keys, last = place

    def change(directory: Path) -> None:
        content = within = _json(directory / name)
        for key in keys:
            within = within[key]
        del within[last]
        _write_json(directory / name, content)

    return change


def becomes(name: str, kind: str) -> Change:
    """Put something else in the place of a file."""
    return lambda directory: become(directory / name, kind)


def elsewhere(name: str) -> Change:
    """Let a file be a link to the same file outside the directory."""

    def change(directory: Path) -> None:
        outside = (directory / name).rename(directory.with_name("outside"))
        (directory / name).symlink_to(outside)

    return change


def places(path: Path) -> Iterator[list[Any]]:
    """The way to each value in JSON."""
    return _places(_json(path))


def _places(content: Any) -> Iterator[list[Any]]:
    keys = content if isinstance(content, dict) else range(len(content))
    for key in keys:
        yield [key]
        if isinstance(content[key], dict | list):
            yield from ([key, *deeper] for deeper in _places(content[key]))
