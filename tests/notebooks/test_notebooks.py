"""The notebooks run to their end, and are stored with what they show."""

import re
import tempfile
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from traitlets.config import Config

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS = 120  # that a notebook may take
LARGEST = 300_000  # bytes of one that is stored

notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def executed(path: Path) -> Any:
    """What is stored at `path`, run anew."""
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(FOLDER)}}
    with tempfile.TemporaryDirectory() as sockets:  # two kernels may choose the same port
        files = Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}})
        nbclient.NotebookClient(notebook, timeout=SECONDS, resources=where, config=files).execute()
    return notebook


def cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def pictures(cell: Any) -> int:
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def printed(cell: Any) -> list[str]:
    """The lines that a cell printed, without their numbers: another machine may have others."""
    text = "".join(
        output.text
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stdout"
    )
    return [re.sub(r" *[-+]?\d[\d.,]*(e[-+]\d+)?", "#", line) for line in text.splitlines()]


def test_there_are_nine() -> None:
    assert [int(path.name[0]) for path in NOTEBOOKS] == list(range(1, 10))


@pytest.mark.slow
@notebooks
def test_a_notebook_runs_and_shows_what_is_stored_in_it(path: Path) -> None:
    stored, again = nbformat.read(path, as_version=4), executed(path)
    for was, now in zip(cells(stored), cells(again), strict=True):
        assert pictures(now) == pictures(was), was.source
        assert printed(now) == printed(was), was.source


@notebooks
def test_a_notebook_is_stored_with_its_pictures(path: Path) -> None:
    stored = cells(nbformat.read(path, as_version=4))
    assert [cell.execution_count for cell in stored] == list(range(1, len(stored) + 1))
    assert any(map(pictures, stored))
    assert path.stat().st_size < LARGEST


@notebooks
def test_a_notebook_tells_nothing_of_the_machine_it_ran_on(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    paths = r"/(?:home|root|tmp|Users|usr|work|opt|var|mnt)/\w+|[A-Z]:\\\\"
    assert not re.findall(paths, text)
    assert not re.findall(r"https?://(?!127\.0\.0\.1)", text)
    assert '"name": "stderr"' not in text
