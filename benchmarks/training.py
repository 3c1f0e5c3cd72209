"""A training step of our layers against Keras's: forward, backward, all weight gradients."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

import custom_layers
from benchmarks.timing import medians

BATCH, TIME, FEATURES = 32, 200, 64
UNITS = (32, 128, 512)
PAIRS = {
    "LSTM": (custom_layers.LSTM, keras.layers.LSTM),
    "GRU": (custom_layers.GRU, keras.layers.GRU),
    "RNN": (custom_layers.RNN, keras.layers.SimpleRNN),
}
# What Keras's `fit` runs, with a batch dimension that is free; the same with fixed shapes; XLA.
MODES: dict[str, dict[str, Any]] = {
    "graph": {"input_signature": [tf.TensorSpec([None, None, FEATURES])]},
    "graph, fixed shapes": {},
    "jit": {"jit_compile": True},
}


def rows() -> Iterator[dict[str, Any]]:
    """Measure each layer at each width in each mode; Keras and ours take turns."""
    x = tf.random.normal([BATCH, TIME, FEATURES])
    for name, layers in PAIRS.items():
        for units in UNITS:
            built = [layer(units, return_sequences=True) for layer in layers]
            for layer in built:
                layer.build(x.shape)
            built[0].set_weights(built[1].get_weights())
            for mode, options in MODES.items():
                ours, theirs = (step(layer, options, x) for layer in built)
                times = medians({"ours": ours, "Keras": theirs}, 9 if units == 512 else 45)
                yield {
                    "layer": name,
                    "units": units,
                    "mode": mode,
                    "ours, ms": times["ours"],
                    "Keras, ms": times["Keras"],
                    "Keras / ours": times["Keras"] / times["ours"],
                }


def step(
    layer: Any, options: dict[str, Any], x: tf.Tensor, mask: tf.Tensor | None = None
) -> Callable[[], Any]:
    """Make a training step of `layer`, as a function with `options`.

    A call ends with the step: on a GPU, the loss is copied after everything else that was queued.
    """
    weights = [variable.value for variable in layer.trainable_variables]

    @tf.function(autograph=False, **options)
    def function(x: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(layer(x, mask=mask, training=True)))
        return [loss, *tape.gradient(loss, weights)]

    return lambda: function(x)[0].numpy()
