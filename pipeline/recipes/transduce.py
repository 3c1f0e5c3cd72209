"""A text for a text of one's own."""

from pipeline.config.transduce import TransduceConfig
from pipeline.recipes.base import Recipe


def transduce() -> TransduceConfig:
    """Learn from anybody's pairs of texts.

    Training ends after 30 epochs, or after three in a row that were no better.
    """
    return TransduceConfig(
        task="transduce",
        units=128,
        dropout=0.2,
        epochs=30,
        patience=3,
        learning_rate=3e-3,
        weight_decay=0.01,
    )


recipe = Recipe(
    "a text for a text, such as a translation or a pronunciation", {"transduce": transduce}
)
