"""Figures as tables, for a terminal, a Markdown file and a page."""

import html
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from rich import box
from rich.console import JustifyMethod
from rich.markup import escape
from rich.table import Table

from exports.parity.compare import Parity
from exports.schema import Precision
from pipeline.pages.page import blocks

_PLACES = ("p50", "p99")
_FOUND = ("largest difference", "labels that agree")


@dataclass(frozen=True)
class Sheet:
    """A table as text. `best` are the places, row and column, of what stands out."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: frozenset[tuple[int, int]] = frozenset()

    def terminal(self) -> Table:
        """Lay it out for a terminal."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for place, column in enumerate(self.columns):
            justify: JustifyMethod = "right" if place else "left"
            table.add_column(escape(column), justify=justify, overflow="fold", no_wrap=not place)
        for row in self._with_best("[bold]{}[/bold]", escape):
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """Write it in Markdown, the figures to the right."""
        ruler = ["---", *("---:" for _ in self.columns[1:])]
        lines = [
            [*map(_in_markdown, self.columns)],
            ruler,
            *self._with_best("**{}**", _in_markdown),
        ]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def on_page(self, caption: str) -> Markup:
        """Write it in HTML."""
        return blocks.table(caption, self.columns, self.rows)

    def _with_best(self, style: str, plain: Callable[[str], str]) -> list[list[str]]:
        return [
            [
                style.format(plain(cell)) if (place, column) in self.best else plain(cell)
                for column, cell in enumerate(row)
            ]
            for place, row in enumerate(self.rows)
        ]


def heads(scores: Iterable[str]) -> list[str]:
    """Name the columns of scores on the test split."""
    return [f"test {score.replace('_', ' ')}" for score in scores]


def learnt(figures: Mapping[str, float]) -> list[str]:
    """Name the figures of an epoch that say how well it learnt."""
    return [name for name in figures if name not in ("epoch", "seconds", "waited")]


def line(figures: Mapping[str, float]) -> str:
    """Write the figures of an epoch in one line."""
    shown = ", ".join(f"{name.replace('_', ' ')} {figures[name]:.3f}" for name in learnt(figures))
    waited = f", {figures['waited']:.1%} of them waiting for data" if "waited" in figures else ""
    return f"{shown}, {figures['seconds']:.0f} s{waited}"


def results(found: Mapping[str, Any], name: str) -> Sheet:
    """Lay the model, called `name`, beside its baselines on the test split."""
    scores = [key for key in found["model"] if key != "seconds"]
    rows = [
        [row, *(f"{figures[score]:.4f}" for score in scores), f"{figures['seconds']:.0f}"]
        for row, figures in {name: found["model"], **found["baselines"]}.items()
    ]
    return Sheet(("", *heads(scores), "seconds to train"), rows)


def parity(proofs: Mapping[str, Parity]) -> Sheet:
    """Show how far each format of an artifact is from Keras."""
    rows = [[name, *found] for _, name, *found in _differences(proofs)]
    return Sheet(("against keras", *_FOUND), rows)


def verified(proofs: Mapping[str, Parity]) -> Sheet:
    """Show how far each format is from what it was compared with anew."""
    rows = [[name, against, *found] for against, name, *found in _differences(proofs)]
    return Sheet(("format", "against", *_FOUND), rows)


def _differences(proofs: Mapping[str, Parity]) -> Iterator[list[str]]:
    """Give the reference of each difference, the format and what was found."""
    for proof in proofs.values():
        for name, found in proof.differences.items():
            labels = f"{found.labels_equal:,} of {found.labels_compared:,}"
            yield [proof.reference, name, f"{found.absolute:.1e}", labels]


def precision(name: str, measured: Precision) -> Sheet:
    """Show what the files of the format called `name` cost in each precision."""
    scores = list(measured.forms["float32"]["figures"])
    rows = [
        [
            name,
            f"{form['bytes']:,}",
            *(f"{form['figures'][score]:.4f}" for score in scores),
            f"{form['difference']:.1e}",
        ]
        for name, form in measured.forms.items()
    ]
    return Sheet((name, "bytes", *heads(scores), "largest difference"), rows)


def latency(measured: Mapping[str, Any]) -> Sheet:
    """Show the milliseconds that a call of each side takes, at each batch size."""
    found = measured["milliseconds"]
    batches = dict.fromkeys(each["batch"] for each in found)
    rows = [
        [
            side,
            *(f"{each[place]:.2f}" for each in found if each["side"] == side for place in _PLACES),
        ]
        for side in dict.fromkeys(each["side"] for each in found)
    ]
    heads = (f"{place}, {batch} rows" for batch in batches for place in _PLACES)
    return Sheet(("milliseconds", *heads), rows)


def operators(counts: Mapping[str, int]) -> str:
    """Count the operators in an ONNX file in one line."""
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _in_markdown(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "\\|")
