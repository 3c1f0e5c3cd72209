"""The digits task: it learns to hear, ignores padding, and answers about recordings and files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import exports
from pipeline import batches, config, recipes
from pipeline.baselines.frames import support_vectors
from pipeline.config.classify import ClassifyConfig
from pipeline.features import cepstrum
from pipeline.run import Run
from tests.pipeline.small import Outcome, trained

Command = Callable[..., Outcome]

SMALL = {"limit": 300, "epochs": 8, "units": 16, "batch_size": 16, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Run[ClassifyConfig]:
    """A run on 300 recordings, trained and tested. Leave it as it is."""
    settings = config.merge(recipes.get("digits").presets["digits"](), SMALL)
    return trained(tmp_path_factory.mktemp("runs") / "run", settings)


@pytest.fixture
def frames(heard: Run[ClassifyConfig]) -> np.ndarray:
    """The first recording of the test split."""
    frames: np.ndarray = heard.task.data(heard).raw.test.inputs[0]
    return frames


def test_it_learns_and_is_measured_beside_two_baselines(heard: Run[ClassifyConfig]) -> None:
    results = heard.results
    assert results["examples"] == {"train": 300, "validation": 242, "test": 300}
    assert results["model"]["accuracy"] > 0.8
    assert list(results["baselines"]) == ["feed-forward network", "support vectors"]
    assert results["baselines"]["feed-forward network"]["accuracy"] > 0.5
    assert results["baselines"]["support vectors"]["accuracy"] > 0.9


def test_support_vectors_know_the_labels_that_they_have_seen(tmp_path: Path) -> None:
    run = Run.create(
        tmp_path / "run", config.merge(recipes.get("digits").presets["digits"](), SMALL)
    )
    data = run.task.data(run)
    seen = np.flatnonzero(np.isin(data.train.targets, [3, 5, 7]))
    frames = [data.train.inputs[place] for place in seen.tolist()]
    few = batches.frames(frames, data.train.targets.numpy()[seen])
    found = support_vectors(run.config, replace(data, train=few), lambda model, _: model)
    assert set(found.argmax(-1)) == {3, 5, 7}


def test_padding_changes_nothing(heard: Run[ClassifyConfig], frames: np.ndarray) -> None:
    model = heard.model()
    row, padded = frames[None], np.pad(frames, [(0, 40), (0, 0)])[None]
    np.testing.assert_allclose(
        model.predict(padded, verbose=0), model.predict(row, verbose=0), atol=1e-6
    )


def test_the_order_of_the_frames_matters(heard: Run[ClassifyConfig], frames: np.ndarray) -> None:
    model = heard.model()
    row, shuffled = frames[None], np.random.default_rng(0).permutation(frames)[None]
    difference = model.predict(row, verbose=0) - model.predict(shuffled, verbose=0)
    assert abs(difference).max() > 1e-3


def test_the_export_agrees_on_every_test_recording(
    recurrent: Command, heard: Run[ClassifyConfig], tmp_path: Path
) -> None:
    outcome = recurrent("export", heard.path, f"--to={tmp_path / 'digits'}")
    assert outcome.status == 0, outcome.err
    assert "300 of 300" in outcome.out
    proofs = exports.verify(tmp_path / "digits")
    assert proofs["model"].worst < 2e-5
    assert exports.load(tmp_path / "digits").labels == list("0123456789")
    card = (tmp_path / "digits" / "README.md").read_text(encoding="utf-8")
    assert "sound from -1 to 1 at 8000 Hz: frames of 400 samples around every 200th" in card


def test_a_test_recording_and_a_file_of_its_frames_have_one_answer(
    recurrent: Command, heard: Run[ClassifyConfig], tmp_path: Path, frames: np.ndarray
) -> None:
    file, double = tmp_path / "frames.npy", tmp_path / "double.npy"
    np.save(file, frames)
    np.save(double, frames.astype(np.float64))
    outcome = recurrent("predict", heard.path, "1", file, "591", double)
    assert outcome.status == 0, outcome.err
    first, second, last, third = (line.split("\t") for line in outcome.out.splitlines())
    assert first[:2] == second[:2] == third[:2]
    assert first[2].startswith("test recording 1, label ") and second[2] == str(file)
    assert last[2].startswith("test recording 591, label ")


def test_a_sound_file_has_the_answer_of_its_coefficients(
    recurrent: Command, heard: Run[ClassifyConfig], tmp_path: Path
) -> None:
    samples = np.random.default_rng(0).normal(scale=0.1, size=(3000, 2))
    soundfile.write(tmp_path / "noise.wav", samples, 8000, subtype="FLOAT")
    np.save(tmp_path / "noise.npy", cepstrum.mfcc(samples.mean(1).astype(np.float32), 13))
    outcome = recurrent("predict", heard.path, tmp_path / "noise.wav", tmp_path / "noise.npy")
    assert outcome.status == 0, outcome.err
    first, second = (line.split("\t") for line in outcome.out.splitlines())
    assert first[:2] == second[:2] and first[2].endswith("noise.wav")


def test_what_the_model_cannot_hear_or_takes_for_another_is_noted(
    heard: Run[ClassifyConfig], tmp_path: Path, frames: np.ndarray
) -> None:
    np.save(tmp_path / "silence.npy", np.vstack([frames, np.zeros((2, 13))]))
    (answer,) = heard.task.predict(heard, [str(tmp_path / "silence.npy")])
    assert f"2 of its {len(frames) + 2} frames are all zeros" in answer.notes
    predictions = heard.task.predict(heard, [str(number) for number in range(1, 301)])
    wrong = [
        answer for answer in predictions if any("that is wrong" in each for each in answer.notes)
    ]
    assert len(wrong) == round(300 * (1 - heard.results["model"]["accuracy"]))
    for answer in wrong:
        digit, _, name = answer.text.split("\t")
        assert name[-1] != digit


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("0", "test recordings are 1 to 591, and 0 is none"),
        ("592", "and 592 is none"),
        ("9" * 5000, "not a file of sound or frames"),
        (
            "seven",
            "'seven' is not a file of sound or frames: give a .wav, .flac or .ogg file, a",
        ),
        ("none.npy", "not a file of sound or frames"),
        ("none.wav", "not a file of sound or frames"),
        ("words.wav", "words.wav is damaged or no sound file"),
        ("flat.npy", "holds float64 of the shape [13]"),
        ("wide.npy", "has the shape [4, 20]: give an array [frames, 13] of MFCCs"),
        ("empty.npy", "holds float64 of the shape [0, 13]"),
        ("nan.npy", "not finite"),
        ("huge.npy", "not finite"),
        ("words.npy", "holds <U1 of the shape [4, 13]"),
        ("objects.npy", "damaged or holds no array"),
        ("cut.npy", "damaged or holds no array"),
        ("zip.npy", "damaged or holds no array"),
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
    np.save("flat.npy", np.zeros(13))
    np.save("wide.npy", np.zeros((4, 20)))
    np.save("empty.npy", np.zeros((0, 13)))
    np.save("nan.npy", np.full((4, 13), np.nan))
    np.save("huge.npy", np.full((4, 13), 1e300))
    np.save("words.npy", np.full((4, 13), "a"))
    np.save("objects.npy", np.full((4, 13), None))
    Path("cut.npy").write_bytes(Path("nan.npy").read_bytes()[:-9])
    np.savez("zip.npz", np.zeros((4, 13)))
    Path("zip.npz").rename("zip.npy")
    Path("words.wav").write_text("seven")
    outcome = recurrent("predict", heard.path, given)
    assert outcome.status == 1 and outcome.out == ""
    assert said in outcome.err and len(outcome.err.splitlines()) == 1
