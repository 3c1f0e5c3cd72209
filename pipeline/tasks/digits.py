"""Many to one: which digit is spoken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from pipeline import subjects
from pipeline.config import Config
from pipeline.errors import PipelineError
from pipeline.space import Linear
from pipeline.task import Answer, Baseline, Data, Figures, Fit, Task

if TYPE_CHECKING:
    import keras
    import numpy.typing as npt

    from pipeline.batches import Examples
    from pipeline.data.loading import Splits
    from pipeline.data.recordings import Frames, Recording
    from pipeline.marks import Marks
    from pipeline.run import Run

_SURE = 0.9  # a probability from which the next likely digit is not worth a word


class DigitsConfig(Config):
    """The settings of a task that hears recordings."""

    noise: Annotated[float, Linear(0.0, 1.0)] = Field(
        default=0.0, ge=0, le=10, description="Spread of what training adds to the frames."
    )


@dataclass(frozen=True, eq=False)
class DigitsData(Data):
    """Recordings as examples, and as they were loaded."""

    recordings: Splits[Recording]


def digits() -> DigitsConfig:
    """Learn from the Free Spoken Digit recordings in half a minute; chosen on the validation split.

    Seeds 0, 1, 2: 99.3, 99.5, 99.3 % of the 591 test recordings, in 26 to 38 s on two busy cores.
    """
    return DigitsConfig(
        task="digits",
        dataset="spoken_digits",
        dropout=0.3,
        noise=0.5,
        epochs=20,
        learning_rate=3e-3,
        weight_decay=0.01,
    )


class Digits(Task[DigitsConfig, DigitsData]):
    """Tells which digit a recording says."""

    summary = "which digit is spoken"
    settings = DigitsConfig
    subject = "recording"
    accepts = "a WAV file, a .npy file of 13 MFCCs a frame, or the number of a test recording"

    @property
    def presets(self) -> Mapping[str, Callable[[], DigitsConfig]]:
        """The default."""
        return {"digits": digits}

    @property
    def datasets(self) -> Sequence[str]:
        """The recordings that come with a package."""
        from pipeline.data import recordings

        return tuple(recordings.SOURCES)

    def data(self, run: Run[DigitsConfig]) -> DigitsData:
        """Load the recordings."""
        from pipeline import batches
        from pipeline.data import loading, recordings

        loaded = loading.load(run.config.dataset, recordings.SOURCES, run.config.limit)
        train, validation, test = (
            batches.frames([each.frames for each in split], [each.label for each in split])
            for split in (loaded.train, loaded.validation, loaded.test)
        )
        return DigitsData(train, validation, test, recordings=loaded)

    def model(self, config: DigitsConfig, data: DigitsData) -> keras.Model:
        """Hear the frames from both ends; the mean and the maximum of the outputs decide."""
        import keras
        from keras import ops

        from pipeline import models

        frames, real, heard = _heard(data)
        heard = keras.layers.GaussianNoise(config.noise)(heard)
        outputs = models.recurrent(config)(heard, mask=real)
        pooled = [models.maximum(outputs, real), models.mean(outputs, real)]
        return _classifier(frames, ops.concatenate(pooled, axis=-1), config, name="digits")

    def loss(self, config: DigitsConfig) -> str:
        """Cross-entropy: how little the model believed in the label."""
        return "sparse_categorical_crossentropy"

    def metrics(self, config: DigitsConfig) -> Sequence[str]:
        """Accuracy."""
        return ("accuracy",)

    def rank(self, figures: Figures) -> float:
        """Rank by loss on the validation split, where several epochs share the best accuracy."""
        return -figures["validation_loss"]

    def score(self, answers: npt.NDArray[Any], examples: Examples) -> Figures:
        """Measure the fraction of recordings whose most probable digit is theirs."""
        return {"accuracy": float((answers.argmax(-1) == examples.targets.numpy()).mean())}

    def marks(self, config: DigitsConfig, data: DigitsData, answers: npt.NDArray[Any]) -> Marks:
        """Compare digits; a recording is shown by its number, which `predict` knows."""
        from pipeline.data.recordings import LABELS
        from pipeline.marks import Choices, of_choices

        test = data.test
        return of_choices(
            Choices(LABELS, test.targets.numpy(), answers),
            test.lengths,
            "frames",
            lambda place: f"test recording {place + 1}, {test.lengths[place]} frames",
        )

    @property
    def baselines(self) -> Mapping[str, Baseline]:
        """Two that know mean and spread of the frames, and not their order."""
        return {"feed-forward network": feed_forward, "support vectors": support_vectors}

    def predict(self, run: Run[DigitsConfig], subjects: Sequence[str]) -> list[Answer]:
        """Give digit, probability and what was heard.

        Each of `subjects` is the number of a recording of the test split, from 1, or else the path
        of a `.wav` file, or of a `.npy` file of `[frames, 13]` coefficients, as of `sound.mfcc`.
        """
        from pipeline import batches

        model = run.model()
        heard = _subjects(run, subjects)
        examples = batches.frames([each.frames for each in heard], [0] * len(heard))
        probabilities = batches.outputs(model, examples)
        return [_answer(each, row) for each, row in zip(heard, probabilities, strict=True)]

    def artifact(self, run: Run[DigitsConfig]) -> Mapping[str, Any]:
        """Put the digits and what hears beside the model; compare on the test split."""
        from exports import Hearing
        from pipeline import batches, cepstrum, sound
        from pipeline.data.builders.spoken_digits import COEFFICIENTS
        from pipeline.data.recordings import LABELS

        data = self.data(run)
        ((inputs, _),) = batches.dataset(data.test, [np.arange(len(data.test))])
        loaded = data.recordings
        return {
            "labels": LABELS,
            "examples": inputs.numpy(),
            "hearing": Hearing(sound.RATE, cepstrum.model(COEFFICIENTS)),
            "card": {
                "data set": f"{loaded.name} {loaded.version}",
                "input": f"the first {COEFFICIENTS} of each frame; a frame of zeros is padding",
                "MFCC": sound.MFCC,
            },
        }


def feed_forward(config: DigitsConfig, data: DigitsData, fit: Fit) -> npt.NDArray[Any]:
    """A network of one hidden layer over mean and spread of the frames."""
    import keras
    from keras import ops

    from pipeline import batches, models

    frames, real, heard = _heard(data)
    pooled = ops.concatenate([models.mean(heard, real), models.spread(heard, real)], axis=-1)
    hidden = keras.layers.Dense(4 * config.units, activation="relu")(pooled)
    model = _classifier(frames, hidden, config, name="feed_forward_network")
    return batches.outputs(fit(model, config), data.test)


def support_vectors(config: DigitsConfig, data: DigitsData, fit: Fit) -> npt.NDArray[Any]:
    """Support vectors with a radial kernel on mean and spread of the frames."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from pipeline.data.recordings import LABELS

    def pooled(split: Sequence[Recording]) -> npt.NDArray[Any]:
        pairs = ((each.frames.mean(0), each.frames.std(0)) for each in split)
        return np.stack([np.concatenate(pair) for pair in pairs])

    train, test = data.recordings.train, data.recordings.test
    machine = make_pipeline(StandardScaler(), SVC(C=10.0))
    machine.fit(pooled(train), [each.label for each in train])
    scores = np.full((len(test), len(LABELS)), -np.inf)
    scores[:, machine.classes_] = machine.decision_function(pooled(test))
    return scores


def _heard(data: DigitsData) -> tuple[Any, Any, Any]:
    """The input, which of its frames are no padding, and the frames on one scale."""
    import keras
    from keras import ops

    known = data.train.inputs.flat_values.numpy()
    frames = keras.Input((None, known.shape[-1]), dtype="float32", name="mfcc")
    real = ops.any(ops.not_equal(frames, 0.0), axis=-1)
    mean, spread = known.mean(0), known.std(0)
    scale = keras.layers.Rescaling((1 / spread).tolist(), (-mean / spread).tolist(), name="scale")
    return frames, real, scale(frames)


def _classifier(frames: Any, features: Any, config: DigitsConfig, *, name: str) -> keras.Model:
    """Finish a model of `frames` that has come to `features` `[batch, features]`."""
    import keras

    from pipeline.data.recordings import LABELS

    features = keras.layers.Dropout(config.dropout)(features)
    probabilities = keras.layers.Dense(
        len(LABELS), activation="softmax", dtype="float32", name="probabilities"
    )(features)
    return keras.Model(frames, probabilities, name=name)


@dataclass(frozen=True, eq=False)
class _Subject:
    """A recording, what to call it, and the digit that it is, if that is known."""

    frames: Frames
    name: str
    label: int | None = None


def _subjects(run: Run[DigitsConfig], given: Sequence[str]) -> list[_Subject]:
    from pipeline.data import loading, recordings

    def test() -> Sequence[Recording]:
        return loading.load(run.config.dataset, recordings.SOURCES).test

    return subjects.resolve(given, "recording", test, _tested, _read)


def _tested(recording: Recording, name: str) -> _Subject:
    return _Subject(recording.frames, f"{name}, a {recording.label}", recording.label)


def _read(name: str) -> _Subject:
    """Read the sound in a `.wav` file, or the frames in a `.npy` file."""
    from pipeline import sound
    from pipeline.data.builders.spoken_digits import COEFFICIENTS

    path = Path(name)
    if path.suffix.lower() not in (".wav", ".npy") or not path.is_file():
        raise PipelineError(
            f"{name!r} is no file of sound or frames: give a .wav file, a .npy file of "
            f"[frames, {COEFFICIENTS}] MFCCs, or the number of a test recording"
        )
    if path.suffix.lower() == ".npy":
        return _Subject(_frames(path), name)
    return _Subject(sound.mfcc(sound.read(path), COEFFICIENTS), name)


def _frames(path: Path) -> Frames:
    from pipeline.data.builders.spoken_digits import COEFFICIENTS

    wanted = f"an array [frames, {COEFFICIENTS}] of MFCCs"
    try:
        with path.open("rb") as file:
            values = np.lib.format.read_array(file, allow_pickle=False)
    except ValueError as error:
        raise PipelineError(f"{path} is damaged or holds no array: give {wanted}") from error
    if values.ndim != 2 or values.shape[1] != COEFFICIENTS or not len(values):
        raise PipelineError(f"{path} holds an array {list(values.shape)}: give {wanted}")
    with np.errstate(over="ignore"):
        frames = values.astype(np.float32) if values.dtype.kind in "fiu" else np.array(np.nan)
    if not np.isfinite(frames).all():
        raise PipelineError(f"{path} holds what is no finite number: give {wanted}")
    return frames


def _answer(subject: _Subject, probabilities: npt.NDArray[Any]) -> Answer:
    from pipeline.data.recordings import LABELS

    *_, second, first = probabilities.argsort()
    notes = []
    if subject.label not in (None, first):
        notes.append(f"that is wrong: it is a {subject.label}")
    if probabilities[first] < _SURE:
        notes.append(f"next likely is {LABELS[second]}, {probabilities[second]:.3f}")
    if empty := int((subject.frames == 0).all(-1).sum()):
        notes.append(f"{empty} of its {len(subject.frames)} frames are all zeros, and not heard")
    text = f"{LABELS[first]}\t{probabilities[first]:.3f}\t{subject.name}"
    return Answer(text, tuple(notes))


task = Digits()
