"""Waveforms of TFDS by name: its features and splits, made-up examples."""

import hashlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipeline.data import loading
from pipeline.data.loading import Splits
from pipeline.data.recordings import LABELS, RATES, SOURCES, Recording
from tests.pipeline.served import Example, served
from tests.pipeline.voices import whistled


def contents(recordings: list[Recording]) -> list[tuple[bytes, int]]:
    """What is heard, and the labels."""
    return sorted((sound.tobytes(), label) for sound, label in recordings)


def made_up(examples: list[Example]) -> list[tuple[bytes, int]]:
    """What there is to hear, and the labels."""
    return sorted((each["audio"].tobytes(), each["label"]) for each in examples)


def load(name: str, splits: dict[str, list[Example]]) -> Splits[Recording]:
    with served(splits):
        return loading.load(name, SOURCES)


@pytest.mark.parametrize("name", RATES)
def test_rates_and_labels_are_those_of_tfds(name: str) -> None:
    features = tfds.builder(name).info.features
    assert features["audio"].sample_rate == RATES[name]
    assert tuple(features["label"].names) == LABELS[name]


def test_spoken_digits_are_split_by_content() -> None:
    rows = whistled(8_000, 10, 300, seed=0)
    loaded = load("spoken_digit", {"train": rows + rows[:20]})
    everything = loaded.train + loaded.validation + loaded.test
    assert contents(everything) == made_up(rows), "a repetition is dropped"
    digits = [
        [str(int(hashlib.sha1(sound.tobytes()).hexdigest(), 16)) for sound, _ in split]
        for split in (loaded.train, loaded.validation, loaded.test)
    ]
    assert {each[-1] for each in digits[2]} == {"0", "1"}
    assert {each[-2] for each in digits[1]} == {"0"}
    assert not {each[-1] for each in digits[0] + digits[1]} & {"0", "1"}
    assert 40 < len(loaded.test) < 80 and 10 < len(loaded.validation) < 40
    assert loaded.version == "1.0.9"


def test_speech_commands_keep_their_splits() -> None:
    train, validation, test = (whistled(16_000, 12, 24, seed) for seed in range(3))
    loaded = load(
        "speech_commands", {"train": train + test[:3], "validation": validation, "test": test}
    )
    assert contents(loaded.train) == made_up(train), "what is tested is not learnt from"
    assert contents(loaded.validation) == made_up(validation)
    assert contents(loaded.test) == made_up(test)


@pytest.mark.parametrize("name", RATES)
def test_samples_are_16_bit_numbers(name: str) -> None:
    extremes = np.array([-(2**15), 2**15 - 1, 0, 1], np.int16)
    loudest = {"audio": extremes, "label": 3}
    loaded = load(name, {"train": [loudest], "validation": [], "test": []})
    (recording,) = loaded.train + loaded.validation + loaded.test
    assert recording.sound.dtype == np.int16 and recording.label == 3
    np.testing.assert_array_equal(recording.sound, extremes)
