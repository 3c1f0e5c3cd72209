"""A text classifier from a file of one's own: trained, tested, exported and asked."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import exports
from exports.runtime.predictor import Predictor
from tests.own_data.tickets import tickets, write
from tests.pipeline.small import Outcome

Command = Callable[..., Outcome]

SMALL = ["--epochs=3", "--units=4", "--embedding-dim=8", "--bigram-buckets=512", "--cell=gru"]
SMALL += ["--no-bidirectional", "--batch-size=16", "--learning-rate=0.02", "--max-length=30"]
SUFFIXES = [".csv", ".tsv", ".jsonl", ".parquet"]


def trained(recurrent: Command, data: Path, folder: Path) -> Outcome:
    return recurrent("train", "classify", f"--data={data}", f"--run={folder}", *SMALL)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_becomes_a_model_that_is_asked(
    recurrent: Command, tmp_path: Path, suffix: str
) -> None:
    data, run = write(tmp_path / f"tickets{suffix}", tickets(240)), tmp_path / "run"
    outcome = trained(recurrent, data, run)
    assert outcome.status == 0, outcome.err
    said = "Text: body (median 10 words). Label: team (3 classes). Ignored: id."
    assert said in outcome.err

    assert recurrent("evaluate", run).status == 0
    results = json.loads((run / "results.json").read_text())
    assert results["model"]["accuracy"] > 0.8
    assert results["model"]["macro_f1"] > 0.8

    outcome = recurrent("predict", run, "the invoice has the wrong price, refund please")
    assert outcome.out.split("\t")[0] == "billing"

    outcome = recurrent("export", run, *([] if suffix == ".csv" else ["--format=onnx"]))
    assert outcome.status == 0, outcome.err
    assert max(each.worst for each in exports.verify(run / "exports").values()) < 2e-5
    prediction = Predictor(run / "exports")("my wifi router is offline again")
    assert prediction.label == "network"
    assert prediction.scores.keys() == {"billing", "hardware", "network"}
    told = recurrent("predict", run, "my wifi router is offline again").out.split("\t")
    assert prediction.answer["label"] == told[0]
    assert prediction.answer["score"] == pytest.approx(float(told[1]), abs=6e-4)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on tickets. Leave it as it is."""
    from pipeline import cli

    folder = tmp_path_factory.mktemp("tickets")
    data = write(folder / "tickets.csv", tickets(240))
    arguments = ["train", "classify", f"--data={data}", f"--run={folder / 'run'}", *SMALL]
    cli.command.main(arguments, standalone_mode=False)
    return folder / "run"


def test_a_file_in_gives_a_file_out(recurrent: Command, run: Path, tmp_path: Path) -> None:
    rows = tickets(20, seed=1)
    data, scored = write(tmp_path / "new.csv", rows), tmp_path / "scored.csv"
    outcome = recurrent("predict", run, f"--input={data}", f"--output={scored}")
    assert outcome.status == 0, outcome.err
    with scored.open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["body"] for row in found] == [row.body for row in rows]
    right = sum(row["predicted team"] == row["team"] for row in found)
    assert right >= 16
    predictions = recurrent("predict", run, *(row["body"] for row in found)).out.splitlines()
    for row, answer in zip(found, predictions, strict=True):
        label, probability, _ = answer.split("\t")
        assert label == row["predicted team"]
        assert abs(float(probability) - float(row["probability"])) < 0.001


def test_a_run_does_not_go_on_with_changed_data(recurrent: Command, tmp_path: Path) -> None:
    data, run = write(tmp_path / "tickets.csv", tickets(60)), tmp_path / "run"
    arguments = ["train", "classify", f"--data={data}", f"--run={run}", *SMALL, "--limit=16"]
    assert recurrent(*arguments).status == 0
    write(data, [row._replace(team=f"{row.team}s") for row in tickets(60)])
    outcome = recurrent("evaluate", run)
    assert outcome.status == 1
    assert f"tickets.csv has changed since {run} was begun" in outcome.err


def test_a_run_whose_classes_are_not_the_model_s_is_damaged(
    recurrent: Command, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "run")
    file = tmp_path / "run" / "columns.json"
    file.write_text(file.read_text().replace('"billing",', ""))
    outcome = recurrent("predict", tmp_path / "run", "fine")
    assert outcome.status == 1
    assert "columns.json is damaged: it has 2 classes, and the model knows 3" in outcome.err


def test_a_model_is_tested_on_other_data(recurrent: Command, run: Path, tmp_path: Path) -> None:
    rows = tickets(60, seed=2)
    wrong = [row._replace(team="billing") for row in rows]
    right, other = (
        recurrent("evaluate", run, f"--data={write(tmp_path / name, each)}").out
        for name, each in {"right.csv": rows, "wrong.csv": wrong}.items()
    )
    assert float(right.splitlines()[0].removeprefix("accuracy: ")) > 0.8
    assert float(other.splitlines()[0].removeprefix("accuracy: ")) < 0.6


def test_a_class_the_model_does_not_know_is_named(
    recurrent: Command, run: Path, tmp_path: Path
) -> None:
    data = write(tmp_path / "new.csv", [row._replace(team="legal") for row in tickets(4)])
    outcome = recurrent("evaluate", run, f"--data={data}")
    assert outcome.status == 1
    assert "new.csv, row 2: team is 'legal', a class that the model was not" in outcome.err


def test_columns_are_inspected(recurrent: Command, tmp_path: Path) -> None:
    rows = tickets(100)
    data = write(tmp_path / "tickets.csv", [*rows, rows[0], rows[1]._replace(team="legal")])
    outcome = recurrent("inspect", data)
    assert outcome.status == 0, outcome.err
    assert "tickets.csv: 102 rows" in outcome.out
    for said in ("median of 10 words", "'legal' occurs once", "training: 2", "labels: 1"):
        assert said in outcome.out
    assert "--text body --label team" in outcome.err


def test_a_script_without_spaces_is_read_by_character(recurrent: Command, tmp_path: Path) -> None:
    said = {"帐单": "发票的价格不对请退款", "网络": "办公室的无线网络很慢"}
    rows = [(f"{text}{number}", label) for number in range(40) for label, text in said.items()]
    data, run = tmp_path / "zh.csv", tmp_path / "run"
    data.write_text("内容,部门\n" + "".join(f"{text},{label}\n" for text, label in rows))
    outcome = recurrent("train", "classify", f"--data={data}", f"--run={run}", *SMALL)
    assert outcome.status == 0, outcome.err
    assert "Text: 内容 (median" in outcome.err
    assert recurrent("predict", run, "网络慢").out.startswith("网络")
    assert recurrent("export", run, "--format=onnx").status == 0
    predictor = Predictor(run / "exports")
    for text, label in (("发票不对", "帐单"), ("无线很慢", "网络")):
        assert predictor(text).label == label
        assert recurrent("predict", run, text).out.startswith(label)
