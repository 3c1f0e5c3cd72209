"""What each column of a table is, read off its values."""

from __future__ import annotations

import contextlib
import math
import re
import statistics
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.data import images, sound
from pipeline.data.clock import to_time
from pipeline.data.sound import Recording
from pipeline.data.table import Parse, Table, Unusable
from pipeline.errors import PipelineError

Kind = Literal[
    "text",
    "words",
    "recording",
    "vectors",
    "image",
    "class",
    "classes",
    "labels",
    "number",
    "time",
    "other",
]

# Scripts that have no spaces between words: Thai and Lao, Burmese, Khmer, kana, Han.
_RANGES = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
UNSPACED = re.compile(f"[{_RANGES}]")
_WORD = re.compile(rf"[{_RANGES}]|[^\s{_RANGES}]+")
_FEW = 50  # classes that a column may have, or one for every ten rows if that is more
_LOOKED_AT = 10_000  # values of a column that its kind is read off
_LARGEST = float(np.finfo(np.float32).max)
_NAME = 5  # words that the name of a class has at most, in the median
_TARGETS: Mapping[Kind, tuple[str, str]] = {
    "class": ("--label", "labels, which has a few values, each more than once"),
    "number": ("--target", "numbers"),
    "labels": ("--label", "labels, a list with one for each step"),
}
_USUAL: Mapping[Kind, Sequence[str]] = {  # names that columns of targets have
    "class": ("label", "class", "category", "target", "y", "sentiment", "intent", "topic"),
    "number": ("target", "y", "value", "score", "rating", "stars", "price"),
    "labels": ("labels", "tags", "ner_tags", "pos_tags", "label", "tag", "ner", "pos"),
}
_USUAL_WORDS = ("tokens", "words", "token", "word", "form")  # names that columns of words have
_SEQUENCES: Sequence[Kind] = ("recording", "vectors")


class Column(NamedTuple):
    """What is known of a column.

    Attributes:
        kind: what it would be taken for.
        reason: why.
        words: the median number of words of its values.
        different: how many different values it has.
        empty: how many of its values are empty.
        numeric: whether all of its values are numbers.
    """

    kind: Kind
    reason: str
    words: float
    different: int
    empty: int
    numeric: bool = False


class Chosen(NamedTuple):
    """Which columns a task reads.

    Attributes:
        kind: what the inputs are: "text", "words", "recording" or "vectors".
        input: name of the column of the inputs.
        targets: names of the columns of the targets.
        ignored: names of the other columns.
    """

    kind: Kind
    input: str
    targets: tuple[str, ...]
    ignored: tuple[str, ...]


def describe(table: Table) -> dict[str, Column]:
    """Say what each column of `table` is."""
    return {name: _described(values) for name, values in table.columns.items()}


def choose(table: Table, input: str | None, targets: Sequence[str], wanted: Kind) -> Chosen:
    """Choose the columns of an input and its targets where the user has not.

    The input is the column of recordings or vectors, or else the one with the most words. The
    target is a column with few values, or of numbers, by its name if it has a usual one. Where the
    targets are labels of steps, input and target are columns of lists.

    Args:
        table: has the columns.
        input: the one that the user named.
        targets: those that the user named.
        wanted: "class", "number" or "labels": what the targets are.

    Raises:
        PipelineError: a column that is named is not there, or none will do.
    """
    for given in filter(None, (input, *targets)):
        table.column(given)
    if input in targets:
        raise PipelineError(f"Column {input!r} cannot be both the input and what is learnt.")
    known = {} if input and targets else describe(table)
    input = input or (_steps if wanted == "labels" else _input)(table, known, targets)
    found = tuple(targets) or (_target(table, known, wanted, without=input),)
    ignored = tuple(name for name in table.columns if name not in (input, *found))
    kind: Kind = _described(table.column(input)[:_FEW]).kind
    if kind not in _SEQUENCES:
        kind = "words" if wanted == "labels" else "text"
    return Chosen(kind, input, found, ignored)


def to_recording(value: Any) -> Recording:
    """Take a value for a recording: one, or the path of a sound file.

    Raises:
        Unusable: it is none, damaged, or silent.
    """
    if isinstance(value, Path) and not value.is_file():
        raise Unusable(f"is {str(value)!r}, and there is no such file")
    recording = sound.load(value) if isinstance(value, Path) else value
    if not isinstance(recording, Recording):
        raise Unusable(f"is {type(value).__name__}, not a recording")
    if not recording.samples.any():
        raise Unusable("is silent")
    return recording


def to_vectors(value: Any) -> npt.NDArray[np.float32]:
    """Take a value for a sequence of vectors, `[steps, numbers]`; of single numbers, `[steps, 1]`.

    An image is the sequence of its rows.

    Raises:
        Unusable: it is empty or none, or a number is not finite.
    """
    if images.is_pixels(value):
        value = value.reshape(len(value), -1)
    try:
        with np.errstate(over="ignore"):  # infinity is refused below
            vectors = np.asarray(value, np.float32)
    except OverflowError as error:
        raise Unusable("holds a number that is too large") from error
    except (TypeError, ValueError) as error:
        raise Unusable("is not a sequence of vectors of one length") from error
    if vectors.ndim == 1:
        vectors = vectors[:, None]
    if vectors.ndim != 2 or not vectors.size:
        raise Unusable(f"has the shape {list(vectors.shape)}, not [steps, numbers]")
    if not np.isfinite(vectors).all():
        raise Unusable("holds a number that is not finite")
    return vectors


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


def to_words(value: Any) -> list[str]:
    """Take a value for a sentence in words: a list of them, or a text with spaces between.

    Raises:
        Unusable: it is empty, or holds what is no word.
    """
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list | tuple):
        raise Unusable(f"is {type(value).__name__}, not a list of words")
    if not words:
        raise Unusable("is empty")
    for place, word in enumerate(words, start=1):
        if not isinstance(word, str) or not word.strip() or "\0" in word:
            raise Unusable(f"has {word!r}, not a word, at step {place:,}")
    return [*words]


def to_labels(value: Any) -> list[str | None]:
    """Take a value for the labels of steps: a list of them, or a text with spaces between.

    A step whose label is None has none.

    Raises:
        Unusable: it is none, or holds what is no label.
    """
    labels = value.split() if isinstance(value, str) else value
    if not isinstance(labels, list | tuple):
        raise Unusable(f"is {type(value).__name__}, not a list of labels")
    found: list[str | None] = []
    for place, label in enumerate(labels, start=1):
        try:
            found.append(None if label is None else to_class(label))
        except Unusable as error:
            raise Unusable(f"{error} at step {place:,}") from error
    return found


def to_class(value: Any) -> str:
    """Take a value for the name of a class.

    Raises:
        Unusable: it is empty, or no name.
    """
    if _is_empty(value):
        raise Unusable("is empty")
    if not isinstance(value, str | int | bool):
        raise Unusable(f"is {value!r}, not a label")
    return sys.intern(str(value).strip())  # a million rows have few names


def to_classes(value: Any) -> tuple[str, ...]:
    """Take a value for names of classes: a list, or a text with semicolons between them.

    Raises:
        Unusable: one is no name.
    """
    parts = value.split(";") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple | np.ndarray | None):
        raise Unusable(f"is {value!r}, not labels")
    return tuple(dict.fromkeys(to_class(part) for part in parts or () if not _is_empty(part)))


def to_number(value: Any) -> float:
    """Take a value for a number.

    Raises:
        Unusable: it is empty, no number, not finite, or too large for float32.
    """
    if _is_empty(value):
        raise Unusable("is empty")
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        number = sys.float_info.max
    except (TypeError, ValueError) as error:
        raise Unusable(f"is {value!r}, not a number") from error
    if not math.isfinite(number):
        raise Unusable(f"is {value!r}, not a finite number")
    if abs(number) > _LARGEST:
        raise Unusable(f"is {value!r}, beyond the largest number, {_LARGEST:.3g}")
    return number


PARSERS: Mapping[Kind, Parse] = {
    "text": to_text,
    "words": to_words,
    "recording": to_recording,
    "vectors": to_vectors,
    "class": to_class,
    "classes": to_classes,
    "labels": to_labels,
    "number": to_number,
}


def _described(values: Sequence[Any]) -> Column:
    empty = sum(map(_is_empty, values))
    first = next((value for value in values if not _is_empty(value)), None)
    if first is None:
        return Column("other", "every value is empty", 0, 0, empty)
    count = len(values) - empty
    if images.is_file(first):
        return Column("image", f"{count:,} files of images", 0, count, empty)
    if isinstance(first, Recording | Path):
        return Column("recording", f"{count:,} recordings", 0, count, empty)
    if isinstance(first, np.ndarray) and (shape := _shape(first)) is not None:
        return Column("vectors", f"sequences of {shape[1]} numbers", 0, count, empty)
    filled = [value for value in values[:_LOOKED_AT] if not _is_empty(value)] or [first]
    plain = [value for value in filled if isinstance(value, str | int | float)]
    if all(map(_is_list_of_texts, filled)):
        words = statistics.median(map(len, filled))
        different = len({each for value in filled for each in value if each is not None})
        reason = f"lists of {different:,} different words, a median of {words:g}"
        return Column("words", reason, words, different, empty)
    if (shape := _shape(filled[0])) is not None:
        return Column("vectors", f"sequences of {shape[1]} numbers", 0, len(filled), empty)
    if all(map(_is_date, filled)):
        return Column("time", f"{filled[0]} to {filled[-1]}", 0, len({*filled}), empty)
    if 2 * len(plain) < len(filled):
        return Column("other", f"holds {type(filled[0]).__name__}", 0, len(filled), empty)
    words = statistics.median(len(_WORD.findall(str(value))) for value in plain)
    different = len(set(map(str, plain)))
    few = different <= min(max(_FEW, len(plain) / 10), len(plain) / 2)
    numeric = all(map(_is_number, plain))
    kind: Kind = "other"
    reason = f"{different:,} different values of {len(plain):,}"
    if few and words <= _NAME:
        kind, reason = "class", f"{different} different values"
    elif numeric:
        kind, reason = "number", f"{min(map(float, plain)):g} to {max(map(float, plain)):g}"
    elif words > 1:
        kind, reason = "text", f"a median of {words:g} words"
    return Column(kind, reason, words, different, empty, numeric)


def _input(table: Table, known: Mapping[str, Column], targets: Sequence[str]) -> str:
    others = {name: each for name, each in known.items() if name not in targets}
    sequences = [name for name, each in others.items() if each.kind in _SEQUENCES]
    texts = [name for name, each in others.items() if each.kind == "text"]
    if len(sequences) > 1:
        raise PipelineError(
            f"{table.name} has several columns of sequences: {', '.join(sequences)}. Name one with "
            "--features."
        )
    if not sequences and not texts:
        raise PipelineError(
            f"{table.name} has no column of texts, recordings or vectors; its columns are "
            f"{_listed(known)}. Name one with --text; or, if each row is a step, the numbers with "
            "--features and the sequence with --sequence-id."
        )
    return sequences[0] if sequences else max(texts, key=lambda name: known[name].words)


def _steps(table: Table, known: Mapping[str, Column], targets: Sequence[str]) -> str:
    """Choose a column of words, by its name if it has a usual one, or of vectors."""
    others = {name: each for name, each in known.items() if name not in targets}
    words = [name for name, each in others.items() if each.kind == "words"]
    usual = [name for name in words if name.lower() in _USUAL_WORDS]
    vectors = [name for name, each in others.items() if each.kind == "vectors"]
    if not (words or vectors):
        raise PipelineError(
            f"{table.name} has no column of words or vectors, a list for each sequence; its "
            f"columns are {_listed(known)}. Name one with --text, or those of numbers with "
            "--features and --sequence-id."
        )
    if usual or vectors:
        return (usual or vectors)[0]
    return max(words, key=lambda name: known[name].different)


def _target(table: Table, known: Mapping[str, Column], wanted: Kind, without: str) -> str:
    option, what = _TARGETS[wanted]
    able = {
        name: each
        for name, each in known.items()
        if name != without
        and (
            each.kind == ("words" if wanted == "labels" else wanted)
            or (wanted == "number" and each.numeric)
        )
    }
    targets = [name for name, each in able.items() if each.different > 1] or [*able]
    usual = [name for name in targets if name.lower() in _USUAL[wanted]]
    if not targets:
        raise PipelineError(
            f"{table.name} has no column of {what}; its columns are {_listed(known)}. Name one "
            f"with {option}."
        )
    if len(usual or targets) > 1:
        raise PipelineError(
            f"{table.name} has several columns that may be the {option.strip('-')}: "
            f"{', '.join(usual or targets)}. Name one with {option}."
        )
    return (usual or targets)[0]


def _shape(value: Any) -> tuple[int, ...] | None:
    """Return the shape of a sequence of vectors, or None if `value` is none."""
    with contextlib.suppress(Unusable):
        if isinstance(value, np.ndarray | list):
            return to_vectors(value).shape
    return None


def _listed(known: Mapping[str, Column]) -> str:
    return ", ".join(f"{name} ({each.kind})" for name, each in known.items())


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _is_list_of_texts(value: Any) -> bool:
    """Say whether `value` is a list of words or labels, of which some may be missing."""
    return isinstance(value, list) and all(isinstance(each, str | None) for each in value)


def _is_date(value: Any) -> bool:
    try:
        return isinstance(to_time(value), datetime)
    except Unusable:
        return False


def _is_number(value: Any) -> bool:
    try:
        to_number(value)
    except Unusable:
        return False
    return True
