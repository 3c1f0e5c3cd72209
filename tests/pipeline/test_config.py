"""Settings: which one wins, which ones are refused, and that a file keeps them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import config, config_files, recipes
from pipeline.config.classify import ClassifyConfig
from pipeline.errors import PipelineError

PRESET = ClassifyConfig(task="classify", data="tfds:movie_reviews/imdb")

settings = st.fixed_dictionaries(
    {},
    optional={
        "cell": st.sampled_from(["rnn", "irnn", "lstm", "gru"]),
        "units": st.integers(1, 8192),
        "bidirectional": st.booleans(),
        "dropout": st.floats(0, 1, exclude_max=True),
        "learning_rate": st.floats(0, 10, exclude_min=True),
        "seed": st.integers(0, 2**31 - 1),
        "precision": st.sampled_from(["float32", "mixed_bfloat16", "mixed_float16"]),
        "limit": st.none() | st.integers(16, 10**9),
        "max_length": st.integers(1, 2**16),
    },
)


@given(in_file=settings, flags=settings)
def test_a_flag_beats_the_file_and_the_file_beats_the_preset(
    in_file: dict[str, Any], flags: dict[str, Any]
) -> None:
    merged = config.merge(PRESET, in_file, flags).model_dump()
    for name, value in merged.items():
        layers = (flags, in_file, PRESET.model_dump())
        assert value == next(layer[name] for layer in layers if name in layer)


@given(settings)
def test_json_keeps_every_setting(given: dict[str, Any]) -> None:
    whole = config.merge(PRESET, given)
    assert config.parse(ClassifyConfig, json.loads(config.to_json(whole))) == whole


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"units": 0}, "units = 0 will not do: it should be greater than or equal to 1"),
        ({"units": 2.5}, "units = 2.5"),
        ({"units": True}, "units = True"),
        ({"units": "64"}, "units = '64'"),
        ({"dropout": 1}, "dropout = 1 will not do: it should be less than 1"),
        ({"learning_rate": float("nan")}, "learning_rate = nan"),
        ({"precision": "float64"}, "'float32', 'mixed_bfloat16' or 'mixed_float16'"),
        ({"unist": 3}, "no setting is called 'unist'; did you mean 'units'?"),
        ({"zzz": 3}, "there are task, cell"),
        ({"task": "other"}, "for the task 'other', not 'classify'"),
        ({"units": 0, "epochs": 0}, "units = 0.*; epochs = 0"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_is_allowed(
    wrong: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(PipelineError, match=complaint) as raised:
        config.merge(PRESET, wrong)
    assert "\n" not in str(raised.value)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(PipelineError, match="the setting 'task' is missing"):
        config.parse(ClassifyConfig, {"data": "tickets.csv"})


@pytest.mark.parametrize("content", ['{"units": 6', "[1, 2]", '{"units": \xff}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "settings.json"
    file.write_text(content, encoding="latin-1")
    with pytest.raises(PipelineError, match=str(file)):
        config_files.read(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="there is no file"):
        config_files.read(tmp_path / "settings.json")


@pytest.mark.parametrize("name", recipes.names())
def test_every_preset_of_a_task_has_its_settings(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.presets
    for preset in recipe.presets.values():
        made = preset()
        assert type(made) is recipes.settings(made.task) and made.recipe_name == name


def test_every_setting_says_what_it_is() -> None:
    for name in recipes.names():
        assert all(field.description for field in recipes.settings(name).model_fields.values())


def test_settings_of_an_older_version_are_understood() -> None:
    old = {"task": "sentiment", "dataset": "movie_reviews/imdb", "counting": 0.5, "pairs": 64}
    new = config.parse(ClassifyConfig, config.current({**old, "embedding": 8}))
    assert (new.task, new.recipe, new.data) == ("classify", "sentiment", "tfds:movie_reviews/imdb")
    assert (new.regression_weight, new.bigram_buckets, new.embedding_dim) == (0.5, 64, 8)
    heard = {"task": "digits", "dataset": "spoken_digits", "noise": 0.5}
    digits = config.parse(ClassifyConfig, config.current(heard))
    assert (digits.recipe, digits.data, digits.monitor) == ("digits", "tfds:spoken_digits", "loss")
    merged = config.merge(PRESET, {"dataset": "imdb_reviews", "embedding": 4})
    assert (merged.data, merged.embedding_dim) == ("tfds:imdb_reviews", 4)


def test_yaml_and_changes_are_read_as_json_is(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(config_files.to_yaml(PRESET) + "learning_rate: 1e-2\n")
    assert "# Examples per step.\nbatch_size: 32\n" in file.read_text()
    changes = config_files.changes(
        ["batch-size=7", "learning_rate=3e-3", "bidirectional=false", "test="]
    )
    merged = config.merge(PRESET, config_files.read(file), changes)
    assert (merged.batch_size, merged.learning_rate, merged.bidirectional) == (7, 0.003, False)
    assert config.merge(PRESET, config_files.read(file)).learning_rate == 0.01


@pytest.mark.parametrize("text", ["[1, 2]", "units", "1: 2", "a: [", "a: b: c", "!!python/name:os"])
def test_a_file_without_settings_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(PipelineError, match=r"run\.yaml") as raised:
        config_files.read(file)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("change", "said"), [("units", "KEY=VALUE"), ("a=[", "not YAML")])
def test_a_change_that_is_none_is_named(change: str, said: str) -> None:
    with pytest.raises(PipelineError, match=said):
        config_files.changes([change])


@pytest.mark.parametrize(
    ("ranks", "patience", "ends"),
    [
        ([], 1, False),
        ([0.5], 1, False),
        ([0.5, 0.4], 1, True),
        ([0.5, 0.4], 2, False),
        ([0.5, 0.6, 0.5, 0.5], 2, True),
        ([0.5, 0.5, 0.5], 2, True),
        ([0.1, 0.0, 0.0, 0.0], None, True),
        ([0.1, 0.0, 0.0], None, False),
    ],
)
def test_patience_ends_a_training(ranks: list[float], patience: int | None, ends: bool) -> None:
    assert PRESET.model_copy(update={"patience": patience}).ends_after(ranks) == ends
