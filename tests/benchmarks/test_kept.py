"""What is kept of a measurement is not measured again, unless its settings change."""

import shutil
from pathlib import Path

import pytest

from benchmarks import kept
from benchmarks.kept import Kept, settings
from pipeline import config, quiet, recipes
from pipeline.config import Config


def small(**further: object) -> Config:
    preset = recipes.get("memory").presets["country"]()
    sizes = {"data": "tfds:country/gap_10", "limit": 32, "epochs": 1, "units": 2}
    return config.merge(preset, sizes, further)


@pytest.mark.slow
def test_seeds_add_up_until_the_settings_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet.load_tensorflow()
    monkeypatch.setattr(kept, "SEEDS", range(2))
    file, runs = tmp_path / "kept.json", tmp_path / "runs"
    Kept.read(file).measure("country", small(), runs)
    first = Kept.read(file).entries["country"]
    assert list(first.seeds) == ["0", "1"]
    assert first.settings == settings(small())
    assert list(first.baselines) == ["averaged embeddings", "TF-IDF of words and bigrams"]
    assert all(0 <= seed["model"]["accuracy"] <= 1 for seed in first.seeds.values())

    shutil.rmtree(runs)  # as on another machine
    begun = Kept.read(file)
    del begun.entries["country"].seeds["1"]
    begun.measure("country", small(), runs)
    assert [path.name for path in runs.iterdir()] == ["country-1"]
    again = Kept.read(file).entries["country"]
    assert again.seeds["1"]["model"]["accuracy"] == first.seeds["1"]["model"]["accuracy"]
    assert {**again.seeds, "1": None} == {**first.seeds, "1": None}

    shutil.rmtree(runs)
    monkeypatch.setattr(kept, "SEEDS", range(1))
    Kept.read(file).measure("country", small(units=3), runs, baselines={})
    changed = Kept.read(file).entries["country"]
    assert len(list(runs.iterdir())) == len(changed.seeds) == 1
    assert changed.settings["units"] == 3
    assert changed.baselines == {}
