"""The first half of a model that writes: what it reads in, its memory and first states out."""

from collections.abc import Iterator
from typing import Any, Self

import keras
import tensorflow as tf

from exports import tracing
from exports.artifact import Artifact
from exports.decoder import Decoder
from exports.endpoints.base import Endpoint, Function, Load, Reference, Request, Samples
from exports.schema import ENCODE
from exports.signature import Array, Signature


class Encode(Endpoint):
    """What a model reads once, before it writes."""

    name = ENCODE

    def __init__(self, signature: Signature, decoder: Decoder | None = None) -> None:
        self.signature, self._decoder = signature, decoder
        self.model: Any = decoder and decoder.model

    @classmethod
    def requested(cls, request: Request) -> Self | None:
        """Return the endpoint of a model that reads something, and then writes.

        Raises:
            UnsupportedLayerError: if no recurrent layer reads what the model wrote.
        """
        if request.writing is None or request.writing.start is None:
            return None
        decoder = Decoder(request.model, request.writing.previous)
        return cls(_signature(request.signature, decoder), decoder)

    @classmethod
    def recorded(cls, artifact: Artifact) -> Self | None:
        """Return the endpoint of a model that reads something, and then writes."""
        found = artifact.config.signatures.get(ENCODE)
        return None if found is None else cls(found)

    def function(self) -> Function:
        """Return the encoder as a function of what it reads."""
        decoder: Any = self._decoder

        def encode(*inputs: Any) -> dict[str, Any]:
            arrays = dict(zip((each.name for each in self.signature.inputs), inputs, strict=True))
            with tracing.for_files(decoder.model):
                return dict(_named(decoder, *decoder.encode(arrays)))

        return encode

    def compare(self, load: Load, reference: Reference, samples: Samples) -> None:
        """Compare nothing: `decode_step` is compared on what this endpoint gives."""


def _signature(whole: Signature, decoder: Decoder) -> Signature:
    """Describe the encoder, by tracing it."""
    given = tuple(array for array in whole.inputs if array.name in decoder.given)
    time = next((array.axes[1] for array in given if array.has_time), "time")
    signature = Signature(given, (), whole.lengths)
    names: list[str] = []

    def encode(*inputs: Any) -> list[Any]:
        arrays = dict(zip((each.name for each in given), inputs, strict=True))
        found = dict(_named(decoder, *decoder.encode(arrays)))
        names[:] = found
        return list(found.values())

    traced = tf.function(encode, autograph=False)
    outputs = traced.get_concrete_function(*tracing.specifications(signature)).structured_outputs
    arrays = (
        Array(name, (None, *tensor.shape[1:]), tensor.dtype.name, time=time)
        for name, tensor in zip(names, outputs, strict=True)
    )
    return signature._replace(outputs=tuple(arrays))


def _named(decoder: Decoder, memory: list[Any], states: Any) -> Iterator[tuple[str, Any]]:
    """Name what the encoder gives: memory_1, memory_2, ..., and LAYER.STATE."""
    for number, tensor in enumerate(memory, start=1):
        yield f"memory_{number}", tensor
    yield from state_names(decoder.model, states)


def state_names(model: keras.Model, states: Any) -> Iterator[tuple[str, Any]]:
    """Name the states of layers LAYER.STATE."""
    for layer, tensors in states.items():
        pairs = zip(model.get_layer(layer).cell.state, tensors, strict=True)
        yield from ((f"{layer}.{state}", tensor) for state, tensor in pairs)


endpoint = Encode
