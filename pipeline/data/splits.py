"""The split rule: what an example says decides where it goes, on every machine."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from pipeline.data.sound import Recording
from pipeline.data.table import Split

Content = str | bytes

_TEST, _VALIDATION = 0.2, 0.1  # shares: of all examples, and of those that are not for testing


class Parts(NamedTuple):
    """Numbers of the rows in each split, in an order that the contents alone decide."""

    train: list[int]
    validation: list[int]
    test: list[int]


def content(value: Any) -> Content:
    """Return what of a text, words, a recording or an array decides which split it goes to."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(value)
    octets: bytes = (value.samples if isinstance(value, Recording) else value).tobytes()
    return octets


def fingerprint(content: Content) -> int:
    """The SHA-1 of the content, of a text in UTF-8, as a number."""
    octets = content.encode() if isinstance(content, str) else content
    return int(hashlib.sha1(octets, usedforsecurity=False).hexdigest(), 16)


def in_test(fingerprint: int) -> bool:
    """Whether a content is one of the fifth of all that are kept for testing."""
    return fingerprint % 10 < 2


def in_validation(fingerprint: int) -> bool:
    """Whether a content, if not kept for testing, is one of the tenth kept for validation."""
    return fingerprint // 10 % 10 < 1


def split(
    contents: Sequence[int],
    given: Sequence[Split] | None = None,
    groups: Sequence[str] | None = None,
    fold: tuple[int, int] | None = None,
) -> Parts:
    """Split rows so that no content, and no group, is in two splits.

    A test split that is given stays whole. What is in it is dropped from the others, and so are
    repetitions. Splits that are not given are taken from the training rows: by their contents, or
    so that a group stays together.

    Args:
        contents: the fingerprint of what a model is told of each row.
        given: the split of each row.
        groups: what must stay together, such as the person that a recording is of.
        fold: k and n: the k-th, from 1, of n parts of all rows is the test split.
    """
    given = None if fold else given
    rows = range(len(contents))
    of = {name: [row for row in rows if given and given[row] == name] for name in set(given or ())}
    train = _first(contents, of.get("train", []) if given else rows)
    test = of.get("test")
    if test is None:
        rule = (
            _in_fold(contents, groups, *fold)
            if fold
            else _rule(contents, groups, train.values(), _TEST, in_test)
        )
        test = _taken(train, rule)
    if "validation" in of:
        validation = _first(contents, of["validation"])
    else:
        rule = _rule(contents, groups, train.values(), _VALIDATION, in_validation)
        validation = _first(contents, _taken(train, rule))
    for row in test:
        validation.pop(contents[row], None)
        train.pop(contents[row], None)
    for content in validation:
        train.pop(content, None)

    def ordered(found: Iterable[int]) -> list[int]:
        """The order of the fingerprints mixes the classes."""
        return sorted(found, key=contents.__getitem__)

    return Parts(ordered(train.values()), ordered(validation.values()), ordered(test))


def _first(contents: Sequence[int], rows: Iterable[int]) -> dict[int, int]:
    """Return the first row of each content."""
    found: dict[int, int] = {}
    for row in rows:
        found.setdefault(contents[row], row)
    return found


def _taken(train: dict[int, int], belongs: Callable[[int], bool]) -> list[int]:
    """Take rows that belong elsewhere out of `train`."""
    found = [content for content, row in train.items() if belongs(row)]
    return [train.pop(content) for content in found]


def _in_fold(
    contents: Sequence[int], groups: Sequence[str] | None, number: int, folds: int
) -> Callable[[int], bool]:
    """Return what says whether a row is in the fold `number` of so many.

    Contents, or groups, take turns in the order of their fingerprints, so that folds are alike.
    """
    keys = contents if groups is None else list(map(fingerprint, groups))
    turns = {key: turn % folds for turn, key in enumerate(sorted({*keys}))}
    return lambda row: turns[keys[row]] == number - 1


def _rule(
    contents: Sequence[int],
    groups: Sequence[str] | None,
    rows: Iterable[int],
    share: float,
    by_content: Callable[[int], bool],
) -> Callable[[int], bool]:
    """Return what says whether a row is taken: by its content, or with its group.

    Groups are taken in the order of their fingerprints until they have `share` of the rows.
    """
    if groups is None:
        return lambda row: by_content(contents[row])
    sizes = Counter(groups[row] for row in rows)
    chosen: set[str] = set()
    for group in sorted(sizes, key=fingerprint):
        if sum(sizes[each] for each in chosen) >= share * sizes.total():
            break
        chosen.add(group)
    return lambda row: groups[row] in chosen
