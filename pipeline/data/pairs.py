"""Texts or images, and the texts that each leads to: two columns, chosen, parsed and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.config import GroupConfig
from pipeline.config.transduce import TransduceConfig
from pipeline.data import columns, labelled, splits
from pipeline.data.table import OnError, Parse, Split, Table, Unusable, parsed
from pipeline.data.views import View, taken
from pipeline.errors import PipelineError

_USUAL = {"source": ("source", "src", "input"), "target": ("target", "tgt", "output")}


class Pair(NamedTuple):
    """A text or an image, and the texts that it may lead to, each of which is right."""

    source: Any
    targets: tuple[str, ...]

    def only(self, number: int) -> Pair:
        """Return the pair with one of its targets."""
        return Pair(self.source, (self.targets[number],))


@dataclass(frozen=True, eq=False)
class Paired:
    """Pairs of a data set, split. No source is in two splits, or twice in one.

    Attributes:
        name: of the data.
        version: changes when any value does.
        source: name of the column of the sources.
        target: name of the column of the targets.
        ignored: names of the other columns.
    """

    name: str
    version: str
    source: str
    target: str
    ignored: Sequence[str]
    train: Sequence[Pair]
    validation: Sequence[Pair]
    test: Sequence[Pair]


def load(config: TransduceConfig) -> Paired:
    """Read the data that `config` names: which columns, in which splits.

    Raises:
        PipelineError: a column is missing, a value cannot be used, or a split is empty.
    """
    table = labelled.read(config)
    source, target = choose(table, config)
    return paired(table, source, to_line, target, config)


def paired(table: Table, source: str, parse: Parse, target: str, config: GroupConfig) -> Paired:
    """Parse and split two columns of `table`; `parse` is for the sources.

    Raises:
        PipelineError: a column is missing, a value cannot be used, or a split is empty.
    """
    kinds: dict[str, Parse] = {source: parse, target: to_lines}
    if config.group:
        kinds[config.group] = columns.to_class
    rows = grouped(parsed(table, kinds, config.on_error), source, target)
    found = _pairs(rows, source, target)
    parts = labelled.parts(rows, rows.column(source), config)
    kept = (taken(found, part[: config.limit]) for part in parts)
    ignored = [name for name in table.columns if name not in kinds]
    return Paired(table.name, table.version, source, target, ignored, *kept)


def choose(table: Table, config: TransduceConfig) -> tuple[str, str]:
    """Return the columns of the sources and the targets; where the user named none, choose.

    Those that are named as usual are taken, or else the only two columns of texts, in their order.

    Raises:
        PipelineError: a column is not there, or none will do.
    """
    named: dict[str, str | None] = {"source": config.source, "target": config.target}
    for name in filter(None, named.values()):
        table.column(name)
    if config.source and config.source == config.target:
        raise PipelineError(f"Column {config.source!r} cannot be both the source and the target.")
    if config.source and config.target:
        return config.source, config.target
    taken = (config.source, config.target, config.group, config.split)
    texts = [
        name
        for name, each in columns.describe(table).items()
        if name not in taken and each.words and not each.numeric
    ]
    for side, given in named.items():
        usual = [name for name in texts if name.lower() in _USUAL[side]]
        if not given and usual:
            named[side] = usual[0]
            texts.remove(usual[0])
    missing = [side for side, given in named.items() if not given]
    if len(texts) < len(missing) or len(texts) > len(missing) > 0:
        raise PipelineError(
            f"{table.name} should have two columns of texts, a source and a target; "
            f"{', '.join(texts) or 'none'} may be the {' or the '.join(missing)}. Name them with "
            "--source and --target."
        )
    named.update(zip(missing, texts, strict=True))
    return str(named["source"]), str(named["target"])


def pairs_of(
    table: Table, source: str, parse: Parse, target: str, on_error: OnError
) -> Sequence[Pair]:
    """Return the pairs in the rows of `table`.

    Raises:
        PipelineError: a column is missing; or a value cannot be used and `on_error` is "stop".
    """
    rows = grouped(parsed(table, {source: parse, target: to_lines}, on_error), source, target)
    return _pairs(rows, source, target)


def grouped(table: Table, source: str, target: str) -> Table:
    """Return a row for each source of each split, with all of its targets."""
    first: dict[tuple[Split | None, int], int] = {}
    found: dict[int, dict[str, None]] = {}
    values = zip(table.column(source), table.column(target), strict=True)
    for row, (value, targets) in enumerate(values):
        content = splits.fingerprint(splits.content(value))
        place = first.setdefault((table.splits[row] if table.splits else None, content), row)
        found.setdefault(place, {}).update(dict.fromkeys(targets))
    rows = table.take(list(found))
    return Table(
        rows.name,
        rows.version,
        {**rows.columns, target: [tuple(each) for each in found.values()]},
        rows.places,
        splits=rows.splits,
    )


def _pairs(rows: Table, source: str, target: str) -> Sequence[Pair]:
    sources, targets = rows.column(source), rows.column(target)
    return View(range(len(rows)), lambda row: Pair(sources[row], targets[row]))


def to_line(value: Any) -> str:
    """Take a value for a text, with one space wherever it has some.

    Raises:
        Unusable: it is empty, or no text.
    """
    return " ".join(columns.to_text(value).split())


def to_lines(value: Any) -> tuple[str, ...]:
    """Take a value for a text, or for a list of texts.

    Raises:
        Unusable: it is empty, or holds what is no text.
    """
    if not isinstance(value, list | tuple):
        return (to_line(value),)
    if not value:
        raise Unusable("is empty")
    return tuple(map(to_line, value))
