"""What is to be exported, found out before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from exports import arguments, axes, declared, endpoints, metadata, streaming, tracing, verifier
from exports.endpoints.base import Endpoint, Reference, Request, Samples
from exports.formats.base import Format
from exports.parity.cases import grid
from exports.parity.compare import reject_randomness
from exports.schema import MODEL, STEP, TEXT, Config, Ends, Sound, Streaming, Text
from exports.text import TextEncoder


@dataclass(frozen=True)
class Plan:
    """An export that may begin.

    Attributes:
        formats: to write.
        endpoints: of the model, itself the first.
        reference: the model in Keras.
        samples: what endpoints are compared on.
        config: what `config.json` will say.
        vocabulary: the text of `vocabulary.txt`; "" if there is none.
        properties: metadata of the files.
    """

    formats: Sequence[Format]
    endpoints: Sequence[Endpoint]
    reference: Reference
    samples: Samples
    config: Config
    vocabulary: str
    properties: Mapping[str, str]

    def taken(self, format: Format) -> list[Endpoint]:
        """Return the endpoints that a format does not decline."""
        return [each for each in self.endpoints if not format.declines(each)]


def of(model: keras.Model, options: Mapping[str, Any]) -> Plan:
    """Plan the export of `model`, whose inputs are known.

    Args:
        model: the model.
        options: the other arguments of `exports.export`.

    Raises:
        ExportError: if an argument does not fit the model, or the model cannot be exported.
    """
    formats = arguments.chosen(options["formats"], options["small"])
    encoder, writing = options["encoder"], options["writing"]
    labels, texts = options["labels"], options["texts"]
    is_streamed = options["streaming"]
    if is_streamed is None:
        continues_text = writing is not None and writing.start is None
        is_streamed = continues_text or streaming.is_stateful(model)
    limits = declared.limits(model)
    with tracing.in_float32(model):
        tracing.reject_nonfinite_weights(model)
        signature, run = axes.signature(model, limits, options["lengths"] or {})
        generated = grid(signature, limits)
        reject_randomness(run, generated[-1])
        arguments.reject_texts(signature, encoder, texts)
        encoder = None if encoder is None else arguments.fitting(encoder, signature)
        arguments.reject_labels(signature, labels)
        arguments.reject_answer(signature, labels, options["answer"] or options["forecast"])
        request = Request(
            model, signature, encoder, options["audio_frontend"], writing, is_streamed
        )
        found = endpoints.requested(request)
    real = verifier.real_cases(signature, options["examples"], texts, encoder)
    vocabulary = "".join(f"{word}\n" for word in encoder.vocabulary) if encoder else ""
    return Plan(
        formats,
        found,
        Reference("keras", run, tracing.sensitivity(model, signature), model),
        Samples(generated, limits, list(real), texts),
        _config(request, limits, found, formats, options),
        vocabulary,
        metadata.props(labels, vocabulary, options["card"] or {}),
    )


def _config(
    request: Request,
    limits: Mapping[str, int],
    found: Sequence[Endpoint],
    formats: Sequence[Format],
    options: Mapping[str, Any],
) -> Config:
    signature, small, front = request.signature, options["small"], request.audio_frontend
    states = next((each.states for each in found if each.name == STEP), ())
    return Config(
        formats=[each.name for each in formats],
        inputs=signature.inputs,
        outputs=signature.outputs,
        small=[] if small is None else list(small.forms),
        lengths=signature.lengths,
        limits=limits,
        streaming=Streaming(states) if states else None,
        text=None if request.encoder is None else _text(request.encoder),
        hearing=None if front is None else Sound(front.rate),
        answer=options["answer"],
        forecast=options["forecast"],
        writing=request.writing,
        run=dict(options["config"] or {}),
        endpoints={
            each.name: Ends(each.signature.inputs, each.signature.outputs)
            for each in found
            if each.name not in (MODEL, STEP, TEXT)
        },
        declined=_declined(found, formats),
    )


def _declined(found: Sequence[Endpoint], formats: Sequence[Format]) -> dict[str, dict[str, str]]:
    """Say for each endpoint which formats do not have it, and why."""
    reasons = {
        endpoint.name: {
            format.name: reason for format in formats if (reason := format.declines(endpoint))
        }
        for endpoint in found
    }
    return {name: each for name, each in reasons.items() if each}


def _text(encoder: TextEncoder) -> Text:
    return Text(encoder.max_length, encoder.min_length, encoder.tokens)
