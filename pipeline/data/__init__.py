"""The data sets. Importing this package makes ours known to `tensorflow_datasets`."""

from pipeline.data import builders

__all__ = ["builders"]
