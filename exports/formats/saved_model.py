"""A SavedModel: a signature for each endpoint."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from custom_layers import engine
from exports import tracing
from exports.errors import DamagedFileError, InvalidInputError, UnsupportedLayerError, reason
from exports.formats.base import FULL, Format
from exports.schema import MODEL, TEXT, Config
from exports.signature import STRING, Array, Arrays, Run, Signature

if TYPE_CHECKING:
    from exports.endpoints.base import Endpoint

_DIRECTORY = "saved_model"


class SavedModel(Format):
    """One SavedModel with the signatures `serving_default` (the model) and `serving_ENDPOINT`."""

    name = "saved_model"

    def path(self, endpoint: str, precision: str = FULL) -> str:
        """Return the directory that all endpoints share."""
        return _DIRECTORY

    def write(
        self, endpoints: Sequence["Endpoint"], directory: Path, properties: Mapping[str, str]
    ) -> None:
        """Write the endpoints as signatures of one SavedModel.

        Raises:
            ExportError: if a model uses a variable or a table that none of its layers holds.
            OSError: if the files cannot be written.
        """
        models = list({id(each.model): each.model for each in endpoints}.values())
        layers = [layer for model in models for layer in model._flatten_layers()]
        module = tf.Module()
        module.variables_of_models = [each.value for model in models for each in model.variables]
        module.tables = [layer.lookup_table for layer in layers if hasattr(layer, "lookup_table")]
        module.encoders = [each.encoder.table for each in endpoints if each.encoder]
        with engine.portable():
            signatures = {_signature_name(each.name): _concrete(each) for each in endpoints}
        try:
            with _without_notices():
                tf.saved_model.save(module, str(directory / _DIRECTORY), signatures=signatures)
        except tf.errors.OpError as error:
            # What TensorFlow says of a file is "path; reason".
            raise OSError(error.message.rpartition("; ")[2]) from error
        except AssertionError as error:  # something that no layer holds as its own
            raise UnsupportedLayerError(
                f"{models[0].name!r} cannot be written as a SavedModel: {reason(error)}"
            ) from error

    def read(
        self,
        directory: Path,
        endpoint: str,
        signature: Signature,
        *,
        precision: str = FULL,
        threads: int | None = None,
    ) -> Run:
        """Load a signature of the SavedModel; TensorFlow has its threads for the whole process."""
        path = self.require(directory, endpoint, precision)
        try:
            loaded = tf.saved_model.load(str(path))
        except (IndexError, OSError, ValueError, tf.errors.OpError) as error:
            raise DamagedFileError(
                f"{path} cannot be loaded as a SavedModel: {reason(error)}"
            ) from error
        name = _signature_name(endpoint)
        if name not in loaded.signatures:
            raise DamagedFileError(
                f"{path} has no signature {name!r}; it has {', '.join(loaded.signatures)}."
            )
        function = loaded.signatures[name]
        # TensorFlow has underscores for the dots in names of inputs.
        dotted = {array.name.replace(".", "_"): array.name for array in signature.inputs}
        inputs = function.structured_input_signature[1].items()
        given = {dotted.get(name, name): tensor for name, tensor in inputs}
        signature.reject_other(path, _arrays(given), _arrays(function.structured_outputs))

        def run(inputs: Arrays) -> Arrays:
            tensors = {name: tf.constant(values) for name, values in inputs.items()}
            try:
                return {name: output.numpy() for name, output in function(**tensors).items()}
            except tf.errors.OpError as error:
                raise InvalidInputError(
                    f"{path} fails in TensorFlow: {reason(error.message)}"
                ) from error

        # The function alone does not keep the variables it reads.
        run.keep = loaded  # type: ignore[attr-defined]
        return run

    def usage(self, config: Config) -> Iterator[str]:
        """Show how the signatures are called in TensorFlow."""
        yield from ("", "```python", "import tensorflow as tf")
        yield f'model = tf.saved_model.load("{_DIRECTORY}")'
        fed = ", ".join(f"{array.name}={array.name}" for array in config.inputs)
        yield f'outputs = model.signatures["{_signature_name(MODEL)}"]({fed})'
        if config.text is not None:
            name = _signature_name(TEXT)
            yield f'outputs = model.signatures["{name}"](text=tf.constant(["a text"]))'
        yield "```"


def _signature_name(endpoint: str) -> str:
    return "serving_default" if endpoint == MODEL else f"serving_{endpoint}"


def _concrete(endpoint: "Endpoint") -> Any:
    """Trace an endpoint: from strings, if it has an encoder."""
    call, given = endpoint.function(), tracing.specifications(endpoint.signature)
    return tf.function(_encoded(endpoint, call), autograph=False).get_concrete_function(*given)


def _encoded(endpoint: "Endpoint", call: Callable[..., Any]) -> Callable[..., Any]:
    encoder = endpoint.encoder
    return call if encoder is None else lambda texts: call(encoder(texts))


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


def _arrays(tensors: Mapping[str, tf.TensorSpec]) -> Iterator[Array]:
    for name, tensor in tensors.items():
        kind = STRING if tensor.dtype == tf.string else tensor.dtype.name
        yield Array(name, tuple(tensor.shape), kind)


format = SavedModel()
