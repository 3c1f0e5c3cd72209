"""What a recipe is."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Recipe(NamedTuple):
    """Settings of a task that are worth a name.

    Attributes:
        summary: what is learnt, in one line.
        presets: functions that return a config, by name; the first one is the default.
        replaced: presets of older versions, by name, and what to do instead.
    """

    summary: str
    presets: Mapping[str, Callable[[], Any]]
    replaced: Mapping[str, str] = {}
