"""Where a sweep looks: what the settings say, and that it is inside of what they allow."""

from typing import Annotated, Any

import optuna
import pytest
from pydantic import Field

from pipeline import config, recipes
from pipeline.config import Config
from pipeline.space import Choice, Linear, Logarithmic, Space, searched


class Settings(Config):
    layers: Annotated[int, Linear(1, 4)] = Field(default=1, ge=1)
    rate: Annotated[float, Logarithmic(1e-4, 1.0)] = 0.1
    shape: Annotated[str, Choice(("flat", "round"))] = "flat"
    units: int = 64  # searched in Config, and not here
    name: str = ""


def drawn(name: str, space: Space, times: int) -> list[Any]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [space.draw(study.ask(), name) for _ in range(times)]


def test_a_setting_is_searched_if_it_says_so() -> None:
    spaces = searched(Settings)
    assert spaces["layers"] == Linear(1, 4) and spaces["shape"] == Choice(("flat", "round"))
    assert "dropout" in spaces  # of Config
    assert not {"units", "name", "seed", "task"} & set(spaces)


def test_what_is_drawn_is_in_the_space_and_of_its_kind() -> None:
    spaces = searched(Settings)
    assert set(drawn("layers", spaces["layers"], 50)) == {1, 2, 3, 4}
    assert set(drawn("shape", spaces["shape"], 50)) == {"flat", "round"}
    rates = drawn("rate", spaces["rate"], 200)
    assert all(rate in spaces["rate"] and type(rate) is float for rate in rates)
    below = sum(rate < 1e-2 for rate in rates)  # half of the ratios, a hundredth of the differences
    assert 70 < below < 130
    assert 0 not in spaces["layers"] and 5 not in spaces["layers"]
    assert 1e-5 not in spaces["rate"] and "square" not in spaces["shape"]


@pytest.mark.parametrize("name", recipes.names())
def test_every_task_can_be_searched_and_allows_what_is_drawn(name: str) -> None:
    preset = next(iter(recipes.get(name).presets.values()))()
    spaces = searched(type(preset))
    assert spaces
    for setting, space in spaces.items():
        for value in drawn(setting, space, 30):
            assert getattr(config.merge(preset, {setting: value}), setting) == value
