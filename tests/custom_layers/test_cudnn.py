"""The cuDNN path.

Few machines have a GPU, so the kernel's behaviour is written out in NumPy here: its order of
parameters, its gates, its padded rows, its refusal of rows without a step, what it makes of NaN in
padding, and that without a state c its output c is no matrix. What only a GPU can show is marked
`gpu`.
"""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import custom_layers
from custom_layers.engine import backend, cudnn
from tests.custom_layers.gradients import tensorflow_only
from tests.custom_layers.pairwise import pairwise
from tests.custom_layers.table import CASES, sigmoid
from tests.custom_layers.test_conformance import (
    MASKS,
    assert_all_close,
    built,
    inputs,
    outputs_and_gradients,
    randomize,
    states,
)

pytestmark = tensorflow_only

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def kernel(
    *,
    input: np.ndarray,
    input_h: np.ndarray,
    input_c: Any,
    params: np.ndarray,
    sequence_lengths: np.ndarray,
    rnn_mode: str,
    time_major: bool,
    is_training: bool,
) -> tuple[tf.Tensor, ...]:
    """Compute what CudnnRNNV3 computes for one layer in one direction, batch first."""
    x, lengths, params = np.asarray(input), np.asarray(sequence_lengths), np.asarray(params)
    assert not time_major
    assert lengths.min() >= 1
    assert lengths.max() <= x.shape[1]
    assert np.isfinite(x).all()  # padding too: for the gradient it is multiplied by zero
    gates, units = GATES[rnn_mode], input_h.shape[-1]
    shapes = [(units, x.shape[-1])] * gates + [(units, units)] * gates + [(units,)] * 2 * gates
    cuts = np.cumsum([np.prod(shape) for shape in shapes])
    assert cuts[-1] == params.size
    parts = np.split(params, cuts[:-1])
    blocks = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    w, r = blocks[:gates], blocks[gates : 2 * gates]
    b, d = blocks[2 * gates : 3 * gates], blocks[3 * gates :]

    h = np.asarray(input_h)[:, 0]
    c = np.asarray(input_c)[:, 0] if rnn_mode == "lstm" else np.zeros_like(h)
    outputs = np.zeros((*x.shape[:2], units), "float32")
    for time in range(x.shape[1]):
        u = [x[:, time] @ w[k].T + b[k] for k in range(gates)]
        v = [h @ r[k].T + d[k] for k in range(gates)]
        new_c = c
        if rnn_mode == "lstm":  # input, forget, new memory, output
            new_c = sigmoid(u[1] + v[1]) * c + sigmoid(u[0] + v[0]) * np.tanh(u[2] + v[2])
            new_h = sigmoid(u[3] + v[3]) * np.tanh(new_c)
        elif rnn_mode == "gru":  # reset, update, new memory
            update = sigmoid(u[1] + v[1])
            new = np.tanh(u[2] + sigmoid(u[0] + v[0]) * v[2])
            new_h = (1 - update) * new + update * h
        else:
            new_h = (np.tanh if rnn_mode == "rnn_tanh" else lambda z: np.maximum(z, 0))(u[0] + v[0])
        real = (time < lengths)[:, None]
        outputs[:, time] = np.where(real, new_h, 0)
        h, c = np.where(real, new_h, h), np.where(real, new_c, c)
    final_c = c[:, None] if rnn_mode == "lstm" else 0
    results = (tf.constant(each, tf.float32) for each in (outputs, h[:, None], final_c))
    return (*results, tf.zeros([0]), tf.zeros([0]))


@pytest.fixture
def _emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", kernel)
    monkeypatch.setattr(backend, "takes_gpu_kernels", lambda: True)


ROWS = pairwise(
    {
        "name": ["RNN", "IRNN", "LSTM", "GRU"],
        "mask": list(MASKS),
        "go_backwards": [False, True],
        "use_bias": [False, True],
    }
)


@pytest.mark.parametrize(
    ("name", "mask_name", "go_backwards", "use_bias"), [tuple(row.values()) for row in ROWS]
)
@pytest.mark.usefixtures("_emulated")
def test_equals_the_loop_for_every_mask(
    name: str, mask_name: str, go_backwards: bool, use_bias: bool
) -> None:
    options = {
        "return_sequences": True,
        "return_state": True,
        "go_backwards": go_backwards,
        "use_bias": use_bias,
    }
    mask = MASKS[mask_name]
    native = built(CASES[name].make(**options))
    loop = built(CASES[name].make(use_cudnn=False, **options))
    randomize(native)
    loop.set_weights(native.get_weights())
    assert not native.supports_jit
    assert loop.supports_jit
    x = inputs() if mask is None else np.where(mask[..., None], inputs(), np.nan)
    assert_all_close(
        [np.asarray(each) for each in native(x, states(native), mask)],
        [np.asarray(each) for each in loop(x, states(loop), mask)],
    )


@pytest.mark.usefixtures("_emulated")
def test_is_used_only_where_it_computes_the_same() -> None:
    def computes(layer: custom_layers.Recurrent) -> bool:
        return cudnn.computes(layer.cell)

    assert computes(custom_layers.GRU(4))
    assert computes(custom_layers.LSTM(4, use_bias=False, dtype="mixed_float16"))
    assert not computes(custom_layers.GRU(4, reset_after=False))
    assert not computes(custom_layers.LSTM(4, activation="relu"))
    assert not computes(custom_layers.LSTM(4, recurrent_activation="hard_sigmoid"))
    assert not computes(custom_layers.RNN(4, activation="sigmoid"))
    assert not computes(custom_layers.GRU(4, dtype="mixed_bfloat16"))


def test_portable_graphs_leave_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    assert backend.takes_gpu_kernels()
    with backend.portable():
        assert not backend.takes_gpu_kernels()
    assert backend.takes_gpu_kernels()


def test_what_xla_compiles_leaves_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = built(custom_layers.LSTM(4))
    expected = layer(inputs())
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    compiled = tf.function(lambda x: layer(x), jit_compile=True, autograph=False)
    assert_all_close([np.asarray(compiled(tf.constant(inputs())))], [np.asarray(expected)])


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["RNN", "IRNN", "LSTM", "GRU"])
def test_the_real_kernel_equals_the_loop(name: str) -> None:
    options = {"return_sequences": True, "return_state": True}
    native = built(CASES[name].make(**options))
    loop = built(CASES[name].make(use_cudnn=False, **options))
    randomize(native)
    loop.set_weights(native.get_weights())
    keras.utils.set_random_seed(0)
    for mask in MASKS.values():
        assert_all_close(
            outputs_and_gradients(native, inputs(), states(native), mask),
            outputs_and_gradients(loop, inputs(), states(loop), mask),
            atol=1e-3,
        )


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_the_real_kernel_computes_in_half_precision(name: str) -> None:
    native = built(CASES[name].make(return_sequences=True, dtype="mixed_float16"))
    loop = built(CASES[name].make(return_sequences=True, use_cudnn=False))
    loop.set_weights(native.get_weights())
    for mask in MASKS.values():
        np.testing.assert_allclose(
            np.asarray(native(inputs(), mask=mask), "float32"),
            np.asarray(loop(inputs(), mask=mask)),
            atol=1e-2,
        )
