"""Numbers about texts, recordings or sequences of one's own."""

from pipeline.config.regress import RegressConfig
from pipeline.recipes.base import Recipe


def regress() -> RegressConfig:
    """Learn from anybody's data.

    Training ends after 30 epochs, or after five in a row that were no better.
    """
    return RegressConfig(
        task="regress",
        units=32,
        embedding_dim=32,
        dropout=0.2,
        word_dropout=0.4,
        epochs=30,
        patience=5,
        learning_rate=2e-3,
        weight_decay=0.01,
    )


recipe = Recipe("numbers about a text, a recording or a sequence of vectors", {"regress": regress})
