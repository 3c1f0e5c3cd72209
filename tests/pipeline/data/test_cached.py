"""What is made of data is made once, and again when anything that it depends on is another."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.data.cache import VARIABLE
from pipeline.data.cached import cached, digest


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def made(cache: Path) -> list[Sequence[str]]:
    return []


def lengths(made: list[Sequence[str]], texts: Sequence[str], what: str = "lengths") -> list[int]:
    def make() -> list[int]:
        made.append(texts)
        return [len(text) for text in texts]

    return cached(what, make, texts)


def test_it_is_made_once_for_one_content(made: list[Sequence[str]]) -> None:
    assert lengths(made, ["a", "bcd"]) == [1, 3]
    assert lengths(made, ["a", "".join("bcd")]) == [1, 3]
    assert made == [["a", "bcd"]]


def test_another_content_or_another_thing_is_made_anew(made: list[Sequence[str]]) -> None:
    assert [lengths(made, texts) for texts in (["a"], ["b"], ["a", "b"])] == [[1], [1], [1, 1]]
    lengths(made, ["a"], what="sizes")
    assert made == [["a"], ["b"], ["a", "b"], ["a"]]


def test_what_cannot_be_read_is_made_again(made: list[Sequence[str]], cache: Path) -> None:
    lengths(made, ["a", "bcd"])
    (file,) = cache.rglob("output.pkl")
    file.write_bytes(file.read_bytes()[:5])
    assert lengths(made, ["a", "bcd"]) == [1, 3]
    assert lengths(made, ["a", "bcd"]) == [1, 3]
    assert len(made) == 2


def test_without_a_cache_it_is_made_each_time(made: list[Sequence[str]], cache: Path) -> None:
    (cache / "made").write_text("a file where the folder should be")
    assert lengths(made, ["a"]) == lengths(made, ["a"]) == [1]
    assert len(made) == 2


def test_a_digest_knows_contents_and_names(tmp_path: Path) -> None:
    def folder(name: str, files: dict[str, str]) -> Path:
        for file, text in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(text)
        return tmp_path / name

    first = digest(folder("first", {"a": "1", "b/c": "2"}))
    assert digest(folder("same", {"b/c": "2", "a": "1"})) == first
    assert digest(folder("named", {"a": "1", "b/d": "2"})) != first
    assert digest(folder("changed", {"a": "1", "b/c": "3"})) != first
