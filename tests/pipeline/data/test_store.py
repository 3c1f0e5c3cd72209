"""Rows on disk: made once of one content, whatever interrupts it, and checked when read."""

import os
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data import store
from pipeline.data.cache import VARIABLE
from pipeline.errors import PipelineError
from pipeline.examples import Ragged

TEXTS = [f"text {number} " + "a" * (number % 7) for number in range(2500)]
LENGTHS = [len(text) for text in TEXTS]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(store, "_SMALL", 0)
    return tmp_path


class Encoder:
    """Makes an array of the places of each letter; remembers how many it made."""

    def __init__(self, until: int = sys.maxsize) -> None:
        self.made = 0
        self.until = until

    def __call__(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        for text in texts:
            if self.made == self.until:
                raise KeyboardInterrupt
            self.made += 1
            yield np.array([ord(letter) for letter in text], np.uint8)


def arrays(encode: Encoder, texts: Sequence[str] = TEXTS, known: str = "") -> Ragged:
    return store.ragged("letters", texts, known, encode, like=np.empty(0, np.uint8))


def read(found: Ragged) -> list[str]:
    return [bytes(array).decode() for array in found]


def file(cache: Path, name: str) -> Path:
    (found,) = cache.glob(f"store/*/{name}")
    return found


def test_arrays_are_made_once_for_one_content(cache: Path) -> None:
    first, second = Encoder(), Encoder()
    assert read(arrays(first)) == read(arrays(second, ["".join(text) for text in TEXTS])) == TEXTS
    assert (first.made, second.made) == (len(TEXTS), 0)


def test_another_content_or_setting_is_made_anew(cache: Path) -> None:
    assert read(arrays(Encoder(), ["ab", "c"])) == ["ab", "c"]
    for texts, known in ((["a", "bc"], ""), (["abc"], ""), (["ab", "c"], "else")):
        encode = Encoder()
        assert read(arrays(encode, texts, known)) == texts and encode.made == len(texts)


def test_it_goes_on_after_the_last_row_that_is_whole(cache: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        arrays(Encoder(until=1500))
    rest = Encoder()
    assert read(arrays(rest)) == TEXTS
    assert len(TEXTS) - 1500 <= rest.made < len(TEXTS) - 400


@given(kept=st.tuples(*[st.floats(0, 1)] * 3))
def test_whatever_of_its_files_a_dead_process_wrote(kept: tuple[float, ...]) -> None:
    with TemporaryDirectory() as cache, pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, cache)
        patch.setattr(store, "_SMALL", 0)
        arrays(Encoder(), TEXTS[:300])
        (folder,) = Path(cache).glob("store/*")
        (folder / "complete.json").unlink()
        for name, fraction in zip(("values", "ends", "sums"), kept, strict=True):
            os.truncate(folder / name, int(fraction * (folder / name).stat().st_size))
        rest = Encoder()
        assert read(arrays(rest, TEXTS[:300])) == TEXTS[:300]
        assert (rest.made == 0) == (min(kept) == 1)


@pytest.mark.parametrize("name", ["values", "ends", "sums", "complete.json"])
def test_files_that_do_not_fit_each_other_are_made_again(name: str, cache: Path) -> None:
    arrays(Encoder())
    damaged = file(cache, name)
    damaged.write_bytes(damaged.read_bytes()[:-4])
    again = Encoder()
    assert read(arrays(again)) == TEXTS and again.made == len(TEXTS)


def test_metadata_of_another_form_are_no_entry(cache: Path) -> None:
    arrays(Encoder())
    file(cache, "complete.json").write_text('{"rows": 2500, "known": {}}')
    again = Encoder()
    assert read(arrays(again)) == TEXTS and again.made == len(TEXTS)


@pytest.mark.parametrize("name", ["values", "sums"])
def test_what_is_read_is_what_was_written(name: str, cache: Path) -> None:
    found = arrays(Encoder())
    with file(cache, name).open("r+b") as damaged:
        damaged.seek(1000)
        byte = damaged.read(1)[0]
        damaged.seek(1000)
        damaged.write(bytes([byte ^ 1]))
    with pytest.raises(PipelineError, match=r"is damaged\. Delete it"):
        read(arrays(Encoder()) if name == "sums" else found)


@pytest.mark.parametrize("rows", [[], [3], [5, 5, 0, 2499], list(range(100))])
def test_rows_are_padded_with_zeros(rows: list[int], cache: Path) -> None:
    padded = arrays(Encoder()).padded(np.array(rows, int))
    longest = max((LENGTHS[row] for row in rows), default=0)
    assert padded.shape == (len(rows), longest)
    assert [bytes(row) for row in padded] == [
        TEXTS[row].encode().ljust(longest, b"\0") for row in rows
    ]


def test_steps_of_any_shape_are_kept(cache: Path) -> None:
    given = [np.full((steps, 2, 3), steps, np.float32) for steps in (2, 0, 5)]
    like = np.empty((0, 2, 3), np.float32)
    found = store.ragged("steps", given, (), iter, like=like)
    assert found.lengths.tolist() == [2, 0, 5] and found.shape == (3, None, 2, 3)
    assert np.array_equal(found.flat, np.concatenate(given))
    assert [*map(len, found[1:])] == [0, 5]


def test_little_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert read(arrays(Encoder())) == TEXTS
    assert not any(tmp_path.rglob("values"))


def test_values_of_any_type_and_what_is_known_of_them(cache: Path) -> None:
    given = ["a", None, 10**400, {"b": [1.5, float("inf")]}, (1, 2)]

    def make() -> Generator[Any, None, dict[str, Any]]:
        yield from given
        return {"names": ["b"]}

    assert store.values("values", (), make) == store.values("values", (), make)
    assert [*store.values("values", (), make).values] == given
    assert store.values("values", (), make).metadata == {"names": ["b"]}


def test_what_was_not_used_for_long_makes_room(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_ROOM", 0)
    arrays(Encoder(), ["old"])
    (old,) = cache.glob("store/*")
    arrays(Encoder(), ["used"])
    for path in old.iterdir():
        os.utime(path, (0, 0))
    arrays(Encoder(), ["new"])
    assert old not in cache.glob("store/*") and len([*cache.glob("store/*")]) == 2


def test_without_a_cache_rows_are_kept_as_long_as_the_process(cache: Path) -> None:
    (cache / "store").write_text("a file where the folder should be")
    first, second = Encoder(), Encoder()
    assert read(arrays(first)) == read(arrays(second)) == TEXTS and not second.made
    assert (cache / "store").read_text() == "a file where the folder should be"


PROGRAM = """
import sys, numpy as np
from pipeline.data import store
store._SMALL = 0
def encode(texts):
    for text in texts:
        print("made", flush=True)
        sys.stdin.readline()
        yield np.frombuffer(text.encode(), np.uint8)
found = store.ragged("letters", ["a", "bc"], (), encode, like=np.empty(0, np.uint8))
print(*(bytes(each).decode() for each in found))
"""


def test_of_two_processes_one_makes_rows_and_the_other_waits(cache: Path) -> None:
    environment = {**os.environ, VARIABLE: str(cache), "PYTHONUNBUFFERED": "1"}
    pipe = subprocess.PIPE

    def begin() -> subprocess.Popen[str]:
        program = [sys.executable, "-c", PROGRAM]
        return subprocess.Popen(
            program, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    with begin() as first:
        assert first.stdout and first.stdout.readline() == "made\n"
        with begin() as second:
            assert second.stderr
            waits = next(line for line in second.stderr if "preparing" in line)
            owner = f"process {first.pid} on {os.uname().nodename}"
            assert waits == f"recurrent: {owner} is preparing letters: waiting\n"
            assert first.communicate("\n\n")[0] == "made\na bc\n"
            assert second.communicate()[0] == "a bc\n"


def test_a_digest_knows_contents_and_names(tmp_path: Path) -> None:
    def folder(name: str, files: dict[str, str]) -> Path:
        for path, text in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text(text)
        return tmp_path / name

    first = store.digest_of_files(folder("first", {"a": "1", "b/c": "2"}))
    assert store.digest_of_files(folder("same", {"b/c": "2", "a": "1"})) == first
    assert store.digest_of_files(folder("named", {"a": "1", "b/d": "2"})) != first
    assert store.digest_of_files(folder("changed", {"a": "1", "b/c": "3"})) != first
