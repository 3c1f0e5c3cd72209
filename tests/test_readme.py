"""The README's Python runs as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    for block in blocks:
        exec(block, names)  # what a reader would do
    assert len(blocks) == 3
    assert names["layer"](names["keras"].ops.ones((2, 5, 3))).shape == (2, 5, 64)
    assert [end.name for end in names["session"].get_inputs()] == ["tokens"]
