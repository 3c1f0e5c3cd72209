"""The run directory: what is refused, and what is said about damage."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile

import keras
import pytest

from pipeline import files
from pipeline.config.classify import ClassifyConfig
from pipeline.errors import PipelineError
from pipeline.run import Run, default_path
from tests.pipeline.small import copy, small, truncate


def test_a_new_run_has_its_config(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "deep" / "down", small())
    assert Run.open(run.path).config == small()
    assert not run.finished and run.metrics == [] and run.results == {}


def test_an_empty_directory_will_do(tmp_path: Path) -> None:
    left_by_the_dead(tmp_path, "config.json")
    assert Run.create(tmp_path, small()).config == small()
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def left_by_the_dead(folder: Path, name: str) -> None:
    """Leave what a process that is killed while it writes the file `name` leaves."""
    (folder / f".draft-{name}").mkdir()
    (folder / f".draft-{name}" / name).write_text("half")
    for owned in (folder, folder / f".draft-{name}"):
        (owned / ".lock").write_text("process 1 on elsewhere")


def test_the_same_config_goes_on(tmp_path: Path) -> None:
    Run.create(tmp_path / "run", small())
    Run.create(tmp_path / "run", small())


def test_another_config_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    Run.create(tmp_path / "run", small(units=8))
    with pytest.raises(PipelineError, match="is a run with units = 8, seed = 0;"):
        Run.create(tmp_path / "run", small(units=16, seed=1))
    assert Run.open(tmp_path / "run").config == small(units=8)


def test_a_directory_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(PipelineError, match="is not a run directory"):
        Run.create(tmp_path, small())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("dear")
    with pytest.raises(PipelineError, match="exists and is not a directory"):
        Run.create(tmp_path / "run", small())


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"cell": "gruu"}, "no layer is called 'gruu'. There are .*gru.*lstm"),
        ({"data": "imdb"}, "imdb is not data that can be read. Give a .conll"),
    ],
)
def test_nothing_is_made_for_a_config_that_names_what_is_not_there(
    tmp_path: Path, settings: dict[str, str], complaint: str
) -> None:
    with pytest.raises(PipelineError, match=complaint):
        Run.create(tmp_path / "run", small(**settings))
    assert not (tmp_path / "run").exists()


def test_a_full_disk_leaves_nothing_half_written(small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("size=8k")
    (disk / "full").write_bytes(bytes(8192))
    with pytest.raises(PipelineError, match=r"cannot write .*config.json: No space left on device"):
        Run.create(disk / "run", small())
    assert list((disk / "run").iterdir()) == []


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    files.write(path, "old")
    with suppress(ZeroDivisionError), files.replacing(path) as partial:
        partial.write_text("ne")
        raise ZeroDivisionError
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(path.name, "old")]


def test_the_default_directory_follows_from_the_config() -> None:
    assert default_path(small()) == default_path(small())
    assert len({default_path(small(seed=seed)) for seed in range(5)}) == 5


def spoil_config(run: Run[ClassifyConfig]) -> None:
    truncate(run.path / "config.json")


def remove_a_setting(run: Run[ClassifyConfig]) -> None:
    settings = json.loads((run.path / "config.json").read_text())
    del settings["units"], settings["task"]
    (run.path / "config.json").write_text(json.dumps(settings))


def name_another_task(run: Run[ClassifyConfig]) -> None:
    settings = json.loads((run.path / "config.json").read_text())
    (run.path / "config.json").write_text(json.dumps({**settings, "task": "weather"}))


@pytest.mark.parametrize("spoil", [spoil_config, remove_a_setting, name_another_task])
def test_a_damaged_config_is_named(
    trained: Run[ClassifyConfig], tmp_path: Path, spoil: Callable[[Run[ClassifyConfig]], None]
) -> None:
    run = copy(trained, tmp_path / "run")
    spoil(run)
    with pytest.raises(PipelineError, match=r"config\.json"):
        Run.open(run.path)


def test_damaged_figures_are_named(trained: Run[ClassifyConfig], tmp_path: Path) -> None:
    run = copy(trained, tmp_path / "run")
    truncate(run.path / "metrics.jsonl", 0.7)
    with pytest.raises(PipelineError, match=r"metrics.jsonl, line 2, is damaged"):
        run.finished  # noqa: B018
    run.path.joinpath("metrics.jsonl").write_text('{"epoch": 2}\n')
    with pytest.raises(PipelineError, match=r"line 1 has no figures of epoch 1"):
        run.restore()


def test_figures_without_their_checkpoint_are_named(
    trained: Run[ClassifyConfig], tmp_path: Path
) -> None:
    run = copy(trained, tmp_path / "run")
    metrics = run.path / "metrics.jsonl"
    metrics.write_text(metrics.read_text().splitlines()[0])
    with pytest.raises(PipelineError, match=r"epoch-0001.keras is missing"):
        run.restore()


def test_a_cut_off_vocabulary_is_named(trained: Run[ClassifyConfig], tmp_path: Path) -> None:
    run = copy(trained, tmp_path / "run")
    truncate(run.path / "vocabulary.txt")
    with pytest.raises(PipelineError, match=r"vocabulary.txt"):
        run.task.predict(run, ["fine"])


def test_a_vocabulary_without_its_end_is_named(
    trained: Run[ClassifyConfig], tmp_path: Path
) -> None:
    run = copy(trained, tmp_path / "run")
    words = run.vocabulary
    assert words is not None
    run.keep_vocabulary(words[:-1])
    with pytest.raises(PipelineError, match=r"vocabulary.txt is damaged: it has 499 words, and"):
        run.task.predict(run, ["fine"])
    run.keep_vocabulary(words[1:])
    with pytest.raises(PipelineError, match=r"vocabulary.txt is damaged"):
        run.task.predict(run, ["fine"])


def spoil_a_weight(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("spoil", [truncate, spoil_a_weight, Path.unlink])
def test_a_damaged_model_is_named(
    trained: Run[ClassifyConfig], tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    run = copy(trained, tmp_path / "run")
    spoil(run.path / "model.keras")
    with pytest.raises(PipelineError, match=r"model\.keras"):
        run.model()


def test_a_damaged_checkpoint_is_named(trained: Run[ClassifyConfig], tmp_path: Path) -> None:
    run = copy(trained, tmp_path / "run")
    truncate(run.path / "checkpoints" / "epoch-0002.keras")
    with pytest.raises(PipelineError, match=r"epoch-0002\.keras"):
        run.restore()


def test_a_model_that_brings_code_is_not_loaded(
    trained: Run[ClassifyConfig], tmp_path: Path
) -> None:
    run = copy(trained, tmp_path / "run")
    inputs = keras.Input((1,))
    outputs = keras.layers.Lambda(lambda x: 2 * x)(inputs)
    keras.Model(inputs, outputs).save(run.path / "model.keras")
    assert ZipFile(run.path / "model.keras").testzip() is None
    with pytest.raises(PipelineError, match=r"model.keras cannot be loaded"):
        run.model()


def test_a_run_without_a_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="has no trained model yet"):
        Run.create(tmp_path / "run", small()).model()
