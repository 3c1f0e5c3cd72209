"""What `recurrent train` takes: kinds of problems, and recipes that join one to a data set.

A module in this folder with a `recipe` in it is a recipe. Looking one up imports neither Keras nor
TensorFlow.
"""

import difflib
import importlib
import pkgutil
from typing import Any

from pipeline import tasks
from pipeline.config import Config
from pipeline.errors import PipelineError
from pipeline.recipes.base import Recipe


def names() -> list[str]:
    """Name every task and every recipe."""
    return sorted({*tasks.names(), *_modules()})


def get(name: str) -> Recipe:
    """Return the recipe called `name`; a task's own name is the recipe for anybody's data.

    Raises:
        PipelineError: there is none.
    """
    if name in _modules():
        recipe: Recipe = importlib.import_module(f"{__name__}.{name}").recipe
        return recipe
    if name in tasks.names():
        task: Any = tasks.get(name)
        return Recipe(task.summary, task.presets)
    near = difflib.get_close_matches(name, names(), n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(names())}."
    raise PipelineError(f"no task or recipe is called {name!r}. {hint}")


def of(config: Config) -> str:
    """Name the recipe of `config`, or else its task."""
    return getattr(config, "recipe", None) or config.task


def _modules() -> set[str]:
    return {each.name for each in pkgutil.iter_modules(__path__) if each.name != "base"}
