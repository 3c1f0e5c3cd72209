"""`recurrent inspect`: what the columns of a table would be taken for, and what is in them."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from pipeline.data import columns
from pipeline.data.columns import TextAndLabel
from pipeline.data.table import Table
from pipeline.tables import Sheet

_LISTED = 20  # classes that are listed, the most frequent ones


def overview(table: Table) -> Sheet:
    """Lay out the columns of `table`."""
    rows = [
        [name, each.kind, each.reason, f"{each.empty:,}"]
        for name, each in columns.describe(table).items()
    ]
    return Sheet(["column", "taken for", "because", "empty values"], rows)


def findings(table: Table, chosen: TextAndLabel) -> Iterator[str]:
    """Describe texts and labels: lengths, balance, repetitions."""
    texts = list(map(str, table.column(chosen.text)))
    labels = list(map(str, table.column(chosen.label)))
    lengths = np.quantile([len(text.split()) for text in texts], [0, 0.5, 0.9, 1]).astype(int)
    yield (
        f"{chosen.text}: {lengths[0]:,} to {lengths[3]:,} words, median {lengths[1]:,}; "
        f"nine of ten have at most {lengths[2]:,}"
    )
    counts = Counter(labels).most_common()
    shown = ", ".join(f"{name} {count:,}" for name, count in counts[:_LISTED])
    more = f", and {len(counts) - _LISTED} more" if len(counts) > _LISTED else ""
    yield f"{chosen.label}: {shown}{more}"
    for name, count in counts:
        if count == 1:
            yield f"{chosen.label}: {name!r} occurs once, and a class needs two examples"
    of: dict[str, set[str]] = defaultdict(set)
    for text, label in zip(texts, labels, strict=True):
        of[text].add(label)
    if repeated := len(texts) - len(of):
        contradicted = sum(len(each) > 1 for each in of.values())
        yield f"rows that repeat the text of another, and are left out of training: {repeated:,}"
        yield f"texts with several labels: {contradicted:,}"
