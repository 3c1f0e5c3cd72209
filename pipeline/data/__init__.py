"""The data sets. Importing this package makes ours known to `tensorflow_datasets`."""

from pipeline.data.movie_reviews import MovieReviews
from pipeline.data.spoken_digits import SpokenDigits

__all__ = ["MovieReviews", "SpokenDigits"]
