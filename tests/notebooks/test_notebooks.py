"""The notebooks run to their end, and are stored with what they show."""

import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import nbclient
import nbformat
import pytest
from traitlets.config import Config

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS = 120  # that a notebook may take
LARGEST = 300_000  # bytes of one that is stored
NUMBER = re.compile(r"[-+]?\d+(?:,\d{3})*(?:\.\d*)?(?:e[-+]\d+)?")


class Tolerance(NamedTuple):
    """How far a number may be from the one that is stored, beside one in its last digit."""

    relative: float
    absolute: float


# Rounding differs from machine to machine, and some training makes much of it: then the cell that
# prints the outcome has the tag.
NEAR, FAR = Tolerance(0.01, 1e-5), Tolerance(0.15, 0.05)
TAG = "varies"

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


def printed(cell: Any) -> str:
    """What a cell printed."""
    return "".join(
        output.text
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stdout"
    )


def words(text: str) -> list[str]:
    """The text between the numbers, with one space for several: numbers differ in width."""
    return [" ".join(part.split()) for part in NUMBER.split(text)]


def numbers(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]


def digit(number: str) -> float:
    """One in the last digit of `number`: 0.01 of "0.25", 0.1e-3 of "1.3e-03"."""
    mantissa, _, exponent = number.partition("e")
    _, _, decimals = mantissa.partition(".")
    return float(10 ** (int(exponent or 0) - len(decimals)))


def same(stored: str, again: str, tolerance: Tolerance) -> bool:
    """Whether two texts say the same, and their numbers agree within `tolerance` and a digit."""
    allowed = [
        tolerance.absolute + tolerance.relative * abs(value) + 1.01 * digit(number)
        for number, value in zip(NUMBER.findall(stored), numbers(stored), strict=True)
    ]
    return words(stored) == words(again) and all(
        abs(was - now) <= most
        for was, now, most in zip(numbers(stored), numbers(again), allowed, strict=True)
    )


def test_there_are_nine() -> None:
    assert [int(path.name[0]) for path in NOTEBOOKS] == list(range(1, 10))


@pytest.mark.parametrize(
    ("stored", "again", "agree"),
    [
        ("accuracy 0.25", "accuracy 0.25", True),
        ("accuracy 0.25", "accuracy 0.26", True),  # rounded the other way
        ("accuracy 0.25", "accuracy 0.27", False),
        ("accuracy 0.25", "loss 0.25", False),
        ("64,064 weights", "64,064 weights", True),
        ("64,064 weights", "65,064 weights", False),
        ("largest difference 2.3e-07", "largest difference 0.0e+00", True),
        ("largest difference 2.3e-07", "largest difference 2.3e-03", False),
        ("[-3.0505 -3.0505]", "[-3.0506   -3.0505]", True),
        ("[-3.0505 -3.0505]", "[3.0505 -3.0505]", False),
        ("of 3 steps", "of 3", False),
    ],
)
def test_numbers_are_compared(stored: str, again: str, agree: bool) -> None:
    assert same(stored, again, NEAR) is agree


def test_what_varies_from_machine_to_machine_may_be_further_off() -> None:
    assert same("gap 30: 0.14", "gap 30: 0.10", FAR)
    assert not same("accuracy 0.733", "accuracy 0.504", FAR)


@pytest.mark.slow
@notebooks
def test_a_notebook_runs_and_shows_what_is_stored_in_it(path: Path) -> None:
    stored, again = nbformat.read(path, as_version=4), executed(path)
    for was, now in zip(cells(stored), cells(again), strict=True):
        assert pictures(now) == pictures(was), was.source
        tolerance = FAR if TAG in was.metadata.get("tags", []) else NEAR
        assert same(printed(was), printed(now), tolerance), printed(now)


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
