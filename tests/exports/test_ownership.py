"""A directory has one owner, who is gone when its process is; what is written is whole or not."""

import linecache
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from exports import ownership
from exports.ownership import InUse, draft, held, put
from tests import damage
from tests.owners import another


def test_the_second_is_told_who_the_owner_is(tmp_path: Path) -> None:
    with another(tmp_path / "run") as process:
        said = rf"run is in use by process {process.pid} on \S+: wait until it has ended, stop it,"
        with pytest.raises(InUse, match=said), held(tmp_path / "run"):
            raise AssertionError("both own it")
        process.communicate("")
        with held(tmp_path / "run"):
            pass
    assert list((tmp_path / "run").iterdir()) == []


def test_a_killed_owner_owns_nothing(tmp_path: Path) -> None:
    with another(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with held(tmp_path):
            pass


def test_who_waits_is_told_for_whom_and_comes_next(tmp_path: Path) -> None:
    with another(tmp_path) as process:
        told: list[str] = []

        def waiting(owner: str) -> None:
            told.append(owner)
            assert process.stdin is not None
            process.stdin.close()

        with held(tmp_path, waiting=waiting):
            assert process.wait() == 0
    assert len(told) == 1 and told[0].startswith(f"process {process.pid} on ")


def test_one_at_a_time(tmp_path: Path) -> None:
    """Each removes the lock that the others wait for."""
    number = tmp_path / "number"
    number.write_text("0")

    def add(_: int) -> None:
        with held(tmp_path / "owned", waiting=ownership.silently):
            before = int(number.read_text())
            os.sched_yield()
            number.write_text(str(before + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(100)))
    assert number.read_text() == "100" and list((tmp_path / "owned").iterdir()) == []


def test_where_nobody_can_write_nobody_needs_to_own(small_disk: Callable[[str], Path]) -> None:
    with held(small_disk("ro")):
        pass


def test_a_draft_becomes_the_file_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "results.json"

    def write(text: str, length: int) -> None:
        with draft(path) as drafted:
            drafted.write_text(text[:length])
            assert len(text) == length
            put(drafted, path)

    write("old", 3)
    with pytest.raises(AssertionError):
        write("new", 2)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


class Interrupted(KeyboardInterrupt):
    """An interrupt at a chosen line."""


def interrupted(at: int, program: Callable[[], None]) -> bool:
    """Interrupt `program` at the line `at` of those that it runs in `ownership`.

    `with` is not one of them: it has no protection of its own when it is left.
    """
    lines = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename != ownership.__file__:
            return None
        code = linecache.getline(ownership.__file__, frame.f_lineno).strip()
        if event == "line" and not code.startswith("with "):
            lines += 1
            if lines == at:
                raise Interrupted
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        program()
    except Interrupted:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_interrupt_at_any_line_leaves_the_old_or_the_new_and_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "results.json"

    def write() -> None:
        with draft(path) as drafted:
            drafted.write_text("new")
            put(drafted, path)

    seen = set()
    for line in count(1):
        path.write_text("old")
        if not interrupted(line, write):
            break
        assert list(tmp_path.iterdir()) == [path], line
        seen.add(path.read_text())
    assert line > 40 and seen == {"old", "new"}


def test_what_the_dead_leave_is_removed_and_what_the_living_write_is_not(tmp_path: Path) -> None:
    half = "drafted.mkdir(); (drafted / 'half').touch()"
    with another(tmp_path / "dead", "draft", half) as dead:
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        assert list(tmp_path.rglob("half"))
        with another(tmp_path / "living", "draft", half) as living:
            ownership.clean(tmp_path)
            assert [path.parent.name for path in tmp_path.rglob("half")] == ["living"]
            with (
                pytest.raises(InUse, match=f"living is in use by process {living.pid}"),
                draft(tmp_path / "living"),
            ):
                raise AssertionError("both write it")
            living.communicate("")
    assert list(tmp_path.iterdir()) == []


def test_directories_of_others_are_not_taken_for_drafts(tmp_path: Path) -> None:
    (tmp_path / ".draft-thesis").mkdir()
    (tmp_path / ".draft-thesis" / "chapter.tex").write_text("dear")
    ownership.clean(tmp_path)
    with draft(tmp_path / "page"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == [".draft-thesis", "chapter.tex"]


def written(drafted: Path, text: str) -> None:
    drafted.mkdir()
    (drafted / "index.html").write_text(text)


def test_a_replaced_directory_is_put_back_if_its_owner_dies_in_between(tmp_path: Path) -> None:
    """Between the two renames: the old one is aside, and the new one not there yet."""
    page = tmp_path / "page"
    written(page, "old")
    dying = (
        "Path.replace = lambda *_: (print('ready', flush=True), sys.stdin.read()); "
        "drafted.mkdir(); ownership.put(drafted, Path(sys.argv[1]))"
    )
    with another(page, "draft", dying) as process:
        assert not page.exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
        ownership.clean(tmp_path)
    assert (page / "index.html").read_text() == "old" and list(tmp_path.iterdir()) == [page]


def test_a_directory_that_cannot_be_replaced_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Path) -> None:
        raise OSError("a disk that is full")

    def build() -> None:
        with draft(page) as drafted:
            written(drafted, "new")
            put(drafted, page)

    page = tmp_path / "page"
    written(page, "old")
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="full"):
        build()
    assert (page / "index.html").read_text() == "old" and list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize("kind", ["FIFO", "socket", "link to /dev/null", "link to none"])
def test_what_is_no_file_is_not_replaced(kind: str, tmp_path: Path) -> None:
    """Whoever is root would replace /dev/stdout for all."""
    path = tmp_path / "target"
    damage.become(path, kind)
    before = path.lstat()
    with draft(path) as new:
        new.write_text("new")
        with pytest.raises(OSError, match="neither a regular file nor a directory"):
            put(new, path)
    assert path.lstat() == before and list(tmp_path.iterdir()) == [path]
