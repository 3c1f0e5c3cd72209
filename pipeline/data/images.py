"""Images, and the files they come in."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from pipeline import files
from pipeline.data.table import Unusable

Pixels = npt.NDArray[np.uint8]

SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp")

_FORMATS = ("PNG", "JPEG", "GIF", "BMP")
_MOST_PIXELS = 2**24
_LONGEST_SIDE = 256  # of an image of a data set that is held in memory
# What Pillow raises for damaged files.
_OF_PILLOW = (EOFError, LookupError, OSError, SyntaxError, TypeError, ValueError, struct.error)


def is_pixels(value: Any) -> bool:
    """Say whether `value` is an image in memory, `[height, width, channels]`."""
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3


def is_file(value: Any) -> bool:
    """Say whether `value` is the path of an image, by its suffix."""
    return isinstance(value, Path) and value.suffix.lower() in SUFFIXES


def load(path: Path, size: int) -> Pixels:
    """Read an image file as `[size, size, channels]`: 1 channel if all is grey, or else 3.

    Raises:
        Unusable: it is damaged, no image, or too large.
        PipelineError: there is no such file.
    """
    files.reject_irregular(path)
    try:
        with Image.open(path, formats=_FORMATS) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise Unusable(
                    f"is too large: it has {opened.width} x {opened.height} pixels, and "
                    f"{_MOST_PIXELS:,} are allowed"
                )
            image = ImageOps.exif_transpose(opened)
            image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unusable(f"is too large: {error}") from error
    except Unusable:
        raise
    except _OF_PILLOW as error:
        raise Unusable(f"is damaged or no PNG, JPEG, GIF or BMP file: {error}") from error
    return _framed(image, size)


def to_image(value: Any, size: int) -> Pixels:
    """Take a value for an image: the path of a file, or an array `[height, width, channels]`.

    Raises:
        Unusable: it is none.
    """
    if value is None:
        raise Unusable("is empty")
    if is_pixels(value):
        return _framed(_of_pixels(value), size)
    if not is_file(value):
        raise Unusable(f"is {value!r}, not an image: give a PNG, JPEG, GIF or BMP file in each row")
    if not value.is_file():
        raise Unusable(f"is {str(value)!r}, and there is no such file")
    try:
        return load(value, size)
    except Unusable as error:
        raise Unusable(f"is {str(value)!r}, which {error}") from error


def shrunk(pixels: Pixels) -> Pixels:
    """Scale an image down so that no side is longer than 256 pixels."""
    if not is_pixels(pixels) or max(pixels.shape[:2]) <= _LONGEST_SIDE:
        return pixels
    image = _of_pixels(pixels)
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    return np.asarray(image).reshape(image.height, image.width, -1)


def to_channels(pixels: Pixels, channels: int) -> Pixels:
    """Make a square image grey, or a grey one one of three colours."""
    if pixels.shape[-1] == channels:
        return pixels
    image = _of_pixels(pixels).convert("L" if channels == 1 else "RGB")
    return np.asarray(image).reshape(*pixels.shape[:2], channels)


def _framed(image: Image.Image, size: int) -> Pixels:
    """Fit a whole image into a square. What is transparent or left of the square is white."""
    image = image.convert("RGBA")
    on_white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    pixels = np.asarray(ImageOps.pad(on_white, (size, size), color="white"))
    return pixels[..., :1] if (pixels == pixels[..., :1]).all() else pixels


def _of_pixels(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
