"""How far back each layer remembers: accuracy against gap, into docs/memory.md and .svg.

Each point is a run in runs/memory, and what is trained there already is not trained again.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import picture
from benchmarks.timing import machine, table
from pipeline import quiet, tasks
from pipeline.run import Run

GAPS = (5, 50, 150, 500)
LAYERS: dict[str, dict[str, Any]] = {
    "RNN": {"cell": "rnn", "learning_rate": 1e-3},
    "IRNN": {"cell": "irnn", "learning_rate": 1e-3},
    "GRU": {"cell": "gru", "learning_rate": 3e-3},
    "LSTM": {"cell": "lstm", "learning_rate": 3e-3},
    "GRU, chrono": {"cell": "gru", "initialisation": "chrono", "learning_rate": 0.02},
    "LSTM, chrono": {"cell": "lstm", "initialisation": "chrono", "learning_rate": 0.02},
}
BUDGET: dict[str, Any] = {"units": 32, "limit": None, "batch_size": 32, "epochs": 3}
TESTED = "RNN"  # the layer whose runs are tested beside the baselines, which know no layer
DOCS = Path(__file__).parents[1] / "docs"
Found = Mapping[int, Mapping[str, Mapping[str, Any]]]  # results by gap and layer

PAGE = """# How far back each layer remembers

Made by `make memory`. {machine}.

"i grew up in france ... i speak fluent ___": the task `memory`, data set `country`, with so many
words between the country and the question; two other countries are named on the way. Accuracy on
{tested} test texts of each gap, of the epoch that was best on the validation split. Ten languages
are equally likely. The feed-forward network sees the mean of the words: three countries, and not
which of them is the home.

Every point has the same budget: one layer of {units} units, {trained} training texts, {steps} steps
of AdamW in batches of {batch_size}, dL/dstate clipped. That is little, and one seed: a low figure
says that the layer did not learn it in so many steps, and not that it cannot. A high one may be
luck: at 0.02 the LSTM with chrono learns gap 500 with this seed, and nothing in these steps with
two others; the preset `country` takes a lower rate and more steps ([results](results.md)). Rates,
chosen in trials on training and validation texts with gaps of 50 to 500: {rates}.

![Accuracy against gap, a line for each layer](memory.svg)

{accuracy}

Chrono starts the gates so that units remember for up to the length of the text.
"""


def main() -> None:
    """Train every point, or go on where it was stopped, and write the page and its picture."""
    quiet.load_tensorflow()
    found = {gap: {layer: _results(layer, gap) for layer in LAYERS} for gap in GAPS}
    examples = found[GAPS[0]][TESTED]["examples"]
    page = PAGE.format(
        machine=", ".join(f"{key} {value}" for key, value in machine().items()),
        tested=examples["test"],
        trained=examples["train"],
        steps=-(-examples["train"] // BUDGET["batch_size"]) * BUDGET["epochs"],
        accuracy=table(_accuracy(found)),
        rates="; ".join(f"{layer} {own['learning_rate']}" for layer, own in LAYERS.items()),
        **BUDGET,
    )
    (DOCS / "memory.md").write_text(page, encoding="utf-8")
    curves = {layer: [found[gap][layer]["model"]["accuracy"] for gap in GAPS] for layer in LAYERS}
    picture.draw_gaps(GAPS, curves, DOCS / "memory.svg")
    print(page)


def _results(layer: str, gap: int) -> dict[str, Any]:
    """Train and test one layer at one gap, with the baselines if it is `TESTED`."""
    from pipeline import cli, train

    preset = tasks.get("memory").presets["country"]()
    settings = {"initialisation": "default", "gap": gap, **BUDGET, **LAYERS[layer]}
    config = preset.model_copy(update=settings)
    name = f"{config.cell}-{config.initialisation}-{gap}"
    run = Run.create(Path("runs") / "memory" / name, config)
    cli.train_run(run)
    return run.results or train.evaluate(run, None if layer == TESTED else {})


def _accuracy(found: Found) -> list[dict[str, str]]:
    """Accuracy of the layers, then of the baselines."""

    def percent(figures: Mapping[str, float]) -> str:
        return f"{100 * figures['accuracy']:.1f} %"

    baselines = found[GAPS[0]][TESTED]["baselines"]
    return [
        *_rows(LAYERS, lambda layer, gap: percent(found[gap][layer]["model"])),
        *_rows(baselines, lambda name, gap: percent(found[gap][TESTED]["baselines"][name])),
    ]


def _rows(names: Iterable[str], cell: Callable[[str, int], str]) -> list[dict[str, str]]:
    """A row for each of `names`, with a column for each gap."""
    return [{"": name, **{f"gap {gap}": cell(name, gap) for gap in GAPS}} for name in names]


if __name__ == "__main__":
    main()
