"""Examples that stand in for those of a data set of TFDS that cannot be downloaded in a test."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

Example = Mapping[str, Any]


@contextmanager
def served(splits: Mapping[str, Sequence[Example]]) -> Iterator[None]:
    """Let any data set of TFDS give `splits`, in the types that it says its features have.

    An example may lack features. Several splits may be asked for at once, as in "train+test".
    """
    given = {name for examples in splits.values() for each in examples for name in each}

    def as_dataset(self: Any, split: str, **kwargs: Any) -> tf.data.Dataset:
        features = self.info.features.get_tensor_spec()

        def examples() -> Iterator[Example]:
            for name in split.split("+"):
                yield from splits[name]

        signature = {name: features[name] for name in given}
        return tf.data.Dataset.from_generator(examples, output_signature=signature)

    named = property(lambda self: dict.fromkeys(splits))
    with giving(as_dataset), pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds.core.DatasetInfo, "splits", named)
        yield


@contextmanager
def giving(as_dataset: Callable[..., tf.data.Dataset]) -> Iterator[None]:
    """Let `as_dataset` read any data set of TFDS, and keep nothing of it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        tfds.testing.mock_data(as_dataset_fn=as_dataset),
    ):
        patch.setenv("KERAS_RECURRENT_CACHE", folder)
        yield
