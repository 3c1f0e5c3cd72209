"""A user's images: no file takes much memory, whatever size it has or claims."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data import images
from pipeline.data.table import Unusable
from tests.damage import bounded

SIZE = 28


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
    with bounded(memory=2**29), pytest.raises(Unusable, match=said):
        images.load(tmp_path / "a.png", SIZE)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.bmp"])
def test_the_largest_that_is_allowed(name: str, tmp_path: Path) -> None:
    Image.new("L", (4096, 4096), 7).save(tmp_path / name)
    with bounded(memory=2**29):
        read = images.load(tmp_path / name, SIZE)
    np.testing.assert_array_equal(read, np.full((SIZE, SIZE, 1), 7))


def test_a_file_is_framed_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 20), (200, 0, 0, 255)).save(tmp_path / "wide.png")
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    wide = images.load(tmp_path / "wide.png", 64)
    assert wide.shape == (64, 64, 3) and wide.dtype == np.uint8
    assert (wide[16:48] == [200, 0, 0]).all()
    assert (wide[:16] == 255).all() and (wide[48:] == 255).all()
    assert (images.load(tmp_path / "clear.png", 28) == 255).all()


def test_a_large_image_in_memory_is_scaled_down() -> None:
    half = np.repeat([[0], [200]], 256, axis=0).astype(np.uint8).repeat(1024, axis=1)[..., None]
    shrunk = images.shrunk(half)
    assert shrunk.shape == (128, 256, 1)
    assert (shrunk[:60] == 0).all() and (shrunk[68:] == 200).all()
    assert images.shrunk(shrunk) is shrunk
