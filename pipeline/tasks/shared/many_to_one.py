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
        """Read the sequence; the last output decides, or all outputs and what needs no order."""
        entrance = data.feature.enter(config, data.counted, len(data.classes))
        last = config.readout == "last"
        outputs = models.reader(config, return_sequences=not last)(
            entrance.sequences, mask=entrance.mask
        )
        features = outputs if last else _pooled(outputs, entrance)
        head = self.head(features, entrance, config, data)
        return keras.Model(entrance.input, head, name=config.task)


def _pooled(outputs: Any, entrance: Entrance) -> Any:
    """Join the maximum and the mean of outputs, and what is known of the sequence out of order."""
    maximum, mean = (pool(outputs, entrance.mask) for pool in (models.maximum, models.mean))
    return ops.concatenate([maximum, mean, *entrance.pooled()], axis=-1)
