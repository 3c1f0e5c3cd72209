"""Which part of speech each word of a sentence is."""

from pipeline.config.tag import TagConfig
from pipeline.recipes.base import Recipe
from pipeline.recipes.tag import tag


def parts_of_speech() -> TagConfig:
    """Learn from the Turkish Web Treebank; chosen on the validation split."""
    return tag().model_copy(
        update={
            "recipe": "parts_of_speech",
            "data": "tfds:turkish_treebank",
            "text": "tokens",
            "label": "tags",
            "filters": 256,
            "dropout": 0.6,
            "epochs": 10,
            "learning_rate": 5e-3,
        }
    )


recipe = Recipe("which part of speech each word is", {"parts_of_speech": parts_of_speech})
