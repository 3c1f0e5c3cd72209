"""Photographs with captions, as TFDS has them, of walls."""

import numpy as np

from tests.pipeline.served import Example


def walls(count: int, seed: int) -> list[Example]:
    """Make `count` photographs of walls of three colours, in bad light."""
    random = np.random.default_rng(seed)

    def one(place: int) -> Example:
        photo = random.integers(0, 80, (60, 90, 3), np.uint8)
        photo[..., place % 3] += 150
        colour = ("red", "green", "blue")[place % 3]
        captions = {"text": [f"A {colour} wall.", "Nobody."], "id": [2 * place, 2 * place + 1]}
        return {"image": photo, "captions": captions}

    return [one(place) for place in range(count)]
