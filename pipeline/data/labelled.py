"""Examples with a target: the columns of a table, chosen, parsed and split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pipeline.config import ClassifyConfig, DataConfig
from pipeline.data import columns, sources, splits
from pipeline.data.columns import TextAndLabel
from pipeline.data.splits import Content
from pipeline.data.table import Parse, Split, Table, joined, parsed, to_split
from pipeline.errors import PipelineError


class Pairs(NamedTuple):
    """Inputs, and the target of each."""

    inputs: list[Any]
    targets: list[Any]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Examples of a data set, split.

    Attributes:
        name: of the data.
        version: changes when any value does.
        columns: which columns the inputs and the targets are, and which are ignored.
        classes: names of the target's classes, where the source declares them.
    """

    name: str
    version: str
    columns: TextAndLabel
    classes: Sequence[str] | None
    train: Pairs
    validation: Pairs
    test: Pairs


def read(config: DataConfig) -> Table:
    """Read the data that `config` names, with the split of each row where it is given.

    Raises:
        PipelineError: they cannot be read, or a row cannot be used.
    """
    if not config.data:
        raise PipelineError(f"Name the data: recurrent train {config.task} --data FILE.")
    table = sources.read(config.data, config.on_error)
    others: dict[Split, str | None] = {"validation": config.validation, "test": config.test}
    given = {split: data for split, data in others.items() if data}
    if given:
        more = {split: sources.read(data, config.on_error) for split, data in given.items()}
        return joined({"train": table, **more})
    if config.split:
        named = parsed(table, {config.split: to_split}, config.on_error)
        rows = dict(zip(named.places, named.column(config.split), strict=True))
        kept = [row for row, place in enumerate(table.places) if place in rows]
        return replace(table.take(kept), splits=list(rows.values()))
    return table


def load(config: ClassifyConfig, parse: Parse, content: Callable[[Any], Content]) -> Labelled:
    """Read the data that `config` names: which columns, in which splits.

    Args:
        config: the settings.
        parse: makes an input of a value.
        content: says what of an input decides where it goes.

    Raises:
        PipelineError: a column is missing, a value cannot be used, or a split is empty.
    """
    table = read(config)
    chosen = columns.text_and_label(table, config.text, config.label)
    kinds: dict[str, Parse] = {chosen.text: parse, chosen.label: columns.to_class}
    if config.group:
        kinds[config.group] = columns.to_class
    rows = parsed(table, kinds, config.on_error)
    inputs, targets = rows.column(chosen.text), rows.column(chosen.label)
    groups = rows.column(config.group) if config.group else None
    parts = splits.split([content(each) for each in inputs], rows.splits, groups)
    for name, part in parts._asdict().items():
        if not part:
            raise PipelineError(
                f"{table.name} has no example for the {name} split among its {len(rows):,} rows. "
                "Give more rows, or say with --split, --validation or --test what goes where."
            )
    pairs = (
        Pairs([inputs[row] for row in kept], [targets[row] for row in kept])
        for kept in (part[: config.limit] for part in parts)
    )
    classes = table.classes.get(chosen.label)
    return Labelled(table.name, table.version, chosen, classes, *pairs)
