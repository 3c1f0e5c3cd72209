"""The command: what it says, how fast, and what it says when something is wrong."""

import inspect
import io
import json
import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import onnxruntime
import pytest
from sklearn.metrics import f1_score

import custom_layers
from exports.runtime.generation import Sampling
from pipeline import __main__ as program
from pipeline import cli, doctor, export, serving
from pipeline.config.classify import ClassifyConfig
from pipeline.run import Run
from tests.pipeline.small import Outcome, copy, options, truncate

Command = Callable[..., Outcome]
PROGRAM = [sys.executable, "-m", "pipeline.cli"]


def arguments(path: Path, **settings: Any) -> list[str]:
    return ["train", "sentiment", f"--run={path}", "--preset=demo", *options(**settings)]


def assert_one_line(outcome: Outcome, *said: str) -> None:
    assert outcome.status == 1
    assert outcome.err.startswith("recurrent: ") and outcome.err.count("\n") == 1
    assert all(part in outcome.err for part in said)


@pytest.mark.parametrize(
    "verb", ["", "train", "train sentiment", "predict", "export", "bench", "doctor"]
)
def test_help_comes_at_once(verb: str) -> None:
    """Within half a second of computing; how long a busy machine takes says nothing about us."""

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*PROGRAM, *verb.split(), "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(3)) < 0.5


def test_help_of_a_task_has_every_setting(recurrent: Command) -> None:
    outcome = recurrent("train", "sentiment", "--help")
    assert outcome.status == 0
    for name in ClassifyConfig.model_fields:
        assert name in ("task", "recipe") or f"--{name.replace('_', '-')}" in outcome.out
    assert "tfds:NAME" in outcome.out


@pytest.mark.parametrize(
    ("verb", "library", "names"),
    [
        ("export", export.export, {"formats", "streaming", "max_drop"}),
        ("generate", Sampling, {"temperature", "top_p", "top_k", "seed"}),
        ("serve", serving.load, {"allow_nonfinite", "origins"}),
    ],
)
def test_defaults_of_the_command_are_those_of_the_library(
    verb: str, library: Callable[..., Any], names: set[str]
) -> None:
    parameters = inspect.signature(library).parameters
    defaults = cli.command.commands[verb].make_context(verb, ["run"]).params
    assert parameters.keys() & defaults.keys() - {"run"} == names
    for name in names:
        assert defaults[name] == parameters[name].default


def test_tasks_and_recipes_are_listed_with_their_presets(recurrent: Command) -> None:
    outcome = recurrent("tasks")
    assert outcome.status == 0
    assert "sentiment: whether" in outcome.out and "classify: which class" in outcome.out
    assert "presets: sentiment, demo, imdb, rotten_tomatoes" in outcome.out


def test_flags_beat_the_file_and_the_file_beats_the_preset(
    recurrent: Command, tmp_path: Path
) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"units": 3, "seed": 5, "epochs": 1}))
    given = [option for option in options() if "units" not in option and "epochs" not in option]
    run = tmp_path / "run"
    outcome = recurrent(
        "train", "sentiment", f"--run={run}", f"--config={file}", *given, "--seed=6"
    )
    assert outcome.status == 0 and f"{run}: best epoch 1" in outcome.out
    config = Run.open(run).config
    assert (config.units, config.seed, config.epochs, config.cell) == (3, 6, 1, "gru")


def test_a_trained_run_is_not_trained_again(
    recurrent: Command, trained: Run[ClassifyConfig]
) -> None:
    outcome = recurrent(*arguments(trained.path))
    assert outcome.status == 0
    assert f"{trained.path} is trained already" in outcome.err and "training 1/2" not in outcome.err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["train", "sentimant"], ["'sentimant'", "'sentiment'"]),
        (["train", "sentiment", "--cell=gruu"], ["'gruu'", "lstm"]),
        (["train", "sentiment", "--data=imdb"], ["imdb is not data", "tfds:NAME"]),
        (["train", "classify"], ["Name the data", "--data FILE"]),
        (["train", "sentiment", "--units=0"], ["units = 0", "greater than or equal to 1"]),
        (["train", "sentiment", "--config=none.json"], ["there is no file none.json"]),
        (["train", "sentiment", "--run=/sys/run"], ["/sys/run"]),
        (["train", "sentiment", "--run=/dev/null"], ["/dev/null exists"]),
        (["predict", "nowhere", "fine"], ["nowhere is not there", "a run directory"]),
        (["evaluate", "nowhere"], ["nowhere is not there", "a run directory"]),
        (["export", "nowhere"], ["nowhere is not there", "a run directory"]),
        (["bench", "nowhere"], ["nowhere is not there", "a run directory"]),
        (["predict", "/sys", "fine"], ["/sys is neither a run directory"]),
    ],
)
def test_a_mistake_is_answered_in_one_line(
    recurrent: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
    said: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line(recurrent(*given), *said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "given",
    [
        ["trian"],
        ["train", "sentiment", "--unit=3"],
        ["predict"],
        ["sweep", "sentiment", "--timeout=nan"],
        ["export", "run", "--max-drop=nan"],
        ["export", "run", "--max-drop=inf"],
    ],
)
def test_wrong_usage_is_explained(recurrent: Command, given: list[str]) -> None:
    outcome = recurrent(*given)
    assert outcome.status == 2
    assert "Error: " in outcome.err and "Traceback" not in outcome.err


@pytest.mark.parametrize("file", ["config.json", "metrics.jsonl", "vocabulary.txt", "model.keras"])
def test_a_damaged_file_is_named_in_one_line(
    recurrent: Command, trained: Run[ClassifyConfig], tmp_path: Path, file: str
) -> None:
    run = copy(trained, tmp_path / "run")
    truncate(run.path / file, 0.7)
    assert_one_line(recurrent("predict", run.path, "fine"), file)


def test_another_config_in_the_same_directory_is_refused(
    recurrent: Command, trained: Run[ClassifyConfig]
) -> None:
    outcome = recurrent(*arguments(trained.path, units=5))
    assert_one_line(outcome, "is a run with units = 4")


def test_predictions_go_to_stdout_and_notes_to_stderr(
    recurrent: Command, trained: Run[ClassifyConfig]
) -> None:
    outcome = recurrent("predict", trained.path, "the film", "", "кино")
    assert outcome.status == 0
    assert [line.split("\t")[2] for line in outcome.out.splitlines()] == ["the film", "", "кино"]
    assert [line[:18] for line in outcome.err.splitlines()] == [
        "recurrent: text 2:",
        "recurrent: text 3:",
    ]


def test_texts_come_from_stdin_too(
    recurrent: Command, trained: Run[ClassifyConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"the film\n\nbroken \xff\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    outcome = recurrent("predict", trained.path)
    assert outcome.status == 0
    excerpts = [line.split("\t")[2] for line in outcome.out.splitlines()]
    assert excerpts == ["the film", "", "broken �"]


def test_an_empty_stdin_is_answered_in_one_line(
    recurrent: Command, trained: Run[ClassifyConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert_one_line(recurrent("predict", trained.path), "there is no text")


def test_an_argument_that_is_not_utf8_is_read_as_far_as_it_goes(
    recurrent: Command, trained: Run[ClassifyConfig]
) -> None:
    outcome = recurrent("predict", trained.path, b"the \xff film".decode(errors="surrogateescape"))
    assert outcome.status == 0 and "the ? film" in outcome.out


def test_evaluate_shows_the_model_beside_the_baselines(
    recurrent: Command, trained: Run[ClassifyConfig], tmp_path: Path
) -> None:
    run = copy(trained, tmp_path / "run")
    outcome = recurrent("evaluate", run.path)
    assert outcome.status == 0
    assert "gru" in outcome.out and "TF-IDF" not in outcome.out
    assert recurrent("evaluate", run.path, "--baselines").status == 0
    outcome = recurrent("evaluate", run.path)  # what was measured before stays
    for row in ("gru", "averaged embeddings", "TF-IDF of words and bigrams"):
        assert row in outcome.out
    assert f"{Run.open(run.path).results['model']['accuracy']:.4f}" in outcome.out


def test_export_shows_parity_and_refuses_to_overwrite(
    recurrent: Command, trained: Run[ClassifyConfig], tmp_path: Path
) -> None:
    outcome = recurrent("export", trained.path, "--to", tmp_path / "model", "--format", "onnx")
    assert outcome.status == 0
    assert "onnx" in outcome.out and "48 of 48" in outcome.out
    assert (tmp_path / "model" / "onnx" / "model.onnx").is_file()
    assert not (tmp_path / "model" / "saved_model").exists()
    again = recurrent("export", trained.path, "--to", tmp_path / "model")
    assert_one_line(again, "exists already")


def test_a_file_of_keras_is_exported_beside_it(recurrent: Command, tmp_path: Path) -> None:
    steps = keras.Input((None, 3), name="steps")
    hidden = custom_layers.JANET(4, return_sequences=True)(steps)
    keras.Model(steps, keras.layers.LSTM(4, name="memory")(hidden)).save(tmp_path / "own.keras")
    outcome = recurrent("export", tmp_path / "own.keras", "--streaming")
    assert outcome.status == 0 and "onnx in chunks" in outcome.out
    assert {"model.onnx", "step.onnx"} == {
        path.name for path in (tmp_path / "own-exports" / "onnx").iterdir()
    }


def test_a_file_that_keras_cannot_load(recurrent: Command, tmp_path: Path) -> None:
    path = tmp_path / "own.keras"
    assert_one_line(recurrent("export", path), "own.keras is not there", "model.save('own.keras')")
    path.write_bytes(b"no archive")
    assert_one_line(recurrent("export", path), "own.keras is damaged or not a file of Keras")
    small = recurrent("export", path, "--quantize=int8")
    assert small.status == 2 and "give a RUN" in small.err
    assert [each.name for each in tmp_path.iterdir()] == ["own.keras"]


class Short(custom_layers.layers.CellLayer, cell=custom_layers.cells.MGUCell):
    """A layer of the user's own."""


def test_a_file_with_a_class_that_nobody_imported(recurrent: Command, tmp_path: Path) -> None:
    steps = keras.Input((None, 3))
    keras.Model(steps, Short(4)(steps)).save(tmp_path / "own.keras")
    with zipfile.ZipFile(tmp_path / "own.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = members["config.json"].replace(__name__.encode(), b"short")
    with zipfile.ZipFile(tmp_path / "own.keras", "w") as archive:
        for name, content in {**members, "config.json": config}.items():
            archive.writestr(name, content)
    outcome = recurrent("export", tmp_path / "own.keras")
    assert_one_line(
        outcome, "The class 'Short' of the module 'short' is not known", "Import 'short'"
    )


def test_small_forms_are_scored_on_the_test_split(
    recurrent: Command, trained: Run[ClassifyConfig], tmp_path: Path
) -> None:
    to = tmp_path / "model"
    small = ["--precision=float16", "--quantize=int8", "--max-drop=0.5"]
    outcome = recurrent("export", trained.path, "--to", to, "--format=onnx", *small)
    assert outcome.status == 0
    report = json.loads((to / "report.json").read_text())["precision"]["onnx"]
    assert report["max_drop"] == 0.5 and list(report["forms"]) == ["float32", "float16", "int8"]
    test = trained.task.data(trained).test
    for name, file in {
        "float32": "model",
        "float16": "model.float16",
        "int8": "model.int8",
    }.items():
        session = onnxruntime.InferenceSession(to / "onnx" / f"{file}.onnx")
        rows = [row[None] for row in test.inputs]
        labels = [session.run(None, {"tokens": row})[0].argmax() for row in rows]
        targets = test.targets.numpy()
        f1 = f1_score(targets, labels, average="macro", zero_division=0)
        form = report["forms"][name]
        assert form["figures"]["accuracy"] == pytest.approx((labels == targets).mean())
        assert form["figures"]["macro_f1"] == pytest.approx(f1)
        assert f"{name} " in outcome.out and f"{form['bytes']:,}" in outcome.out
    beyond = recurrent("export", trained.path, "--to", tmp_path / "again", *small, "--max-drop=-1")
    assert_one_line(beyond, "onnx in float16 lowers accuracy", "-1 is allowed", "max_drop")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_bench_lets_all_sides_take_turns(
    recurrent: Command, trained: Run[ClassifyConfig], tmp_path: Path
) -> None:
    run = copy(trained, tmp_path / "run")
    assert_one_line(
        recurrent("bench", run.path), "not exported yet", f"recurrent export {run.path}"
    )
    assert recurrent("export", run.path, "--quantize=int8", "--max-drop=1").status == 0
    file = tmp_path / "figures.json"
    outcome = recurrent("bench", run.path, "--rounds=3", f"--json={file}")
    assert outcome.status == 0
    sides = ["keras", "saved_model", "onnx", "onnx in int8", "keras.Model.export"]
    measured = json.loads(file.read_text())
    found = measured["milliseconds"]
    assert [(each["side"], each["batch"]) for each in found] == [
        (side, batch) for batch in (1, 32) for side in sides
    ]
    for each in found:
        assert each["calls"] == 3 and f"{each['p50']:.2f}" in outcome.out
    assert all(side in outcome.out for side in sides) and measured["processor"] in outcome.err


@pytest.mark.parametrize(("backend", "lines"), [("jax", 1), ("tensorflow", 0)])
def test_another_backend_is_overridden_in_one_line(
    backend: str, lines: int, tmp_path: Path
) -> None:
    """A user's code, run first, finds Keras on TensorFlow."""
    code = tmp_path / "mine.py"
    code.write_text("import keras; assert keras.backend.backend() == 'tensorflow'")
    ended = subprocess.run(
        [*PROGRAM, f"--code={code}", "tasks"],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0
    said = [line for line in ended.stderr.splitlines() if line.startswith("recurrent: ")]
    assert len(said) == lines and all("KERAS_BACKEND=jax is overridden" in line for line in said)


def test_output_that_cannot_be_written_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run([*PROGRAM, "tasks"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 1
    assert "No space left on device" in ended.stderr and ended.stderr.count("\n") == 1


def test_a_disk_that_fills_up_in_training_is_one_line_and_nothing_half_written(
    tmp_path: Path,
) -> None:
    """The limit on the size of a file lets everything through but the model."""
    program = ["bash", "-c", 'ulimit -f 8; exec "$@"', "bash", *PROGRAM]
    ended = subprocess.run([*program, *arguments(tmp_path / "run")], capture_output=True, text=True)
    last = ended.stderr.splitlines()[-1]
    assert ended.returncode == 1
    assert last == f"recurrent: cannot write {tmp_path}/run/model.keras: File too large"
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"columns.json", "config.json", "environment.json", "vocabulary.txt"}


def test_doctor_finds_nothing_wrong_here(recurrent: Command) -> None:
    outcome = recurrent("doctor")
    assert outcome.status == 0
    assert "ok  layers and export: SavedModel and ONNX agree with Keras" in outcome.out
    assert "!!" not in outcome.out


def test_doctor_says_what_to_do(recurrent: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("keras", "no-such-package"))
    monkeypatch.setattr(doctor, "_export", lambda: doctor.Finding("layers", "fine"))
    monkeypatch.setenv("KERAS_RECURRENT_CACHE", "/sys/cache")
    outcome = recurrent("doctor")
    assert outcome.status == 1
    remedy = 'pip install "keras-recurrent[pipeline]"'
    assert f"!!  no-such-package: missing\n    try: {remedy}" in outcome.out
    assert "    try: name another folder in KERAS_RECURRENT_CACHE" in outcome.out


def test_the_entry_point_is_the_one_that_is_installed() -> None:
    import tomllib

    scripts = tomllib.loads(Path("pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"recurrent": f"{program.__name__}:{program.main.__name__}"}
