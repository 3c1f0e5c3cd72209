"""Metrics as plots, on a light page and on a dark one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pipeline.pages import figures
from pipeline.pages.figures import COLOURS, INK, PANEL

_DASHES = ("-", "--", ":", "-.")

Curves = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Panel:
    """Numbers for each name: a curve by epoch, or a final figure, once for each seed."""

    title: str
    values: Mapping[str, Any]


def draw(curves: Sequence[Panel], finals: Sequence[Panel], path: Path) -> None:
    """Draw `curves` above `finals`, and write `path` with the suffixes `.svg` and `.png`.

    A name has one colour everywhere; one that has no curve is grey. Of several seeds, there are
    the mean and what lies between the extremes.

    Raises:
        PipelineError: the files cannot be written.
    """
    colours = _colours(list(dict.fromkeys(name for panel in curves for name in panel.values)))
    height = 0.7 + 0.26 * max((len(panel.values) for panel in finals), default=0)
    with figures.style():
        width = PANEL * max(2, len(curves), len(finals))
        figure = Figure(figsize=(width, PANEL + height), layout="constrained")
        parts: Any = figure.subfigures(2, 1, height_ratios=[PANEL, height])
        upper, lower = parts
        for axes, panel in zip(_row(upper, curves), curves, strict=True):
            _draw_curves(axes, panel, colours)
            axes.set_title(panel.title)
        upper.legend(*upper.axes[0].get_legend_handles_labels(), loc="outside right upper")
        for axes, panel in zip(_row(lower, finals), finals, strict=True):
            _draw_finals(axes, panel, colours)
    figures.save(figure, path)


def curves(panel: Panel, best: int) -> Figure:
    """Draw one panel of curves, in which the epoch `best` is marked."""

    def drawn(axes: Any) -> None:
        axes.axvline(best, color=INK, linestyle=":", linewidth=1, label="best epoch")
        _draw_curves(axes, panel, _colours(list(panel.values)))
        axes.legend()

    return figures.single(drawn)


def _colours(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Give each name a colour and a dash of its own."""
    return {
        name: (COLOURS[place % len(COLOURS)], _DASHES[place // len(COLOURS) % len(_DASHES)])
        for place, name in enumerate(names)
    }


def _row(figure: Any, panels: Sequence[Panel]) -> Sequence[Any]:
    axes: Sequence[Any] = figure.subplots(1, len(panels), squeeze=False)[0]
    return axes


def _draw_curves(axes: Any, panel: Panel, colours: Mapping[str, tuple[str, str]]) -> None:
    for name, curves in panel.values.items():
        colour, dash = colours[name]
        # A seed that diverged has fewer epochs, and only as many are compared.
        by_epoch = list(zip(*curves, strict=False))
        epochs = range(1, len(by_epoch) + 1)
        means = [sum(values) / len(values) for values in by_epoch]
        axes.plot(epochs, means, dash, color=colour, label=name, marker=".", markersize=4)
        lows, highs = map(min, by_epoch), map(max, by_epoch)
        axes.fill_between(epochs, list(lows), list(highs), color=colour, alpha=0.2, linewidth=0)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)


def _draw_finals(axes: Any, panel: Panel, colours: Mapping[str, tuple[str, str]]) -> None:
    for name, values in panel.values.items():
        colour, _ = colours.get(name, (INK, ""))
        axes.plot([min(values), max(values)], [name, name], color=colour, linewidth=2)
        axes.plot(values, [name] * len(values), ".", color=colour, markersize=5)
        axes.plot(sum(values) / len(values), name, "o", color=colour, markersize=8)
    axes.set_title(panel.title)
    axes.margins(x=0.1, y=0.08)
    axes.invert_yaxis()
