"""The data sets. Importing this package makes ours known to `tensorflow_datasets`."""

from pipeline.data.movie_reviews import MovieReviews

__all__ = ["MovieReviews"]
