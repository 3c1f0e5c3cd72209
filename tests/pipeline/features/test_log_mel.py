"""Frames that a model hears in a waveform are those of SciPy, and padding adds none."""

import keras
import numpy as np
import pytest
from scipy import signal

from pipeline.features.log_mel import definition, log_mel

RATES = (8_000, 16_000)


def frontend(rate: int) -> keras.Model:
    waveform = keras.Input((None,), dtype="int16", name="waveform")
    return keras.Model(waveform, log_mel(waveform, rate))


def noisy(rate: int, samples: int) -> np.ndarray:
    """A tone that rises, and as much noise, as 16-bit numbers."""
    time = np.arange(samples) / rate
    noise = np.random.default_rng(0).normal(size=samples)
    return (3000 * (np.sin(2 * np.pi * (200 + 900 * time) * time) + noise)).astype(np.int16)


def of_scipy(waveform: np.ndarray, rate: int) -> np.ndarray:
    """The same by a Fourier transform, with triangles drawn point to point on the mel scale."""
    window, hop = rate // 40, rate // 100
    ended = np.pad(waveform / 2**15, (0, window - 1))
    frequencies, _, spectrum = signal.stft(
        ended, rate, "hann", window, window - hop, boundary=None, padded=False
    )
    corners = np.linspace(0, 2595 * np.log10(1 + rate / 1400), 42)
    hertz = 700 * (10 ** (corners / 2595) - 1)
    bands = [np.interp(frequencies, hertz[k : k + 3], [0, 1, 0]) for k in range(40)]
    return np.log(np.abs(spectrum.T) ** 2 @ np.transpose(bands) + 1e-9)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_frames_are_those_of_a_fourier_transform(rate: int, policy: str) -> None:
    waveform = noisy(rate, 5 * rate // 8 + 3)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        frames, real = frontend(rate)(waveform[None])
    finally:
        keras.config.set_dtype_policy(before)
    expected = of_scipy(waveform, rate)
    assert frames.shape[1:] == expected.shape == (63, 40) and frames.dtype == "float32"
    np.testing.assert_allclose(frames[0], expected, atol=1e-3)
    assert np.all(real)


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_is_heard_in_its_band_and_no_band_is_deaf(rate: int) -> None:
    time = np.arange(rate // 2) / rate
    peaks = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + rate / 1400), 42)[1:-1] / 2595) - 1)
    tones = 2**14 * np.sin(2 * np.pi * peaks[:, None] * time)
    frames, _ = frontend(rate)(tones.astype(np.int16))
    loudest = np.argmax(frames[:, 10], axis=-1)
    assert np.abs(loudest - np.arange(40)).max() <= 1
    assert np.max(frames, axis=(0, 1)).min() > -6


@pytest.mark.parametrize("rate", RATES)
def test_padding_changes_no_frame_and_is_not_real(rate: int) -> None:
    model, hop = frontend(rate), rate // 100
    waveform = noisy(rate, 20 * hop + 1)
    alone, _ = model(waveform[None])
    for zeros in (1, hop - 1, hop, 7 * hop + 5):
        frames, real = model(np.pad(waveform, (0, zeros))[None])
        np.testing.assert_array_equal(real[0], np.arange(frames.shape[1]) < 21)
        np.testing.assert_allclose(frames[0, :21], alone[0], atol=1e-5)


def test_silence_has_frames_and_none_is_real_but_before_a_sound() -> None:
    waveforms = np.zeros((2, 800), np.int16)
    waveforms[1, 400] = 1
    frames, real = frontend(8_000)(waveforms)
    assert np.isfinite(frames).all()
    np.testing.assert_array_equal(np.sum(real, axis=1), [0, 6])


def test_one_sample_is_enough() -> None:
    frames, real = frontend(8_000)(np.ones((1, 1), np.int16))
    assert frames.shape == (1, 1, 40) and np.all(real)


def test_nothing_of_it_learns() -> None:
    assert not frontend(8_000).trainable_variables


def test_the_definition_names_the_numbers() -> None:
    assert "at 16000 Hz: frames of 400 samples, one from every 160th on" in definition(16_000)
