"""A classifier of recordings in folders, and of readings of sensors in a table."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import exports
from exports.runtime.predictor import Predictor
from tests.own_data import sequences
from tests.pipeline.small import Outcome

Command = Callable[..., Outcome]

SMALL = ["--units=6", "--no-bidirectional", "--batch-size=8", "--learning-rate=0.02"]
GESTURES = ["--features=ax,ay", "--sequence-id=recording", "--label=gesture"]


def test_a_folder_of_recordings_becomes_a_model(recurrent: Command, tmp_path: Path) -> None:
    data, run = sequences.sounds(tmp_path / "sounds", 20), tmp_path / "run"
    outcome = recurrent("train", "classify", f"--data={data}", f"--run={run}", "--epochs=4", *SMALL)
    assert outcome.status == 0, outcome.err
    assert "Recording: recording (median 0." in outcome.err
    assert "s at 8,000 Hz). Label: label (2 classes)." in outcome.err
    assert recurrent("evaluate", run).status == 0
    assert json.loads((run / "results.json").read_text())["model"]["accuracy"] > 0.8
    asked = data / "low" / "000.flac"
    answer = recurrent("predict", run, asked).out.split("\t")
    assert answer[0] == "low" and answer[2] == f"{asked}\n"
    assert recurrent("export", run, "--format=onnx").status == 0
    assert max(each.worst for each in exports.verify(run / "exports").values()) < 2e-5
    samples, _ = soundfile.read(asked, dtype="int16")
    (scores,) = Predictor(run / "exports")(samples[None])["probabilities"]
    assert exports.load(run / "exports").labels == ["high", "low"]
    assert abs(scores[1] - float(answer[1])) < 0.001


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on gestures. Leave it as it is."""
    from pipeline import cli

    folder = tmp_path_factory.mktemp("gestures")
    data = sequences.gestures(folder / "gestures.csv", 120)
    arguments = [
        "train",
        "classify",
        f"--data={data}",
        f"--run={folder / 'run'}",
        *GESTURES,
        *SMALL,
    ]
    cli.command.main([*arguments, "--group=person", "--epochs=8"], standalone_mode=False)
    return folder / "run"


def test_a_person_is_in_one_split(run: Path) -> None:
    from pipeline.run import Run

    opened = Run.open(run)
    data = opened.task.data(opened)
    counts = [len(each) for each in (data.train, data.validation, data.test)]
    assert sum(counts) == 120 and all(count % 24 == 0 for count in counts)


def test_steps_in_rows_become_sequences(recurrent: Command, run: Path, tmp_path: Path) -> None:
    assert recurrent("evaluate", run, "--baselines").status == 0
    results = json.loads((run / "results.json").read_text())
    assert results["model"]["accuracy"] > 0.8
    assert set(results["baselines"]) == {"feed-forward network", "support vectors"}

    data, scored = sequences.gestures(tmp_path / "new.csv", 20, seed=1), tmp_path / "scored.csv"
    outcome = recurrent("predict", run, f"--input={data}", f"--output={scored}")
    assert outcome.status == 0, outcome.err
    with scored.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["recording"] for row in rows] == [f"r{number}" for number in range(20)]
    assert sum(row["predicted gesture"] == row["gesture"] for row in rows) >= 16

    outcome = recurrent("evaluate", run, f"--data={data}")
    right = sum(row["predicted gesture"] == row["gesture"] for row in rows)
    assert float(outcome.out.splitlines()[0].removeprefix("accuracy: ")) == right / 20


def test_the_exported_model_takes_the_numbers_of_the_user(
    recurrent: Command, run: Path, tmp_path: Path
) -> None:
    assert recurrent("export", run, "--format=onnx", f"--to={tmp_path / 'model'}").status == 0
    predictor = Predictor(tmp_path / "model")
    with sequences.gestures(tmp_path / "new.csv", 10, seed=2).open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number in range(10):
        steps = [row for row in rows if row["recording"] == f"r{number}"]
        vectors = np.array([[row["ax"], row["ay"]] for row in steps], np.float32)
        np.save(tmp_path / "one.npy", vectors)
        said = recurrent("predict", run, tmp_path / "one.npy").out.split("\t")
        (scores,) = predictor(vectors[None])["probabilities"]
        assert said[0] == ("circle", "line")[scores.argmax()]
        assert abs(float(said[1]) - scores.max()) < 0.001
        padded = np.pad(vectors, [(0, 5), (0, 0)])
        (again,) = predictor(padded[None])["probabilities"]
        np.testing.assert_allclose(again, scores, atol=1e-6)


BROKEN = {
    "a label that changes": (
        "r0,p0,0,1,2,circle\nr0,p0,1,1,2,line\n",
        "row 3: gesture is 'line', and 'circle' in the first row of 'r0'",
    ),
    "a number that is missing": ("r0,p0,0,,2,circle\n", "row 2: ax is empty"),
    "no number": ("r0,p0,0,one,2,circle\n", "row 2: ax is 'one', not a number"),
    "NaN": ("r0,p0,0,nan,2,circle\n", "row 2: ax is 'nan', not a finite number"),
    "no sequence": (",p0,0,1,2,circle\n", "row 2: recording is empty"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_step_is_one_line(recurrent: Command, tmp_path: Path, kind: str) -> None:
    rows, said = BROKEN[kind]
    data = tmp_path / "gestures.csv"
    data.write_text(f"recording,person,time,ax,ay,gesture\n{rows}")
    outcome = recurrent(
        "train", "classify", f"--data={data}", f"--run={tmp_path / 'run'}", *GESTURES
    )
    assert outcome.status == 1 and outcome.err.count("\n") == 1 and said in outcome.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(b"RIFF"), "damaged or no sound file"),
        (lambda path: soundfile.write(path, np.zeros(4000), 8000), "recording is silent"),
        (lambda path: soundfile.write(path, np.ones(9), 8000), "lasts 0.00112 s"),
    ],
)
def test_a_broken_recording_is_named_and_can_be_left_out(
    recurrent: Command, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    data, run = sequences.sounds(tmp_path / "sounds", 20), tmp_path / "run"
    spoil(data / "low" / "001.wav")
    command = ("train", "classify", f"--data={data}", f"--run={run}", "--epochs=1", *SMALL)
    outcome = recurrent(*command)
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert "sounds/low/001.wav: recording" in outcome.err and said in outcome.err
    assert not run.exists()
    outcome = recurrent(*command, "--on-error=skip")
    assert outcome.status == 0 and "Rows left out: 1" in outcome.err


def test_a_folder_without_sounds_or_with_both_kinds_says_what_it_needs(
    recurrent: Command, tmp_path: Path
) -> None:
    command = ("train", "classify", f"--data={tmp_path}", f"--run={tmp_path / 'run'}")
    assert "holds neither sound nor texts. It needs a folder for" in recurrent(*command).err
    sequences.sounds(tmp_path / "sounds", 1)
    (tmp_path / "sounds" / "low" / "read me.txt").write_text("sounds of low pitch")
    outcome = recurrent("inspect", tmp_path / "sounds")
    assert outcome.status == 1 and "sounds holds both sound and texts" in outcome.err


def test_a_folder_of_texts_is_read(recurrent: Command, tmp_path: Path) -> None:
    for number in range(20):
        for label, said in (("spam", "buy cheap pills"), ("ham", "see you at noon")):
            file = tmp_path / "mails" / label / f"{number}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{said}\nmail {number}\n", encoding="utf-8")
    outcome = recurrent("inspect", tmp_path / "mails")
    assert outcome.status == 0, outcome.err
    assert "mails: 40 rows" in outcome.out and "label: ham 20, spam 20" in outcome.out


def test_series_are_inspected(recurrent: Command, tmp_path: Path) -> None:
    rows = [
        f"2026-01-{1 + hour // 24:02}T{hour % 24:02}:00,{hour if hour > 1 else ''}"
        for hour in range(100)
        if hour not in (7, 50)
    ]
    data = tmp_path / "load.csv"
    data.write_text("\n".join(["stamp,mw", *rows]) + "\n", encoding="utf-8")
    outcome = recurrent("inspect", data)
    assert outcome.status == 0, outcome.err
    assert "stamp: 100 steps of 1 hour, of which 2 are missing; a season is 24 steps" in outcome.out
    assert "mw: 2 to 99, mean 50.96; missing at 4 of 100 steps" in outcome.out
    assert f"next: recurrent train forecast --data {data} --time stamp" in outcome.err
