"""What a GPU trained gives the same predictions on a machine that has none."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.own_data.test_table import MADE
from tests.pipeline.small import Outcome


def values(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [value for row in csv.reader(file) for value in row]


def agree(one: str, other: str) -> bool:
    """Say whether two values of a table are the same text, or numbers that are close."""
    try:
        return float(one) == pytest.approx(float(other), rel=1e-2, abs=1e-3)
    except ValueError:
        return one == other


@pytest.mark.gpu
@pytest.mark.parametrize("task", MADE)
def test_what_a_gpu_trained_predicts_the_same_on_a_cpu(
    recurrent: Callable[..., Outcome], task: str, tmp_path: Path
) -> None:
    settings = {**MADE[task]["CSV, TSV"][0](tmp_path), "units": 8, "epochs": 2, "limit": 128}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    run = tmp_path / "run"
    assert recurrent("train", task, f"--run={run}", *options).status == 0
    predict = ["predict", str(run), f"--input={settings['data']}"]
    assert recurrent(*predict, f"--output={tmp_path / 'here.csv'}").status == 0
    subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *predict, f"--output={tmp_path / 'cpu.csv'}"],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        check=True,
    )
    pairs = zip(values(tmp_path / "here.csv"), values(tmp_path / "cpu.csv"), strict=True)
    assert [pair for pair in pairs if not agree(*pair)] == []
