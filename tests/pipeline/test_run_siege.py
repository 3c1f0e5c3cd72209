"""A run that somebody else made, or that a disk damaged: what is wrong is said in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import report
from pipeline.config import TextConfig
from pipeline.errors import PipelineError
from pipeline.run import Run
from tests import damage
from tests.damage import besieging, bounded
from tests.pipeline import small
from tests.pipeline.small import Outcome

Command = Callable[..., Outcome]
FILES = ("config.json", "metrics.jsonl", "results.json", "marks.json", "environment.json")


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Run[TextConfig]:
    """A run with every file that a report is made from."""
    return small.trained(tmp_path_factory.mktemp("tested") / "run", small.small(), baselines=())


@besieging
@given(st.data())
def test_whatever_is_in_a_run_is_answered(
    tested: Run[TextConfig], tmp_path: Path, data: st.DataObject
) -> None:
    path = damage.copied(tested.path, tmp_path / "run")
    damage.damage(data.draw, path / data.draw(st.sampled_from(FILES)))
    with bounded():
        try:
            report.write(Run.open(path))
        except PipelineError as error:
            said = str(error)
        else:
            said = "well"
    assert said


def test_the_model_of_another_run_is_refused(
    tested: Run[TextConfig], recurrent: Command, tmp_path: Path
) -> None:
    shutil.copytree(tested.path, tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps({**config, "units": 5}))
    outcome = recurrent("predict", tmp_path / "run", "fine")
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert "is the model of a run with units = 4, not of this one" in outcome.err


def test_settings_that_are_too_deep(recurrent: Command, tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text('{"a":' * 10**5)
    outcome = recurrent("train", "sentiment", f"--config={tmp_path / 'deep.json'}")
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert "has more than 100 levels" in outcome.err


def test_frames_that_a_file_declares_and_does_not_have(tmp_path: Path) -> None:
    from pipeline.parts.hearing import Coefficients

    path = tmp_path / "frames.npy"
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**10, 13)}
        np.lib.format.write_array_header_1_0(file, header)
    with bounded(), pytest.raises(PipelineError, match="is damaged or holds no array"):
        Coefficients().read(path)
