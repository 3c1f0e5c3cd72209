"""Any data set of TFDS by its name, such as `tfds:ag_news_subset`."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import tensorflow_datasets as tfds

from pipeline.data import images, preparing, store
from pipeline.data.sound import Recording
from pipeline.data.sources.base import Source
from pipeline.data.table import OnError, Split, Table
from pipeline.data.views import View

_PREFIX = "tfds:"
_SPLITS: Mapping[str, Split] = {
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "restval": "train",  # as everywhere (Karpathy & Li, 2015)
}


class Tfds(Source):
    """A data set that TFDS prepares. Its features are the columns; parts of a feature get `/`."""

    accepts = "tfds:NAME for a data set of TFDS"
    wants = "It needs a split called train."

    def reads(self, data: str) -> bool:
        """Say whether `data` begins with `tfds:`."""
        return data.startswith(_PREFIX)

    def read(self, data: str, on_error: OnError) -> Table:
        """Prepare the data set where needed, and read its splits."""
        builder = preparing.prepared(data.removeprefix(_PREFIX))
        features = dict(_flat(builder.info.features))
        labels = {name: _of_steps(feature) or feature for name, feature in features.items()}
        classes = {
            name: tuple(feature.names)
            for name, feature in labels.items()
            if isinstance(feature, tfds.features.ClassLabel)
        }
        content = data, store.digest_of_files(Path(builder.data_dir))
        rows = partial(_rows, builder, features, [*classes])
        stored = store.values("examples of TFDS", content, rows)
        table = Table(
            name=f"{builder.info.full_name.rpartition('/')[0]} {builder.version}",
            version=str(builder.version),
            columns={name: View(stored.values, partial(_value, name)) for name in features},
            places=View(stored.values, lambda row: f"{builder.name}, {row[0]} {row[1]}"),
            classes=classes,
            splits=[split for split, count, _ in stored.metadata["splits"] for _ in range(count)],
        )
        return _public(table, stored.metadata["splits"])


def _public(table: Table, read: Sequence[tuple[Split, int, bool]]) -> Table:
    """Leave out splits whose labels are secret; without a test split, validation is for testing."""
    if any(secret for *_, secret in read):
        public = [not secret for _, count, secret in read for _ in range(count)]
        table = table.take([row for row, is_public in enumerate(public) if is_public])
    assert table.splits is not None
    if "test" in table.splits:
        return table
    splits: list[Split] = ["test" if each == "validation" else each for each in table.splits]
    return replace(table, splits=splits)


def _rows(
    builder: tfds.core.DatasetBuilder, features: Mapping[str, Any], labels: Sequence[str]
) -> Generator[tuple[str, int, Mapping[str, Any]], None, dict[str, Any]]:
    """Give the split, the number there, and the values of each example.

    In the end, tell of each split what it is to us, how many examples it has, and whether it has
    secret labels.
    """
    readers = {name: _reader(feature) for name, feature in features.items()}
    read: list[tuple[Split, int, bool]] = []
    for name, split in _splits(builder):
        number, unlabelled = 0, dict[str, bool]()
        with preparing.reading(builder, name):
            once = tfds.ReadConfig(try_autocache=False)
            examples = builder.as_dataset(split=name, read_config=once)
            for number, example in enumerate(tfds.as_numpy(examples), start=1):
                values = {key: readers[key](value) for key, value in _flat_values(example)}
                for label in values.keys() & labels:
                    missing = _is_unlabelled(values[label])
                    unlabelled[label] = missing and unlabelled.get(label, True)
                yield name, number, values
        read.append((split, number, any(unlabelled.values())))
    return {"splits": read}


def _value(name: str, row: tuple[str, int, Mapping[str, Any]]) -> Any:
    return row[-1].get(name)


def _is_unlabelled(value: Any) -> bool:
    return value is None or (isinstance(value, list) and {*value} <= {None})


def _splits(builder: tfds.core.DatasetBuilder) -> Iterator[tuple[str, Split]]:
    """Name the splits to read, and what each is to us."""
    for name in builder.info.splits:
        split = _SPLITS.get(name, name)
        if split in get_args(Split):
            yield name, split


def _flat(features: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, feature in features.items():
        if isinstance(feature, tfds.features.FeaturesDict):
            yield from _flat(feature, f"{prefix}{name}/")
        elif isinstance(parts := getattr(feature, "feature", None), tfds.features.FeaturesDict):
            for part, each in _flat(parts, f"{prefix}{name}/"):
                yield part, tfds.features.Sequence(each)
        else:
            yield f"{prefix}{name}", feature


def _flat_values(example: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in example.items():
        if isinstance(value, dict):
            yield from _flat_values(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def _of_steps(feature: Any) -> Any:
    """Return what each step of a sequence of words or labels is; None for other features."""
    step = feature.feature if isinstance(feature, tfds.features.Sequence) else None
    return step if isinstance(step, tfds.features.ClassLabel) or _is_text(step) else None


def _is_text(feature: Any) -> bool:
    is_one = isinstance(feature, tfds.features.Tensor) and feature.shape == ()
    return is_one and feature.tf_dtype.name == "string"


def _reader(feature: Any) -> Callable[[Any], Any]:
    """Return what makes a value of a table of one of TFDS."""
    if isinstance(feature, tfds.features.ClassLabel):
        names: Sequence[str] = feature.names
        return lambda value: names[value] if value >= 0 else None
    if _is_text(feature):
        return lambda value: value.decode(errors="replace")
    if isinstance(feature, tfds.features.Audio) and feature.sample_rate:
        return lambda value: Recording(value.astype(np.int16), feature.sample_rate)
    if isinstance(feature, tfds.features.Image):
        return images.shrunk
    if step := _of_steps(feature):
        read = _reader(step)
        return lambda value: list(map(read, value))
    return lambda value: value.item() if np.ndim(value) == 0 else value


source = Tfds()
