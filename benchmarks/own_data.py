"""What the tasks on anybody's data reach beside simpler models, with their default settings.

Texts: the model of `recurrent train classify`, a linear classifier of hashed words and bigrams (the
model of fastText), and TF-IDF with logistic regression. Series: the recipes, beside the baselines
of `forecast`. Nothing is chosen on a test split. It takes about four minutes on two cores.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import f1_score

from benchmarks.tables import table
from benchmarks.timing import machine
from pipeline import config as configs
from pipeline import recipes, train
from pipeline.data import packages
from pipeline.features.base import Encoded
from pipeline.run import Run

NAMES = packages.Wheel(
    name="emoji",
    version="2.16.0",
    digest="c4230d80640def9071599ff56b1b5950fe13a2a94c0da98c5deab12431b24330",
)
SECONDS = 120  # of training that the model of texts may have
TEXTS = {
    "reviews (IMDb)": ("tfds:movie_reviews/imdb", 3),
    "sentences (Rotten Tomatoes)": ("tfds:movie_reviews/rotten_tomatoes", 20),
    "names of emoji, by language": ("languages", 10),
}
SERIES = ("glucose", "sea_temperature")
STRENGTHS = (1e-6, 1e-5, 1e-4)  # of the penalty of the linear classifier
PAGE = Path(__file__).parents[1] / "docs" / "own-data-figures.md"

TEMPLATE = """# Figures on own data

Made by `python -m benchmarks.own_data`. {machine}. Default settings, seed 0, test splits.

## Texts

`classify` may train for {seconds} seconds. Higher is better.

{texts}

## Series

Lower is better; the coverage of the interval from quantile 0.1 to 0.9 should be 0.8.

{series}
"""


def main() -> None:
    """Measure, print, and write docs/own-data-figures.md."""
    with tempfile.TemporaryDirectory() as folder:
        texts = [row for name in TEXTS for row in of_texts(name, Path(folder))]
        series = [row for name in SERIES for row in of_series(name, Path(folder))]
    described = ", ".join(f"{key} {value}" for key, value in machine().items())
    page = TEMPLATE.format(
        machine=described, seconds=SECONDS, texts=table(texts), series=table(series)
    )
    PAGE.write_text(page, encoding="utf-8")
    print(page)


def of_texts(name: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Measure the model, and the two that do not read in order."""
    data, epochs = TEXTS[name]
    if data == "languages":
        data = str(languages(folder / "languages.jsonl"))
    settings = {"data": data, "text": "text", "label": "label", "epochs": epochs}
    config = configs.merge(recipes.get("classify").presets["classify"](), settings)
    run = Run.create(folder / name, config)
    train.train(run)
    baseline = "TF-IDF of words and bigrams"
    results = train.evaluate(run, {baseline: run.task.baselines(run)[baseline]})
    found = {"classify": results["model"], **results["baselines"]}
    assert found["classify"]["seconds"] <= SECONDS, f"{name}: {found['classify']['seconds']} s"
    found["hashed words and bigrams, linear"] = hashed(run.task.data(run))
    for model, figures in found.items():
        yield {"data": name, "model": model, **figures}


def hashed(data: Encoded) -> dict[str, float]:
    """Measure a linear classifier; the validation split decides how strict it is."""
    started = time.perf_counter()
    vectorizer = HashingVectorizer(token_pattern=r"\b\w+\b", ngram_range=(1, 2), n_features=2**20)
    raw = data.raw
    train_, validation, test = (
        vectorizer.transform(each.inputs) for each in (raw.train, raw.validation, raw.test)
    )
    labels = [label for (label,) in raw.train.targets]
    fitted = [
        SGDClassifier(loss="log_loss", alpha=alpha, random_state=0).fit(train_, labels)
        for alpha in STRENGTHS
    ]
    best = max(
        fitted, key=lambda each: each.score(validation, [x for (x,) in raw.validation.targets])
    )
    predicted, targets = best.predict(test), [label for (label,) in raw.test.targets]
    return {
        "accuracy": float(best.score(test, targets)),
        "macro_f1": float(f1_score(targets, predicted, average="macro")),
        "seconds": round(time.perf_counter() - started, 1),
    }


def of_series(name: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Measure a recipe beside all its baselines."""
    run = Run.create(folder / name, recipes.get(name).presets[name]())
    train.train(run)
    results = train.evaluate(run)
    for model, figures in {"forecast": results["model"], **results["baselines"]}.items():
        yield {"data": name, "model": model, **figures}


def languages(path: Path) -> Path:
    """Write the names of emoji in all languages but English that the package has: which is it?"""
    with ZipFile(packages.fetch(NAMES)) as archive:
        found = {
            member.rpartition("_")[2].removesuffix(".json"): json.loads(archive.read(member))
            for member in archive.namelist()
            if "/emoji_" in member and member.endswith(".json")
        }
    lines = [
        json.dumps({"text": name.strip(":").replace("_", " "), "label": language})
        for language, names in found.items()
        for symbol, name in names.items()
        if len(symbol) == 1  # the others differ in the tone of the skin and the like
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
