"""Figures as tables, for a terminal and for a Markdown file."""

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import JustifyMethod
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True)
class Sheet:
    """A table as text. `best` are the places, row and column, of what stands out."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: frozenset[tuple[int, int]] = frozenset()

    def terminal(self) -> Table:
        """Lay it out for a terminal."""
        table = _table(*self.columns)
        for row in self._with_best("[bold]{}[/bold]", escape):
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """Write it in Markdown, the figures to the right."""
        ruler = ["---", *("---:" for _ in self.columns[1:])]
        lines = [self.columns, ruler, *self._with_best("**{}**", _in_markdown)]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

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


def line(figures: Mapping[str, float]) -> str:
    """Write the figures of an epoch in one line."""
    shown = ", ".join(
        f"{name.replace('_', ' ')} {value:.3f}"
        for name, value in figures.items()
        if name not in ("epoch", "seconds", "waited")
    )
    waited = f", {figures['waited']:.1%} of them waiting for data" if "waited" in figures else ""
    return f"{shown}, {figures['seconds']:.0f} s{waited}"


def results(found: Mapping[str, Any], name: str) -> Table:
    """Lay the model, called `name`, beside its baselines on the test split."""
    scores = [key for key in found["model"] if key != "seconds"]
    table = _table("", *heads(scores), "seconds to train")
    for row, figures in {name: found["model"], **found["baselines"]}.items():
        shown = (f"{figures[score]:.4f}" for score in scores)
        table.add_row(row, *shown, f"{figures['seconds']:.0f}")
    return table


def parity(artifact: Path) -> Table:
    """Show how far each format in the artifact directory is from Keras."""
    proofs = json.loads((artifact / "parity.json").read_text(encoding="utf-8"))
    table = _table("against keras", "largest difference", "labels that agree")
    for name, found in itertools.chain(*(each["differences"].items() for each in proofs.values())):
        agree = f"{found['labels_equal']:,} of {found['labels_compared']:,}"
        table.add_row(name, f"{found['absolute']:.1e}", agree)
    return table


def small(artifact: Path) -> Table:
    """Show what each small form in the artifact directory costs."""
    forms = _report(artifact)["small"]["forms"]
    scores = list(forms["float32"]["figures"])
    table = _table("", "bytes", *heads(scores), "largest difference")
    for name, form in forms.items():
        shown = (f"{form['figures'][score]:.4f}" for score in scores)
        table.add_row(name, f"{form['bytes']:,}", *shown, f"{form['difference']:.1e}")
    return table


def latency(measured: Mapping[str, Any]) -> Table:
    """Show the milliseconds that a call of each side takes, at each batch size."""
    found = measured["milliseconds"]
    batches = dict.fromkeys(each["batch"] for each in found)
    heads = (f"{place}, {batch} rows" for batch in batches for place in ("p50", "p99"))
    table = _table("milliseconds", *heads)
    for side in dict.fromkeys(each["side"] for each in found):
        times = ((each["p50"], each["p99"]) for each in found if each["side"] == side)
        table.add_row(side, *(f"{time:.2f}" for pair in times for time in pair))
    return table


def operators(artifact: Path) -> str:
    """Count the operators in the ONNX file of the artifact directory, in one line."""
    counts = _report(artifact)["operators"]
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _in_markdown(text: str) -> str:
    return text.replace("|", "\\|")


def _report(artifact: Path) -> Any:
    return json.loads((artifact / "report.json").read_text(encoding="utf-8"))


def _table(*columns: str) -> Table:
    """Make a table whose first column is for names and whose others are for figures."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        justify: JustifyMethod = "right" if place else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=not place)
    return table
