"""The recipe `pronounce`: it learns short words of the dictionary, and speaks them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import config, recipes
from pipeline.config.transduce import TransduceConfig
from pipeline.data import pairs
from pipeline.run import Run
from tests.pipeline.dictionaries import dictionary, real_lines
from tests.pipeline.small import Outcome, trained

Command = Callable[..., Outcome]

SMALL = {"units": 32, "embedding_dim": 32, "epochs": 5, "batch_size": 32, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run[TransduceConfig]]:
    """A run on words of three and four letters, trained and tested. Leave it as it is."""
    lines = [line for line in real_lines() if len(line.split()[0]) in (3, 4)]
    settings = config.merge(recipes.get("pronounce").presets["pronounce"](), SMALL)
    with dictionary(lines[::4], tmp_path_factory.mktemp("words")):
        yield trained(tmp_path_factory.mktemp("runs") / "run", settings)


def test_it_learns_and_is_measured_beside_two_baselines(spoken: Run[TransduceConfig]) -> None:
    results = spoken.results
    assert results["examples"] == {"train": 1784, "validation": 82, "test": 211}
    assert results["model"]["token_error_rate"] < 0.35
    assert results["model"]["exact_match"] > 0.35
    assert results["model"]["exact_match_in_full"] <= results["model"]["exact_match"]
    assert list(results["baselines"]) == ["n-grams", "feed-forward network"]
    assert results["baselines"]["n-grams"]["token_error_rate"] < 0.25
    assert results["baselines"]["feed-forward network"]["token_error_rate"] < 0.5


def test_predict_says_what_was_scored(recurrent: Command, spoken: Run[TransduceConfig]) -> None:
    words = pairs.load(spoken.config).test
    outcome = recurrent("predict", spoken.path, *(word.source for word in words))
    assert outcome.status == 0, outcome.err
    right = 0
    for word, line in zip(words, outcome.out.splitlines(), strict=True):
        told, probability, spelling = line.split("\t")
        assert spelling == word.source and 0 < float(probability) <= 1
        listed = [each.translate(str.maketrans("", "", "012")) for each in word.targets]
        right += told.translate(str.maketrans("", "", "012")) in listed
    assert right == round(len(words) * spoken.results["model"]["exact_match"])


def test_a_run_of_an_older_version_is_refused_in_one_line(
    recurrent: Command, tmp_path: Path
) -> None:
    settings = {"task": "pronounce", "dataset": "cmudict", "embedding": 64, "units": 256}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    outcome = recurrent("predict", tmp_path, "cat")
    assert outcome.status == 1 and len(outcome.err.splitlines()) == 1
    assert "begin anew with recurrent train pronounce" in outcome.err
