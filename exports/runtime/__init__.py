"""Exported models in use, without TensorFlow and Keras: `Predictor`, an HTTP server, web pages."""

from typing import TYPE_CHECKING, Any

from exports import extras

if TYPE_CHECKING:
    from exports.runtime.predictor import Prediction, Predictor, Steps, Stream

__all__ = ["Prediction", "Predictor", "Steps", "Stream"]


def __getattr__(name: str) -> Any:
    """Import the predictor when it is first used: the limits of a server need no ONNX Runtime.

    Raises:
        MissingExtraError: if it needs a package that is not installed.
    """
    if name not in __all__:
        raise AttributeError(f"module 'exports.runtime' has no attribute {name!r}")
    with extras.needed("serve"):
        from exports.runtime import predictor
    return getattr(predictor, name)
