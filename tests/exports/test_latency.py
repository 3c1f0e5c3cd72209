"""Timing: who is called how often, on what, and what the artifact says of it."""

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from exports import Artifact, export, latency
from exports.parity.cases import Case
from tests.exports import models


def test_sides_take_turns_in_changing_order() -> None:
    called: list[str] = []
    sides = {name: lambda name=name: called.append(name) for name in "abc"}
    times = latency.turns(sides, range(20), calls=2)
    assert {name: len(values) for name, values in times.items()} == dict.fromkeys("abc", 40)
    assert Counter(called) == dict.fromkeys("abc", 1 + 20 * 3)
    rounds = ["".join(called[start : start + 9 : 3]) for start in range(3, len(called), 9)]
    assert all(sorted(order) == list("abc") for order in rounds) and len(set(rounds)) > 1


@pytest.mark.parametrize(("rounds", "seconds", "expected"), [(50, 0.0, 3), (2, 0.0, 2), (5, 60, 5)])
def test_rounds_end_when_time_is_up(rounds: int, seconds: float, expected: int) -> None:
    assert len(latency.turns({"a": lambda: None}, range(rounds), seconds=seconds)["a"]) == expected


def test_batches_are_filled_with_the_rows_given() -> None:
    seen: list[Any] = []
    rows = np.arange(6).reshape(3, 2)

    def run(inputs: Any) -> Any:
        seen.append(inputs["x"].tolist())
        return inputs

    measured = latency.measure({"side": run}, {"x": rows}, {1: range(3), 5: range(3)}, seconds=9)
    assert seen[0] == [[0, 1]] and seen[-1] == [[0, 1], [2, 3], [4, 5], [0, 1], [2, 3]]
    assert measured["shape_of_a_row"] == {"x": [2]} and measured["processor"]
    for batch, found in zip((1, 5), measured["milliseconds"], strict=True):
        assert found["side"] == "side" and found["batch"] == batch and found["calls"] == 3
        assert 0 < found["p50"] <= found["p99"]


def test_a_slow_row_is_tried_once_before_a_shorter_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now, seen = 0.0, []

    def run(inputs: Any) -> Any:
        nonlocal now
        seen.append(inputs["x"].shape[1])
        now += inputs["x"].shape[1] / 1000
        return inputs

    monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter=lambda: now))
    sizes = (1, 37, 37, 64, 64, 301, 301)
    cases = [Case(f"{steps} steps", {"x": np.ones((1, steps))}) for steps in sizes]
    measured = latency.of_cases({"side": run}, cases)
    assert seen[:2] == [301, 37] and set(seen[2:]) == {37}
    assert measured["shape_of_a_row"] == {"x": [37]}


def test_real_rows_are_measured_where_there_are_some() -> None:
    def case(steps: int, real: bool) -> Case:
        return Case(f"{steps} steps", {"x": np.ones((1, steps))}, real)

    made, real = (
        [case(steps, False) for steps in (9, 7)],
        [case(steps, True) for steps in (2, 3, 5)],
    )
    for cases, steps in ((made, 9), (made + real, 3)):
        measured = latency.of_cases({"side": lambda inputs: inputs}, cases, [1])
        assert measured["shape_of_a_row"] == {"x": [steps]}


def test_a_batch_of_a_fixed_size_is_timed_as_it_is(tmp_path: Path) -> None:
    x = keras.Input(batch_shape=(2, None, models.FEATURES), name="x")
    rows = np.array([[1], [2]], "float32")
    model = keras.Model(x, keras.layers.GRU(models.UNITS)(x) * rows)
    exported = export(model, tmp_path / "artifact", formats=["onnx"])
    assert exported.signature.batch == 2
    timed = exported.report.latency["milliseconds"]
    assert {(each["side"], each["batch"]) for each in timed} == {("keras", 2), ("onnx", 2)}


def test_artifact_tells_the_latency_of_each_format(exported: Artifact) -> None:
    found = json.loads((exported.directory / "report.json").read_text())["latency"]
    sides = [(each["side"], each["batch"]) for each in found["milliseconds"]]
    assert sorted(sides) == sorted(
        (side, batch) for side in ("keras", "onnx", "saved_model") for batch in (1, 32)
    )
    card = (exported.directory / "README.md").read_text()
    assert found["processor"] in card and "| side | batch 1 | batch 32 |" in card
    one = next(each for each in found["milliseconds"] if each["side"] == "onnx")
    assert f"| onnx | {one['p50']:.2f} / {one['p99']:.2f} |" in card
