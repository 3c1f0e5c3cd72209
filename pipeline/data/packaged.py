"""TFDS builders of data that travel in packages, for machines that reach only a package index."""

import contextlib
import inspect
import shutil
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from exports import ownership
from pipeline.data.cache import cache_directory
from pipeline.data.splits import Content, fingerprint, in_test, in_validation
from pipeline.messages import say

Example = Mapping[str, Any]


class PackagedBuilder(tfds.core.GeneratorBasedBuilder):
    """Reads a data set out of a pinned package, or simulates it. An example decides its split.

    A subclass is a module in `pipeline.data.builders`. It gives `_info`, as TFDS asks, and
    `_contents`. Prepared data go to the folder of `pipeline.data.cache` unless `data_dir` says
    otherwise.
    """

    def __init__(self, *, data_dir: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(data_dir=data_dir or cache_directory() / "tfds", **kwargs)

    def download_and_prepare(self, **options: Any) -> None:
        """Prepare the data, in one process at a time; what one that died left is removed."""
        versions = Path(self.data_dir).parent
        with contextlib.ExitStack() as stack:
            if not Path(self.data_dir).exists():
                stack.enter_context(ownership.held(versions, waiting=self._wait))
                for left in versions.glob("incomplete.*"):
                    shutil.rmtree(left)
            super().download_and_prepare(**options)

    def _wait(self, owner: str) -> None:
        say(f"{owner} is preparing {self.info.full_name}: waiting")

    @abstractmethod
    def _contents(self) -> Iterator[tuple[Content, Example]]:
        """Give the content of each example, and its features. The first with a content counts."""

    def _split_of(self, content: Content) -> str:
        """Name the split that `content` belongs to: a fifth is test, a tenth of the rest is not."""
        found = fingerprint(content)
        if in_test(found):
            return "test"
        return "validation" if in_validation(found) else "train"

    def _split_generators(self, dl_manager: object) -> dict[str, Any]:
        splits: dict[str, dict[Content, Example]] = {"train": {}, "validation": {}, "test": {}}
        for content, example in self._contents():
            splits[self._split_of(content)].setdefault(content, example)
        return {name: self._generate_examples(found) for name, found in splits.items() if found}

    def _generate_examples(
        self, examples: Mapping[Content, Example]
    ) -> Iterator[tuple[str, Example]]:
        """TFDS shuffles by the keys, which depend on nothing but the contents."""
        for content, example in examples.items():
            yield f"{fingerprint(content):040x}", example


def names() -> list[str]:
    """Name the data sets for which a package index is enough, as `tfds.load` takes them."""
    return [
        f"{builder.name}/{config.name}" if config else builder.name
        for builder in PackagedBuilder.__subclasses__()
        if not inspect.isabstract(builder)
        for config in builder.BUILDER_CONFIGS or [None]
    ]
