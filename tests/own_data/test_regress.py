"""Numbers about texts and sequences of one's own: trained, tested, exported and asked."""

import csv
import json
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import exports
from exports.runtime.predictor import Predictor
from pipeline.run import Run
from tests.pipeline.pages import descriptions, parsed, table
from tests.pipeline.small import Outcome

Command = Callable[..., Outcome]

SMALL = ["--units=8", "--no-bidirectional", "--batch-size=16", "--learning-rate=0.03"]
SMALL += ["--embedding-dim=8", "--bigram-buckets=512", "--max-length=30", "--epochs=8"]
STARS = {"awful": 1.0, "poor": 2.0, "fine": 3.0, "good": 4.0, "superb": 5.0}


def reviews(path: Path, count: int, seed: int = 0) -> Path:
    """Write reviews; the mean of their two verdicts are the stars."""
    draw = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "review", "stars"])
        for number in range(count):
            first, second = draw.choices([*STARS], k=2)
            text = f"review {number} the film was {first} and the music {second}"
            writer.writerow([f"r-{number}", text, (STARS[first] + STARS[second]) / 2])
    return path


def waves(path: Path, count: int) -> Path:
    """Write sequences of one number: a wave of some height and frequency, which are the targets."""
    draw = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["wave", "x", "height", "frequency"])
        for number in range(count):
            height, frequency = draw.uniform(100, 300), draw.uniform(0.2, 0.6)
            for x in height * np.sin(frequency * np.arange(20)):
                writer.writerow([number, f"{x:.3f}", f"{height:.3f}", f"{frequency:.4f}"])
    return path


def as_told(answer: Mapping[str, Any]) -> Any:
    """The numbers of an answer, as exact as `predict` writes them."""
    numbers = [[each["value"], *each["interval"]] for each in answer.values()]
    return pytest.approx(np.array(numbers), rel=2e-3)


def written(line: str) -> Any:
    """The numbers that `predict` writes: mean (low to high)."""
    return np.array(
        [re.findall(r"-?\d[\d.]*(?:e-?\d+)?", each) for each in line.split("\t")[:-1]], float
    )


def test_stars_are_told_of_reviews(recurrent: Command, tmp_path: Path) -> None:
    data, run = reviews(tmp_path / "reviews.csv", 400), tmp_path / "run"
    outcome = recurrent("train", "regress", f"--data={data}", f"--run={run}", *SMALL)
    assert outcome.status == 0, outcome.err
    assert "Text: review (median 10 words). Target: stars. Ignored: id." in outcome.err

    assert recurrent("evaluate", run, "--baselines").status == 0
    results = json.loads((run / "results.json").read_text())
    found, mean = results["model"], results["baselines"]["mean"]
    assert found["mae"] < mean["mae"] / 2 and found["r_squared"] > 0.7
    assert abs(mean["r_squared"]) < 0.1 and results["baselines"].keys() == {
        "mean",
        "ridge regression",
    }

    text = "the film was superb and the music superb"
    answer = recurrent("predict", run, text).out
    told = float(answer.split()[0])
    assert 4 < told < 6
    assert recurrent("export", run, "--format=onnx").status == 0
    assert max(each.worst for each in exports.verify(run / "exports").values()) < 2e-5
    predictor = Predictor(run / "exports")
    predictions = predictor.predict_text([text])[0].outputs["predictions"]
    mean_, low, middle, high = predictions.ravel()
    assert low < middle < high and abs(mean_ - told) < 0.001 * told

    (answer,) = predictor.answer([text])
    assert answer == predictor.answer(text) and answer.keys() == {"stars"}
    assert answer["stars"] == {"value": mean_, "interval": [low, high], "level": 0.8}
    assert as_told(answer) == written(recurrent("predict", run, text).out)

    new, scored = reviews(tmp_path / "new.csv", 40, seed=1), tmp_path / "scored.csv"
    assert recurrent("predict", run, f"--input={new}", f"--output={scored}").status == 0
    with scored.open(newline="") as file:
        rows = list(csv.DictReader(file))
    errors = [abs(float(row["mean of stars"]) - float(row["stars"])) for row in rows]
    outcome = recurrent("evaluate", run, f"--data={new}")
    mae = float(outcome.out.splitlines()[0].removeprefix("mae: "))
    assert mae == pytest.approx(np.mean(errors), abs=1e-3)


def test_several_numbers_are_told_in_their_own_units(recurrent: Command, tmp_path: Path) -> None:
    data, run = waves(tmp_path / "waves.csv", 300), tmp_path / "run"
    options = ["--features=x", "--sequence-id=wave", "--target=height,frequency"]
    outcome = recurrent("train", "regress", f"--data={data}", f"--run={run}", *options, *SMALL)
    assert outcome.status == 0, outcome.err
    assert recurrent("evaluate", run).status == 0
    assert json.loads((run / "results.json").read_text())["model"]["r_squared"] > 0.6
    wave = 200 * np.sin(0.4 * np.arange(20, dtype=np.float32))[:, None]
    np.save(tmp_path / "wave.npy", wave)
    page = parsed(run / "report.html")
    opened = Run.open(run)
    tested = opened.task.data(opened).raw.test
    inside = []
    for number, targets in enumerate(tested.targets, start=1):
        intervals = recurrent("predict", run, number).out.split("\t")[:2]
        ends = [re.findall(r"-?[\d.]+(?:e-?\d+)?", each)[1:] for each in intervals]
        pairs = zip(ends, targets, strict=True)
        inside.append([float(low) <= true <= float(high) for (low, high), true in pairs])
    rows = table(page, "Fractions of the true numbers")
    assert [row[0] for row in rows] == ["height", "frequency"]
    np.testing.assert_allclose(
        [float(row[4]) for row in rows], np.mean(inside, axis=0), atol=1.5 / len(inside)
    )
    assert sum("predicted against true" in each for each in descriptions(page)) == 2

    said = recurrent("predict", run, tmp_path / "wave.npy").out
    assert recurrent("export", run, "--format=onnx").status == 0
    (answer,) = Predictor(run / "exports").answer(wave[None].astype(np.float32))
    assert as_told(answer) == written(said) and [*answer] == ["height", "frequency"]
    height, frequency, _ = said.split("\t")
    assert abs(float(height.split()[0]) - 200) < 60
    assert abs(float(frequency.split()[0]) - 0.4) < 0.15


def test_a_table_without_numbers_is_named(recurrent: Command, tmp_path: Path) -> None:
    data = tmp_path / "reviews.csv"
    data.write_text("review,stars\n" + "a b,x\n" * 40)
    outcome = recurrent("train", "regress", f"--data={data}", f"--run={tmp_path / 'run'}")
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert "reviews.csv has no column of" in outcome.err
    assert not (tmp_path / "run").exists()


def test_numbers_are_told_of_recordings_that_a_table_names(
    recurrent: Command, tmp_path: Path
) -> None:
    """The pitch of a tone; the table stands beside the folder of the recordings."""
    random = np.random.default_rng(0)
    (tmp_path / "tones").mkdir()
    with (tmp_path / "tones.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "pitch"])
        for number in range(90):
            pitch, time = random.uniform(200, 1000), np.arange(2000) / 8000
            tone = 0.3 * np.sin(2 * np.pi * pitch * time) + random.normal(scale=0.01, size=2000)
            soundfile.write(tmp_path / "tones" / f"{number}.flac", tone, 8000)
            writer.writerow([f"tones/{number}.flac", f"{pitch:.1f}"])
    run = tmp_path / "run"
    options = [f"--data={tmp_path / 'tones.csv'}", f"--run={run}", *SMALL, "--epochs=12"]
    outcome = recurrent("train", "regress", *options)
    assert outcome.status == 0, outcome.err
    assert "Recording: file (median 0.25 s at 8,000 Hz). Target: pitch." in outcome.err
    assert recurrent("evaluate", run).status == 0
    assert json.loads((run / "results.json").read_text())["model"]["r_squared"] > 0.5
    (tmp_path / "tones" / "7.flac").unlink()
    outcome = recurrent("evaluate", run, f"--data={tmp_path / 'tones.csv'}")
    assert outcome.status == 1 and "row 9: file is '" in outcome.err
    assert "7.flac', and there is no such file. Correct it" in outcome.err
