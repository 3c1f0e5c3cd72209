"""Findings, laid out on a page."""

import itertools
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from pipeline.error_analysis import drawing
from pipeline.error_analysis.findings import (
    Block,
    Cell,
    Chart,
    Finding,
    Matrix,
    Passage,
    Picture,
    Table,
    Terms,
    Text,
)
from pipeline.pages import figures
from pipeline.pages.page import Section, blocks

_EXCERPT = 100  # letters of a text that are seen at once


def sections(findings: Sequence[Finding]) -> Iterator[Section]:
    """Make a section of each finding."""
    for finding in findings:
        yield Section(finding.title, list(map(_laid_out, _in_order(finding.content))))


def _in_order(content: Sequence[Block]) -> Iterator[Block]:
    """Let charts stand side by side, with their numbers behind them."""
    for are_charts, members in itertools.groupby(content, lambda each: isinstance(each, Chart)):
        found = [*members]
        yield from found
        if are_charts:
            yield from (each.numbers for each in found if isinstance(each, Chart) and each.numbers)


def _laid_out(block: Block) -> Markup:
    laid_out: Markup
    match block:
        case Text():
            laid_out = blocks.paragraph(block.text)
        case Terms():
            laid_out = blocks.terms(block.values)
        case Passage():
            laid_out = blocks.passage(block.pieces)
        case Table():
            laid_out = _table(block)
        case Matrix():
            shares = [[value / (sum(row) or 1) for value in row] for row in block.values]
            laid_out = blocks.matrix(block.caption, block.rows, block.columns, block.values, shares)
        case Chart():
            laid_out = figures.picture(drawing.draw(block), block.title, block.description)
    return laid_out


def _table(table: Table) -> Markup:
    rows = [list(map(_cell, row)) for row in table.rows]
    shown: Markup = blocks.table(table.caption, table.columns, rows)
    return blocks.folded(table.caption, shown) if table.folded else shown


def _cell(cell: Cell) -> str | Markup:
    match cell:
        case Passage():
            return blocks.passage(cell.pieces)
        case Picture():
            return blocks.image(cell.png, cell.text)
    if len(cell) <= _EXCERPT:
        return cell
    return blocks.folded(f"{cell[: _EXCERPT - 1]}…", blocks.paragraph(cell))
