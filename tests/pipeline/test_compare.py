"""Cells side by side: trained alike, baselines once, one table, one picture."""

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from exports.directions import Better
from pipeline import compare, recipes
from pipeline.config import Config
from pipeline.run import Run
from tests.pipeline.small import Outcome, interrupted

Command = Callable[..., Outcome]

ERRORS = [("one", 0.2), ("two", 0.1), ("three", 0.3)]
SETTINGS = ("--limit=32", "--epochs=2", "--units=2", "--no-bidirectional", "--batch-size=32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two cells were compared. Leave it as it is."""
    return tmp_path_factory.mktemp("compared") / "digits"


@pytest.fixture
def compared(recurrent: Command, folder: Path) -> Outcome:
    """The comparison, which is made by the first test that asks for it, and shown to the others."""
    outcome = recurrent("compare", "digits", "--cells=rnn,GRU", f"--run={folder}", *SETTINGS)
    assert outcome.status == 0, outcome.err
    return outcome


def runs(folder: Path) -> list[Run[Any]]:
    return [Run.open(path) for path in sorted(folder.iterdir()) if path.is_dir()]


def test_each_cell_is_an_ordinary_run_with_the_same_settings(
    compared: Outcome, folder: Path
) -> None:
    gru, rnn = runs(folder)
    assert [run.path.name for run in (gru, rnn)] == ["gru-seed-0", "rnn-seed-0"]
    assert gru.finished and rnn.finished and gru.model().count_params()
    settings = rnn.config.model_dump()
    assert gru.config.model_dump() == {**settings, "cell": "gru"}
    assert settings["units"] == 2 and settings["epochs"] == 2


def test_the_baselines_are_measured_once(compared: Outcome, folder: Path) -> None:
    gru, rnn = runs(folder)
    assert list(rnn.results["baselines"]) == ["feed-forward network", "support vectors"]
    assert gru.results["baselines"] == {}


def test_the_table_has_what_the_runs_have_and_the_best_in_bold(
    compared: Outcome, folder: Path
) -> None:
    gru, rnn = (run.results for run in runs(folder))
    lines = (folder / "comparison.md").read_text().splitlines()
    assert lines[0] == "|  | parameters | test accuracy | test macro f1 | seconds |"
    found = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in lines[2:]]
    assert [line[0] for line in found] == ["rnn", "gru", *rnn["baselines"]]
    accuracies = [
        figures["accuracy"] for figures in (rnn["model"], gru["model"], *rnn["baselines"].values())
    ]
    assert [line[2] for line in found] == [f"{accuracy:.4f}" for accuracy in accuracies]
    assert [line[1] for line in found] == [f"{each['parameters']:,}" for each in (rnn, gru)] + [
        "",
        "",
    ]
    (bold,) = (line for line in lines if "**" in line)
    assert lines.index(bold) - 2 == int(np.argmax(accuracies))
    for cell in (cell for line in found for cell in line):
        assert cell in compared.out
    file = json.loads((folder / "comparison.json").read_text())
    assert [row["figures"]["accuracy"] for row in file["rows"]] == [[each] for each in accuracies]
    assert file["rows"][1]["epochs"] == [runs(folder)[0].metrics]


def test_less_is_best_where_lower_is_better() -> None:
    rows = [compare.untrained(name, {"error": error, "seconds": 1}) for name, error in ERRORS]
    places: dict[Better, int] = {"lower": 1, "higher": 2}
    for better, place in places.items():
        assert compare.table(rows, better).best == {(place, 2)}


def test_of_several_seeds_the_mean_is_shown() -> None:
    found = [
        {"model": {"error": error, "seconds": seconds}, "parameters": 7}
        for error, seconds in ((0.1, 1), (0.2, 2), (0.6, 6))
    ]
    (row,) = compare.table([compare.trained("gru", found)], "lower").rows
    assert row == ["gru", "7", "0.3000 (0.1000 to 0.6000)", "3"]


def test_each_seed_and_each_cell_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[Config] = []

    def train(path: Path, configs: Sequence[Config]) -> list[compare.Row]:
        wanted.extend(configs)
        return []

    monkeypatch.setattr(compare, "_rows", train)
    monkeypatch.setattr(compare, "_write", lambda *given: None)
    given = recipes.get("digits").presets["digits"]().model_copy(update={"seed": 5})
    compare.compare(tmp_path / "compared", given, ["rnn", "gru"], seeds=2)
    assert [(each.cell, each.seed) for each in wanted] == [
        (cell, seed) for seed in (5, 6) for cell in ("rnn", "gru")
    ]


def test_the_same_command_trains_nothing_again(
    recurrent: Command, compared: Outcome, folder: Path
) -> None:
    def written() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in folder.glob("*/**/*")}

    before = written()
    again = recurrent("compare", "digits", "--cells=rnn,GRU", f"--run={folder}", *SETTINGS)
    assert again.out == compared.out and written() == before


def test_a_comparison_goes_on_after_ctrl_c_and_with_more_cells(
    recurrent: Command,
    compared: Outcome,
    folder: Path,
    tmp_path: Path,
) -> None:
    """In its second epoch; the runs that were there, and their baselines, are kept."""
    path = shutil.copytree(folder, tmp_path / "digits")
    command = ("compare", "digits", "--cells=rnn,gru,irnn", f"--run={path}", *SETTINGS)
    with interrupted():
        outcome = recurrent(*command)
    assert outcome.status == 130
    assert f"stopped: what is done is kept in {path}, and the same command" in outcome.err
    assert len(Run.open(path / "irnn-seed-0").metrics) == 1
    outcome = recurrent(*command)
    assert outcome.status == 0
    assert re.findall(r"(\S+ \d/\d):", outcome.err) == ["irnn-seed-0 2/2"]
    assert Run.open(path / "irnn-seed-0").results["baselines"] == {}


def test_seeds_are_summed_up_and_one_that_diverges_is_counted(
    recurrent: Command, tmp_path: Path
) -> None:
    """Identity and ReLU know no bound, so that a learning rate of 10 is too much for them."""
    outcome = recurrent(
        *("compare", "digits", "--cells=irnn,rnn", "--seeds=2", f"--run={tmp_path / 'two'}"),
        *(*SETTINGS, "--units=16", "--learning-rate=10", "--batch-size=4", "--epochs=1"),
    )
    assert outcome.status == 0, outcome.err
    first, second = (Run.open(tmp_path / "two" / f"rnn-seed-{seed}").results for seed in (0, 1))
    values = [each["model"]["accuracy"] for each in (first, second)]
    shown = f"{np.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"
    irnn, rnn, *_ = (tmp_path / "two" / "comparison.md").read_text().splitlines()[2:]
    assert irnn == "| irnn |  | diverged | diverged |  |"
    assert rnn.split(" | ")[2].strip("*") == shown


def test_the_picture_is_seen_on_a_light_and_on_a_dark_page(compared: Outcome, folder: Path) -> None:
    """It has no background, and what it draws has three times the light of either page."""
    svg = (folder / "comparison.svg").read_text()
    picture = np.array(Image.open(folder / "comparison.png"))
    assert picture[0, 0, 3] == 0 and (picture[..., 3] == 255).any()
    colours = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", svg))
    drawn = {tuple(colour[:3]) for colour in picture[picture[..., 3] == 255]}
    assert len(colours) >= 3
    for colour in colours:
        rgb = tuple(bytes.fromhex(colour[1:]))
        assert contrast(rgb, (255, 255, 255)) > 3 and contrast(rgb, (13, 17, 23)) > 3
        assert rgb in drawn


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """The contrast ratio of the Web Content Accessibility Guidelines."""
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: tuple[int, ...]) -> float:
    parts = np.array(colour) / 255
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["compare", "digit"], "Did you mean 'digits'?"),
        (["compare", "digits", "--cells=rnn,gruu"], "no layer is called 'gruu'"),
        (["compare", "digits", "--cells="], "no layer is called ''"),
        (["compare", "digits", "--dataset=none"], "TFDS has no data set called 'none'."),
    ],
)
def test_a_mistake_is_answered_in_one_line_and_leaves_nothing(
    recurrent: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = recurrent(*given)
    assert outcome.status == 1 and said in outcome.err and outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
