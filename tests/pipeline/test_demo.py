"""The demo, on a small model: all stages, and then none of them."""

from pathlib import Path

import pytest
from rich.console import Console

from pipeline import demo
from pipeline.recipes import sentiment
from pipeline.run import Run
from tests.pipeline.small import small


def test_the_demo_ends_with_a_table_and_does_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small()
    monkeypatch.setitem(sentiment.recipe.presets, "demo", lambda: settings)
    console = Console(record=True, width=100)
    demo.demo(tmp_path / "demo", console)
    said = console.export_text()
    assert "2. Train …" in said
    for row in ("gru, 4 units", "averaged embeddings", "TF-IDF", "saved_model", "48 of 48"):
        assert row in said
    assert "1 GRU" in said.split("ONNX operators: ")[1]
    assert f"Everything is in {tmp_path / 'demo'}." in said
    assert said.split("Next:\n")[1].count("recurrent ") == 3
    run = Run.open(tmp_path / "demo")
    label, probability, text = run.task.predict(run, ["Not a single dull moment."])[0].text.split(
        "\t"
    )
    wrong = "" if label == "pos" else ", which is wrong: it is pos"
    assert f'"{text}" is read as {label} with probability {probability}{wrong}.' in said
    demo.demo(tmp_path / "demo", console)
    again = console.export_text()
    for stage in ("1. Fetch the reviews", "2. Train", "3. Evaluate", "4. Export"):
        assert f"{stage} done before, and kept" in again
    assert "5. Verify …" in again and "TF-IDF" in again
