"""Spoken digits as frames of coefficients, split."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds

from pipeline.data import preparing
from pipeline.data.splits import fingerprint
from pipeline.data.spoken_digits import LABELS, Frames
from pipeline.errors import PipelineError

NAMES = ("spoken_digits",)


@dataclass(frozen=True, eq=False)
class Split:
    """Recordings, `[frames, coefficients]` each, and their labels, `int32`, in a fixed order."""

    frames: list[Frames]
    labels: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, eq=False)
class Recordings:
    """One data set, split. No recording of the test split is in another one."""

    name: str
    version: str
    labels: tuple[str, ...]
    train: Split
    validation: Split
    test: Split


def load(name: str, limit: int | None = None) -> Recordings:
    """The data set `name`, one of `NAMES`, prepared first where needed.

    `limit` keeps that many recordings of each split, the same ones every time.

    Raises:
        PipelineError: the name is unknown, or the data cannot be had.
    """
    if name not in NAMES:
        raise PipelineError(f"no data set is called {name!r}. Known are {', '.join(NAMES)}.")
    builder = preparing.prepared(name)
    splits = {split: _split(builder, split, limit) for split in ("train", "validation", "test")}
    return Recordings(name, str(builder.version), LABELS, **splits)


def _split(builder: tfds.core.DatasetBuilder, split: str, limit: int | None) -> Split:
    """The first `limit` recordings in the order of their fingerprints, which mixes the classes."""
    with preparing.reading(builder, split):
        found = [
            (example["mfcc"], int(example["label"]))
            for example in tfds.as_numpy(builder.as_dataset(split=split))
        ]
    ordered = sorted(found, key=lambda pair: fingerprint(pair[0].tobytes()))[:limit]
    labels = np.array([label for _, label in ordered], dtype=np.int32)
    return Split([frames for frames, _ in ordered], labels)
