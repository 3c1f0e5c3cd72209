"""Views are what a list of the same items would be, but make an item only when it is asked for."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.views import View, batched, joined, taken

VALUES = st.lists(st.integers(), min_size=1, max_size=20)


@given(VALUES, st.slices(20), st.data())
def test_a_view_is_read_like_a_list(values: list[int], some: slice, data: st.DataObject) -> None:
    view, squares = View(values, lambda value: value**2), [value**2 for value in values]
    place = data.draw(st.integers(-len(values), len(values) - 1))
    assert view == squares and [*view] == squares and len(view) == len(squares)
    assert view[place] == squares[place] and [*view[some]] == squares[some]
    assert [*view[some][::-1]] == squares[some][::-1]


@given(VALUES, st.data())
def test_rows_are_taken_in_their_order(values: list[int], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(values) - 1)))
    assert taken(values, rows) == [values[row] for row in rows]


@given(st.lists(st.lists(st.integers()), min_size=1))
def test_parts_are_one(parts: list[list[int]]) -> None:
    assert joined(parts) == [value for part in parts for value in part]


@given(st.lists(st.integers()), st.integers(1, 5))
def test_a_batch_is_full_but_for_the_last(values: list[int], size: int) -> None:
    batches = list(batched(values, size))
    assert [value for batch in batches for value in batch] == values
    assert all(len(batch) == size for batch in batches[:-1])


def test_nothing_is_made_before_it_is_asked_for() -> None:
    made = []

    def make(value: int) -> int:
        made.append(value)
        return value

    view = View(range(10), make)[2:8]
    assert not made and view[1] == 3 and made == [3]
