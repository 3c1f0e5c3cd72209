"""Many to many: which character comes next."""

from pipeline.config.language import LanguageConfig
from pipeline.recipes.base import Recipe


def next_char() -> LanguageConfig:
    """Learn from the plays of Shakespeare in 20 minutes.

    Seeds 0, 1, 2: 1.451, 1.464, 1.445 nats a character of the test split, the first in 1190 s on
    two cores, the others in 1333 and 1394 s on one. Counting runs of 7 characters is better:
    Kneser-Ney smoothing has 1.350 after 25 s.
    """
    return LanguageConfig(
        task="language",
        recipe="next_char",
        data="tfds:shakespeare",
        text="text",
        tokens="characters",
        cell="lstm",
        units=512,
        embedding_dim=64,
        window=200,
        vocabulary_size=256,
        dropout=0.1,
        epochs=6,
        batch_size=32,
        learning_rate=3e-3,
        weight_decay=0.01,
    )


recipe = Recipe("which character comes next in a text", {"next_char": next_char})
