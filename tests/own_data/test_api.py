"""The same from Python: a path, columns, a DataFrame or a data set in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import exports
from pipeline import classify
from pipeline.errors import PipelineError
from tests.own_data.tickets import tickets, write

SETTINGS: dict[str, Any] = {"epochs": 1, "units": 4, "embedding_dim": 8, "bigram_buckets": 512}
SETTINGS |= {"batch_size": 16, "learning_rate": 0.02, "max_length": 30}
ROWS = tickets(120)
COLUMNS = {"body": [row.body for row in ROWS], "team": [row.team for row in ROWS]}


def mapping(folder: Path) -> Any:
    return COLUMNS


def dataset(folder: Path) -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(COLUMNS)


def file(folder: Path) -> Any:
    return write(folder / "tickets.csv", ROWS)


@pytest.mark.parametrize("make", [mapping, dataset, file])
def test_data_of_any_form_becomes_a_model(
    make: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_RECURRENT_CACHE", str(tmp_path / "cache"))
    run = classify.train(
        make(tmp_path), run=tmp_path / "run", text="body", label="team", **SETTINGS
    )
    (answer,) = run.predict(["the invoice has the wrong price"])
    assert answer.text.split("\t")[0] in ("billing", "hardware", "network")
    assert 0 <= run.evaluate()["accuracy"] <= 1
    other = run.evaluate({"body": ["my wifi is slow"], "team": ["network"]})
    assert other["accuracy"] in (0.0, 1.0)
    if make is file:
        run.export(tmp_path / "artifact", formats=["onnx"])
        assert max(each.worst for each in exports.verify(tmp_path / "artifact").values()) < 2e-5


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="int is not data: give a path"):
        classify.train(3, run=tmp_path / "run")
