"""Charts of findings, as figures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.error_analysis.findings import Band, Bars, Chart, Dots, Element, Line, Ranges
from pipeline.pages import figures
from pipeline.pages.figures import COLOURS, INK

_AREA, _AREAS = 10, 90  # square points of the smallest dot, and how much larger the largest is


def draw(chart: Chart) -> Figure:
    """Draw a chart; what is written on it is no formula, whatever is in it."""

    def drawn(axes: Any) -> None:
        for mark in chart.elements:
            _draw(axes, mark)
        axes.set_xlabel(chart.x, parse_math=False)
        axes.set_ylabel(chart.y, parse_math=False)
        if len(axes.get_legend_handles_labels()[1]) > 1:
            for text in axes.legend(fontsize=8).get_texts():
                text.set_parse_math(False)

    return figures.single(drawn)


def _draw(axes: Any, mark: Element) -> None:
    match mark:
        case Line(dotted=True):
            axes.plot(*_floats(mark.x, mark.y), ":", color=INK, linewidth=1, label=mark.name)
        case Line():
            colour = COLOURS[mark.colour % len(COLOURS)]
            axes.plot(*_floats(mark.x, mark.y), color=colour, label=mark.name)
        case Dots():
            weights = np.array(mark.weights or [0], float)
            areas = _AREA + _AREAS * weights / max(weights.max(), 1)
            colour = COLOURS[mark.colour % len(COLOURS)]
            axes.scatter(*_floats(mark.x, mark.y), areas, color=colour, label=mark.name)
        case Band():
            colour = COLOURS[mark.colour % len(COLOURS)]
            edges = _floats(mark.x, mark.low, mark.high)
            axes.fill_between(*edges, color=colour, alpha=0.25, linewidth=0, label=mark.name)
        case Ranges():
            colour = COLOURS[mark.colour % len(COLOURS)]
            ends = _floats(mark.x, mark.low, mark.high)
            axes.vlines(*ends, color=colour, alpha=0.4, linewidth=1, label=mark.name)
        case Bars():
            (edges,) = _floats(mark.edges)
            axes.stairs(mark.counts, edges, fill=True, color=COLOURS[0])
            if (edges % 1 == 0.5).all():  # whole numbers lie between them
                axes.xaxis.get_major_locator().set_params(integer=True)


def _floats(*columns: Sequence[float | None]) -> list[Any]:
    """Make arrays; what is missing is not a number."""
    return [np.array(column, float) for column in columns]
