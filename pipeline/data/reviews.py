"""Reviews and their sentiment, from any of the known data sets, in one shape."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from pipeline.data.loading import Source

LABELS = ("neg", "pos")


class Review(NamedTuple):
    """A text, and the place of its label in `LABELS`."""

    text: str
    label: int


def _reader(feature: str) -> Callable[[Mapping[str, Any]], Review]:
    """Return what reads an example of TFDS that has its text in `feature`."""
    return lambda features: Review(features[feature].decode(), int(features["label"]))


_CONTENT = attrgetter("text")

SOURCES = {
    "movie_reviews/imdb": Source(_reader("text"), _CONTENT),
    "movie_reviews/rotten_tomatoes": Source(_reader("text"), _CONTENT),
    "movie_reviews/reviews_and_sentences": Source(_reader("text"), _CONTENT),
    "imdb_reviews": Source(_reader("text"), _CONTENT, validation=None),
    # the labels of its test split are secret
    "glue/sst2": Source(_reader("sentence"), _CONTENT, validation=None, test="validation"),
    "yelp_polarity_reviews": Source(_reader("text"), _CONTENT, validation=None),
}
