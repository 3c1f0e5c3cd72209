"""A user's pictures: no file takes much memory, whatever size it has or claims."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data import pictures
from pipeline.errors import PipelineError
from tests.damage import bounded

SHAPE = (28, 28, 1)


def claiming(width: int, height: int) -> bytes:
    """A PNG file of one pixel, whose header has another size."""
    header = struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(2))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack("!I", len(content))
        + kind
        + content
        + struct.pack("!I", zlib.crc32(kind + content))
        for kind, content in parts
    )


@pytest.mark.parametrize(
    ("width", "height", "said"),
    [
        (4097, 4096, "has 4097 x 4096 pixels, and 16,777,216 are allowed"),
        (2**16, 2**16, "is too large"),
        (2**31 - 1, 1, "is too large"),
    ],
)
def test_a_size_that_is_claimed(width: int, height: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(claiming(width, height))
    with bounded(memory=2**29), pytest.raises(PipelineError, match=said):
        pictures.read(tmp_path / "a.png", SHAPE)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_the_largest_that_is_allowed(name: str, tmp_path: Path) -> None:
    Image.new("L", (4096, 4096), 7).save(tmp_path / name)
    with bounded(memory=2**29):
        read = pictures.read(tmp_path / name, SHAPE)
    np.testing.assert_array_equal(read, np.full(SHAPE, 7))
