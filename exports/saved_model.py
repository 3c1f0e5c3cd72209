"""A Keras model as a SavedModel, and back."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from custom_layers import engine
from exports import streaming, tracing
from exports.errors import ExportError, reason
from exports.parity import Arrays, Run
from exports.signature import STRING, Array, Signature, State
from exports.text import TextEncoder

SERVE, TEXT, STEP = "serving_default", "serving_text", "serving_step"


def write(
    model: keras.Model,
    signature: Signature,
    directory: Path,
    encoder: TextEncoder | None = None,
    states: Sequence[State] = (),
) -> None:
    """Write `model` with its named inputs and outputs.

    The signature `serving_default` takes the model's inputs; `serving_text`, with an encoder,
    strings `[batch]` named `text`; `serving_step`, with states, the inputs and the states.

    Raises:
        ExportError: if the model uses a variable or a table that none of its layers holds.
        OSError: if the files cannot be written.
    """
    call = tracing.function(model, signature)
    module = tf.Module()
    module.variables_of_model = [variable.value for variable in model.variables]
    layers = model._flatten_layers()
    module.tables = [layer.lookup_table for layer in layers if hasattr(layer, "lookup_table")]
    serve = tf.function(call, autograph=False)
    with engine.portable():
        signatures = {SERVE: serve.get_concrete_function(*tracing.specifications(signature))}
        if encoder is not None:
            module.vectorizer = encoder.vectorizer
            text = tf.TensorSpec([None], tf.string, "text")
            serve_text = tf.function(lambda text: call(encoder(text)), autograph=False)
            signatures[TEXT] = serve_text.get_concrete_function(text)
        if states:
            step = tf.function(streaming.function(model, signature, states), autograph=False)
            given = tracing.specifications(signature.of_steps(states))
            signatures[STEP] = step.get_concrete_function(*given)
    try:
        with _without_notices():
            tf.saved_model.save(module, str(directory), signatures=signatures)
    except tf.errors.OpError as error:
        # What TensorFlow says of a file is "path; reason".
        raise OSError(error.message.rpartition("; ")[2]) from error
    except AssertionError as error:  # something that no layer holds as its own
        raise ExportError(
            f"{model.name!r} cannot be written as a SavedModel: {reason(error)}"
        ) from error


@contextlib.contextmanager
def _without_notices() -> Iterator[None]:
    """Keep TensorFlow from announcing where it wrote, which is a draft that moves at once."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def read(directory: Path, signature: str = SERVE, expected: Signature | None = None) -> Run:
    """Load a SavedModel's signature as a function of named arrays.

    Raises:
        ExportError: if the directory holds no SavedModel, a damaged one, one with other inputs or
            outputs than `expected`, or no such signature, or if it fails on some inputs.
    """
    try:
        loaded = tf.saved_model.load(str(directory))
    except (IndexError, OSError, ValueError, tf.errors.OpError) as error:
        raise ExportError(
            f"{directory} cannot be loaded as a SavedModel: {reason(error)}"
        ) from error
    if signature not in loaded.signatures:
        raise ExportError(f"{directory} has no signature {signature!r}: it takes no raw text.")
    function = loaded.signatures[signature]
    given, returned = function.structured_input_signature[1], function.structured_outputs
    if expected is not None:
        # TensorFlow has underscores for the dots in names of inputs.
        dotted = {array.name.replace(".", "_"): array.name for array in expected.inputs}
        inputs = {dotted.get(name, name): tensor for name, tensor in given.items()}
        expected.reject_other(directory, _arrays(inputs), _arrays(returned))

    def run(inputs: Arrays) -> Arrays:
        tensors = {name: tf.constant(values) for name, values in inputs.items()}
        try:
            return {name: output.numpy() for name, output in function(**tensors).items()}
        except tf.errors.OpError as error:
            raise ExportError(
                f"{directory} fails in TensorFlow: {reason(error.message)}"
            ) from error

    # The function alone does not keep the variables it reads.
    run.keep = loaded  # type: ignore[attr-defined]
    return run


def _arrays(tensors: Mapping[str, tf.TensorSpec]) -> Iterator[Array]:
    for name, tensor in tensors.items():
        kind = STRING if tensor.dtype == tf.string else tensor.dtype.name
        yield Array(name, tuple(tensor.shape), kind)
