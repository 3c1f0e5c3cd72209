"""A label for each step of sequences of one's own."""

from pipeline.config.tag import TagConfig
from pipeline.recipes.base import Recipe


def tag() -> TagConfig:
    """Learn from anybody's sentences or sequences.

    Training ends after 30 epochs, or after five in a row that were no better.
    """
    return TagConfig(
        task="tag",
        cell="lstm",
        embedding_dim=32,
        filters=128,
        dropout=0.5,
        word_dropout=0.5,
        epochs=30,
        patience=5,
        learning_rate=3e-3,
        weight_decay=0.01,
    )


recipe = Recipe("a label for each word of a sentence or each step of a sequence", {"tag": tag})
