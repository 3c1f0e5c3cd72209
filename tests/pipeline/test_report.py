"""The report of a run: its figures are the true ones, and everyone can read it."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from pipeline import cli, config, recipes
from pipeline.cli import settings
from pipeline.error_analysis.findings import (
    Band,
    Bars,
    Block,
    Chart,
    Dots,
    Element,
    Finding,
    Line,
    Matrix,
    Passage,
    Picture,
    Piece,
    Ranges,
    Table,
    Terms,
    Text,
)
from pipeline.run import Run
from tests.clients.accessibility import faults
from tests.pipeline import pages
from tests.pipeline.pages import descriptions, marked, parsed, table, text
from tests.pipeline.small import Outcome, trained

Command = Callable[..., Outcome]
SMALL: dict[str, Any] = {
    "limit": 100,
    "epochs": 3,
    "units": 8,
    "batch_size": 16,
    "learning_rate": 0.01,
}
BYTES = 2_000_000


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Run[Any]:
    """A run, trained, tested and exported. Leave it as it is."""
    from pipeline import export

    chosen = config.merge(recipes.get("digits").presets["digits"](), SMALL)
    run = trained(tmp_path_factory.mktemp("runs") / "run", chosen, ["support vectors"])
    export.export(run, formats=["onnx"])
    return run


@pytest.fixture(scope="module")
def page(heard: Run[Any]) -> Any:
    """The report, parsed. Leave it as it is."""
    return parsed(heard.path / "report.html")


@pytest.fixture(scope="module")
def answered(heard: Run[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the test recordings: what each is, its number of frames, and the probabilities."""
    test = heard.task.data(heard).raw.test
    model = heard.model()
    probabilities = [model(frames[None])[0].numpy() for frames in test.inputs]
    lengths = np.array([len(frames) for frames in test.inputs])
    return np.array([int(label) for (label,) in test.targets]), lengths, np.stack(probabilities)


def test_the_confusion_is_counted_right(page: Any, answered: Any) -> None:
    targets, _, probabilities = answered
    rows = table(page, "what the model says")
    counts = np.zeros((10, 10), int)
    for target, predicted in zip(targets, probabilities.argmax(-1), strict=True):
        counts[target, predicted] += 1
    assert [row[0] for row in rows] == list("0123456789")
    np.testing.assert_array_equal([list(map(int, row[1:])) for row in rows], counts)


def test_the_calibration_is_that_of_numpy(page: Any, answered: Any) -> None:
    targets, _, probabilities = answered
    sure, right = probabilities.max(-1), probabilities.argmax(-1) == targets
    counts, edges = np.histogram(sure, 10, (0, 1))
    sums, _ = np.histogram(sure, edges, weights=sure)
    hits, _ = np.histogram(sure, edges, weights=right.astype(float))
    full = counts > 0
    expected = np.transpose([sums[full] / counts[full], hits[full] / counts[full], counts[full]])
    rows = table(page, "Predictions by their probability")
    np.testing.assert_allclose(np.array(rows, float), expected, atol=6e-4)


def test_accuracy_by_length_covers_all_examples(page: Any, answered: Any) -> None:
    targets, lengths, probabilities = answered
    right = probabilities.argmax(-1) == targets
    rows = table(page, "Accuracy by frames")
    assert sum(int(row[2]) for row in rows) == len(targets) and len(rows) > 3
    for span, accuracy, count in rows:
        shortest, *_, longest = map(int, re.findall(r"\d+", span) * 2)
        of_length = (lengths >= shortest) & (lengths <= longest)
        assert of_length.sum() == int(count)
        np.testing.assert_allclose(float(accuracy), right[of_length].mean(), atol=1e-4)


def test_the_worst_mistakes_are_the_worst(page: Any, answered: Any) -> None:
    targets, _, probabilities = answered
    believed = probabilities[np.arange(len(targets)), targets]
    wrong = np.flatnonzero(probabilities.argmax(-1) != targets)
    worst = wrong[np.argsort(believed[wrong])][:10]
    rows = table(page, f"of {len(wrong)} predictions with an error")
    assert [row[0].split(",")[0] for row in rows] == [f"test recording {k + 1}" for k in worst]
    for (_, truth, answer, _), place in zip(rows, worst, strict=True):
        assert truth.startswith(f"{targets[place]} ")
        assert answer.startswith(f"{probabilities[place].argmax()} ")


def test_results_exports_and_environment_are_there(page: Any, heard: Run[Any]) -> None:
    found = {"gru": heard.results["model"], **heard.results["baselines"]}
    rows = table(page, "The model and its baselines")
    assert [row[:2] for row in rows] == [
        [name, f"{each['accuracy']:.4f}"] for name, each in found.items()
    ]
    assert [row[0] for row in table(page, "Figures of each epoch")] == ["1", "2", "3"]
    assert table(page, "against Keras")[0][0] == "onnx"
    assert table(page, "Latency on")
    assert dict(table(page, "Settings"))["learning rate"] == "0.01"
    assert heard.environment["keras"] in text(page)


def test_the_command_makes_the_same_config(page: Any, heard: Run[Any]) -> None:
    given = settings.command(heard.config, heard.path)
    assert given in text(page)
    assert asked(given) == heard.config


@pytest.mark.parametrize(
    ("task", "preset", "changes"),
    [
        ("sentiment", "demo", {"bidirectional": False, "word_dropout": 0.25, "limit": 40}),
        ("memory", "adding", {"data": "tfds:adding/gap_4", "clip_state_gradient": 2.0}),
        ("memory", "country", {"data": "tfds:country/gap_10", "limit": None}),
    ],
)
def test_the_command_says_any_config(
    tmp_path: Path, task: str, preset: str, changes: dict[str, Any]
) -> None:
    wanted = config.merge(recipes.get(task).presets[preset](), changes)
    run = Run.create(tmp_path / "a run", wanted)
    assert asked(settings.command(wanted, run.path)) == wanted


def asked(command: str) -> Any:
    """The config that a command asks for."""
    _, verb, task, *options = shlex.split(command)
    group = cli.command.commands[verb]
    assert isinstance(group, settings.OfTask)
    made = group.get_command(click.Context(group), task)
    given = made.make_context(task, options).params
    for name in ("path", "tensorboard", "checkpoint_minutes"):
        given.pop(name, None)
    preset, file, changes = (given.pop(name) for name in ("preset", "file", "changes"))
    chosen, _ = settings.chosen(recipes.get(task), preset, file, changes, given)
    return chosen


def test_everyone_can_read_it_from_disk(heard: Run[Any]) -> None:
    path = heard.path / "report.html"
    assert path.stat().st_size < BYTES
    assert not re.search(r"https?:|//[a-z]|<script", path.read_text(encoding="utf-8"))
    assert faults(path) == []


def test_every_picture_has_words_and_every_id_is_one(page: Any) -> None:
    pictures = list(page.iter("{http://www.w3.org/2000/svg}svg"))
    assert len(pictures) == 4
    assert all(picture.get("role") == "img" and picture.get("aria-label") for picture in pictures)
    ids = [each.get("id") for each in page.iter() if isinstance(each.tag, str) and each.get("id")]
    assert len(ids) == len(set(ids))
    links = {each.get("href") for each in page.iter("a")}
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_what_comes_from_data_is_escaped(heard: Run[Any], tmp_path: Path) -> None:
    from pipeline import report

    shutil.copytree(heard.path, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    evil = "<script>alert('&')</script>"
    passage, picture = Passage([Piece(evil, evil), Piece(evil)]), Picture("", f'">{evil}')
    table = Table(evil, [evil, evil, evil], [[evil * 9, passage, picture]])
    formula = f"价格 $\\bad${evil}"  # no font of matplotlib has the first letters
    chart = Chart(evil, evil, formula, formula, [Line(evil, [0.0], [1.0])], table)
    blocks: list[Block] = [
        Text(evil),
        Terms({evil: evil}),
        passage,
        chart,
        Matrix(evil, [evil], [evil], [[1]]),
    ]
    run.keep_results(run.results, [Finding(evil, blocks)])
    report.write(run)
    written = (run.path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in written and written.count("&lt;script&gt;") > 20


def test_everyone_can_read_every_kind_of_block(heard: Run[Any], tmp_path: Path) -> None:
    from pipeline import report

    shutil.copytree(heard.path, tmp_path / "run")
    run, x = Run.open(tmp_path / "run"), [0.0, 1.0, None]
    elements: list[Element] = [
        Line("dotted", x, x, dotted=True),
        Line("line", x, x, colour=1),
        Dots("dots", x, x, [1, 2, 3], colour=2),
        Band("band", x, x, x, colour=3),
        Ranges("ranges", x, x, x, colour=4),
    ]
    pieces = [Piece("faint ", strength=0.1), Piece("strong", strength=1.0), Piece("wrong", "right")]
    table = Table("numbers", ["", "of"], [["one", Passage(pieces)]], folded=True)
    run.keep_results(
        run.results,
        [
            Finding("Charts", [Chart("all", "shows all", "x", "y", elements, table)]),
            Finding("Counts", [Chart("bars", "three", "x", "y", [Bars([0.0, 1.0, 2.0], [1, 2])])]),
            Finding("Fractions", [Matrix("some", ["a"], ["b", "c"], [[0.25, 0.75]])]),
            Finding("Words", [Text("a text"), Terms({"one": "1"}), Passage(pieces)]),
        ],
    )
    report.write(run)
    assert faults(run.report) == []
    page = parsed(run.report)
    assert {"shows all", "three"} <= {*descriptions(page)}
    assert pages.table(page, "some") == [["a", "0.25", "0.75"]]
    assert marked(pages.element(page, "numbers")) == [("wrong", "right")]


def test_a_run_that_is_only_trained_has_a_report(heard: Run[Any], tmp_path: Path) -> None:
    from pipeline import train

    shutil.copytree(heard.path, tmp_path / "run", ignore=shutil.ignore_patterns("exports"))
    for name in ("report.html", "results.json", "findings.json", "environment.json"):
        (tmp_path / "run" / name).unlink()
    train.train(Run.open(tmp_path / "run"))
    written = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert f"recurrent evaluate {tmp_path / 'run'}" in written
    assert f"recurrent export {tmp_path / 'run'}" in written


def test_what_an_older_version_found_is_made_anew(heard: Run[Any], tmp_path: Path) -> None:
    """It wrote `marks.json`, of which the report says how to replace it."""
    from pipeline import report, train

    shutil.copytree(heard.path, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    (run.path / "findings.json").rename(run.path / "marks.json")
    report.write(run)
    written = run.report.read_text(encoding="utf-8")
    assert "tested by an older version" in written
    assert f"recurrent evaluate {run.path}" in written and "Worst mistakes" not in written
    train.evaluate(run, {})
    assert "Worst mistakes" in run.report.read_text(encoding="utf-8")
    assert not (run.path / "marks.json").exists()


def test_the_report_is_the_same_each_time(heard: Run[Any], tmp_path: Path) -> None:
    from pipeline import train

    shutil.copytree(heard.path, tmp_path / "run")
    train.evaluate(Run.open(tmp_path / "run"), {})
    found = (tmp_path / "run" / "findings.json").read_bytes()
    assert found == (heard.path / "findings.json").read_bytes()
