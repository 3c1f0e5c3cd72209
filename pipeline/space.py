"""Where a sweep looks for the value of a setting; a setting says so in its annotation.

    units: Annotated[int, Logarithmic(16, 256)] = Field(...)

A setting that says nothing is not searched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, final

if TYPE_CHECKING:
    from optuna.trial import BaseTrial
    from pydantic import BaseModel


class Space(ABC):
    """The values that a setting may be tried with."""

    @abstractmethod
    def draw(self, trial: BaseTrial, name: str) -> Any:
        """Let `trial` choose a value for the setting called `name`."""

    @abstractmethod
    def __contains__(self, value: Any) -> bool:
        """Whether `value` may be drawn."""


@dataclass(frozen=True)
class _Range(Space):
    """From `low` to `high`; if both are whole numbers, only those between them."""

    low: float
    high: float
    logarithmic: ClassVar[bool]

    def draw(self, trial: BaseTrial, name: str) -> float:
        """Let `trial` choose."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.logarithmic)
        return trial.suggest_float(name, self.low, self.high, log=self.logarithmic)

    def __contains__(self, value: Any) -> bool:
        return bool(self.low <= value <= self.high)


@final
class Linear(_Range):
    """From `low` to `high`, where differences count."""

    logarithmic = False


@final
class Logarithmic(_Range):
    """From `low`, above zero, to `high`, where ratios count."""

    logarithmic = True


@final
@dataclass(frozen=True)
class Choice(Space):
    """One of `values`, of which none is between two others."""

    values: tuple[bool | int | float | str, ...]

    def draw(self, trial: BaseTrial, name: str) -> Any:
        """Let `trial` choose."""
        return trial.suggest_categorical(name, self.values)

    def __contains__(self, value: Any) -> bool:
        return value in self.values


def searched(settings: type[BaseModel]) -> dict[str, Space]:
    """Return the space of each setting in `settings` that has one."""
    return {
        name: space
        for name, field in settings.model_fields.items()
        for space in field.metadata
        if isinstance(space, Space)
    }
