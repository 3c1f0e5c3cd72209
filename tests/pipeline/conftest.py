"""The command, and a run that is trained."""

import sys
from collections.abc import Callable

import pytest

from pipeline import cli, quiet
from pipeline.config.classify import ClassifyConfig
from pipeline.run import Run
from tests.pipeline.small import Outcome, small


@pytest.fixture
def recurrent(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """The command, run in this process."""

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["recurrent", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Outcome(int(ended.value.code or 0), *capfd.readouterr())

    return call


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run[ClassifyConfig]:
    """A small run, trained. Leave it as it is."""
    quiet.load_tensorflow()
    from pipeline.train import train

    run = Run.create(tmp_path_factory.mktemp("runs") / "small", small())
    train(run)
    return run
