"""What tasks share that read a whole sequence and then say one thing about it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

import keras
from keras import ops

from pipeline import models
from pipeline.config.inputs import InputConfig
from pipeline.features.base import Encoded, Entrance
from pipeline.tasks.shared.inputs import InputTask

ConfigOf = TypeVar("ConfigOf", bound=InputConfig)


class ManyToOne(InputTask[ConfigOf]):
    """A task that reads texts, recordings or sequences of vectors, each with one target."""

    @abstractmethod
    def head(self, features: Any, entrance: Entrance, config: ConfigOf, data: Encoded) -> Any:
        """Make outputs of `features`, `[batch, features]`."""

    def model(self, config: ConfigOf, data: Encoded) -> keras.Model:
        """Read the sequence; outputs over time and what is known out of order decide."""
        entrance = data.feature.enter(config, data.counted, len(data.classes))
        outputs = models.recurrent(config)(entrance.sequences, mask=entrance.mask)
        pooled = [
            models.maximum(outputs, entrance.mask),
            models.mean(outputs, entrance.mask),
            *entrance.pooled(),
        ]
        head = self.head(ops.concatenate(pooled, axis=-1), entrance, config, data)
        return keras.Model(entrance.input, head, name=config.task)
