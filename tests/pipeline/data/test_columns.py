"""What columns are taken for."""

from collections.abc import Sequence

import pytest

from pipeline.data import columns
from pipeline.data.table import Table
from pipeline.errors import PipelineError

ROWS = 60


def table(**values: Sequence[object]) -> Table:
    rows = len(next(iter(values.values())))
    return Table("a.csv", "1", values, [f"a.csv, row {row}" for row in range(rows)])


TEXTS: list[object] = [f"the invoice number {row} is wrong" for row in range(ROWS)]
LABELS: list[object] = [("billing", "network")[row % 2] for row in range(ROWS)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (TEXTS, "text"),
        ([f"发票的价格不对{row}" for row in range(ROWS)], "text"),
        (LABELS, "class"),
        ([str(row % 3) for row in range(ROWS)], "class"),
        ([row % 5 for row in range(ROWS)], "class"),
        ([f"t-{row:05d}" for row in range(ROWS)], "other"),
        ([str(row * 1.5) for row in range(ROWS)], "number"),
        ([""] * ROWS, "other"),
        ([["a", "list"]] * ROWS, "words"),
        ([["a", 1]] * ROWS, "other"),
        ([*TEXTS[:-1], ["a", "list"]], "text"),
        ([*LABELS[:-1], None], "class"),
    ],
)
def test_a_column_is_taken_for_what_its_values_are(values: list[object], kind: str) -> None:
    assert columns.describe(table(it=values))["it"].kind == kind


def test_input_and_target_are_chosen() -> None:
    short: list[object] = [f"re {row}" for row in range(ROWS)]
    found = columns.choose(table(title=short, body=TEXTS, team=LABELS), None, [], "class")
    assert found == ("text", "body", ("team",), ("title",))


def test_a_usual_name_decides_between_labels() -> None:
    other: list[object] = [row % 4 for row in range(ROWS)]
    rows = table(body=TEXTS, city=other, label=LABELS)
    assert columns.choose(rows, None, [], "class").targets == ("label",)
    assert columns.choose(rows, None, ["city"], "class").targets == ("city",)
    with pytest.raises(PipelineError, match="may be the label: city, team"):
        columns.choose(table(body=TEXTS, city=other, team=LABELS), None, [], "class")
