"""Waveforms of TFDS by name: its features and splits, made-up examples."""

import hashlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipeline.config.classify import ClassifyConfig
from pipeline.data import labelled
from pipeline.data.labelled import Labelled, Pairs
from tests.pipeline.served import Example, served
from tests.pipeline.voices import whistled

RATES = {"spoken_digit": 8_000, "speech_commands": 16_000}


def contents(loaded: Labelled, *splits: Pairs) -> list[tuple[bytes, int]]:
    """What is heard, and the numbers of the labels."""
    assert loaded.classes is not None
    return sorted(
        (recording.samples.tobytes(), loaded.classes.index(label))
        for pairs in splits
        for recording, (label,) in zip(*pairs, strict=True)
    )


def made_up(examples: list[Example]) -> list[tuple[bytes, int]]:
    """What there is to hear, and the labels."""
    return sorted((each["audio"].tobytes(), each["label"]) for each in examples)


def load(name: str, splits: dict[str, list[Example]]) -> Labelled:
    with served(splits):
        return labelled.load(ClassifyConfig(task="classify", data=f"tfds:{name}"), [], "class")


def test_spoken_digits_are_split_by_content() -> None:
    rows = whistled(8_000, 10, 300, seed=0)
    loaded = load("spoken_digit", {"train": rows + rows[:20]})
    everything = loaded.train, loaded.validation, loaded.test
    assert contents(loaded, *everything) == made_up(rows), "a repetition is dropped"
    digits = [
        [str(int(hashlib.sha1(each.samples.tobytes()).hexdigest(), 16)) for each in split.inputs]
        for split in everything
    ]
    assert {each[-1] for each in digits[2]} == {"0", "1"}
    assert {each[-2] for each in digits[1]} == {"0"}
    assert not {each[-1] for each in digits[0] + digits[1]} & {"0", "1"}
    assert 40 < len(digits[2]) < 80 and 10 < len(digits[1]) < 40
    assert loaded.version == "1.0.9"


def test_speech_commands_keep_their_splits() -> None:
    train, validation, test = (whistled(16_000, 12, 24, seed) for seed in range(3))
    loaded = load(
        "speech_commands", {"train": train + test[:3], "validation": validation, "test": test}
    )
    assert contents(loaded, loaded.train) == made_up(train), "what is tested is not learnt from"
    assert contents(loaded, loaded.validation) == made_up(validation)
    assert contents(loaded, loaded.test) == made_up(test)


@pytest.mark.parametrize("name", RATES)
def test_samples_are_16_bit_numbers_at_the_rate_of_tfds(name: str) -> None:
    info = tfds.builder(name).info
    extremes = np.array([-(2**15), 2**15 - 1, 0, 1], np.int16)
    examples: list[Example] = [
        {"audio": np.append(extremes, place), "label": 3} for place in range(40)
    ]
    loaded = load(name, {"train": examples, "validation": examples[:1], "test": examples[1:2]})
    recording, (label,) = loaded.train.inputs[0], loaded.train.targets[0]
    assert recording.samples.dtype == np.int16 and label == info.features["label"].names[3]
    assert recording.rate == RATES[name] == info.features["audio"].sample_rate
    np.testing.assert_array_equal(recording.samples[:4], extremes)
