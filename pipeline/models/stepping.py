"""A trained model, one step at a time."""

from collections.abc import Callable

import keras
import tensorflow as tf

from exports import declared, streaming, tracing
from exports.runtime.predictor import Stream
from exports.signature import Arrays


def streams(model: keras.Model) -> Callable[[], Stream]:
    """Return what begins a sequence that `model` reads chunk by chunk, its states carried on."""
    signature = declared.signature(model)
    states = streaming.states(model, signature)
    whole = signature.of_steps(states)
    step = tf.function(
        streaming.function(model, signature, states),
        input_signature=tracing.specifications(whole),
        autograph=False,
    )

    def run(arrays: Arrays) -> Arrays:
        outputs = step(*(tf.constant(arrays[array.name]) for array in whole.inputs))
        return {name: output.numpy() for name, output in outputs.items()}

    return lambda: Stream(run, signature, states, batch=1)
