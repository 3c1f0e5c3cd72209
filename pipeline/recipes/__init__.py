"""What `recurrent train` takes: tasks, and recipes that join one to a data set.

A module in this folder with a `recipe` in it is a recipe. Looking one up imports neither Keras nor
TensorFlow.
"""

import difflib
import importlib
import pkgutil

from pipeline.config import REPLACED, Config
from pipeline.errors import PipelineError
from pipeline.recipes.base import Recipe

OWN: dict[str, Recipe] = {}  # those of the user: `pipeline.user_code`


def names() -> list[str]:
    """Name every recipe; that of a task is called like it."""
    ours = (each.name for each in pkgutil.iter_modules(__path__) if each.name != "base")
    return sorted([*ours, *OWN])


def get(name: str) -> Recipe:
    """Return the recipe called `name`.

    Raises:
        PipelineError: there is none.
    """
    if name in OWN:
        return OWN[name]
    known = names()
    if name in known:
        recipe: Recipe = importlib.import_module(f"{__name__}.{name}").recipe
        return recipe
    if name in REPLACED:
        raise PipelineError(f"{name!r} is of an older version. {REPLACED[name]}")
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(known)}."
    raise PipelineError(f"no task or recipe is called {name!r}. {hint}")


def settings(task: str) -> type[Config]:
    """Return the class of the config of a task.

    Raises:
        PipelineError: there is no such task.
    """
    return type(next(iter(get(task).presets.values()))())
