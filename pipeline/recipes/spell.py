"""What a picture of a digit shows, letter by letter."""

from pipeline.config.caption import CaptionConfig
from pipeline.recipes.base import Recipe


def digits() -> CaptionConfig:
    """Learn the words for handwritten digits in five minutes.

    Seed 0: 98.1 % of the 987 words of the test split are exact; by the nearest image 93.5 %, and
    writing all letters at once 98.2 %.
    """
    return CaptionConfig(
        task="caption",
        recipe="spell",
        data="tfds:spelled_digits",
        image="image",
        text="word",
        tokens="characters",
        size=28,
        max_length=100,
        embedding_dim=32,
        units=64,
        filters=24,
        dropout=0.1,
        epochs=30,
        learning_rate=3e-3,
        weight_decay=0.01,
    )


recipe = Recipe(
    "to spell what a picture shows",
    {"digits": digits},
    replaced={
        "emoji": "There were too few of them to learn from: learn from images of your own, with "
        "recurrent train caption --data FILE.",
        "photos": "Train caption instead: recurrent train caption --data tfds:coco_captions "
        "--image image --text captions/text.",
    },
)
