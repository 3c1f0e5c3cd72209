"""Which part of speech each word of a sentence is."""

from pipeline.config.tag import TagConfig
from pipeline.recipes.base import Recipe
from pipeline.recipes.tag import tag


def parts_of_speech() -> TagConfig:
    """Learn from the Turkish Web Treebank; chosen on the validation split.

    Seeds 0, 1, 2: 93.2, 93.0, 92.9 % of the 12,875 words of 949 test sentences right, after 69 to
    92 s on two busy cores; logistic regression on words, neighbours and endings 92.8 %, the most
    frequent label of each word 86.0 %.
    """
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
