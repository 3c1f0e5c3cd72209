"""A text for an image of one's own."""

from pipeline.config.caption import CaptionConfig
from pipeline.recipes.base import Recipe


def caption() -> CaptionConfig:
    """Learn from anybody's images and captions.

    Training ends after 30 epochs, or after five in a row that were no better.
    """
    return CaptionConfig(
        task="caption",
        units=128,
        dropout=0.1,
        epochs=30,
        patience=5,
        learning_rate=3e-3,
        weight_decay=0.01,
    )


recipe = Recipe("a text for an image, such as a caption", {"caption": caption})
