"""Which class a text of one's own is of."""

from pipeline.config.classify import ClassifyConfig
from pipeline.recipes.base import Recipe


def classify() -> ClassifyConfig:
    """Learn from anybody's texts, with the settings that do well on single sentences about films.

    Training ends after 20 epochs, or after three in a row that were no better.
    """
    return ClassifyConfig(
        task="classify",
        units=32,
        embedding_dim=32,
        dropout=0.5,
        word_dropout=0.4,
        epochs=20,
        patience=3,
        learning_rate=2e-3,
        weight_decay=0.01,
        regression_weight=0.5,
    )


recipe = Recipe(
    "which class a text, a recording or a sequence of vectors is of", {"classify": classify}
)
