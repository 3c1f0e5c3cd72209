"""Where rows go: no content and no group is in two splits, and given splits are kept."""

import hashlib
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.data import splits
from pipeline.data.table import Split

CONTENTS = st.lists(st.text(alphabet="abc", max_size=3), min_size=1, max_size=60)
NAMES: tuple[Split, ...] = ("train", "validation", "test")


def sha1(text: str) -> int:
    return int(hashlib.sha1(text.encode()).hexdigest(), 16)


def split(contents: list[str], *how: Any, **more: Any) -> splits.Parts:
    return splits.split([sha1(content) for content in contents], *how, **more)


@given(CONTENTS)
def test_the_content_of_a_row_decides(contents: list[str]) -> None:
    parts = split(contents)
    for name, rows in parts._asdict().items():
        for row in rows:
            number = sha1(contents[row])
            rest = "validation" if number // 10 % 10 == 0 else "train"
            assert name == ("test" if number % 10 < 2 else rest)
    kept = [contents[row] for rows in parts for row in rows]
    assert Counter(kept) == Counter(set(contents)), "each content is in one split, once"


@given(CONTENTS, st.data())
def test_given_splits_are_kept_and_do_not_leak(contents: list[str], data: st.DataObject) -> None:
    given = data.draw(
        st.lists(st.sampled_from(NAMES), min_size=len(contents), max_size=len(contents))
    )
    given[0] = "train"
    train, validation, test = split(contents, given)
    if "test" in given:
        assert sorted(test) == [row for row, name in enumerate(given) if name == "test"]
    if "validation" in given:
        assert all(given[row] == "validation" for row in validation)
    found = [{contents[row] for row in rows} for rows in (train, validation, test)]
    assert not found[0] & found[1] and not found[0] & found[2] and not found[1] & found[2]


@given(st.lists(st.sampled_from("pqrstuvwxyz"), min_size=40, max_size=80))
def test_a_group_stays_together(groups: list[str]) -> None:
    contents = [f"row {row}" for row in range(len(groups))]
    parts = split(contents, groups=groups)
    where = [{groups[row] for row in rows} for rows in parts]
    assert not where[0] & where[1] and not where[0] & where[2] and not where[1] & where[2]
    assert sum(map(len, parts)) == len(groups)
    if len(set(groups)) > 3:
        largest = max(Counter(groups).values())
        assert 0.2 * len(groups) <= len(parts.test) < 0.2 * len(groups) + largest


@given(st.lists(st.sampled_from("pqrstuvwxyz"), min_size=40, max_size=80), st.booleans())
def test_folds_test_every_row_once_and_are_alike(groups: list[str], grouped: bool) -> None:
    contents = [f"row {row}" for row in range(len(groups))]
    given: list[Split] = ["test"] * len(groups)
    parts = [
        split(contents, given, groups if grouped else None, (number, 3)) for number in (1, 2, 3)
    ]
    assert sorted(row for part in parts for row in part.test) == list(range(len(groups)))
    for train, validation, test in parts:
        assert sorted([*train, *validation, *test]) == list(range(len(groups)))
        if grouped:
            assert not {groups[row] for row in test} & {groups[row] for row in train + validation}
        else:
            assert len(test) in (len(groups) // 3, len(groups) // 3 + 1)


def test_the_order_of_the_rows_changes_nothing() -> None:
    contents = [f"text {number}" for number in range(200)]
    forwards, backwards = split(contents), split(contents[::-1])
    for one, other in zip(forwards, backwards, strict=True):
        assert [contents[row] for row in one] == [contents[::-1][row] for row in other]


def test_without_a_training_row_the_training_split_is_empty() -> None:
    assert split(["a", "b"], ["test", "validation"]) == ([], [1], [0])
