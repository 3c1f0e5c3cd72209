"""Examples with a target: the columns of a table, chosen, parsed and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pipeline.config import GroupConfig, SplitConfig
from pipeline.config.inputs import SequenceConfig
from pipeline.data import columns, sequences, sources, splits
from pipeline.data.columns import Chosen, Kind
from pipeline.data.splits import Parts
from pipeline.data.table import (
    Fault,
    OnError,
    Parse,
    Split,
    Table,
    joined,
    parsed,
    reject,
    to_split,
)
from pipeline.data.views import taken
from pipeline.data.waiting import spinner
from pipeline.errors import PipelineError


class Pairs(NamedTuple):
    """Inputs, and the targets of each: a value of each column of targets."""

    inputs: Sequence[Any]
    targets: Sequence[Any]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Examples of a data set, split.

    Attributes:
        name: of the data.
        version: changes when any value does.
        columns: which columns the inputs and the targets are, and which are ignored.
        classes: names of the first target's classes, where the source declares them.
    """

    name: str
    version: str
    columns: Chosen
    classes: Sequence[str] | None
    train: Pairs
    validation: Pairs
    test: Pairs


def read(config: SplitConfig) -> Table:
    """Read the data that `config` names, with the split of each row where it is given.

    Raises:
        PipelineError: none are named, they cannot be read, or a row cannot be used.
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


def sequences_of(
    config: SequenceConfig,
    table: Table,
    needed: Sequence[str] = (),
    stepwise: Sequence[str] = (),
) -> Table:
    """Return a row for each input: the rows of `table`, or the sequences that they are steps of.

    Args:
        config: the settings.
        table: what was read.
        needed: columns that are needed beside those of the input.
        stepwise: columns that have a value for each step.

    Raises:
        PipelineError: a column is missing, or a row cannot be used.
    """
    numbers = sequences.names(config.features or "")
    if not config.sequence_id:
        if len(numbers) > 1:
            raise PipelineError(
                f"--features {config.features} are numbers of a step: say with --sequence-id which "
                "sequence a row is a step of."
            )
        return table
    if config.text:
        table.column(config.text)
    if not numbers and config.text not in stepwise:
        raise PipelineError("Name the columns of numbers: --features a,b,c beside --sequence-id.")
    return sequences.grouped(table, config.sequence_id, numbers, needed, config.on_error, stepwise)


def load(config: SequenceConfig, targets: Sequence[str], wanted: Kind) -> Labelled:
    """Read the data that `config` names: which columns, in which splits.

    Args:
        config: the settings.
        targets: the columns of the targets, where the user named them.
        wanted: what the targets are: "class" or "number", or "labels" of the steps.

    Raises:
        PipelineError: a column is missing, a value cannot be used, or a split is empty.
    """
    table = read(config)
    if wanted == "labels":
        needed = [*filter(None, [config.group])]
        fixed = {config.sequence_id, config.group, *sequences.names(config.features or "")}
        stepwise = [name for name in table.columns if name not in fixed]
        table = sequences_of(config, table, needed, stepwise)
    else:
        table = sequences_of(config, table, [*targets, *filter(None, [config.group])])
    given = ", ".join(sequences.names(config.features)) if config.features else config.text
    chosen = columns.choose(table, given, targets, wanted)
    kinds: dict[str, Parse] = {
        chosen.input: columns.PARSERS[chosen.kind],
        **dict.fromkeys(chosen.targets, columns.PARSERS[wanted]),
    }
    if config.group:
        kinds[config.group] = columns.to_class
    rows = parsed(table, kinds, config.on_error)
    if wanted == "labels":
        rows = aligned(rows, chosen.input, chosen.targets[0], config.on_error)
    inputs = rows.column(chosen.input)
    answers = list(zip(*map(rows.column, chosen.targets), strict=True))
    pairs = (
        Pairs(taken(inputs, kept), [answers[row] for row in kept])
        for kept in (part[: config.limit] for part in parts(rows, inputs, config))
    )
    classes = table.classes.get(chosen.targets[0])
    return Labelled(table.name, table.version, chosen, classes, *pairs)


def parts(rows: Table, inputs: Sequence[Any], config: GroupConfig) -> Parts:
    """Split rows by what a model is told of each, as `config` says.

    Raises:
        PipelineError: a split is empty.
    """
    groups = list(rows.column(config.group)) if config.group else None
    fold = (config.fold, config.folds) if config.fold else None
    with spinner(f"Splitting {rows.name}"):
        contents = [splits.fingerprint(splits.content(each)) for each in inputs]
        found = splits.split(contents, rows.splits, groups, fold)
    for name, part in found._asdict().items():
        if not part:
            raise PipelineError(
                f"{rows.name} has no example for the {name} split among its {len(rows):,} rows. "
                "Give more rows, or say with --split, --validation or --test what goes where."
            )
    return found


def aligned(table: Table, input: str, labels: str, on_error: OnError) -> Table:
    """Return the rows of `table` that have as many labels as steps.

    Raises:
        PipelineError: one has not, and `on_error` is "stop".
    """
    counts = [
        (len(steps), len(each))
        for steps, each in zip(table.column(input), table.column(labels), strict=True)
    ]
    faults = [
        Fault(place, f"{labels} has {there:,} labels for {here:,} steps")
        for place, (here, there) in zip(table.places, counts, strict=True)
        if here != there
    ]
    reject(faults, on_error)
    return table.take([row for row, (here, there) in enumerate(counts) if here == there])
