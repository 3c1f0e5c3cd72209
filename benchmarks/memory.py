"""How far back each layer remembers: accuracy against gap, into docs/memory.md and .svg.

What is in docs/memory.json is not trained again: `benchmarks.kept`.
"""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import picture
from benchmarks.kept import SEEDS, Kept
from benchmarks.tables import table
from pipeline import quiet, recipes
from pipeline.config import Config

GAPS = (5, 50, 150, 500)
CHRONO = ", chrono"
LAYERS: dict[str, dict[str, Any]] = {
    "RNN": {"cell": "rnn", "learning_rate": 1e-3},
    "IRNN": {"cell": "irnn", "learning_rate": 1e-3},
    "GRU": {"cell": "gru", "learning_rate": 3e-3},
    "LSTM": {"cell": "lstm", "learning_rate": 3e-3},
    f"GRU{CHRONO}": {"cell": "gru", "learning_rate": 0.02},
    f"LSTM{CHRONO}": {"cell": "lstm", "learning_rate": 0.02},
}
AROUND = 18  # words of a text beside those of the gap
BUDGET: dict[str, Any] = {"units": 32, "limit": None, "batch_size": 32, "epochs": 3}
TESTED = "RNN"  # the layer whose runs are tested beside the baselines, which know no layer
FILE = Path(__file__).parents[1] / "docs" / "memory.json"

PAGE = """# How far back each layer remembers

Made by `make memory`. {machines}.

"i grew up in france ... i speak fluent ___": the recipe `memory`, data set `country`, with so many
words between the country and the question; two other countries are named on the way. Accuracy on
the test texts of each gap, of the epoch that was best on the validation split. Ten languages are
equally likely. The feed-forward network sees the mean of the words: three countries, and not which
of them is the home.

Every point has the same budget: one layer of {units} units, some 20,000 training texts, {epochs}
epochs of AdamW in batches of {batch_size}, dL/dstate clipped. That is little: a low figure says
that the layer did not learn it in so many steps, and not that it cannot; the preset `country` takes
a lower rate and more steps ([results](results.md)). Of {seeds} seeds, the mean and the extremes.
Those marked as carried over in memory.json were measured on texts that an earlier version drew
alike, and whose words had other numbers. Rates, chosen in trials on training and validation texts
with gaps of 50 to 500: {rates}.

![Accuracy against gap, a line for each layer](memory.svg)

{accuracy}

Chrono starts the gates so that units remember for up to the length of the text.
"""


def main() -> None:
    """Train every point that is missing, and write the page and its picture."""
    quiet.load_tensorflow()
    kept = Kept.read(FILE)
    for gap in GAPS:
        for layer in LAYERS:
            baselines: dict[str, Any] | None = None if layer == TESTED else {}
            kept.measure(_name(layer, gap), _config(layer, gap), Path("runs") / "memory", baselines)
    text = page(kept)
    FILE.with_suffix(".md").write_text(text, encoding="utf-8")
    curves = {
        layer: [statistics.fmean(_accuracies(kept, layer, gap)) for gap in GAPS] for layer in LAYERS
    }
    picture.draw_gaps(GAPS, curves, FILE.with_suffix(".svg"))
    print(text)


def page(kept: Kept) -> str:
    """Write the page of what is `kept`."""
    return PAGE.format(
        machines=kept.machines,
        seeds=len(SEEDS),
        accuracy=table(list(_rows(kept))),
        rates="; ".join(f"{layer} {own['learning_rate']}" for layer, own in LAYERS.items()),
        **BUDGET,
    )


def _name(layer: str, gap: int) -> str:
    return f"{layer.replace(', ', '-')}-{gap}"


def _config(layer: str, gap: int) -> Config:
    config: Config = recipes.get("memory").presets["country"]()
    chrono_steps = gap + AROUND if layer.endswith(CHRONO) else None
    settings = {"data": f"tfds:country/gap_{gap}", "chrono_steps": chrono_steps}
    return config.model_copy(update={**settings, **BUDGET, **LAYERS[layer]})


def _accuracies(kept: Kept, layer: str, gap: int) -> list[float]:
    seeds = kept.entries[_name(layer, gap)].seeds.values()
    return [seed["model"]["accuracy"] for seed in seeds]


def _rows(kept: Kept) -> Iterator[dict[str, str]]:
    """Give the accuracy of each layer at each gap, then that of each baseline."""
    for layer in LAYERS:
        yield {
            "": layer,
            **{f"gap {gap}": _percent(_accuracies(kept, layer, gap)) for gap in GAPS},
        }
    baselines = {gap: kept.entries[_name(TESTED, gap)].baselines for gap in GAPS}
    for name in baselines[GAPS[0]]:
        yield {
            "": name,
            **{f"gap {gap}": _percent([baselines[gap][name]["accuracy"]]) for gap in GAPS},
        }


def _percent(values: Sequence[float]) -> str:
    """Write the mean, and the extremes where they differ."""
    low, high = (f"{100 * value:.1f}" for value in (min(values), max(values)))
    mean = f"{100 * statistics.fmean(values):.1f} %"
    return mean if low == high else f"{mean} ({low} to {high})"


if __name__ == "__main__":
    main()
