"""Small images of coloured shapes, with captions."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 30), "blue": (30, 30, 200)}
SHAPES = ("square", "line")


def draw(colour: str, shape: str, random: np.random.Generator) -> Image.Image:
    """Draw a shape of a colour somewhere in an image of 24 x 20 pixels."""
    image = Image.new("RGB", (24, 20), tuple(random.integers(200, 256, 3).tolist()))
    left, top = random.integers(1, 8, 2).tolist()
    height = 11 if shape == "square" else 2
    ImageDraw.Draw(image).rectangle((left, top, left + 11, top + height), fill=COLOURS[colour])
    return image


def images(folder: Path, count: int, seed: int = 0, suffix: str = "png") -> list[tuple[str, str]]:
    """Write images into `folder`; return the name and the caption of each."""
    folder.mkdir(parents=True, exist_ok=True)
    random, made = np.random.default_rng(seed), []
    for number in range(count):
        colour, shape = [*COLOURS][number % 3], SHAPES[number // 3 % 2]
        name = f"{seed}-{number:03}.{suffix}"
        draw(colour, shape, random).save(folder / name)
        made.append((name, f"a {colour} {shape} on white"))
    return made
