"""Raw text: strings in, the model's outputs out."""

from typing import Self

import keras
import numpy as np

from exports import tracing
from exports.artifact import Artifact
from exports.endpoints.base import Endpoint, Function, Load, Reference, Request, Samples
from exports.parity.cases import Case
from exports.parity.compare import Parity, compare
from exports.schema import TEXT
from exports.signature import Signature
from exports.text import TextEncoder

_MOST = 64  # real texts
_HARD_TEXTS = (
    *("", " ", "!?", "Don't   STOP<br />now", "день and 日本語", "ΑΘΗΝΑ", "🙂", "a\tb\nc"),
    *("ÉCOLE", "a<b<BR>c>"),
)


class Text(Endpoint):
    """The encoder before the model."""

    name = TEXT

    def __init__(
        self, ids: Signature, encoder: TextEncoder, model: keras.Model | None = None
    ) -> None:
        self._ids, self._encoder = ids, encoder
        self.signature, self.encoder, self.model = ids.of_text(), encoder, model

    @classmethod
    def requested(cls, request: Request) -> Self | None:
        """Return the endpoint if there is an encoder."""
        if request.encoder is None:
            return None
        return cls(request.signature, request.encoder, request.model)

    @classmethod
    def recorded(cls, artifact: Artifact) -> Self | None:
        """Return the endpoint of a model that takes text."""
        if artifact.config.text is None:
            return None
        return cls(artifact.signature, TextEncoder.recorded(artifact))

    def function(self) -> Function:
        """Return the model as a function of ids."""
        return tracing.function(self.model, self._ids)

    def compare(self, load: Load, reference: Reference, samples: Samples) -> Parity:
        """Compare what takes raw text with the model on the ids of the encoder."""
        strings = np.array([*samples.texts[:_MOST], *_HARD_TEXTS], object)
        ids = self._ids.name_inputs(self._encoder(strings).numpy())
        sides = {f"{name} of text": run for name, run in load(self.name).items()}
        return compare(
            {reference.name: lambda _: reference.run(ids), **sides},
            [Case("texts", {"text": strings}, real=True)],
        )


endpoint = Text
