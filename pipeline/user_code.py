"""The user's own code: a Python file with cells, layers and tasks, run before all else."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline import files, quiet, recipes, tasks
from pipeline.config import Config
from pipeline.errors import PipelineError
from pipeline.recipes.base import Recipe

if TYPE_CHECKING:
    from pipeline.tasks.base import Task

K = TypeVar("K", bound="type[Task[Any, Any]]")

_OURS = ("custom_layers", "pipeline")
_loaded: set[str] = set()


def task(name: str, summary: str, config: type[Config]) -> Callable[[K], K]:
    """Make a class a task.

    Args:
        name: what `recurrent train` calls it.
        summary: what is learnt, in one line.
        config: its settings, each with a default.

    Raises:
        PipelineError: a task or a recipe of ours has this name.
    """
    if name in {*recipes.names()} - {*recipes.OWN}:
        raise PipelineError(f"{name!r} is taken: call the task otherwise")

    def register(kind: K) -> K:
        tasks.OWN[name] = kind()
        recipes.OWN[name] = Recipe(summary, {name: partial(config, task=name)})
        return kind

    return register


def load(path: Path) -> None:
    """Run the Python file `path`, as the module of its name.

    Raises:
        PipelineError: it is not there, another module has its name, or its code fails.
    """
    name = path.stem
    source = files.read(path)
    quiet.load_tensorflow()
    if not name.isidentifier() or (name in sys.modules and name not in _loaded):
        raise PipelineError(f"{path} cannot be loaded as the module {name!r}: rename the file")
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        exec(compile(source, path, "exec"), vars(module))
    except Exception as error:
        del sys.modules[name]
        raise PipelineError(f"{_place(path, error)}: {type(error).__name__}: {error}") from error
    _loaded.add(name)


def written(*classes: type) -> dict[str, str]:
    """Return the names and the contents of the files that define those of `classes` not ours.

    What a program defines itself, or a notebook, is not among them.
    """
    modules = {each.__module__ for each in classes} - {"__main__"}
    own = (sys.modules.get(each) for each in modules if each.partition(".")[0] not in _OURS)
    paths = [Path(file) for each in own if (file := getattr(each, "__file__", None))]
    return {path.name: files.read(path) for path in paths}


def _place(path: Path, error: Exception) -> str:
    """Name the line of the file that `error` comes from."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    if isinstance(error, SyntaxError):
        lines.append(error.lineno)
    return f"{path}, line {lines[-1]}" if lines else str(path)
