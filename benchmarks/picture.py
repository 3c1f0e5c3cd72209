"""The figures as a picture: how many times the milliseconds of ours Keras takes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

UNITS = (32, 128, 512)
INK, BAR = "#3d4451", "#4c78a8"


def draw(figures: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Draw training steps and exported files side by side."""
    training = {
        f"{row['layer']} {row['units']}": row["Keras / ours"]
        for row in figures["training"]
        if row["mode"] == "graph"
    }
    latency = {
        f"{row['masked layer']}, batch {row['batch']}": row["Keras / ours"]
        for row in figures["latency"]
        if row["units"] == 128
    }
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots(1, 2)
    _bars(axes[0], "Training step, Keras / ours", training)
    _bars(axes[1], "ONNX Runtime, 128 units, Keras's export / ours", latency)
    # With a fixed salt and no date, the same figures give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "keras-recurrent"}):
        figure.savefig(path, metadata={"Date": None}, facecolor="white")


def draw_grid(points: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw how many times ours Keras takes at every point, and `keras.layers.RNN` of one's own."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for panel, direction in zip(axes, ("forward", "training"), strict=True):
        panel.axhline(1, color=INK, linewidth=1, linestyle=":")
        panel.set_title(f"{direction}, Keras / ours", color=INK, fontsize=10)
        panel.set_yscale("log")
        panel.set_yticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"], color=INK, fontsize=8)
        panel.minorticks_off()
        for number, layer in enumerate(dict.fromkeys(point["layer"] for point in points)):
            rows = [p for p in points if (p["layer"], p["pass"]) == (layer, direction)]
            sides = [row["Keras / ours"] for row in rows]
            values = [
                row["RNN(cell) / ours"] if side == "-" else side
                for row, side in zip(rows, sides, strict=True)
            ]
            places = [number + (UNITS.index(row["units"]) - 1) * 0.2 for row in rows]
            panel.scatter(places, values, s=14, color=BAR, alpha=0.7)
        names = list(dict.fromkeys(point["layer"] for point in points))
        broken = [name.replace("LSTM", "\nLSTM").strip() for name in names]
        panel.set_xticks(range(len(names)), broken, fontsize=8, color=INK)
        panel.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel(
        "Keras / ours, or RNN(cell) / ours\n32, 128, 512 units from left to right", fontsize=8
    )
    with matplotlib.rc_context({"svg.hashsalt": "keras-recurrent"}):
        figure.savefig(path, metadata={"Date": None}, facecolor="white")


def draw_lengths(points: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw time and memory against the number of steps, both axes logarithmic."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axes, unit in zip(figure.subplots(1, 2), ("ms", "MB"), strict=True):
        for layer in dict.fromkeys(point["layer"] for point in points):
            rows = [point for point in points if point["layer"] == layer]
            axes.loglog([row["steps"] for row in rows], [row[unit] for row in rows], label=layer)
        axes.set_xlabel("steps", fontsize=8)
        axes.set_title(f"training step, {unit}", color=INK, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(fontsize=8, frameon=False)
    with matplotlib.rc_context({"svg.hashsalt": "keras-recurrent"}):
        figure.savefig(path, metadata={"Date": None}, facecolor="white")


def draw_gaps(gaps: Sequence[int], accuracies: Mapping[str, Sequence[float]], path: Path) -> None:
    """Draw accuracy against gap, a line for each layer; the axis of the gaps is logarithmic."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for layer, values in accuracies.items():
        style = "--" if "chrono" in layer else "-"
        axes.semilogx(gaps, values, style, marker="o", markersize=4, label=layer)
    axes.set_xticks(gaps, [str(gap) for gap in gaps], fontsize=8)
    axes.minorticks_off()
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("words between the country and the question", fontsize=8)
    axes.set_title("accuracy on test texts", color=INK, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    with matplotlib.rc_context({"svg.hashsalt": "keras-recurrent"}):
        figure.savefig(path, metadata={"Date": None}, facecolor="white")


def _bars(axes: Any, title: str, ratios: Mapping[str, float]) -> None:
    bars = axes.barh(list(ratios), list(ratios.values()), color=BAR)
    axes.bar_label(bars, fmt="%.1f", padding=3, color=INK)
    axes.axvline(1, color=INK, linewidth=1, linestyle=":")
    axes.set_title(title, color=INK, fontsize=10)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(length=0, labelcolor=INK, labelsize=8)
    axes.set_xticks([])
