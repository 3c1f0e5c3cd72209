"""Sound files of any kind become the same samples, and these the coefficients of the definition."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.data import sound
from pipeline.errors import PipelineError
from pipeline.features import cepstrum
from tests.damage import bounded

# What librosa 0.11 makes of `chirp`: melspectrogram(sr=8000, n_fft=400, hop_length=200, n_mels=128,
# htk=True, norm=None, pad_mode="reflect"), power_to_db(top_db=80), mfcc(n_mfcc=13).
PLACES = [0, 3, 5]
LIBROSA = """
 -42.35  147.131   19.667 -14.616 -27.559 -25.187 -13.09   -0.687   7.391   7.56   2.791  -3.312
  -6.02
-436.463  -8.106 -195.723  21.539 151.361 -27.872 -94.183  25.853  41.305 -17.564 -5.058   7.108
 -11.016
-176.618 -71.966  -42.141  61.853 -34.278 -17.88   35.75  -19.827 -13.529  23.636 -11.002 -11.559
  15.426
"""


@pytest.fixture
def chirp() -> np.ndarray:
    """A tone that rises and fades."""
    return rising(rate=8000, samples=1100)


def rising(rate: int, samples: int) -> np.ndarray:
    time = np.arange(samples) / rate
    tone = 0.5 * np.sin(2 * np.pi * (300 * time + 6000 * time**2)) * np.exp(-9 * time)
    return tone.astype(np.float32)


def test_coefficients_are_those_of_librosa(chirp: np.ndarray) -> None:
    frames = cepstrum.mfcc(chirp, 13)
    assert frames.shape == (6, 13) and frames.dtype == np.float32
    expected = np.array(LIBROSA.split(), float).reshape(3, 13)
    np.testing.assert_allclose(frames[PLACES], expected, atol=2e-3)


def test_silence_has_coefficients_and_is_not_taken_for_padding() -> None:
    frames = cepstrum.mfcc(np.zeros(800, np.float32), 13)
    assert np.isfinite(frames).all() and frames.any(axis=-1).all()


@pytest.mark.parametrize(
    ("subtype", "error"),
    [("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_24", 2**-23), ("PCM_32", 1e-7), ("FLOAT", 0)],
)
def test_samples_of_any_size_are_read(
    tmp_path: Path, chirp: np.ndarray, subtype: str, error: float
) -> None:
    soundfile.write(tmp_path / "a.wav", chirp, 8000, subtype=subtype)
    np.testing.assert_allclose(sound.read(tmp_path / "a.wav", 8000), chirp, rtol=0, atol=error)


def test_channels_are_averaged(tmp_path: Path, chirp: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([chirp, 0 * chirp], 1), 8000, subtype="FLOAT")
    np.testing.assert_array_equal(sound.read(tmp_path / "a.wav", 8000), chirp / 2)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_other_rates_are_resampled(tmp_path: Path, chirp: np.ndarray, rate: int) -> None:
    samples = rising(rate, round(1100 / 8000 * rate))
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    read = sound.read(tmp_path / "a.wav", 8000)
    assert abs(len(read) - len(chirp)) <= 1
    inside = slice(100, 1000)  # both ends ring, as the sound begins and stops there at once
    np.testing.assert_allclose(read[inside], chirp[inside], atol=2e-3)


def test_what_is_too_high_for_the_rate_is_not_heard_as_something_lower(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 7000 * np.arange(16_000) / 16_000)
    soundfile.write(tmp_path / "a.wav", tone, 16_000, subtype="FLOAT")
    assert abs(sound.read(tmp_path / "a.wav", 8000)[100:-100]).max() < 2e-3


@pytest.mark.parametrize(
    ("samples", "rate", "said"),
    [
        (0, 8000, "lasts 0 s"),
        (399, 8000, "lasts 0.0499 s: give a recording of 0.05 to 60 s"),
        (60_001, 1000, "lasts 60 s"),
        (999, 999, "has 999 samples a second: give one with 1,000 to 400,000"),
        (40_000, 500_000, "has 500,000 samples a second"),
    ],
)
def test_what_is_no_recording_is_refused(
    tmp_path: Path, samples: int, rate: int, said: str
) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(samples), rate)
    with pytest.raises(PipelineError, match=said):
        sound.read(tmp_path / "a.wav", 8000)


def test_the_shortest_and_the_longest_are_read(tmp_path: Path) -> None:
    for samples in (400, 480_000):
        soundfile.write(tmp_path / "a.wav", np.zeros(samples), 8000)
        assert len(cepstrum.mfcc(sound.read(tmp_path / "a.wav", 8000), 13)) == 1 + samples // 200


def test_a_long_recording_takes_little_memory(tmp_path: Path) -> None:
    """Its 46 million bytes would be 184 million as floats, before channels are averaged."""
    path, rate, size = tmp_path / "a.wav", 96_000, 8 * 96_000 * 60
    soundfile.write(path, np.zeros((0, 8)), rate, subtype="PCM_U8")
    header = bytearray(path.read_bytes())
    header[4:8] = (len(header) - 8 + size).to_bytes(4, "little")
    header[-4:] = size.to_bytes(4, "little")
    path.write_bytes(header)
    os.truncate(path, len(header) + size)
    with bounded(memory=2**27):
        assert len(sound.read(path, 8000)) == 60 * 8000


def test_channels_are_not_many(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((800, 9)), 8000)
    with pytest.raises(PipelineError, match="has 9 channels: give one of 8 at most"):
        sound.read(tmp_path / "a.wav", 8000)


def test_what_is_no_number_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(800, np.nan), 8000, subtype="FLOAT")
    with pytest.raises(PipelineError, match="holds a number that is not finite"):
        sound.read(tmp_path / "a.wav", 8000)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"seven", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0"])
def test_what_is_no_sound_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(PipelineError, match=r"a\.wav is damaged or no sound file: \w"):
        sound.read(tmp_path / "a.wav", 8000)
