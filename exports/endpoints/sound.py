"""Sound: samples in, the model's input out."""

from collections.abc import Iterator
from typing import Any, Self

import keras
import numpy as np

from exports.artifact import Artifact
from exports.endpoints.base import Endpoint, Function, Load, Reference, Request, Samples
from exports.parity.cases import Case
from exports.parity.compare import Parity, compare
from exports.schema import SOUND
from exports.signature import Array, Arrays, Run, Signature

_FEATURES = "heard"


class Sound(Endpoint):
    """The audio front end of a model.

    Attributes:
        rate: samples a second.
    """

    name = SOUND

    def __init__(
        self, features: Array, input_name: str, rate: int, front: keras.Model | None = None
    ) -> None:
        samples = Array("samples", (None, None), "float32")
        self.signature = Signature((samples,), (features,))
        self.model, self.rate, self._input = front, rate, input_name

    @classmethod
    def requested(cls, request: Request) -> Self | None:
        """Return the endpoint if there is an audio front end."""
        if request.audio_frontend is None:
            return None
        rate, front = request.audio_frontend
        (given,) = request.signature.inputs
        return cls(_features(front.outputs[0].shape), given.name, rate, front)

    @classmethod
    def recorded(cls, artifact: Artifact) -> Self | None:
        """Return the endpoint of a model that takes sound."""
        if artifact.config.sound is None:
            return None
        (given,) = artifact.signature.inputs
        return cls(_features(given.shape), given.name, artifact.config.sound.rate)

    def function(self) -> Function:
        """Return the front end as a function of samples."""
        front: Any = self.model
        return lambda samples: {_FEATURES: front(samples)}

    def compare(self, load: Load, reference: Reference, samples: Samples) -> Parity | None:
        """Compare the model's outputs for what each front end makes of the same sounds."""
        fronts = dict(load(self.name))
        if self.model is not None:
            fronts = {reference.name: self._run_in_keras, **fronts}
        if not list(fronts)[1:]:
            return None

        def heard_by(front: Run) -> Run:
            return lambda sounds: reference.run({self._input: front(sounds)[_FEATURES]})

        sides = {f"{name} of sound": heard_by(front) for name, front in fronts.items()}
        return compare(sides, list(_noises(self.rate)))

    def _run_in_keras(self, sounds: Arrays) -> Arrays:
        front: Any = self.model
        return {_FEATURES: front.predict(sounds["samples"], verbose=0)}


def _features(shape: tuple[int | None, ...]) -> Array:
    axes = ("batch", "frames", *(f"axis_{axis}" for axis in range(2, len(shape))))
    return Array(_FEATURES, (None, *shape[1:]), "float32", axes)


def _noises(rate: int) -> Iterator[Case]:
    generator = np.random.default_rng(0)
    for batch, seconds in ((1, 0.3), (2, 1.0), (3, 0.7)):
        size = (batch, round(rate * seconds))
        noise = generator.normal(scale=0.1, size=size) * np.linspace(1, 0.01, size[1])
        yield Case(f"{seconds} s of noise", {"samples": noise.astype("float32")})


endpoint = Sound
