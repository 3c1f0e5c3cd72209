"""Many to many, of other lengths: a sentence in another language."""

from pipeline.config.translate import TranslateConfig
from pipeline.recipes.base import Recipe


def translate() -> TranslateConfig:
    """Learn from the Portuguese talks of TED with their translation, by TFDS: not measured."""
    return TranslateConfig(
        task="translate",
        dataset="ted_hrlr_translate/pt_to_en",
        units=256,
        dropout=0.3,
        epochs=12,
        batch_size=64,
        weight_decay=0.01,
    )


recipe = Recipe("a sentence in another language", {"translate": translate})
