"""Forecasts from a file of one's own: trained, tested, exported and asked."""

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import exports
from exports.runtime.predictor import Predictor
from pipeline import config, forecast, recipes
from pipeline.baselines import forecast as baselines
from pipeline.run import Run
from tests.own_data.loads import BEGIN, Row, loads, write
from tests.pipeline.pages import descriptions, parsed, table
from tests.pipeline.small import Outcome

Command = Callable[..., Outcome]
Array = npt.NDArray[Any]

WINDOW, HORIZON, SEASON = 12, 4, 24
SMALL = [f"--window={WINDOW}", f"--horizon={HORIZON}", "--units=4", "--epochs=2", "--limit=128"]
SMALL += ["--batch-size=32", "--learning-rate=0.01"]
COLUMNS = ["--time=stamp", "--target=mw,mvar", "--past-covariates=wind"]
COLUMNS += ["--future-covariates=holiday", "--series-id=meter"]


def gaps(number: int, row: Row) -> Row | None:
    """Leave out a row now and then, and some of the numbers of another."""
    if number % 37 == 20:
        return None
    if number % 29 == 5:
        return {**row, "mw": "", "wind": "NaN"}
    return row


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file, and a run on it. Leave them as they are."""
    from pipeline import cli

    folder = tmp_path_factory.mktemp("loads")
    data = write(folder / "load.csv", reversed(loads(300, ("a", "b"))), gaps)
    arguments = ["train", "forecast", f"--data={data}", f"--run={folder / 'run'}"]
    cli.command.main([*arguments, *COLUMNS, *SMALL], standalone_mode=False)
    exported = ["export", str(folder / "run"), f"--to={folder / 'model'}", "--format=onnx"]
    cli.command.main(exported, standalone_mode=False)
    return folder


def number(text: str) -> float:
    return float(text) if text else np.nan


def by_hour(path: Path, meter: str, names: Sequence[str]) -> Array:
    """Read columns of a meter, NaN where a row or a number is missing, `[hours, names]`."""
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["meter"] == meter]
    hours = 1 + max(hour_of(row) for row in rows)
    values = np.full((hours, len(names)), np.nan)
    for row in rows:
        values[hour_of(row)] = [number(row[name]) for name in names]
    return values


def hour_of(row: Row) -> int:
    begin = BEGIN.fromisoformat(row["stamp"])
    return round((begin - BEGIN) / timedelta(hours=1))


def asked(model: Predictor, values: Array, origin: int) -> Array:
    """Ask the exported model what comes from the step `origin` on, `[horizon, targets, 4]`."""
    (found,) = model(window(values, origin))["forecast"]
    return found


def window(values: Array, origin: int) -> dict[str, Array]:
    """Make the inputs of what comes from the step `origin` on."""
    past = np.full((WINDOW, 4), np.nan)
    seen = values[max(0, origin - WINDOW) : origin]
    past[WINDOW - len(seen) :] = seen
    return {
        "values": np.nan_to_num(past)[None].astype(np.float32),
        "known": (~np.isnan(past))[None].astype(np.float32),
        "future": values[origin : origin + HORIZON, 3:][None].astype(np.float32),
    }


def test_the_inference_is_said(recurrent: Command, tmp_path: Path) -> None:
    data = write(tmp_path / "load.csv", loads(200), gaps)
    outcome = recurrent(
        "train",
        "forecast",
        f"--data={data}",
        "--target=mw",
        f"--run={tmp_path / 'run'}",
        *SMALL,
        "--epochs=1",
    )
    assert outcome.status == 0, outcome.err
    said = "Time: stamp, in steps of 1 hour; 5 of 200 are missing. A season: 24 steps."
    assert said in outcome.err
    assert "Target: mw." in outcome.err
    assert "The first one of the test is after 2024-01-07T15:00:00." in outcome.err


def test_metrics_are_those_of_a_plain_reference(
    recurrent: Command, folder: Path, tmp_path: Path
) -> None:
    data = write(tmp_path / "other.csv", loads(60, ("a", "b"), seed=1), gaps)
    outcome = recurrent("evaluate", folder / "run", f"--data={data}")
    assert outcome.status == 0, outcome.err
    found = dict(line.split(": ") for line in outcome.out.splitlines())
    true, predicted = [], []
    model = Predictor(folder / "model")
    for meter in ("a", "b"):
        values = by_hour(data, meter, ["mw", "mvar", "wind", "holiday"])
        for origin in range(1, len(values) - HORIZON + 1):
            ahead = values[origin : origin + HORIZON]
            begun = not np.isnan(values[origin - 1, :2]).all()
            if begun and not np.isnan(ahead[:, :2]).all() and not np.isnan(ahead[:, 3]).any():
                true.append(ahead[:, :2])
                predicted.append(asked(model, values, origin))
    y, p = np.array(true), np.array(predicted)
    known = ~np.isnan(y)
    error = y - p[..., 0]
    naive = json.loads((folder / "run" / "columns.json").read_text())["fitted"]["naive_error"]
    pinball = [
        np.maximum(level * (y - p[..., place]), (level - 1) * (y - p[..., place]))[known].mean()
        for place, level in enumerate((0.1, 0.5, 0.9), start=1)
    ]
    expected = {
        "mae": np.abs(error[known]).mean(),
        "rmse": np.sqrt(np.square(error[known]).mean()),
        "pinball": np.mean(pinball),
        "coverage": ((p[..., 1] <= y) & (y <= p[..., 3]))[known].mean(),
        "mase": np.abs(error / naive)[known].mean(),
        "mae halfway": np.nanmean(np.abs(error[:, 1])),
        "mae at the end": np.nanmean(np.abs(error[:, 3])),
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-3, abs=1e-3), name
    assert (np.diff(p[..., 1:], axis=-1) >= 0).all()  # quantiles rise


def test_the_report_draws_windows_and_measures_steps(recurrent: Command, folder: Path) -> None:
    """What the exported model says of the windows of the test split is what is drawn of them."""
    assert recurrent("evaluate", folder / "run").status == 0
    run = Run.open(folder / "run")
    cut, model = run.task.data(run), Predictor(folder / "model")
    meters = {
        meter: by_hour(folder / "load.csv", meter, ["mw", "mvar", "wind", "holiday"])
        for meter in ("a", "b")
    }
    where = [
        (cut.whole.series[series].name, int(origin))
        for series, origin in zip(*cut.test.places, strict=True)
    ]
    said = np.array([asked(model, meters[meter], origin) for meter, origin in where])
    true = np.array([meters[meter][origin : origin + HORIZON, :2] for meter, origin in where])
    off = np.abs(said[..., 0] - true) / cut.columns.deviation[:2]
    order = np.argsort(np.nanmean(off, axis=(1, 2)))

    page = parsed(folder / "run" / "report.html")
    meter, origin = where[order[-1]]
    begin = (BEGIN + timedelta(hours=origin - 1)).isoformat()
    name = f"The worst window, test window {order[-1] + 1}, {meter} after {begin}"
    assert sum(name in each for each in descriptions(page)) == 2
    for target, column in enumerate(("mw", "mvar")):
        rows = table(page, f"{name}: {column}, in numbers")
        assert [row[0] for row in rows] == [
            (BEGIN + timedelta(hours=origin + step)).isoformat() for step in range(HORIZON)
        ]
        found = np.array([[number(cell) for cell in row[1:]] for row in rows])
        expected = said[order[-1], :, target][:, [0, 1, 3]]
        np.testing.assert_allclose(found[:, 0], true[order[-1], :, target], rtol=1e-3)
        np.testing.assert_allclose(found[:, 1:], expected, rtol=2e-3)
    inside = np.where(np.isnan(true), np.nan, (said[..., 1] <= true) & (true <= said[..., 3]))
    steps = np.array(table(page, "Errors and intervals by step ahead"), float)
    np.testing.assert_array_equal(steps[:, 0], range(1, 1 + HORIZON))
    np.testing.assert_allclose(steps[:, 1], np.nanmean(off, axis=(0, 2)), rtol=2e-3)
    np.testing.assert_allclose(steps[:, 3], np.nanmean(inside, axis=(0, 2)), atol=0.02)
    known = table(page, "Fractions of the true numbers")
    assert [row[0] for row in known] == ["mw", "mvar"]
    for target, row in enumerate(known):
        assert float(row[4]) == pytest.approx(np.nanmean(inside[..., target]), abs=0.02)


def test_errors_are_held_against_the_season_before_in_the_training_stretch(folder: Path) -> None:
    run = Run.open(folder / "run")
    naive = run.task.data(run).test.naive_error
    names = ["mw", "mvar"]
    meters = [by_hour(folder / "load.csv", meter, names) for meter in ("a", "b")]
    known = np.sort(np.concatenate([np.flatnonzero(~np.isnan(m).all(-1)) for m in meters]))
    end = known[round(0.72 * len(known))]  # the test is a fifth, and a tenth of the rest validation
    errors = np.concatenate([np.abs(m[SEASON:end] - m[: end - SEASON]) for m in meters])
    np.testing.assert_allclose(naive, np.nanmean(errors, axis=0), rtol=1e-6)


def test_a_forecast_begins_after_the_last_row(
    recurrent: Command, folder: Path, tmp_path: Path
) -> None:
    rows = loads(50, ("a", "b"), seed=2)
    ahead = [row for row in rows if hour_of(row) >= 46]
    data = write(
        tmp_path / "new.csv",
        rows,
        lambda _, row: {**row, "mw": "", "mvar": "", "wind": ""} if row in ahead else row,
    )
    scored = tmp_path / "scored.csv"
    outcome = recurrent("predict", folder / "run", f"--input={data}", f"--output={scored}")
    assert outcome.status == 0, outcome.err
    with scored.open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [(row["meter"], row["stamp"]) for row in found] == [
        (row["meter"], row["stamp"]) for row in ahead
    ]
    model = Predictor(folder / "model")
    for place, meter in enumerate(("a", "b")):
        values = by_hour(data, meter, ["mw", "mvar", "wind", "holiday"])
        expected = asked(model, values, 46)
        (answer,) = model.answer(window(values, 46))
        assert answer["step"] == "1 hour" and len(answer["ahead"]) == HORIZON
        for step, row in enumerate(found[HORIZON * place : HORIZON * (place + 1)]):
            for target, name in enumerate(("mw", "mvar")):
                told = [float(row[f"mean of {name}"]), float(row[f"quantile 0.1 of {name}"])]
                assert told == pytest.approx(expected[step, target, :2].tolist(), rel=1e-3)
                said = answer["ahead"][step][name]
                assert said.keys() == {"value", "interval", "level"} and said["level"] == 0.8
                columns = ("mean", "quantile 0.1", "quantile 0.9")
                assert [said["value"], *said["interval"]] == pytest.approx(
                    [float(row[f"{column} of {name}"]) for column in columns], rel=1e-5, abs=1e-5
                )
    printed = recurrent("predict", folder / "run", data).out.splitlines()
    assert len(printed) == len(found)
    for line, row in zip(printed, found, strict=True):
        meter, stamp, mw, _ = line.split("\t")
        assert (meter, stamp) == (row["meter"], row["stamp"])
        assert float(mw.split()[1]) == pytest.approx(float(row["mean of mw"]), rel=1e-3)


def test_what_must_be_known_in_advance_is_asked_for(
    recurrent: Command, folder: Path, tmp_path: Path
) -> None:
    data = write(tmp_path / "new.csv", loads(50, ("a", "b")))
    outcome = recurrent("predict", folder / "run", data)
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    said = "new.csv, row 51: holiday must be known in the 4 steps after it, and is in 0: add rows"
    assert said in outcome.err


def settings(data: Path, **more: Any) -> Any:
    small = {"window": WINDOW, "horizon": HORIZON, "units": 4, "epochs": 1, "target": "mw"}
    preset = recipes.get("forecast").presets["forecast"]()
    return config.merge(preset, small, {"data": str(data), "limit": 64, **more})


def test_the_test_stretch_changes_neither_weights_nor_scales(tmp_path: Path) -> None:
    from pipeline import train

    def doubled(_: int, row: Row) -> Row:
        return {**row, "mw": 1e4} if hour_of(row) >= 160 else row

    weights = []
    for name, change in {"as it was": None, "changed": doubled}.items():
        data = write(tmp_path / f"{name}.csv", loads(200), change)
        run = Run.create(tmp_path / name, settings(data))
        train.train(run)
        weights.append(run.model().get_weights())
        cut = run.task.data(run)
        assert cut.test.targets.numpy().max() == (1e4 if change else pytest.approx(600, abs=60))
        assert cut.columns.mean == pytest.approx(500, abs=10)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_target_is_in_two_splits(tmp_path: Path) -> None:
    data = write(tmp_path / "load.csv", loads(200, ("a", "b")), gaps)
    run = Run.create(tmp_path / "run", settings(data, series_id="meter", limit=None))
    cut = run.task.data(run)
    ends = -np.inf
    for split in (cut.train, cut.validation, cut.test):
        series, origins = split.places
        begins = [cut.whole.series[a].times[b] for a, b in zip(series, origins, strict=True)]
        last = [
            cut.whole.series[a].times[b + HORIZON - 1] for a, b in zip(series, origins, strict=True)
        ]
        assert min(begins) > ends
        ends = max(last)


def test_drift_goes_through_the_last_two_known_values(tmp_path: Path) -> None:
    data = write(tmp_path / "load.csv", loads(300, ("a", "b")), gaps)
    run = Run.create(tmp_path / "run", settings(data, series_id="meter", past_covariates="wind"))
    cut = run.task.data(run)
    found = baselines.drift(run.config, cut, lambda model, _: model)
    inputs = {name: each.numpy() for name, each in cut.test.inputs.items()}
    expected = []
    for values, known in zip(inputs["values"][..., 0], inputs["known"][..., 0], strict=True):
        before, last = np.flatnonzero(known)[-2:]
        line = np.polyfit([before, last], values[[before, last]], 1)
        expected.append(np.polyval(line, last + np.arange(1, 1 + HORIZON)))
    np.testing.assert_allclose(found[..., 0, 0], expected, rtol=1e-5)
    assert (inputs["known"][:, -2, 0] == 0).any()


def days(rows: Sequence[Row], splits: Sequence[str]) -> list[Row]:
    """Give each row the split of its day, in turn."""
    return [{**row, "part": splits[hour_of(row) // 24 % len(splits)]} for row in rows]


def test_splits_that_the_data_have_share_no_series(recurrent: Command, tmp_path: Path) -> None:
    """A window of one split sees nothing of the days between its own, which are of another."""
    columns = days(loads(24 * 9), ("train", "train", "validation", "test"))
    names = ("stamp", "mw", "part")
    run = forecast.train(
        {name: [row[name] for row in columns] for name in names},
        run=tmp_path / "run",
        split="part",
        window=30,
        horizon=HORIZON,
        units=4,
        epochs=1,
    ).run
    cut = run.task.data(run)
    parts = {"train": (0, 1, 4, 5, 8), "validation": (2, 6), "test": (3, 7)}
    mw = np.array([row["mw"] for row in columns], np.float32)
    for name, mine in parts.items():
        own = np.isin(np.arange(len(mw)) // 24, mine)
        alone = np.where(own, mw, np.nan)[24 * mine[0] :]
        windows = getattr(cut, name)
        for place, origin in enumerate(windows.places.origins):
            past = np.pad(alone, (30, 0), constant_values=np.nan)[origin : origin + 30]
            known = windows.inputs["known"].numpy()[place, :, 0] > 0
            np.testing.assert_array_equal(known, ~np.isnan(past))
            values = windows.inputs["values"].numpy()[place, known, 0]
            np.testing.assert_array_equal(values, past[known])
            ahead = alone[origin : origin + HORIZON]
            np.testing.assert_array_equal(windows.targets.numpy()[place, :, 0], ahead)
    seen = mw[np.isin(np.arange(len(mw)) // 24, parts["train"])]
    assert cut.columns.mean == pytest.approx(seen.mean(), rel=1e-5)
    outcome = recurrent("predict", run.path, "1")
    assert outcome.status == 0 and len(outcome.out.splitlines()) == HORIZON


def test_a_split_that_is_not_given_is_the_last_stretch_of_the_training_data(
    recurrent: Command, tmp_path: Path
) -> None:
    data, other = (
        write(tmp_path / f"{name}.csv", loads(hours, seed=seed))
        for seed, (name, hours) in enumerate({"load": 200, "other": 50}.items())
    )
    command = ["train", "forecast", f"--data={data}", f"--test={other}", "--target=mw"]
    outcome = recurrent(
        *command, f"--run={tmp_path / 'run'}", "--time=stamp", *SMALL, "--limit=999"
    )
    assert outcome.status == 0, outcome.err
    run = Run.open(tmp_path / "run")
    cut = run.task.data(run)
    true = np.array([row["mw"] for row in loads(50, seed=1)], np.float32)
    ahead = np.lib.stride_tricks.sliding_window_view(true, HORIZON)[1:]
    np.testing.assert_array_equal(cut.test.targets.numpy()[..., 0], ahead)
    assert cut.train.places.origins.max() + HORIZON == cut.validation.places.origins.min() == 180
    assert cut.validation.places.origins.max() + HORIZON == 200


def test_a_file_without_the_column_of_series_is_one(
    recurrent: Command, folder: Path, tmp_path: Path
) -> None:
    def without(_: int, row: Row) -> Row:
        known = {} if hour_of(row) < 46 else {"mw": "", "mvar": "", "wind": ""}
        return {**row, **known}

    named = write(tmp_path / "named.csv", loads(50), without)
    lines = [line.split(",") for line in named.read_text().splitlines()]
    bare = tmp_path / "bare.csv"
    bare.write_text("".join(f"{','.join([line[0], *line[2:]])}\n" for line in lines))
    one, other = (recurrent("predict", folder / "run", path) for path in (named, bare))
    assert other.status == 0, other.err
    assert [line.removeprefix("a\t") for line in one.out.splitlines()] == other.out.splitlines()


def test_from_python_with_baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import train

    monkeypatch.setenv("KERAS_RECURRENT_CACHE", str(tmp_path / "cache"))
    columns = {name: [row[name] for row in loads(240)] for name in ("stamp", "mw")}
    run = forecast.train(
        columns, run=tmp_path / "run", window=WINDOW, horizon=HORIZON, units=4, epochs=1, limit=64
    )
    results = train.evaluate(run.run)
    assert list(results["baselines"]) == [
        "persistence",
        "drift",
        "seasonal naive",
        "linear autoregression",
        "feed-forward network",
    ]
    mw = np.array(columns["mw"])
    origins = run.run.task.data(run.run).test.places.origins
    ahead = origins[:, None] + np.arange(HORIZON)
    slopes = (mw[origins - 1] - mw[origins - 2])[:, None]
    for name, expected in (
        ("persistence", np.abs(mw[ahead] - mw[origins - 1, None])),
        ("drift", np.abs(mw[ahead] - mw[origins - 1, None] - slopes * np.arange(1, 1 + HORIZON))),
        ("seasonal naive", np.abs(mw[ahead] - mw[ahead - SEASON])),
    ):
        assert results["baselines"][name]["mae"] == pytest.approx(expected.mean(), rel=1e-4)
    (answer,) = run.predict(["1"])
    assert len(answer.text.splitlines()) == HORIZON


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"second"', '"fortnight"'),
        ('"step": 3600.0', '"step": 0.0'),
        ('"naive_error": [', '"naive_error": [1.0,'),
        ('"mvar"', '"mvar", "more"'),
    ],
)
def test_damaged_columns_are_named(
    recurrent: Command, folder: Path, tmp_path: Path, old: str, new: str
) -> None:
    shutil.copytree(folder / "run", tmp_path / "run")
    file = tmp_path / "run" / "columns.json"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    outcome = recurrent("predict", tmp_path / "run", folder / "load.csv")
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert "columns.json is damaged" in outcome.err


def test_folds_move_the_origin(recurrent: Command, tmp_path: Path) -> None:
    data, folder = write(tmp_path / "load.csv", loads(240)), tmp_path / "folds"
    small = [each for each in SMALL if "epochs" not in each]
    command = ["train", "forecast", f"--data={data}", "--target=mw", f"--run={folder}", *small]
    outcome = recurrent(*command, "--epochs=1", "--folds=2")
    assert outcome.status == 0, outcome.err
    runs = [Run.open(folder / f"fold-{number}") for number in (1, 2)]
    first, last = (run.task.data(run).test for run in runs)
    assert first.places.origins.min() == 144 and last.places.origins.min() == 192
    assert max(first.places.origins) + HORIZON == 192
    rows = json.loads((folder / "folds.json").read_text())
    assert [row["name"] for row in rows][:2] == ["gru", "persistence"]
    found = [run.results["model"]["mae"] for run in runs]
    assert rows[0]["figures"]["mae"] == found
    assert (
        f"{np.mean(found):.4f} ({min(found):.4f} to {max(found):.4f})"
        in (folder / "folds.md").read_text()
    )


def test_a_window_is_explained(recurrent: Command, folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "explain.html"
    outcome = recurrent("explain", folder / "run", "1", f"--to={page}")
    assert outcome.status == 0, outcome.err
    assert f"mw, {HORIZON} steps ahead" in page.read_text()


def test_the_card_says_what_goes_in_and_out(folder: Path) -> None:
    assert max(each.worst for each in exports.verify(folder / "model").values()) < 1e-2
    card = (folder / "model" / "README.md").read_text()
    for said in (
        "mw, mvar, wind, holiday, in steps of 1 hour, in the units of the data",
        "1 where a value is known",
        "mean, quantile 0.1, quantile 0.5, quantile 0.9",
    ):
        assert said in card


def tenth(**changed: Any) -> Callable[[int, Row], Row]:
    return lambda number, row: {**row, **changed} if number == 9 else row


BROKEN: dict[str, tuple[Callable[[int, Row], Row | None], str]] = {
    "a time twice": (tenth(stamp=BEGIN.isoformat()), "row 11: stamp is that of load.csv, row 2"),
    "no time": (tenth(stamp="noon"), "row 11: stamp is 'noon', not a time"),
    "no number": (tenth(mw="much"), "row 11: mw is 'much', not a number"),
    "no target at all": (lambda _, row: {**row, "mw": ""}, "no window for the train split"),
    "few rows": (lambda number, row: row if number < 9 else None, "no window for the"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_one_line_and_leaves_nothing(
    recurrent: Command, tmp_path: Path, kind: str
) -> None:
    change, said = BROKEN[kind]
    data = write(tmp_path / "load.csv", loads(100), change)
    command = ["train", "forecast", f"--data={data}", "--target=mw", "--time=stamp"]
    outcome = recurrent(*command, f"--run={tmp_path / 'run'}", *SMALL)
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert "load.csv" in outcome.err and said in outcome.err
    assert not (tmp_path / "run").exists()


@pytest.mark.gpu
def test_a_forecaster_is_trained_and_exported_on_a_gpu(tmp_path: Path) -> None:
    data = write(tmp_path / "load.csv", loads(300), gaps)
    run = forecast.train(
        data, run=tmp_path / "run", target="mw", window=WINDOW, horizon=HORIZON, epochs=3
    )
    assert run.evaluate()["mase"] < 3
    run.export(tmp_path / "model")
