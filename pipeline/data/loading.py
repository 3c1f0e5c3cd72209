"""Any data set of TFDS as lists of examples, split so that nothing of the test split leaks."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import tensorflow_datasets as tfds

from pipeline.data import preparing
from pipeline.data.cached import cached, digest
from pipeline.data.splits import Content, fingerprint, in_test, in_validation
from pipeline.errors import PipelineError

E = TypeVar("E")


@dataclass(frozen=True)
class Source(Generic[E]):
    """Where TFDS keeps a data set, and how we read it.

    Attributes:
        read: makes an example of ours from the features of one of theirs.
        content: what of an example decides its place; of two with one content, the first counts.
        train: the split of TFDS to learn from.
        validation: the one to choose settings on; None: a tenth of `train`, by content.
        test: the one to test on; None: a fifth of `train`, by content.
    """

    read: Callable[[Mapping[str, Any]], E]
    content: Callable[[E], Content]
    train: str = "train"
    validation: str | None = "validation"
    test: str | None = "test"

    @property
    def identity(self) -> tuple[str | None, ...]:
        """What tells it from other sources of the same data set."""
        return self.read.__module__, self.train, self.validation, self.test


@dataclass(frozen=True, eq=False)
class Splits(Generic[E]):
    """One data set, each split in an order that depends on nothing but the contents."""

    name: str
    version: str
    train: list[E]
    validation: list[E]
    test: list[E]


def load(name: str, sources: Mapping[str, Source[E]], limit: int | None = None) -> Splits[E]:
    """Read the data set `name`, one of `sources`, prepared first where needed.

    An official test split stays whole. What is in it is dropped from the others, and so are
    repetitions. `limit` keeps that many examples of each split, the same ones every time.

    Raises:
        PipelineError: the name is unknown, `limit` is below 1, or the data cannot be had.
    """
    if name not in sources:
        raise PipelineError(f"no data set is called {name!r}. Known are {', '.join(sources)}.")
    if limit is not None and limit < 1:
        raise PipelineError(f"the limit on the examples of a split must be 1 or more, not {limit}.")
    source, builder = sources[name], preparing.prepared(name)
    files = digest(Path(builder.data_dir))
    whole = cached("splits", lambda: _split(name, source, builder), name, source.identity, files)
    parts = (whole.train[:limit], whole.validation[:limit], whole.test[:limit])
    return Splits(name, whole.version, *parts)


def _split(name: str, source: Source[E], builder: tfds.core.DatasetBuilder) -> Splits[E]:
    train = _by_content(source, _examples(source, builder, source.train))
    if source.test is None:
        test = list(_taken(train, in_test).values())
    else:
        test = _examples(source, builder, source.test)
    if source.validation is None:
        validation = _taken(train, in_validation)
    else:
        validation = _by_content(source, _examples(source, builder, source.validation))
    for content in map(source.content, test):
        validation.pop(content, None)
        train.pop(content, None)
    for content in validation:
        train.pop(content, None)

    def ordered(found: Iterable[E]) -> list[E]:
        """The order of the fingerprints mixes the classes."""
        return sorted(found, key=lambda example: fingerprint(source.content(example)))

    parts = (train.values(), validation.values(), test)
    return Splits(name, str(builder.version), *map(ordered, parts))


def _by_content(source: Source[E], examples: Iterable[E]) -> dict[Content, E]:
    found: dict[Content, E] = {}
    for example in examples:
        found.setdefault(source.content(example), example)
    return found


def _taken(examples: dict[Content, E], belongs: Callable[[Content], bool]) -> dict[Content, E]:
    """Take out those of `examples` whose content belongs elsewhere."""
    return {content: examples.pop(content) for content in list(examples) if belongs(content)}


def _examples(source: Source[E], builder: tfds.core.DatasetBuilder, split: str) -> list[E]:
    with preparing.reading(builder, split):
        once = tfds.ReadConfig(try_autocache=False)
        examples = builder.as_dataset(split=split, read_config=once)
        return [source.read(example) for example in tfds.as_numpy(examples)]
