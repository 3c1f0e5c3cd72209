"""The digits task on waveforms: it learns to hear, ignores padding, and answers about files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile
import tensorflow_datasets as tfds
from scipy.signal import resample_poly

import exports
from pipeline import config, recipes
from pipeline.config.classify import ClassifyConfig
from pipeline.data.labelled import Pairs
from pipeline.run import Run
from tests.pipeline.served import served
from tests.pipeline.small import Outcome, trained
from tests.pipeline.voices import whistled

Command = Callable[..., Outcome]

SMALL = {"epochs": 6, "units": 8, "batch_size": 16, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run[ClassifyConfig]]:
    """A run on 240 whistled commands, trained and tested. Leave it as it is."""
    splits = {
        name: whistled(16_000, 12, count, seed)
        for seed, (name, count) in enumerate({"train": 180, "validation": 24, "test": 36}.items())
    }
    settings = config.merge(recipes.get("digits").presets["speech_commands"](), SMALL)
    with served(splits):
        yield trained(tmp_path_factory.mktemp("runs") / "run", settings)


@pytest.fixture
def tested(heard: Run[ClassifyConfig]) -> Pairs:
    """The test split."""
    test: Pairs = heard.task.data(heard).raw.test
    return test


def test_it_learns_and_is_measured_beside_two_baselines(heard: Run[ClassifyConfig]) -> None:
    results = heard.results
    assert results["examples"] == {"train": 180, "validation": 24, "test": 36}
    assert results["model"]["accuracy"] > 0.8
    assert results["baselines"]["feed-forward network"]["accuracy"] > 0.5
    assert results["baselines"]["support vectors"]["accuracy"] > 0.8


def test_what_hears_does_not_learn(heard: Run[ClassifyConfig], tested: Pairs) -> None:
    from pipeline.features.log_mel import log_mel

    waveform, model = keras.Input((None,), dtype="int16"), heard.model()
    untrained = keras.Model(waveform, log_mel(waveform, 16_000)[0])(tested.inputs[0].samples[None])
    powers = keras.Model(model.input, model.get_layer("mel").output)(tested.inputs[0].samples[None])
    np.testing.assert_allclose(np.log(powers + 1e-9), untrained, atol=1e-4)


def test_padding_changes_nothing(heard: Run[ClassifyConfig], tested: Pairs) -> None:
    model, sound = heard.model(), tested.inputs[0].samples
    alone = model.predict(sound[None], verbose=0)
    for zeros in (1, 160, 5000):
        padded = model.predict(np.pad(sound, (0, zeros))[None], verbose=0)
        np.testing.assert_allclose(padded, alone, atol=1e-5)
    assert abs(model.predict(sound[None, ::-1], verbose=0) - alone).max() > 1e-3


def test_a_sound_file_has_the_answer_of_its_recording(
    recurrent: Command, heard: Run[ClassifyConfig], tested: Pairs, tmp_path: Path
) -> None:
    same, finer, stereo = (tmp_path / f"{name}.wav" for name in ("same", "finer", "stereo"))
    samples = tested.inputs[0].samples
    soundfile.write(same, samples, 16_000, subtype="PCM_16")
    soundfile.write(finer, resample_poly(samples / 2**15, 3, 1), 48_000, subtype="FLOAT")
    soundfile.write(stereo, np.stack([samples, samples], 1), 16_000, subtype="PCM_16")
    outcome = recurrent("predict", heard.path, "1", same, stereo, finer)
    assert outcome.status == 0, outcome.err
    first, second, third, last = (line.split("\t") for line in outcome.out.splitlines())
    assert first[:2] == second[:2] == third[:2]
    (label,) = tested.targets[0]
    assert first[2] == f"test recording 1, label {label}" and second[2] == str(same)
    assert last[0] == first[0] and float(last[1]) == pytest.approx(float(first[1]), abs=0.1)


def test_the_export_agrees_on_every_test_recording(
    recurrent: Command, heard: Run[ClassifyConfig], tmp_path: Path
) -> None:
    outcome = recurrent("export", heard.path, f"--to={tmp_path / 'commands'}")
    assert outcome.status == 0, outcome.err
    assert "36 of 36" in outcome.out
    assert exports.verify(tmp_path / "commands")["model"].worst < 2e-5
    names = tfds.builder("speech_commands").info.features["label"].names
    assert exports.load(tmp_path / "commands").labels == names
    card = (tmp_path / "commands" / "README.md").read_text(encoding="utf-8")
    assert "16-bit samples at 16000 Hz; zeros at the end are padding" in card
    assert "frames of 400 samples, one from every 160th on" in card


def test_silence_is_noted(heard: Run[ClassifyConfig], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(4000), 16_000)
    (answer,) = heard.task.predict(heard, [str(tmp_path / "silence.wav")])
    assert "it is silent from end to end, and nothing of it is heard" in answer.notes


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("0", "test recordings are 1 to 36, and 0 is none"),
        (
            "yes",
            "'yes' is not a file of sound: give a .wav, .flac or .ogg file, or the number",
        ),
        ("none.wav", "'none.wav' is not a file of sound"),
        ("frames.npy", "'frames.npy' is not a file of sound"),
        ("words.wav", "words.wav is damaged or no sound file"),
    ],
)
def test_what_is_no_recording_is_answered_in_one_line(
    recurrent: Command,
    heard: Run[ClassifyConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("frames.npy", np.zeros((4, 13)))
    Path("words.wav").write_text("seven")
    outcome = recurrent("predict", heard.path, given)
    assert outcome.status == 1 and outcome.out == ""
    assert said in outcome.err and len(outcome.err.splitlines()) == 1
