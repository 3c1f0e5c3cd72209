"""Train presets with their seeds, measure them beside baselines, write docs/results.md."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.timing import machine
from pipeline import quiet, tasks
from pipeline.compare import compare

PAGE = """# Results

Made by `make results`: each preset on the test split; of several seeds, the mean and the extremes.
Settings were chosen on training and validation data. A baseline is measured once, with the first
seed. "Seconds" are those of one training. Machine: {machine}.

{sections}"""

SECTION = """## {task}, preset `{preset}`

{summary}, on `{dataset}`; {trained}. Goal: {goal}. Published: {published}.

{table}"""


class Entry(NamedTuple):
    """A preset of a task, with how many seeds, and what its figures are to be held against."""

    task: str
    preset: str
    goal: str
    published: str = "none for this split is known to us"
    seeds: int = 3


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
        seeds=1,
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
        seeds=1,
    ),
    Entry(
        "next_word",
        "next_word",
        "below the perplexity of an interpolated Kneser-Ney 5-gram",
        seeds=1,
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
        seeds=1,
    ),
    Entry(
        "pronounce",
        "pronounce",
        "7 % of phonemes and 28 % of words wrong, stress dropped, within 30 minutes",
        "5.45 and 23.55 % on another split of the CMU dictionary (Yao & Zweig, 2015, "
        '"Sequence-to-sequence neural net models for grapheme-to-phoneme conversion")',
        seeds=1,
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
        seeds=1,
    ),
    Entry(
        "memory",
        "copying",
        "none was set",
        "none: the symbols are our own",
        seeds=1,
    ),
    Entry(
        "memory",
        "rows",
        "none was set",
    ),
)


def main(chosen: Sequence[str]) -> None:
    """Train what is `chosen`, all if nothing is, or go on where it was stopped; write the page.

    What was trained before stays on the page.
    """
    quiet.load_tensorflow()
    known = {entry.task for entry in ENTRIES}
    if unknown := set(chosen) - known:
        sys.exit(
            f"no results of {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}"
        )
    page = PAGE.format(
        machine=", ".join(f"{key} {value}" for key, value in machine().items()),
        sections="\n".join(_sections(chosen or sorted(known))),
    )
    Path(__file__).parents[1].joinpath("docs", "results.md").write_text(page, encoding="utf-8")
    print(page)


def _sections(chosen: Sequence[str]) -> Iterator[str]:
    for entry in ENTRIES:
        path = Path("runs") / "results" / f"{entry.task}-{entry.preset}"
        if entry.task not in chosen and not path.exists():
            continue
        task = tasks.get(entry.task)
        config = task.presets[entry.preset]()
        yield SECTION.format(
            **entry._asdict(),
            summary=task.summary,
            dataset=config.dataset,
            trained=f"{entry.seeds} seeds" if entry.seeds > 1 else "one seed",
            table=compare(path, config, [config.cell], entry.seeds).markdown(),
        )


if __name__ == "__main__":
    main(sys.argv[1:])
