"""The Python of the documentation runs as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def run(page: str) -> dict[str, Any]:
    """Run the blocks of a page one after the other, as a reader would."""
    names: dict[str, Any] = {}
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == text.count("```python") > 2
    for block in blocks:
        exec(block, names)
    return names


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = run("README.md")
    assert names["layer"](names["keras"].ops.ones((2, 5, 3))).shape == (2, 5, 64)
    (label,) = names["outputs"].values()
    assert label.shape == (1, 2)


@pytest.mark.slow
def test_the_page_on_cells_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = run("docs/write-a-cell.md")
    assert names["losses"][-1] < names["losses"][0] / 2
