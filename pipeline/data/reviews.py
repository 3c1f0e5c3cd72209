"""Reviews and their sentiment, from any of the known data sets, in one shape."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds

from pipeline.data import preparing
from pipeline.data.movie_reviews import LABELS
from pipeline.data.splits import fingerprint, in_validation
from pipeline.errors import PipelineError


@dataclass(frozen=True, eq=False)
class Split:
    """Texts and their labels, `int32`, in an order that depends on nothing but the texts."""

    texts: list[str]
    labels: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, eq=False)
class Reviews:
    """One data set, split. No text of the test split is in another one."""

    name: str
    version: str
    labels: tuple[str, ...]
    train: Split
    validation: Split
    test: Split


@dataclass(frozen=True)
class _Source:
    """Where TFDS keeps what we need. Validation is cut from `train` by our own rule."""

    text: str = "text"
    train: str = "train"
    test: str = "test"


_SOURCES = {
    # its builder cuts validation by that same rule: joined and cut, the splits are its own
    "movie_reviews/imdb": _Source(train="train+validation"),
    "movie_reviews/rotten_tomatoes": _Source(train="train+validation"),
    "imdb_reviews": _Source(),
    # the labels of its test split are secret
    "glue/sst2": _Source(text="sentence", test="validation"),
    "yelp_polarity_reviews": _Source(),
}
NAMES = tuple(_SOURCES)


def load(name: str, limit: int | None = None) -> Reviews:
    """The data set `name`, one of `NAMES`, prepared first where needed.

    The official test split stays whole. Texts of it are dropped from the training data, and so
    are repetitions there. `limit` keeps that many reviews of each split, the same ones every time.

    Raises:
        PipelineError: the name is unknown, `limit` is below 1, or the data cannot be had.
    """
    if name not in _SOURCES:
        raise PipelineError(f"no data set is called {name!r}. Known are {', '.join(NAMES)}.")
    if limit is not None and limit < 1:
        raise PipelineError(f"the limit on the reviews of a split must be 1 or more, not {limit}.")
    source, builder = _SOURCES[name], preparing.prepared(name)
    test = _pairs(builder, source.test, source.text)
    tested = {text for text, _ in test}
    train: dict[str, int] = {}
    validation: dict[str, int] = {}
    for text, label in _pairs(builder, source.train, source.text):
        if text not in tested:
            (validation if in_validation(text) else train).setdefault(text, label)
    return Reviews(
        name=name,
        version=str(builder.version),
        labels=LABELS,
        train=_split(train.items(), limit),
        validation=_split(validation.items(), limit),
        test=_split(test, limit),
    )


def _split(pairs: Iterable[tuple[str, int]], limit: int | None) -> Split:
    """The first `limit` pairs in the order of their fingerprints, which mixes the classes."""
    ordered = sorted(pairs, key=lambda pair: fingerprint(pair[0]))[:limit]
    labels = np.array([label for _, label in ordered], dtype=np.int32)
    return Split([text for text, _ in ordered], labels)


def _pairs(builder: tfds.core.DatasetBuilder, split: str, feature: str) -> list[tuple[str, int]]:
    """Every text of the split with its label."""
    with preparing.reading(builder, split):
        once = tfds.ReadConfig(try_autocache=False)
        batches = builder.as_dataset(split=split, batch_size=1024, read_config=once)
        return [
            (text.decode(), int(label))
            for batch in tfds.as_numpy(batches)
            for text, label in zip(batch[feature], batch["label"], strict=True)
        ]
