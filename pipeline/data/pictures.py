"""A user's picture file in the shape that a model takes."""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from pipeline import files
from pipeline.errors import PipelineError

Pixels = npt.NDArray[np.uint8]

_MODES = {1: "L", 3: "RGB"}
_MOST_PIXELS = 2**24
# What Pillow raises for damaged files.
_OF_PILLOW = (EOFError, LookupError, OSError, SyntaxError, TypeError, ValueError, struct.error)


def read(path: Path, shape: tuple[int, int, int]) -> Pixels:
    """Read a PNG or JPEG file as `shape`, height, width and channels.

    The whole picture is brought into that frame, what is transparent in it and what is left of the
    frame is white.

    Raises:
        PipelineError: there is no such file, or it holds no whole picture of a sensible size.
    """
    height, width, channels = shape
    files.reject_irregular(path)
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise PipelineError(
                    f"{path} is too large: it has {opened.width} x {opened.height} pixels, and "
                    f"{_MOST_PIXELS:,} are allowed"
                )
            picture = ImageOps.exif_transpose(opened).convert("RGBA")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PipelineError(f"{path} is too large: {error}") from error
    except _OF_PILLOW as error:
        raise PipelineError(f"{path} is damaged or no PNG or JPEG file: {error}") from error
    on_white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    framed = ImageOps.pad(on_white.convert(_MODES[channels]), (width, height), color="white")
    return np.asarray(framed).reshape(shape)
