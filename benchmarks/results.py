"""Train presets with their seeds, measure them beside baselines, write docs/results.md.

What is in docs/results.json is not trained again: `benchmarks.kept`.
"""

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.kept import Kept, Trained
from pipeline import compare, quiet, recipes, tasks

FILE = Path(__file__).parents[1] / "docs" / "results.json"

PAGE = """# Results

Made by `make results`: each preset on the test split; of several seeds, the mean and the extremes.
Settings were chosen on training and validation data. A baseline is measured once, with the first
seed. "Seconds" are those of one training. Seeds marked as carried over in results.json
have the digits of an earlier version of this page. Measured on: {machines}.

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
    def config(self) -> Any:
        """The settings of the preset."""
        return recipes.get(self.task).presets[self.preset]()


ENTRIES = (
    Entry(
        "sentiment",
        "demo",
        "above TF-IDF of bigrams on sentences with a negation: docs/negation.md",
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
        "glucose",
        "glucose",
        "below persistence, linear autoregression and a feed-forward network, 30 and 60 minutes "
        "ahead (halfway and at the end)",
    ),
    Entry(
        "sea_temperature",
        "sea_temperature",
        "below the forecast of the day before",
    ),
    Entry(
        "trajectory",
        "hawkeye",
        "half the error of drift",
    ),
    Entry(
        "trajectory",
        "bouncing_ball",
        "half the error of drift, too",
        "none: the balls are our own",
    ),
    Entry(
        "spell",
        "digits",
        "98 % of words exact",
    ),
    Entry(
        "pronounce",
        "pronounce",
        "7 % of phonemes wrong and 72 % of words right, stress dropped, within 30 minutes",
        "5.45 and 76.45 % on another split of the CMU dictionary (Yao & Zweig, 2015, "
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
    kept = Kept.read(FILE)
    for entry in ENTRIES:
        if not chosen or entry.task in chosen:
            kept.measure(entry.name, entry.config, Path("runs") / "results")
    text = page(kept)
    FILE.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def page(kept: Kept) -> str:
    """Write the page of what is `kept`."""
    sections = [
        _section(entry, kept.entries[entry.name]) for entry in ENTRIES if entry.name in kept.entries
    ]
    return PAGE.format(machines=kept.machines, sections="\n".join(sections))


def _section(entry: Entry, trained: Trained) -> str:
    task, seeds = tasks.get(entry.config.task), list(trained.seeds.values())
    rows = [
        compare.trained(entry.config.cell, seeds),
        *(compare.untrained(name, each) for name, each in trained.baselines.items()),
    ]
    return SECTION.format(
        **entry._asdict(),
        summary=recipes.get(entry.task).summary,
        dataset=entry.config.data,
        seeds=f"{len(seeds)} seeds" if len(seeds) > 1 else "one seed",
        table=compare.table(rows, task.better).markdown(),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
