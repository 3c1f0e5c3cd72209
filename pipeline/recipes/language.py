"""Which token comes next in texts of one's own."""

from pipeline.config.language import LanguageConfig
from pipeline.recipes.base import Recipe


def language() -> LanguageConfig:
    """Learn from anybody's texts.

    Training ends after 30 epochs, or after three in a row that were no better.
    """
    return LanguageConfig(
        task="language",
        cell="lstm",
        units=256,
        embedding_dim=64,
        dropout=0.2,
        epochs=30,
        patience=3,
        learning_rate=3e-3,
        weight_decay=0.01,
    )


recipe = Recipe("which character or word comes next in a text", {"language": language})
