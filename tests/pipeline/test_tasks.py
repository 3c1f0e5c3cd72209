"""Tasks are found, and finding them costs nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import recipes, tasks
from pipeline.errors import PipelineError
from pipeline.tasks.base import Task

IMPORT = """
import sys
from pipeline import recipes
for name in recipes.names():
    for preset in recipes.get(name).presets.values():
        preset()
print(*sys.modules)
"""


def test_every_module_holds_a_task() -> None:
    folder = Path(tasks.__file__).parent
    assert tasks.names() == sorted(
        file.stem for file in folder.glob("[!_]*.py") if file.stem != "base"
    )
    for name in tasks.names():
        task = tasks.get(name)
        assert isinstance(task, Task)


def test_listing_tasks_imports_nothing_that_takes_long() -> None:
    program = [sys.executable, "-c", IMPORT]
    loaded = subprocess.run(program, check=True, capture_output=True, text=True).stdout.split()
    assert not {"tensorflow", "keras", "sklearn", "onnx", "exports.exporter"} & set(loaded)


def test_a_new_file_is_a_new_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weather.py").write_text("task = 'tomorrow'\n")
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    assert "weather" in tasks.names()
    found: object = tasks.get("weather")
    assert found == "tomorrow"


def test_an_unknown_task_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        PipelineError, match=r"no task or recipe is called 'sentimant'. Did you mean 'senti"
    ):
        recipes.get("sentimant")
    with pytest.raises(PipelineError, match=r"There are .*sentiment"):
        recipes.get("xyz")
