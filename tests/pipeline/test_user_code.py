"""The user's own cell and task, by `--code`: the page about training does what it says."""

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import recipes, tasks, user_code
from pipeline.run import Run
from tests.pipeline.small import Outcome, options

Command = Callable[..., Outcome]
PAGE = (Path(__file__).parents[2] / "docs/training.md").read_text(encoding="utf-8")
(MAJORITY,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^\$ recurrent (.* --code .*)$", PAGE, re.MULTILINE)
QUICK = ["--cell=leaky", "--units=8", "--epochs=1", "--learning-rate=0.03"]


def forget() -> None:
    """Know of the user's code as much as a new process."""
    tasks.OWN.clear()
    recipes.OWN.clear()
    for name in user_code._loaded:
        sys.modules.pop(name, None)
    user_code._loaded.clear()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the user works, with the file of the page."""
    monkeypatch.chdir(tmp_path)
    Path("majority.py").write_text(MAJORITY)
    yield tmp_path
    forget()


def test_the_commands_of_the_page_work_each_in_a_new_process(recurrent: Command) -> None:
    said = {}
    assert len(COMMANDS) == 4
    for line in COMMANDS:
        outcome = recurrent(*shlex.split(line))
        assert outcome.status == 0, outcome.err
        said[line.split()[0]] = outcome.out
        forget()
    assert said["predict"].split() == ["ones", "zeros"]
    accuracy = float(re.findall(r"leaky +([\d.]+)", said["evaluate"])[0])
    assert accuracy > 0.9
    run = Path("runs/majority")
    assert (run / "exports/onnx/model.onnx").exists()
    assert (run / "code/majority.py").read_text() == MAJORITY
    assert "--code=runs/majority/code/majority.py" in (run / "report.html").read_text()


def test_the_code_in_a_run_is_never_run_unasked(recurrent: Command) -> None:
    train = ["train", "majority", "--run=run", *QUICK]
    assert recurrent(*train, "--code=majority.py").status == 0
    hostile = "open('touched', 'w')\n" + MAJORITY
    Path("run/code/majority.py").write_text(hostile)
    for verb in (["predict", "run", "01"], ["evaluate", "run"], ["export", "run"]):
        forget()
        outcome = recurrent(*verb)
        assert outcome.status == 1 and outcome.err.count("\n") == 1
        assert "run needs the code in run/code/majority.py" in outcome.err
        assert "add --code run/code/majority.py" in outcome.err
    assert not Path("touched").exists()
    outcome = recurrent(*train, "--code=majority.py")
    assert outcome.status == 1 and "run is a run with another majority.py" in outcome.err
    assert not Path("touched").exists()


def test_a_run_goes_on_with_the_code_that_it_kept(recurrent: Command) -> None:
    train = ["train", "majority", "--run=run", *QUICK]
    assert recurrent(*train, "--code", "majority.py").status == 0
    forget()
    Path("majority.py").unlink()
    assert recurrent(*train, "--code", "run/code/majority.py").status == 0


def test_a_cell_of_ones_own_is_known_to_every_task(recurrent: Command, tmp_path: Path) -> None:
    Path("drip.py").write_text(MAJORITY.replace("Leaky", "Drip"))
    train = ["train", "sentiment", "--preset=demo", *options(epochs=1)]
    outcome = recurrent(*train, "--run=run", "--cell=drip")
    assert outcome.status == 1 and "no layer is called 'drip'" in outcome.err
    assert not Path("run").exists()
    assert recurrent(*train, "--run=run", "--cell=drip", "--code=drip.py").status == 0
    assert Run.open(tmp_path / "run").code == [tmp_path / "run/code/drip.py"]
    assert recurrent(*train, "--run=ours", "--cell=gru", "--code=drip.py").status == 0
    assert not Path("ours/code").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--code", "majority.py", "tasks"],
        ["tasks", "--code=majority.py"],
    ],
)
def test_the_option_may_stand_anywhere(recurrent: Command, arguments: list[str]) -> None:
    assert "majority: whether a sequence of bits" in recurrent(*arguments).out


def test_behind_two_dashes_it_is_no_option(recurrent: Command) -> None:
    outcome = recurrent("predict", "run", "--", "--code", "majority.py")
    assert outcome.status == 1 and "run is not there" in outcome.err
    assert "majority" not in tasks.names()


FAULTY = {
    "missing.py": (None, "there is no file missing.py"),
    "syntax.py": ("x = 1\nx = (", "syntax.py, line 2: SyntaxError"),
    "name.py": ("\n\ndef f():\n    nothing\nf()", "name.py, line 4: NameError: name 'nothing'"),
    "binary.py": (b"\xff\xfe", "binary.py is damaged: it is not UTF-8"),
    "numpy.py": ("", "numpy.py cannot be loaded as the module 'numpy': rename the file"),
    "my-task.py": ("", "my-task.py cannot be loaded as the module 'my-task': rename"),
    "taken.py": (MAJORITY.replace('"majority"', '"sentiment"'), "'sentiment' is taken"),
    "part.py": (
        MAJORITY.replace("def score", "def scores"),
        "line 34: TypeError: Can't instantiate",
    ),
}


@pytest.mark.parametrize("name", FAULTY)
def test_code_that_fails_is_named_in_one_line(recurrent: Command, name: str) -> None:
    content, said = FAULTY[name]
    if content is not None:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    outcome = recurrent("train", "majority", "--run=run", f"--code={name}")
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert said in outcome.err
    assert not Path("run").exists()
