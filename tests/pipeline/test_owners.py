"""A run has one owner; and one that nobody can write to can still be exported."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from pipeline.config.classify import ClassifyConfig
from pipeline.run import Run
from tests.owners import another
from tests.pipeline.small import Outcome, copy, options

Command = Callable[..., Outcome]


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_whoever_writes_to_a_run_is_refused_while_another_owns_it(
    recurrent: Command, trained: Run[ClassifyConfig], tmp_path: Path
) -> None:
    run = copy(trained, tmp_path / "run")
    train = ["train", "sentiment", f"--run={run.path}", "--preset=demo", *options()]
    with another(run.path) as process:
        before = content(run.path)
        explain = ["explain", run.path, "fine"]
        for verb in (train, ["evaluate", run.path], ["export", run.path], explain):
            outcome = recurrent(*verb)
            assert outcome.status == 1
            said = outcome.err.splitlines()[-1]
            assert said.startswith(f"recurrent: {run.path} is in use by process {process.pid} on ")
        assert recurrent("predict", run.path, "fine").status == 0
        assert content(run.path) == before


def test_a_comparison_has_one_owner(recurrent: Command, tmp_path: Path) -> None:
    command = ("compare", "digits", "--cells=rnn", f"--run={tmp_path / 'compared'}", "--limit=32")
    with another(tmp_path / "compared") as process:
        outcome = recurrent(*command)
        assert outcome.status == 1 and outcome.err.count("\n") == 1
        assert f"compared is in use by process {process.pid} on " in outcome.err


def test_a_run_on_a_read_only_disk_is_exported_elsewhere(
    recurrent: Command,
    trained: Run[ClassifyConfig],
    tmp_path: Path,
    small_disk: Callable[[str], Path],
) -> None:
    run = copy(trained, small_disk("size=20m") / "run")
    subprocess.run(["mount", "-o", "remount,ro", str(run.path.parent)], check=True)
    outcome = recurrent("export", run.path, "--to", tmp_path / "model", "--format=onnx")
    assert outcome.status == 0 and (tmp_path / "model" / "onnx" / "model.onnx").is_file()
    (said,) = outcome.err.splitlines()
    assert said.startswith(f"recurrent: {tmp_path / 'model'} is complete, and the report is not: ")
    assert "Read-only file system" in said
    assert (
        recurrent("train", "sentiment", f"--run={run.path}", "--preset=demo", *options()).status
        == 0
    )
