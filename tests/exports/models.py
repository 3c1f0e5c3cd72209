"""Small models with random weights, and what there is to read in an ONNX graph."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import onnx

import custom_layers
from exports import Artifact
from exports.runtime import Predictor

FEATURES, UNITS = 3, 4
VOCABULARY = ("", "[UNK]", "good", "bad", "not", "!", "день")
WORDS = len(VOCABULARY)

Make = Callable[..., keras.layers.Layer]


def _making(layer: Any, **fixed: Any) -> Make:
    return lambda **options: layer(UNITS, **fixed, **options)


# Every recurrent layer that becomes a native node, and the name of the node.
LAYERS: dict[str, tuple[str, Make]] = {
    "lstm": ("LSTM", _making(custom_layers.LSTM)),
    "lstm_no_bias": ("LSTM", _making(custom_layers.LSTM, use_bias=False)),
    "gru": ("GRU", _making(custom_layers.GRU)),
    "gru_reset_before": ("GRU", _making(custom_layers.GRU, reset_after=False)),
    "gru_no_bias": ("GRU", _making(custom_layers.GRU, use_bias=False)),
    "peephole_lstm": ("LSTM", _making(custom_layers.PeepholeLSTM)),
    "coupled_lstm": ("LSTM", _making(custom_layers.CoupledLSTM)),
    "keras_lstm": ("LSTM", _making(keras.layers.LSTM)),
    "keras_gru": ("GRU", _making(keras.layers.GRU)),
    "keras_gru_reset_before": ("GRU", _making(keras.layers.GRU, reset_after=False)),
}


def make(kind: str, **options: Any) -> keras.layers.Layer:
    return LAYERS[kind][1](**options)


def randomized(model: keras.Model, scale: float = 0.5) -> keras.Model:
    """Draw every weight, biases too, so that none can be left out unseen."""
    generator = np.random.default_rng(5)
    model.set_weights([generator.normal(scale=scale, size=w.shape) for w in model.get_weights()])
    return model


def sequences(**options: Any) -> Any:
    return keras.Input((None, FEATURES), name="sequences", **options)


def classifier(kind: str = "gru", **options: Any) -> keras.Model:
    """Token ids, padded with 0, to probabilities of two classes."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(WORDS, FEATURES, mask_zero=True)(tokens)
    x = make(kind, **options)(x)
    x = keras.layers.Dense(2, activation="softmax", dtype="float32", name="label")(x)
    return randomized(keras.Model(tokens, x))


class Apply(keras.layers.Layer):
    """A layer that applies a function to `[batch, time, FEATURES]`."""

    def __init__(self, function: Callable[[Any], Any], **options: Any) -> None:
        super().__init__(**options)
        self.function = function

    def call(self, inputs: Any) -> Any:
        return self.function(inputs)

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


def nodes(graph: Any) -> Iterator[onnx.NodeProto]:
    """Walk through a graph and the graphs inside it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from nodes(inner)


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in nodes(model.graph))


LOOPS = {"Loop", "Scan", "If"}


def axes(value: onnx.ValueInfoProto) -> list[str | int]:
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


def first_outputs(exported: Artifact, texts: list[str]) -> np.ndarray:
    """What the model's first output is for each of `texts`."""
    name = exported.signature.outputs[0].name
    answers = Predictor(exported.directory).predict_text(texts)
    return np.stack([answer.outputs[name] for answer in answers])
