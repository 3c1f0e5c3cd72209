"""Export with Keras on JAX or torch, by a process with Keras on TensorFlow: `exports.rebuild`.

That process reads the model from a file and exports it. Its files are compared with the model here
before they are put in place.
"""

import contextlib
import os
import pickle
import pickletools
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from exports import artifact, declared, endpoints, formats, tracing, verifier
from exports.artifact import Artifact
from exports.endpoints.base import Reference, Request, Samples
from exports.errors import ExportError, InvalidArgumentError, UnsupportedLayerError, reason
from exports.parity.cases import Case, grid
from exports.parity.compare import Parity, Tolerance, compare
from exports.schema import MODEL
from exports.signature import AudioFrontend

KERAS_FILE, REQUEST, EXPORTED, FAILURE = (
    "model.keras",
    "request.pickle",
    "exported",
    "failure.pickle",
)

_IMPORTABLE = "put it into a module that another process can import"
_REGISTERED = f"{_IMPORTABLE}, under @keras.saving.register_keras_serializable()"
_NOT_SAVED = (NotImplementedError, OSError, TypeError, ValueError)
_NOT_PICKLED = (AttributeError, pickle.PicklingError, TypeError)


def export(model: keras.Model, directory: str | os.PathLike[str], **options: Any) -> Artifact:
    """Export `model` as `exports.export` does, through a process with Keras on TensorFlow.

    Args:
        model: a model of this process, whose inputs are known.
        directory: to make.
        options: the other arguments of `exports.export`.

    Raises:
        ExportError: if something cannot be sent to that process, the model cannot be rebuilt
            there, `exports.export` fails there, or its files differ from `model`.
    """
    with artifact.draft(Path(directory)) as draft:
        folder = draft.with_name("rebuilding")  # is removed with the draft
        folder.mkdir()
        _send(model, options, folder)
        _rebuild(model, folder)
        exported = artifact.load(folder / EXPORTED)
        parities = exported.proofs | _compared(model, exported, options["audio_frontend"])
        artifact.write_json(exported.directory / artifact.PARITY, parities)
        (exported.directory / artifact.MANIFEST).unlink()  # a draft gets one in the end
        exported.directory.replace(draft)
    return artifact.load(directory)


def _send(model: keras.Model, options: dict[str, Any], folder: Path) -> None:
    """Write the model, the modules that define what is custom in it, and the options.

    Raises:
        ExportError: if the model has no known inputs, or if another process could not read it or
            an argument.
    """
    declared.signature(model)
    options = {**options, "examples": keras.tree.map_structure(_array, options["examples"])}
    try:
        with warnings.catch_warnings(action="ignore"):  # of lambdas, which are refused
            _reject_lambdas(model)
            config = keras.saving.serialize_keras_object(model)
            model.save(folder / KERAS_FILE)
    except _NOT_SAVED as error:
        why = " ".join(str(error).strip().partition("\n\n")[0].split())
        raise UnsupportedLayerError(f"{model.name!r} cannot be saved: {why}") from error
    modules = sorted(set(_modules(config)))
    pickled = {name: _pickled(name, value) for name, value in options.items()}
    (folder / REQUEST).write_bytes(pickle.dumps((modules, pickled)))


def _reject_lambdas(model: keras.Model) -> None:
    for layer in model._flatten_layers():
        for name in layer.get_config():
            if getattr(getattr(layer, name, None), "__name__", None) == "<lambda>":
                raise UnsupportedLayerError(
                    f"`{name}` of layer {layer.name!r} is a lambda, which cannot be sent to the "
                    f"process with Keras on TensorFlow: write it as a function, and {_REGISTERED}."
                )


def _array(value: Any) -> Any:
    return keras.ops.convert_to_numpy(value) if keras.ops.is_tensor(value) else value


def _modules(config: Any) -> Iterator[str]:
    """Give the modules that define the custom classes and functions in a config.

    Raises:
        UnsupportedLayerError: if another process could not find one of them.
    """
    registered = keras.saving.get_custom_objects()
    for each in _objects(config):
        is_function = each["class_name"] == "function"
        name = each["config"] if is_function else each.get("registered_name")
        if name in registered and (module := registered[name].__module__) != "__main__":
            yield module
        elif name in registered or not _is_keras(each):
            raise UnsupportedLayerError(
                f"The {'function' if is_function else 'class'} {name!r} is not known in the "
                f"process with Keras on TensorFlow: {_REGISTERED}."
            )


def _is_keras(described: dict[str, Any]) -> bool:
    """Tell whether an object that is not registered is one of Keras."""
    if described["class_name"] != "function":
        module = described.get("module") or "__main__"  # for which Keras writes None
        return described.get("registered_name") is None or module.partition(".")[0] == "keras"
    try:
        keras.saving.deserialize_keras_object(described)
    except (TypeError, ValueError):
        return False
    return True


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Go through the objects that a config describes, but for those of training."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        for name, value in config.items():
            if name != "compile_config":
                yield from _objects(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _objects(value)


def _pickled(name: str, value: Any) -> bytes:
    """Pickle an argument of `exports.export`.

    Raises:
        InvalidArgumentError: if it holds something that has no name in a module, or is of
            `__main__`, which is another module in another process.
    """
    try:
        content = pickle.dumps(value)
    except _NOT_PICKLED as error:
        raise InvalidArgumentError(unsendable(name, error)) from error
    if any(argument == "__main__" for _, argument, _ in pickletools.genops(content)):
        raise InvalidArgumentError(unsendable(name, "it is defined in __main__"))
    return content


def unsendable(name: str, why: BaseException | str) -> str:
    """Say why an argument does not reach the other process, and what to do."""
    return (
        f"`{name}` cannot be sent to the process with Keras on TensorFlow ({reason(why)}): "
        f"{_IMPORTABLE}."
    )


def _rebuild(model: keras.Model, folder: Path) -> None:
    """Let another process export what was sent.

    Raises:
        ExportError: as it does there, or if that process ends early.
    """
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "",  # whose memory this process may have taken
        "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
    }
    done = subprocess.run(
        [sys.executable, "-P", "-m", "exports.rebuild", folder],
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if (folder / FAILURE).exists():
        raise pickle.loads((folder / FAILURE).read_bytes())
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        error = ExportError(
            f"The process with Keras on TensorFlow that exports {model.name!r} ended with code "
            f"{done.returncode}: {lines[-1]}"
        )
        error.add_note(done.stderr)
        raise error


def _compared(
    model: keras.Model, exported: Artifact, front: AudioFrontend | None
) -> dict[str, Parity]:
    """Compare the files with the model and the front end of this process.

    Raises:
        ExportError: at the first difference beyond the tolerance.
    """
    backend, own = keras.backend.backend(), tracing.precision(model)
    signature, runs = exported.signature, formats.runs(exported)
    given = {f"keras on {backend} in {own}": tracing.as_given(model, signature)}
    recorded = Case("recorded examples", exported.request)
    cases = [recorded, *verifier.shorter(grid(signature, exported.limits))]
    able = endpoints.requested(Request(model, signature, audio_frontend=front))
    beside = [each for each in able if each.name != MODEL]
    reference = Reference(f"keras on {backend}", next(iter(runs.values())))
    with _in_full_precision():
        parities = {MODEL: compare({**given, **runs}, cases, tolerance=Tolerance.of(own))}
        parities |= verifier.compared(exported, beside, reference, Samples([], {}))
    return {f"{name} on {backend}": parity for name, parity in parities.items()}


@contextlib.contextmanager
def _in_full_precision() -> Iterator[None]:
    """Let no GPU or TPU of this process round what it multiplies."""
    if keras.backend.backend() == "jax":
        import jax

        with jax.default_matmul_precision("highest"):
            yield
    else:
        import torch

        with torch.backends.cudnn.flags(allow_tf32=False):
            yield
