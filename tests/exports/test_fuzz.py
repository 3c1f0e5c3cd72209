"""Random recurrent models: each is exported, and every number is compared.

`FUZZ` in the environment sets how many: 200 in CI, 5,000 by `make fuzz`.
"""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest

import custom_layers
from exports import onnx_graph, parity, runtime, traced
from exports.signature import Signature
from tests.custom_layers.table import CASES
from tests.exports.models import randomized

MODELS, EACH = int(os.environ.get("FUZZ", "10")), 10
WORDS, FEATURES = 9, 4
ACTIVATIONS = ("tanh", "sigmoid", "relu", "linear", "hard_sigmoid", "softsign", "elu")
MERGES = ("concat", "sum", "mul", "ave")


class Draw:
    """Choices that depend on a number alone."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def one_of(self, *choices: Any) -> Any:
        return choices[self.generator.integers(len(choices))]

    def chance(self, probability: float) -> bool:
        return bool(self.generator.random() < probability)


def random_model(seed: int) -> keras.Model:
    """Tokens or sequences, perhaps masked; one to three recurrent layers, merged or stacked."""
    draw = Draw(seed)
    inputs, x = _beginning(draw)
    for _ in range(draw.one_of(1, 1, 2, 3)):
        if draw.chance(0.25):
            branches = [_recurrent(draw, sequences=True)(x) for _ in range(2)]
            x = keras.layers.Concatenate()(branches)
        else:
            x = _recurrent(draw, sequences=True)(x)
        if draw.chance(0.2):
            x = keras.layers.LayerNormalization()(x)
        if draw.chance(0.2):
            x = keras.layers.TimeDistributed(keras.layers.Dense(FEATURES, activation="tanh"))(x)
    ends = [_recurrent(draw, sequences=False)(x)]
    if draw.chance(0.5):
        ends.append(keras.layers.Dense(3, activation="softmax", name="tags")(x))
    # Small weights, because a model that grows chaotic differs from itself, one bit changed.
    return randomized(keras.Model(inputs, ends, name=f"model_{seed}"), scale=0.3)


def _beginning(draw: Draw) -> tuple[Any, Any]:
    if draw.chance(0.5):
        tokens = keras.Input((None,), dtype="int32", name="tokens")
        masked = draw.chance(0.7)
        return tokens, keras.layers.Embedding(WORDS, FEATURES, mask_zero=masked)(tokens)
    steps = keras.Input((None, FEATURES), name="steps")
    return steps, keras.layers.Masking()(steps) if draw.chance(0.7) else steps


def _recurrent(draw: Draw, sequences: bool) -> keras.layers.Layer:
    """Draw a layer; in either direction or both, of ours or of Keras's."""
    units = int(draw.one_of(1, 3, 5))
    options: dict[str, Any] = {"return_sequences": sequences}
    kind = draw.one_of("ours", "ours", "keras", "keras", "cell", "other")
    if kind == "other":
        name = draw.one_of(*(name for name, case in CASES.items() if case.keras_layer is None))
        layer = CASES[name].make(units, **options)
    elif kind == "cell":
        layer = keras.layers.RNN(_cell(draw, units), **options)
    else:
        layer = _standard(draw, kind, units, options)
    if kind != "cell" and draw.chance(0.3):
        home = custom_layers if isinstance(layer, custom_layers.Recurrent) else keras.layers
        wrapper = draw.one_of(home, keras.layers).Bidirectional
        return wrapper(layer, merge_mode=draw.one_of(*MERGES))
    return layer


def _standard(draw: Draw, home: str, units: int, options: dict[str, Any]) -> keras.layers.Layer:
    """Draw an LSTM, GRU or RNN with its options."""
    name = draw.one_of("LSTM", "GRU", "RNN")
    module = {"ours": custom_layers, "keras": keras.layers}[home]
    options["activation"] = draw.one_of("tanh", *ACTIVATIONS)
    options["use_bias"] = draw.chance(0.8)
    options["zero_output_for_mask"] = draw.chance(0.3)
    if name != "RNN":
        options["recurrent_activation"] = draw.one_of("sigmoid", "hard_sigmoid")
    if name == "GRU":
        options["reset_after"] = draw.chance(0.5)
    kind = getattr(module, "SimpleRNN" if (home, name) == ("keras", "RNN") else name)
    layer: keras.layers.Layer = kind(units, **options)
    return layer


def _cell(draw: Draw, units: int) -> Any:
    layers = keras.layers
    own = custom_layers.cells
    makers = (layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell, own.JANETCell, own.LSTMCell)
    if draw.chance(0.4):
        return layers.StackedRNNCells([draw.one_of(*makers)(units), draw.one_of(*makers)(2)])
    return draw.one_of(*makers)(units)


@pytest.mark.parametrize("first", range(0, MODELS, EACH))
def test_random_models(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + EACH):
        keras.backend.clear_session()
        model = random_model(seed)
        signature = Signature.of(model)
        graph = onnx_graph.convert(model, signature)
        onnx.save(graph, tmp_path / "model.onnx")
        runs = {
            "keras": traced.run(model, signature),
            "onnx": runtime.read(tmp_path / "model.onnx"),
        }
        cases = parity.grid(signature, {array.name: WORDS for array in signature.inputs}, seed)
        parity.compare(runs, [case for case in cases if "x 301" not in case.name])
        linear = "chunks side by side" in str(onnx_graph.recurrent_layers(graph))
        assert linear or "Loop" not in onnx_graph.operators(graph), f"model {seed} has a Loop"
