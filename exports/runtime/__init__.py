"""Exported models in use, without TensorFlow and Keras: `Predictor`, an HTTP server, web pages."""

from exports.runtime.predictor import Prediction, Predictor, Steps, Stream

__all__ = ["Prediction", "Predictor", "Steps", "Stream"]
