"""The memory task: each problem is learnt, measured beside chance, exported and asked."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import exports
from pipeline import config, quiet, recipes
from pipeline.config.memory import MemoryConfig
from pipeline.errors import PipelineError
from pipeline.run import Run
from tests.pipeline.small import Outcome, trained

Command = Callable[..., Outcome]

SMALL = {"units": 32, "batch_size": 16, "learning_rate": 0.01}
COUNTRY = {"gap": 5, "limit": 400, "epochs": 8}
PLAIN = {"cell": "rnn", "initialisation": "default"}
ADDING = {**PLAIN, "gap": 4, "limit": 1000, "epochs": 4, "units": 16}
COPYING = {**PLAIN, "gap": 1, "limit": 300, "epochs": 2, "units": 16}


def small(preset: str, **settings: object) -> MemoryConfig:
    return config.merge(recipes.get("memory").presets[preset](), SMALL, settings)


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Run[MemoryConfig]:
    """A run on short texts, trained and tested. Leave it as it is."""
    return trained(
        tmp_path_factory.mktemp("runs") / "country",
        small("country", **COUNTRY),
        ["chance", "feed-forward network"],
    )


@pytest.fixture(scope="module")
def adding(tmp_path_factory: pytest.TempPathFactory) -> Run[MemoryConfig]:
    """A run on short sums, trained and tested. Leave it as it is."""
    return trained(
        tmp_path_factory.mktemp("runs") / "adding", small("adding", **ADDING), ["chance"]
    )


def test_a_country_is_remembered_where_a_bag_of_words_cannot_know(
    country: Run[MemoryConfig],
) -> None:
    figures = country.results["baselines"]
    assert country.results["model"]["accuracy"] > 0.9
    assert figures["chance"]["accuracy"] < 0.2
    assert figures["feed-forward network"]["accuracy"] < 0.6


def test_sums_are_learnt(adding: Run[MemoryConfig]) -> None:
    assert adding.results["model"]["r_squared"] > 0.7
    assert adding.results["baselines"]["chance"]["r_squared"] == pytest.approx(0, abs=0.02)


def test_symbols_are_learnt(tmp_path: Path) -> None:
    results = trained(tmp_path / "run", small("copying", **COPYING), ["chance"]).results
    assert results["model"]["accuracy"] > 0.3 > results["baselines"]["chance"]["accuracy"]


def test_the_export_agrees(recurrent: Command, country: Run[MemoryConfig], tmp_path: Path) -> None:
    outcome = recurrent("export", country.path, f"--to={tmp_path / 'out'}")
    assert outcome.status == 0, outcome.err
    assert exports.verify(tmp_path / "out")["whole"].worst < 2e-5


def test_a_text_is_gone_on_with(recurrent: Command, country: Run[MemoryConfig]) -> None:
    (first, _), *_ = country.task.data(country).episodes.test
    from pipeline.data.remembering import WORDS

    text = " ".join(WORDS[word] for word in first)
    outcome = recurrent("predict", country.path, "1", text, f"Zebras! {text.upper()}")
    assert outcome.status == 0, outcome.err
    numbered, same, noted = (line.split("\t") for line in outcome.out.splitlines())
    assert numbered[:2] == same[:2] == noted[:2]
    assert numbered[2] == "test example 1" and same[2] == text
    assert "question 3: the model does not know zebras" in outcome.err


def test_a_wrong_answer_is_noted(adding: Run[MemoryConfig]) -> None:
    answers = adding.task.predict(adding, [str(number) for number in range(1, 201)])
    episodes = adding.task.data(adding).episodes.test
    for answer, (_, target) in zip(answers, episodes, strict=False):
        given = float(answer.text.split("\t")[0])
        if abs(abs(given - target) - 0.04) > 1e-3:
            assert (answer.notes == ()) == (abs(given - target) < 0.04)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("country", "0", "test examples are 1 to 400, and 0 is none"),
        ("country", "401", "and 401 is none"),
        ("country", "Zebras are striped", "the model knows no word of 'Zebras are striped'"),
        ("country", "", "the model knows no word of ''"),
        ("adding", "one and two", "'one and two' is no number of a test example"),
    ],
)
def test_what_cannot_be_understood_is_answered_in_one_line(
    recurrent: Command, request: pytest.FixtureRequest, name: str, given: str, said: str
) -> None:
    outcome = recurrent("predict", request.getfixturevalue(name).path, given)
    assert outcome.status == 1 and outcome.out == ""
    assert said in outcome.err and len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"gap": 4}, "gap = 4 is too short for country"),
        ({"cell": "irnn"}, "irnn has no gate"),
        ({"dataset": "county"}, "no data set is called 'county'"),
    ],
)
def test_settings_that_do_not_go_together_leave_no_run(
    tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    quiet.load_tensorflow()
    with pytest.raises(PipelineError, match=said):
        Run.create(tmp_path / "run", small("country", **settings))
    assert not (tmp_path / "run").exists()


def test_chrono_remembers_for_up_to_the_length_from_the_start(tmp_path: Path) -> None:
    quiet.load_tensorflow()
    run = Run.create(tmp_path / "run", small("country", gap=100, limit=16, units=256))
    model = run.task.model(run.config, run.task.data(run))
    layer = next(layer for layer in model.layers if "lstm" in layer.name)
    forget = layer.get_weights()[2][256:512]
    kept = np.exp(forget)  # steps
    assert 1 <= kept.min() < 10 and 100 < kept.max() <= 117
