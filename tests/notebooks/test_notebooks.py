"""The notebooks run, and still show what their text says."""

from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def printed(notebook: Any) -> list[str]:
    """Return what each code cell printed, without the lines of the libraries' logs."""
    return [
        "".join(
            output.text
            for output in cell.outputs
            if output.output_type == "stream" and output.name == "stdout"
        )
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def pictures(notebook: Any) -> int:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_prints_and_draws_what_is_stored_in_it(path: Path) -> None:
    stored = nbformat.read(path, as_version=4)
    again = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parents[1])}}
    nbclient.NotebookClient(again, timeout=120, resources=resources).execute()
    assert printed(again)[:3] == printed(stored)[:3]
    assert [len(text.splitlines()) for text in printed(again)] == [
        len(text.splitlines()) for text in printed(stored)
    ]
    assert pictures(again) == pictures(stored) > 0
