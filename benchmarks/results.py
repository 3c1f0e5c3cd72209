"""Train presets with their seeds, measure them beside baselines, write docs/results.md.

What a seed reached is kept in docs/results.json as soon as it is measured, and not measured again
while its settings stay the same: all of them take a day. Delete an entry there to measure it anew.
"""

import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.timing import machine
from pipeline import compare, files, quiet, tasks
from pipeline.config import Config
from pipeline.run import Run

SEEDS = range(3)
FILE = Path(__file__).parents[1] / "docs" / "results.json"
Kept = dict[str, dict[str, Any]]

PAGE = """# Results

Made by `make results`: each preset on the test split; of several seeds, the mean and the extremes.
Settings were chosen on training and validation data. A baseline is measured once, with the first
seed. "Seconds" are those of one training. Measured on: {machines}.

{sections}"""

SECTION = """## {task}, preset `{preset}`

{summary}, on `{dataset}`; {seeds}. Goal: {goal}. Published: {published}.

{table}"""


class Entry(NamedTuple):
    """A preset of a task, and what its figures are to be held against."""

    task: str
    preset: str
    goal: str
    published: str = "none for this split is known to us"

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return f"{self.task}-{self.preset}"

    @property
    def config(self) -> Config:
        """The settings of the preset."""
        config: Config = tasks.get(self.task).presets[self.preset]()
        return config

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that are not the default."""
        return self.config.model_dump(exclude_defaults=True)


ENTRIES = (
    Entry(
        "sentiment",
        "demo",
        "above the 91.4 % of TF-IDF bigrams, 92.5 % if it can be",
        "91.22 % for bigrams, naive Bayes and support vectors on all 50,000 reviews "
        "(Wang & Manning, 2012, table 2)",
    ),
    Entry(
        "sentiment",
        "imdb",
        "above the 91.4 % of TF-IDF bigrams within 15 minutes, 92.5 % if it can be",
        "91.22 % for bigrams, naive Bayes and support vectors on all 50,000 reviews "
        "(Wang & Manning, 2012, table 2)",
    ),
    Entry(
        "sentiment",
        "rotten_tomatoes",
        "above 78 %",
        "79.4 % for bigrams, naive Bayes and support vectors on all 10,662 sentences "
        "(Wang & Manning, 2012, table 2)",
    ),
    Entry(
        "next_char",
        "next_char",
        "below 1.55 nats a character within 20 minutes, 1.48 if it can be",
        "1.47 nats on the validation split of tiny_shakespeare, by a Transformer on a GPU (README "
        "of nanoGPT)",
    ),
    Entry(
        "next_word",
        "next_word",
        "below the perplexity of an interpolated Kneser-Ney 5-gram",
    ),
    Entry(
        "digits",
        "digits",
        "99 % within 3 minutes",
    ),
    Entry(
        "trajectory",
        "hawkeye",
        "half the error of the best of standing still, constant velocity, constant acceleration "
        "and a Kalman filter",
    ),
    Entry(
        "trajectory",
        "bouncing_ball",
        "half the error of the best of those, too",
        "none: the balls are our own",
    ),
    Entry(
        "spell",
        "digits",
        "98 % of words exact",
    ),
    Entry(
        "spell",
        "emoji",
        "a score beside that of the name of the nearest picture",
    ),
    Entry(
        "pronounce",
        "pronounce",
        "7 % of phonemes and 28 % of words wrong, stress dropped, within 30 minutes",
        "5.45 and 23.55 % on another split of the CMU dictionary (Yao & Zweig, 2015, "
        '"Sequence-to-sequence neural net models for grapheme-to-phoneme conversion")',
    ),
    Entry(
        "memory",
        "country",
        "all right with 500 words between; other layers and gaps are in docs/memory.md",
        "none: the texts are our own",
    ),
    Entry(
        "memory",
        "adding",
        "a mean squared error below 0.001 at 600 steps, which is 0.994 of the variance",
        "none: the numbers are our own",
    ),
    Entry(
        "memory",
        "copying",
        "none was set",
        "none: the symbols are our own",
    ),
    Entry(
        "memory",
        "rows",
        "none was set",
    ),
)


def main(chosen: Collection[str]) -> None:
    """Train what is missing of the tasks `chosen`, all if none is, and write the page."""
    quiet.load_tensorflow()
    known = {entry.task for entry in ENTRIES}
    if unknown := set(chosen) - known:
        sys.exit(
            f"no results of {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}"
        )
    kept: Kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for entry in ENTRIES:
        if not chosen or entry.task in chosen:
            measure(entry, kept)
    text = page(kept)
    FILE.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def measure(entry: Entry, kept: Kept) -> None:
    """Train and test the seeds of `entry` that are not `kept`, and keep each."""
    from pipeline import cli, train

    if kept.get(entry.name, {}).get("settings") != entry.settings:
        kept[entry.name] = {"settings": entry.settings, "seeds": {}, "baselines": {}}
    found = kept[entry.name]
    for seed in SEEDS:
        if str(seed) in found["seeds"]:
            continue
        config = entry.config.model_copy(update={"seed": seed})
        run = Run.create(Path("runs") / "results" / f"{entry.name}-{seed}", config)
        cli.train_run(run)
        results = run.results or train.evaluate(run, {} if found["baselines"] else None)
        found["baselines"] = found["baselines"] or results["baselines"]
        found["seeds"][str(seed)] = {
            "machine": machine(),
            **{name: results[name] for name in ("parameters", "model")},
        }
        files.write(FILE, json.dumps(kept, indent=1) + "\n")


def page(kept: Kept) -> str:
    """Write the page of what is `kept`."""
    measured = [entry for entry in ENTRIES if entry.name in kept]
    machines = dict.fromkeys(
        ", ".join(f"{key} {value}" for key, value in each["machine"].items())
        for entry in measured
        for each in kept[entry.name]["seeds"].values()
    )
    sections = [_section(entry, kept[entry.name]) for entry in measured]
    return PAGE.format(machines="; ".join(machines), sections="\n".join(sections))


def _section(entry: Entry, found: dict[str, Any]) -> str:
    task, seeds = tasks.get(entry.task), list(found["seeds"].values())
    rows = [
        compare.trained(entry.config.cell, seeds),
        *(compare.untrained(name, each) for name, each in found["baselines"].items()),
    ]
    return SECTION.format(
        **entry._asdict(),
        summary=task.summary,
        dataset=entry.config.dataset,
        seeds=f"{len(seeds)} seeds" if len(seeds) > 1 else "one seed",
        table=compare.table(rows, task.better).markdown(),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
