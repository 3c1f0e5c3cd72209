"""How the demo's model reads sentences with a negation, beside baselines; writes docs/negation.md.

What is in docs/negation.json is not measured again while the settings stay the same. A model that
`make results` has trained is not trained again.
"""

from __future__ import annotations

import csv
import functools
import json
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.kept import SEEDS, settings
from benchmarks.tables import table
from pipeline import cli, files, quiet, recipes
from pipeline.data import labelled
from pipeline.data.labelled import Labelled, Pairs
from pipeline.run import Run

if TYPE_CHECKING:
    import numpy.typing as npt

    from pipeline.features.base import Encoded

FILE = Path(__file__).parents[1] / "docs" / "negation.json"
SHORT = Path(__file__).with_name("short_reviews.tsv")
MODEL = "the demo's model"

# What is trained on what: presets, and what their data are.
TRAINED_ON = {"demo": "reviews and sentences", "rotten_tomatoes": "sentences"}

NEGATIONS = (
    *("not", "cannot", "never", "no", "none", "nobody", "nothing", "nowhere", "neither", "nor"),
    *("without", "hardly", "barely", "scarcely", "rarely", "seldom"),
)
_NEGATED = re.compile(rf"\b({'|'.join(NEGATIONS)})\b|n't\b", re.IGNORECASE)

PAGE = """# Negation

Made by `python -m benchmarks.negation`: percent of test texts read right. The reviews are those of
IMDb, the sentences those of Rotten Tomatoes. A negation is one of {negations}, or a word that ends
in n't. The short sentences turn on a word or two (`benchmarks/short_reviews.tsv`); nothing was
chosen on them. The model has {seeds} seeds: the mean and the extremes. A baseline is trained once.

{table}
"""

CLASSES = ("neg", "pos")
Figures = dict[str, float]


def main() -> None:
    """Measure what is missing, and write the page."""
    quiet.load_tensorflow()
    groups = _groups()
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for preset in TRAINED_ON:
        config = settings(recipes.get("sentiment").presets[preset]())
        if kept.get(preset, {}).get("settings") != config:
            kept[preset] = {"settings": config, "figures": {}}
        for name, figures in _missing(preset, kept[preset]["figures"], groups):
            kept[preset]["figures"].setdefault(name, []).append(figures)
            files.write(FILE, json.dumps(kept, indent=1) + "\n")
    text = page(kept, {name: len(group.targets) for name, group in groups.items()})
    FILE.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def page(kept: Mapping[str, Any], sizes: Mapping[str, int]) -> str:
    """Write the page of what is `kept`, of groups of so many texts."""
    rows = [
        {
            "": name,
            "trained on": TRAINED_ON[preset],
            **{
                f"{group} ({size:,})": _spread([figures[group] for figures in seeds])
                for group, size in sizes.items()
            },
        }
        for preset, entry in kept.items()
        for name, seeds in entry["figures"].items()
    ]
    return PAGE.format(negations=", ".join(NEGATIONS), seeds=len(SEEDS), table=table(rows))


def negated(text: str) -> bool:
    """Whether `text` holds a negation."""
    return bool(_NEGATED.search(text))


def short_reviews() -> Pairs:
    """Read the short sentences that turn on a word or two."""
    with SHORT.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return Pairs([row["text"] for row in rows], [(row["label"],) for row in rows])


def _groups() -> dict[str, Pairs]:
    """The test texts, by what they are."""
    imdb, sentences = (_raw(preset).test for preset in ("imdb", "rotten_tomatoes"))
    negations = [each for each in zip(*sentences, strict=True) if negated(each[0])]
    return {
        "reviews": imdb,
        "sentences": sentences,
        "with a negation": Pairs(*map(list, zip(*negations, strict=True))),
        "short": short_reviews(),
    }


def _missing(
    preset: str, found: Mapping[str, list[Figures]], groups: Mapping[str, Pairs]
) -> Iterator[tuple[str, Figures]]:
    """Measure the baselines of `preset`, and the model of the demo, that are not `found`."""
    from pipeline import batches, compute, train

    asked = Pairs(*([each for group in groups.values() for each in group[part]] for part in (0, 1)))
    run = _run(preset, seed=0)
    for name, baseline in run.task.baselines(run).items():
        if name not in found:
            data = _data(run, asked)
            compute.be_reproducible(run.config.seed)
            fit = functools.partial(train.fit, run.task, data)
            yield name, _figures(groups, baseline(run.config, data, fit))
    for seed in SEEDS[len(found.get(MODEL, [])) :] if preset == "demo" else ():
        run = _run(preset, seed)
        cli.train_run(run)
        yield MODEL, _figures(groups, batches.outputs(run.model(), _data(run, asked).test))


def _run(preset: str, seed: int) -> Run[Any]:
    """The run of a preset that `make results` trains, too."""
    config = recipes.get("sentiment").presets[preset]().model_copy(update={"seed": seed})
    return Run.create(Path("runs") / "results" / f"sentiment-{preset}-{seed}", config)


def _raw(preset: str) -> Labelled:
    """The texts of a preset, which need no training."""
    return labelled.load(recipes.get("sentiment").presets[preset](), ["label"], "class")


def _data(run: Run[Any], asked: Pairs) -> Encoded:
    """The data of `run`, with what is asked for the test split."""
    data: Encoded = run.task.data(run)
    test = data.feature.examples(asked.inputs, data.places(asked.targets))
    return replace(data, test=test, raw=replace(data.raw, test=asked))


def _figures(groups: Mapping[str, Pairs], probabilities: npt.NDArray[Any]) -> Figures:
    """The percentage of each group that is read right; the predictions come group after group."""
    predicted = iter(CLASSES[place] for place in probabilities.argmax(-1))
    return {
        name: 100 * statistics.fmean(next(predicted) == label for (label,) in group.targets)
        for name, group in groups.items()
    }


def _spread(figures: Sequence[float]) -> str:
    mean = f"{statistics.fmean(figures):.1f}"
    return mean if len(figures) == 1 else f"{mean} ({min(figures):.1f} to {max(figures):.1f})"


if __name__ == "__main__":
    main()
