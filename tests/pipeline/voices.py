"""Recordings as TFDS has them, of voices that whistle: each label is a tone of its own."""

import numpy as np

from tests.pipeline.served import Example


def whistled(rate: int, labels: int, count: int, seed: int) -> list[Example]:
    """Make `count` recordings of a quarter to half a second: a tone that rises, in noise."""
    random = np.random.default_rng(seed)

    def one(label: int) -> Example:
        time = np.arange(random.integers(rate // 4, rate // 2)) / rate
        tone = np.sin(2 * np.pi * (300 + 200 * label + 400 * time) * time)
        samples = 2000 * tone + random.normal(scale=500, size=len(time))
        return {"audio": samples.astype(np.int16), "label": label}

    return [one(place % labels) for place in range(count)]
