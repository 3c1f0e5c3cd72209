"""Random damage to a file, and the bounds within which whoever reads it must answer."""

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

# How many files each test of damage spoils: few in CI, thousands by `make siege`.
besieging = settings(
    max_examples=int(os.environ.get("SIEGE", "40")),
    derandomize="SIEGE" not in os.environ,
    deadline=None,
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
    content = _json(path)
    if content is not None:
        kinds += [_values, _values, _values]
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
            os.truncate(path, draw(st.sampled_from([2**28, 2**40])))
            return
        case _:
            content = content + content
    path.write_bytes(content)


def _kind(draw: Draw, path: Path) -> None:
    """Put something else in the place of a file."""
    kind = draw(st.sampled_from(["missing", "FIFO", "directory", "socket", "link"]))
    if kind == "link":
        targets = ["/dev/zero", "/dev/null", "/dev/tty", path.name, "..", "/etc/hostname", "none"]
        target = draw(st.sampled_from(targets))
    path.unlink()
    match kind:
        case "FIFO":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "socket":
            with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as server:
                server.bind(path.name)
        case "link":
            path.symlink_to(target)


def _values(draw: Draw, path: Path) -> None:
    """Change values in JSON, or in a line of it: types, names, numbers of items."""
    content = _json(path)
    for _ in range(draw(st.integers(1, 3))):
        content = _changed(draw, content)
    write = json.dumps
    if path.suffix == ".jsonl":
        lines = content if isinstance(content, list) else [content]
        path.write_text("".join(f"{write(line)}\n" for line in lines))
    else:
        path.write_text(write(content))


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


def copied(directory: Path, to: Path) -> Path:
    """Copy a directory afresh, to be spoilt."""
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(directory, to))
