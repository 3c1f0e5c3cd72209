"""How series of one's own go on."""

from pipeline.config.forecast import ForecastConfig
from pipeline.recipes.base import Recipe


def forecast() -> ForecastConfig:
    """Learn from anybody's series.

    Training ends after 20 epochs, or after three in a row that were no better.
    """
    return ForecastConfig(
        task="forecast",
        units=32,
        bidirectional=False,
        epochs=20,
        patience=3,
        batch_size=64,
        learning_rate=2e-3,
        weight_decay=0.01,
    )


recipe = Recipe(
    "how series of numbers go on: mean and quantiles of each step ahead", {"forecast": forecast}
)
