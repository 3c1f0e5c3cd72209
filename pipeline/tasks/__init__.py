"""The tasks, one module each: a module in this folder is a task, but for `base`.

What several tasks share is in `pipeline.tasks.shared`. A task's module imports Keras and
TensorFlow. Its settings are in `pipeline.config`, and its presets in `pipeline.recipes`, which are
light.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.tasks.base import Task


OWN: dict[str, Task[Any, Any]] = {}  # those of the user: `pipeline.user_code`


def names() -> list[str]:
    """Name every task."""
    modules = (each for each in pkgutil.iter_modules(__path__) if not each.ispkg)
    return sorted([*(each.name for each in modules if each.name != "base"), *OWN])


def get(name: str) -> Task[Any, Any]:
    """Return the task called `name`.

    Raises:
        PipelineError: there is none.
    """
    if name in OWN:
        return OWN[name]
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(known)}."
        raise PipelineError(f"no task is called {name!r}. {hint}")
    task: Task[Any, Any] = importlib.import_module(f"{__name__}.{name}").task
    return task
