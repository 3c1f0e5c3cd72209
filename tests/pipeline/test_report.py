"""The report of a run: its figures are the true ones, and everyone can read it."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import html5lib
import numpy as np
import pytest

from pipeline import cli, config, error_analysis, recipes
from pipeline.cli import settings
from pipeline.error_analysis import Choices, ErrorAnalysis, Mistake, Picture
from pipeline.run import Run
from tests.clients.accessibility import faults
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
    """The report, parsed; what is no HTML5 is an error."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse((heard.path / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def answered(heard: Run[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the test recordings: what each is, its number of frames, and the probabilities."""
    test = heard.task.data(heard).raw.test
    model = heard.model()
    probabilities = [model(frames[None])[0].numpy() for frames in test.inputs]
    lengths = np.array([len(frames) for frames in test.inputs])
    return np.array([int(label) for (label,) in test.targets]), lengths, np.stack(probabilities)


def text(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def table(page: Any, caption: str) -> list[list[str]]:
    """The rows below the head of the table with that caption."""
    (found,) = (each for each in page.iter("table") if caption in text(each.find("caption")))
    return [[text(cell) for cell in row] for row in found.find("tbody")]


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
    rows = table(page, "Answers by their probability")
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
    rows = table(page, f"of {len(wrong)} answers with an error")
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
        ("memory", "adding", {"gap": 7, "initialisation": "default"}),
        ("memory", "country", {"limit": None}),
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
    spoilt = dict(run.error_analysis)
    spoilt["worst"] = [
        {"example": evil * 9, "truth": evil, "answer": evil, "error": 1.0},
        {"example": {"png": "", "text": f'">{evil}'}, "truth": "", "answer": "", "error": 1.0},
    ]
    spoilt["confusion"]["labels"][0] = evil
    spoilt["steps"] = evil
    run.keep_results(run.results, spoilt)
    report.write(run)
    written = (run.path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in written and written.count("&lt;script&gt;") > 10


def test_a_run_that_is_only_trained_has_a_report(heard: Run[Any], tmp_path: Path) -> None:
    from pipeline import train

    shutil.copytree(heard.path, tmp_path / "run", ignore=shutil.ignore_patterns("exports"))
    for name in ("report.html", "results.json", "marks.json", "environment.json"):
        (tmp_path / "run" / name).unlink()
    train.train(Run.open(tmp_path / "run"))
    written = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert f"recurrent evaluate {tmp_path / 'run'}" in written
    assert f"recurrent export {tmp_path / 'run'}" in written


def test_errors_are_counted_and_the_worst_come_first() -> None:
    errors = np.array([0, 2, 0, 5, 1])
    pixels = np.zeros((2, 2), np.uint8)
    found = error_analysis.summary(
        ErrorAnalysis(
            errors,
            "letters",
            np.array([3, 4, 3, 9, 4]),
            "letters",
            lambda place: Mistake(Picture(pixels, f"picture {place}"), "yes", "no"),
        )
    )
    assert found["errors"]["counts"] == [2, 1, 1, 0, 0, 1]
    assert found["errors"]["mean"] == errors.mean()
    assert [each["example"]["text"] for each in found["worst"]] == [
        "picture 3",
        "picture 1",
        "picture 4",
    ]
    assert found["wrong"] == 3
    assert [
        (each["shortest"], each["longest"], each["examples"], each["mean"])
        for each in found["lengths"]
    ] == [(3, 3, 2, 0.0), (4, 9, 3, 8 / 3)]


def test_labels_that_are_all_right_leave_nothing_to_show() -> None:
    choices = Choices(["no", "yes"], np.array([0, 1]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    found = error_analysis.summary(
        error_analysis.of_choices(choices, np.array([5, 5]), "words", str)
    )
    assert found["worst"] == [] and found["wrong"] == 0
    assert found["lengths"] == [{"shortest": 5, "longest": 5, "examples": 2, "mean": 1.0}]
    assert found["calibration"] == [{"answers": 2, "confidence": 1.0, "accuracy": 1.0}]
