"""Running text: texts of a table, or one text file, split."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.config.language import LanguageConfig
from pipeline.data import columns, labelled, sources
from pipeline.data.columns import to_text
from pipeline.data.table import OnError, Split, Table, parsed
from pipeline.data.views import taken
from pipeline.errors import PipelineError

_HELD_OUT = 0.1  # of the lines of a text file, for validation and for testing each


class Texts(NamedTuple):
    """Texts of a data set, split.

    Attributes:
        name: of the data.
        version: changes when any text does.
        column: where the texts are.
        train: those to learn from.
        validation: those to choose the best epoch on.
        test: those to test on.
    """

    name: str
    version: str
    column: str
    train: Sequence[str]
    validation: Sequence[str]
    test: Sequence[str]


def load(config: LanguageConfig) -> Texts:
    """Read the texts that `config` names. The end of a text file is held out.

    Raises:
        PipelineError: they cannot be read, or a split is empty.
    """
    table = labelled.read(config)
    column = config.text or _column(table)
    if table.running is None:
        parts = _by_content(table, column, config)
    else:
        parts = _stretches(table.running(), config, column)
    for name, texts in parts.items():
        if not any(map(str.strip, texts)):
            raise PipelineError(
                f"{table.name} has no text for the {name} split. Give more of it, or name one with "
                "--validation or --test."
            )
    limited = {name: texts[: config.limit] for name, texts in parts.items()}
    return Texts(table.name, table.version, column, **limited)


def texts_of(table: Table, column: str, on_error: OnError) -> Sequence[str]:
    """Return the texts of a table: one, if it is a text file.

    Raises:
        PipelineError: the column is missing, or a value is no text.
    """
    if table.running is not None:
        return [table.running()]
    return parsed(table, {column: to_text}, on_error).column(column)


def _column(table: Table) -> str:
    """Choose the column with the longest texts."""
    known = columns.describe(table)
    texts = [name for name, each in known.items() if each.kind == "text"]
    if not texts and table.running is None:
        raise PipelineError(
            f"{table.name} has no column of texts; its columns are {', '.join(known)}. Name one "
            "with --text."
        )
    return max(texts or [*table.columns], key=lambda name: known[name].words)


def _by_content(table: Table, column: str, config: LanguageConfig) -> Mapping[Split, Sequence[str]]:
    kinds = {column: to_text} | ({config.group: columns.to_class} if config.group else {})
    rows = parsed(table, kinds, config.on_error)
    texts = rows.column(column)
    train, validation, test = (taken(texts, kept) for kept in labelled.parts(rows, texts, config))
    return {"train": train, "validation": validation, "test": test}


def _stretches(text: str, config: LanguageConfig, column: str) -> Mapping[Split, Sequence[str]]:
    """Hold the last lines of a text out, where no other text is given for a split.

    Raises:
        PipelineError: folds are asked for.
    """
    if config.fold:
        raise PipelineError("Folds need several texts, and a text file is one. Leave --folds out.")
    lines = text.splitlines(keepends=True)
    held = max(1, round(_HELD_OUT * len(lines)))
    found: dict[Split, Sequence[str]] = {}
    others: dict[Split, str | None] = {"test": config.test, "validation": config.validation}
    for split, data in others.items():
        if data:
            found[split] = texts_of(sources.read(data, config.on_error), column, config.on_error)
        else:
            lines, last = lines[:-held], lines[-held:]
            found[split] = ["".join(last[: config.limit])]
    return {"train": ["".join(lines[: config.limit])], **found}
