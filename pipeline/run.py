"""The run directory: what training leaves behind, and where it goes on from."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from exports import ownership
from pipeline import config as configs
from pipeline import files, recipes, schema, tasks, user_code
from pipeline.config import C, Config
from pipeline.error_analysis.findings import ErrorAnalysis, Finding
from pipeline.errors import PipelineError
from pipeline.tasks.base import Metrics, Task

if TYPE_CHECKING:
    import keras


T = TypeVar("T")


class Run(Generic[C]):
    """One training run in a directory.

    config.json       every setting
    code/             the files with the user's own cell and task, if they are not ours
    columns.json      for a task that reads tables: their columns, and the classes
    vocabulary.txt    for a task that reads words: line k is the word with id k
    metrics.jsonl     the figures of each epoch
    checkpoints/      the model and its optimizer after the last epoch: training goes on from here;
                      and all that training depends on inside an epoch, if it was asked for
    model.keras       the model after its best epoch
    environment.json  what it was trained with
    results.json      figures on the test split, beside those of the baselines
    findings.json     what is found about single predictions for the test split
    report.html       all of it for a reader
    tensorboard/      curves for TensorBoard, if they were asked for
    exports/          the model for others

    Each file is replaced in one step, by the one process that owns the run. An epoch counts once
    its figures are there: written last.
    """

    def __init__(self, path: Path, config: C) -> None:
        self.path = path
        self.config = config

    @classmethod
    def create(cls, path: Path, config: C) -> Run[C]:
        """Make the directory, or go on with a run of the same config that is there.

        Raises:
            PipelineError: it holds something else, or a run of another config or other code, or
                the config names what is not there.
        """
        run = cls(path, config)
        if not path.is_dir() and (path.exists() or path.is_symlink()):
            raise PipelineError(f"{path} exists and is not a directory; name another one")
        if not path.is_dir() or not files.contents(path):
            run.task.check(config)
            with files.owned(path):
                if not files.contents(path):
                    files.write(path / "config.json", configs.to_json(config))
        run._compare(cls.open(path).config)
        run._keep_code()
        return run

    @classmethod
    def open(cls, path: Path) -> Run[Any]:
        """Read the run at `path`.

        Raises:
            PipelineError: there is none, its config is damaged, or it needs code of the user that
                is not loaded.
        """
        if not path.is_dir():
            raise PipelineError(f"there is no run {path}")
        file = path / "config.json"
        if not file.is_file():
            raise PipelineError(f"{path} is not a run directory: it has no config.json")
        if unknown := [code for code in _code(path) if code.stem not in sys.modules]:
            raise PipelineError(
                f"{path} needs the code in {unknown[0]}. Code can do anything: read it, and if you "
                f"trust it, add --code {unknown[0]}"
            )
        settings = configs.current(files.read_json(file, dict[str, Any]))
        try:
            return Run(path, configs.parse(recipes.settings(str(settings.get("task"))), settings))
        except PipelineError as error:
            raise PipelineError(f"{file} is damaged: {error}") from error

    def _compare(self, other: Config) -> None:
        mine, theirs = self.config.model_dump(), other.model_dump()
        differing = [name for name in {**theirs, **mine} if mine.get(name) != theirs.get(name)]
        if differing:
            differences = ", ".join(f"{name} = {theirs.get(name)!r}" for name in differing)
            raise PipelineError(
                f"{self.path} is a run with {differences}; name another directory for this one"
            )

    def _keep_code(self) -> None:
        """Keep the code of the user that the run needs; it must be that with which it began."""
        from pipeline import models

        classes = type(self.task), models.layer(self.config.cell)
        for name, source in user_code.written(*classes).items():
            file = self.path / "code" / name
            if not file.exists():
                with files.owned(self.path):
                    files.write(file, source)
            elif files.read(file) != source:
                raise PipelineError(
                    f"{self.path} is a run with another {name}: name another directory for this "
                    f"one, or go on with that code by --code {file}"
                )

    @property
    def code(self) -> list[Path]:
        """The files with code of the user that the run needs."""
        return _code(self.path)

    @property
    def task(self) -> Task[C, Any]:
        """What is learnt."""
        return tasks.get(self.config.kind)

    def rank(self, metrics: Metrics) -> float:
        """Say how good an epoch was; the highest rank is the best."""
        return self.task.monitor(self.config).rank(metrics)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Own the run as long as the block runs: whoever writes to it does.

        What an owner before left behind when it died is removed.

        Raises:
            PipelineError: another process owns it, the figures are damaged, or it cannot be
                written.
        """
        with files.owned(self.path):
            self._clean_checkpoints()
            yield

    def _clean_checkpoints(self) -> None:
        """Keep the checkpoints of the last epoch that counts and inside the next, no others."""
        ownership.clean(self._checkpoints)
        epoch = len(self.metrics)
        last, inside = self._checkpoint(epoch), self.inside(epoch + 1)
        if last.exists() or epoch == 0:
            for checkpoint in self._checkpoints.glob("epoch-*"):
                if checkpoint not in (last, inside):
                    with suppress(OSError):  # a run that cannot be written can still be exported
                        checkpoint.unlink()

    # Figures

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The figures of each epoch so far.

        Raises:
            PipelineError: the file is damaged.
        """
        file = self.path / "metrics.jsonl"
        if not file.exists():
            return []
        epochs = files.read_json_lines(file, schema.Epoch)
        _reject_faulty(file, schema.fault_of_epochs(epochs, self.config.epochs))
        for figures in epochs[:1]:
            try:
                self.rank(figures)
            except KeyError as error:
                raise PipelineError(f"{file} is damaged: it has no {error}") from error
        return epochs

    @property
    def results(self) -> dict[str, Any]:
        """What `evaluate` found, or nothing if it has not been called.

        Raises:
            PipelineError: the file is damaged.
        """
        results = self._kept("results.json", schema.Results)
        _reject_faulty(self.path / "results.json", results and schema.fault_of_results(results))
        return dict(results or {})

    def keep_results(self, results: Mapping[str, Any], findings: Sequence[Finding]) -> None:
        """Write what `evaluate` found: the figures, and what a reader is shown of predictions."""
        self._keep("findings.json", msgspec.to_builtins(ErrorAnalysis(findings)))
        self._keep("results.json", results)
        (self.path / "marks.json").unlink(missing_ok=True)  # of an older version

    @property
    def findings(self) -> Sequence[Finding] | None:
        """What a reader is shown of predictions; None if this version has tested none.

        Raises:
            PipelineError: the file is damaged.
        """
        found = self._kept("findings.json", ErrorAnalysis)
        return found.findings if found else None

    @property
    def environment(self) -> dict[str, Any]:
        """What the run was trained with, or nothing if that is not known.

        Raises:
            PipelineError: the file is damaged.
        """
        return self._kept("environment.json", dict[str, str]) or {}

    def keep_environment(self, environment: Mapping[str, str]) -> None:
        """Write what the run is trained with."""
        self._keep("environment.json", environment)

    def _kept(self, name: str, kind: type[T]) -> T | None:
        """Read a file that may not be there yet, or be empty."""
        file = self.path / name
        if not file.exists() or not files.read_json(file, dict[str, Any]):
            return None
        return files.read_json(file, kind)

    def _keep(self, name: str, content: Mapping[str, Any]) -> None:
        files.write(self.path / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    @property
    def finished(self) -> bool:
        """Whether every epoch is done, or patience has run out."""
        return self.config.ends_after([self.rank(epoch) for epoch in self.metrics])

    @property
    def best(self) -> dict[str, Any]:
        """The figures of the best epoch so far.

        Raises:
            PipelineError: there is no epoch yet, or the file is damaged.
        """
        if not (metrics := self.metrics):
            raise PipelineError(f"{self.path} has no trained model yet")
        return max(metrics, key=self.rank)

    # Words

    @property
    def vocabulary(self) -> list[str] | None:
        """The word with id k at place k, or None if there is no vocabulary yet.

        Raises:
            PipelineError: the file is damaged.
        """
        file = self.path / "vocabulary.txt"
        if not file.exists():
            return None
        *words, end = files.read(file).split("\n")
        if end or not words:
            raise PipelineError(f"{file} is damaged: its last line is cut off")
        return words

    def keep_vocabulary(self, words: Sequence[str]) -> None:
        """Write the vocabulary: the word with id k at place k."""
        files.write(self.path / "vocabulary.txt", "".join(f"{word}\n" for word in words))

    # Columns

    @property
    def columns(self) -> schema.Columns | None:
        """Which columns of the data are read, or None if that is not known yet.

        Raises:
            PipelineError: the file is damaged.
        """
        return self._kept("columns.json", schema.Columns)

    def keep_columns(self, columns: schema.Columns) -> None:
        """Write which columns of the data are read."""
        self._keep("columns.json", columns)

    # Models

    def commit(self, model: keras.Model, figures: Metrics) -> None:
        """Keep an epoch: its model if it is the best one, the checkpoint, and then its figures."""
        from pipeline import models

        epoch = int(figures["epoch"])
        history = [*self.metrics, figures]
        if max(history, key=self.rank) is figures:
            models.save(model, self.path / "model.keras", self.config, with_optimizer=False)
        self._checkpoints.mkdir(exist_ok=True)
        models.save(model, self._checkpoint(epoch), self.config, with_optimizer=True)
        lines = "".join(json.dumps(line) + "\n" for line in history)
        files.write(self.path / "metrics.jsonl", lines)
        for done in (self._checkpoint(epoch - 1), self.inside(epoch)):
            done.unlink(missing_ok=True)

    def restore(self) -> tuple[keras.Model | None, int]:
        """Return the model after the last epoch that counts, and the number of that epoch.

        Raises:
            PipelineError: the checkpoint or the figures are damaged.
        """
        from pipeline import models

        epoch = len(self.metrics)
        checkpoint = self._checkpoint(epoch)
        if epoch and not checkpoint.exists():
            raise PipelineError(f"{checkpoint} is missing, so {self.path} cannot go on")
        return (models.load(checkpoint, self.config, with_optimizer=True) if epoch else None), epoch

    def model(self) -> keras.Model:
        """Load the model after the best epoch.

        Raises:
            PipelineError: there is none yet, or the file is damaged.
        """
        from pipeline import models

        if not self.metrics:
            raise PipelineError(f"{self.path} has no trained model yet")
        return models.load(self.path / "model.keras", self.config, with_optimizer=False)

    @property
    def report(self) -> Path:
        """All that is known of the run, for a reader."""
        return self.path / "report.html"

    @property
    def tensorboard(self) -> Path:
        """Where the curves for TensorBoard go."""
        return self.path / "tensorboard"

    @property
    def exports(self) -> Path:
        """Where the artifact directory goes."""
        return self.path / "exports"

    def inside(self, epoch: int) -> Path:
        """Where the checkpoint inside an epoch is; the first one has the number 1."""
        return self._checkpoints / f"epoch-{epoch:04d}-inside.npz"

    @property
    def _checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def _checkpoint(self, epoch: int) -> Path:
        return self._checkpoints / f"epoch-{epoch:04d}.keras"


def default_path(config: Config) -> Path:
    """Name the directory for a run of `config`; the same config has the same one."""
    digest = configs.digest(configs.to_json(config))
    return Path("runs") / f"{config.recipe_name}-{config.cell}-{config.units}-{digest}"


def _code(path: Path) -> list[Path]:
    return sorted((path / "code").glob("*.py"))


def _reject_faulty(file: Path, fault: Any) -> None:
    if fault:
        raise PipelineError(f"{file} is damaged: {fault}")
