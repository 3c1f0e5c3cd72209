"""Any data set of TFDS by its name, such as `tfds:ag_news_subset`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import tensorflow_datasets as tfds

from pipeline.data import preparing
from pipeline.data.cached import cached, digest
from pipeline.data.sound import Recording
from pipeline.data.sources.base import Source
from pipeline.data.table import OnError, Split, Table

_PREFIX = "tfds:"
_SPLITS: Mapping[str, Split] = {"valid": "validation", "val": "validation", "dev": "validation"}


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
        files = digest(Path(builder.data_dir))
        return cached("table", lambda: _table(builder), data, files)


def _table(builder: tfds.core.DatasetBuilder) -> Table:
    features = dict(_flat(builder.info.features))
    labels = {name: _of_steps(feature) or feature for name, feature in features.items()}
    classes = {
        name: tuple(feature.names)
        for name, feature in labels.items()
        if isinstance(feature, tfds.features.ClassLabel)
    }
    columns: dict[str, list[Any]] = {name: [] for name in features}
    splits: list[Split] = []
    places: list[str] = []
    for name, split in _splits(builder):
        values = _values(builder, name, features)
        if any(values[each] and all(map(_is_unlabelled, values[each])) for each in classes):
            continue  # the labels of a test split may be secret
        for column, added in values.items():
            columns[column] += added
        count = len(next(iter(values.values())))
        splits += [split] * count
        places += [f"{builder.name}, {name} {row}" for row in range(1, 1 + count)]
    if "test" not in splits:
        splits = ["test" if each == "validation" else each for each in splits]
    name = f"{builder.info.full_name.rpartition('/')[0]} {builder.version}"
    return Table(name, str(builder.version), columns, places, classes, splits)


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
        else:
            yield f"{prefix}{name}", feature


def _values(
    builder: tfds.core.DatasetBuilder, split: str, features: Mapping[str, Any]
) -> dict[str, list[Any]]:
    readers = {name: _reader(feature) for name, feature in features.items()}
    values: dict[str, list[Any]] = {name: [] for name in features}
    with preparing.reading(builder, split):
        once = tfds.ReadConfig(try_autocache=False)
        examples = builder.as_dataset(split=split, read_config=once)
        for example in tfds.as_numpy(examples):
            for name, value in _flat_values(example):
                values[name].append(readers[name](value))
    return values


def _flat_values(example: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in example.items():
        if isinstance(value, dict):
            yield from _flat_values(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def _of_steps(feature: Any) -> Any:
    """Return what each step of a sequence of words or labels is; None for other features."""
    kinds = (tfds.features.ClassLabel, tfds.features.Text)
    is_one = isinstance(feature, tfds.features.Sequence) and isinstance(feature.feature, kinds)
    return feature.feature if is_one else None


def _reader(feature: Any) -> Callable[[Any], Any]:
    """Return what makes a value of a table of one of TFDS."""
    if isinstance(feature, tfds.features.ClassLabel):
        names: Sequence[str] = feature.names
        return lambda value: names[value] if value >= 0 else None
    if isinstance(feature, tfds.features.Text):
        return lambda value: value.decode(errors="replace")
    if isinstance(feature, tfds.features.Audio) and feature.sample_rate:
        return lambda value: Recording(value.astype(np.int16), feature.sample_rate)
    if step := _of_steps(feature):
        read = _reader(step)
        return lambda value: list(map(read, value))
    return lambda value: value.item() if np.ndim(value) == 0 else value


source = Tfds()
