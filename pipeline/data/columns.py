"""What each column of a table is, read off its values."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pipeline.data.table import Table, Unusable
from pipeline.errors import PipelineError

Kind = Literal["text", "class", "number", "other"]

# Scripts that have no spaces between words: Thai and Lao, Burmese, Khmer, kana, Han.
_RANGES = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
UNSPACED = re.compile(f"[{_RANGES}]")
_WORD = re.compile(rf"[{_RANGES}]|[^\s{_RANGES}]+")
_FEW = 50  # classes that a column may have, or one for every ten rows if that is more
_LOOKED_AT = 10_000  # values of a column that its kind is read off
_NAME = 5  # words that the name of a class has at most, in the median
_LABELS = ("label", "class", "category", "target", "y", "sentiment", "intent", "topic")


class Column(NamedTuple):
    """What is known of a column.

    Attributes:
        kind: what it would be taken for.
        reason: why.
        words: the median number of words of its values.
        different: how many different values it has.
        empty: how many of its values are empty.
    """

    kind: Kind
    reason: str
    words: float
    different: int
    empty: int


class TextAndLabel(NamedTuple):
    """Names of the columns of a text and its label, and of those that are ignored."""

    text: str
    label: str
    ignored: tuple[str, ...]


def describe(table: Table) -> dict[str, Column]:
    """Say what each column of `table` is."""
    return {name: _described(values) for name, values in table.columns.items()}


def text_and_label(table: Table, text: str | None, label: str | None) -> TextAndLabel:
    """Choose the columns of a text and its label where the user has not.

    The text is the column with the most words. The label is a column with few values, by its name
    if it has one of the usual names.

    Raises:
        PipelineError: a column that is named is not there, or none will do.
    """
    for given in filter(None, (text, label)):
        table.column(given)
    known = {} if text and label else describe(table)
    text = text or _text(table, known, without=label)
    label = label or _label(table, known, without=text)
    ignored = tuple(name for name in table.columns if name not in (text, label))
    return TextAndLabel(text, label, ignored)


def to_text(value: Any) -> str:
    """Take a value for a text.

    Raises:
        Unusable: it is empty, or no text.
    """
    if _is_empty(value):
        raise Unusable("is empty")
    if not isinstance(value, str | int | float | bool):
        raise Unusable(f"is {type(value).__name__}, not a text")
    return str(value)


def to_class(value: Any) -> str:
    """Take a value for the name of a class.

    Raises:
        Unusable: it is empty, or no name.
    """
    if _is_empty(value):
        raise Unusable("is empty")
    if not isinstance(value, str | int | bool):
        raise Unusable(f"is {value!r}, not a label")
    return str(value).strip()


def to_number(value: Any) -> float:
    """Take a value for a number.

    Raises:
        Unusable: it is empty, no number, or not finite.
    """
    if _is_empty(value):
        raise Unusable("is empty")
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise Unusable(f"is {value!r}, not a number") from error
    if not math.isfinite(number):
        raise Unusable(f"is {value!r}, not a finite number")
    return number


def _described(values: Sequence[Any]) -> Column:
    empty = sum(map(_is_empty, values))
    filled = [value for value in values[:_LOOKED_AT] if not _is_empty(value)]
    if not filled:
        return Column("other", "every value is empty", 0, 0, empty)
    plain = [value for value in filled if isinstance(value, str | int | float)]
    if 2 * len(plain) < len(filled):
        return Column("other", f"holds {type(filled[0]).__name__}", 0, len(filled), empty)
    words = statistics.median(len(_WORD.findall(str(value))) for value in plain)
    different = len(set(map(str, plain)))
    few = different <= min(max(_FEW, len(plain) / 10), len(plain) / 2)
    kind, reason = _taken(plain, words, different, few)
    return Column(kind, reason, words, different, empty)


def _taken(plain: Sequence[Any], words: float, different: int, few: bool) -> tuple[Kind, str]:
    """Say what values would be taken for, and why."""
    if few and words <= _NAME:
        return "class", f"{different} different values"
    if all(map(_is_number, plain)):
        return "number", f"{min(map(float, plain)):g} to {max(map(float, plain)):g}"
    if words > 1:
        return "text", f"a median of {words:g} words"
    return "other", f"{different:,} different values of {len(plain):,}"


def _text(table: Table, known: Mapping[str, Column], without: str | None) -> str:
    texts = [name for name, each in known.items() if each.kind == "text" and name != without]
    if not texts:
        raise PipelineError(
            f"{table.name} has no column of texts; its columns are {_listed(known)}. Name one with "
            "--text."
        )
    return max(texts, key=lambda name: known[name].words)


def _label(table: Table, known: Mapping[str, Column], without: str | None) -> str:
    classes = [name for name, each in known.items() if each.kind == "class" and name != without]
    labels = [name for name in classes if known[name].different > 1] or classes
    usual = [name for name in labels if name.lower() in _LABELS]
    if not labels:
        raise PipelineError(
            f"{table.name} has no column of labels, which has a few values, each more than once; "
            f"its columns are {_listed(known)}. Name one with --label."
        )
    if len(usual or labels) > 1:
        raise PipelineError(
            f"{table.name} has several columns that may be the label: "
            f"{', '.join(usual or labels)}. Name one with --label."
        )
    return (usual or labels)[0]


def _listed(known: Mapping[str, Column]) -> str:
    return ", ".join(f"{name} ({each.kind})" for name, each in known.items())


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, str) and not value.strip())


def _is_number(value: Any) -> bool:
    try:
        to_number(value)
    except Unusable:
        return False
    return True
