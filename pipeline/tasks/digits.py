"""Many to one: which digit, or which command, is spoken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from pipeline.config import SampleConfig
from pipeline.errors import PipelineError
from pipeline.examples import Data
from pipeline.parts import subjects
from pipeline.space import Linear
from pipeline.tasks.base import Answer, Baseline, Figures, Fit, SampleTask

if TYPE_CHECKING:
    import keras
    import numpy.typing as npt

    from pipeline.data.recordings import Recording, Sound
    from pipeline.examples import Examples
    from pipeline.explain.reading import Reading
    from pipeline.marks import Marks
    from pipeline.parts.hearing import Ear
    from pipeline.run import Run

_SURE = 0.9  # a probability from which the next likely label is not worth a word
_COMPARED = 1000  # test recordings that the exported formats are compared on, at most


class DigitsConfig(SampleConfig):
    """The settings of a task that hears recordings."""

    noise: Annotated[float, Linear(0.0, 1.0)] = Field(
        default=0.0, ge=0, le=10, description="Spread of what training adds to the frames."
    )


@dataclass(frozen=True, eq=False)
class DigitsData(Data):
    """Recordings as examples, and the data set and version that they are from."""

    source: str


def digits() -> DigitsConfig:
    """Learn from the Free Spoken Digit recordings in half a minute; chosen on the validation split.

    Seeds 0, 1, 2: 99.2, 99.5, 99.3 % of the 591 test recordings, in 16 s on one core.
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


def spoken_digit() -> DigitsConfig:
    """Learn from the waveforms of the Free Spoken Digit Dataset, by TFDS: not measured.

    TFDS has no test split of it, so the SHA-1 of a waveform decides, as for `spoken_digits`.
    """
    return digits().model_copy(update={"dataset": "spoken_digit"})


def speech_commands() -> DigitsConfig:
    """Learn ten commands, silence and all other words from waveforms, by TFDS: not measured.

    All recordings, some 3 GB of samples, are read into memory.
    """
    return digits().model_copy(
        update={"dataset": "speech_commands", "units": 128, "batch_size": 64, "epochs": 10}
    )


class Digits(SampleTask[DigitsConfig, DigitsData]):
    """Tells which digit, or command, a recording says."""

    summary = "which digit, or command, is spoken"
    settings = DigitsConfig
    subject = "recording"
    accepts = "a WAV file, a .npy file of 13 MFCCs a frame, or the number of a test recording"

    @property
    def presets(self) -> Mapping[str, Callable[[], DigitsConfig]]:
        """The default, and those for waveforms."""
        return {
            "digits": digits,
            "spoken_digit": spoken_digit,
            "speech_commands": speech_commands,
        }

    @property
    def datasets(self) -> Sequence[str]:
        """The recordings that come with a package, and what TFDS has."""
        from pipeline.data import recordings

        return tuple(recordings.SOURCES)

    def data(self, run: Run[DigitsConfig]) -> DigitsData:
        """Load the recordings."""
        from pipeline.data import loading, recordings

        loaded = loading.load(run.config.dataset, recordings.SOURCES, run.config.limit)
        train, validation, test = map(_examples, (loaded.train, loaded.validation, loaded.test))
        return DigitsData(train, validation, test, source=f"{loaded.name} {loaded.version}")

    def model(self, config: DigitsConfig, data: DigitsData) -> keras.Model:
        """Hear the frames from both ends; the mean and the maximum of the outputs decide."""
        import keras
        from keras import ops

        from pipeline import models
        from pipeline.parts import hearing

        given, frames, real = hearing.ear(config.dataset).hear(data.train)
        frames = keras.layers.GaussianNoise(config.noise)(frames)
        outputs = models.recurrent(config)(frames, mask=real)
        pooled = [models.maximum(outputs, real), models.mean(outputs, real)]
        return _classifier(given, ops.concatenate(pooled, axis=-1), config, name="digits")

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
        """Measure the fraction of recordings whose most probable label is theirs."""
        return {"accuracy": float((answers.argmax(-1) == examples.targets.numpy()).mean())}

    def marks(self, config: DigitsConfig, data: DigitsData, answers: npt.NDArray[Any]) -> Marks:
        """Compare labels; a recording is shown by its number, which `predict` knows."""
        from pipeline.marks import Choices, of_choices
        from pipeline.parts import hearing

        test, steps = data.test, hearing.ear(config.dataset).steps
        return of_choices(
            Choices(_labels(config), test.targets.numpy(), answers),
            test.lengths,
            steps,
            lambda place: f"test recording {place + 1}, {test.lengths[place]} {steps}",
        )

    def baselines(self, config: DigitsConfig) -> Mapping[str, Baseline]:
        """Two that know mean and spread of the frames, and not their order."""
        return {"feed-forward network": feed_forward, "support vectors": support_vectors}

    def predict(self, run: Run[DigitsConfig], subjects: Sequence[str]) -> list[Answer]:
        """Give the label, its probability and what was heard.

        Each of `subjects` is the number of a recording of the test split, from 1, or else the path
        of a file that `pipeline.parts.hearing` reads.
        """
        from pipeline import batches
        from pipeline.parts import hearing

        ear, model = hearing.ear(run.config.dataset), run.model()
        heard = _subjects(run, ear, subjects)
        examples = batches.frames([each.sound for each in heard], [0] * len(heard))
        probabilities = batches.outputs(model, examples)
        return [
            _answer(each, row, _labels(run.config), ear.unheard(each.sound))
            for each, row in zip(heard, probabilities, strict=True)
        ]

    def reading(self, run: Run[DigitsConfig], model: keras.Model, subject: str) -> Reading:
        """Hear frame by frame, also the frames that the model itself makes of a waveform."""
        from pipeline.explain.reading import Reading, Vectors, after_prefixes, choice
        from pipeline.parts import hearing

        ear = hearing.ear(run.config.dataset)
        (asked,) = _subjects(run, ear, [subject])
        heard = ear.framed(model, asked.sound)
        if not heard.frames.any():
            raise PipelineError(f"{asked.name} is silent, and the model hears nothing of it")
        (symbolic,) = heard.model.inputs
        return Reading(
            model=heard.model,
            name=asked.name,
            inputs={symbolic.name: heard.frames[None]},
            time=symbolic.name,
            steps=[f"{each:.2f} s" for each in heard.seconds],
            noun="frames",
            running=after_prefixes,
            explain=choice(_labels(run.config)),
            view=Vectors(heard.frames, heard.feature),
            source=symbolic.name,
        )

    def artifact(self, run: Run[DigitsConfig]) -> Mapping[str, Any]:
        """Put the labels and what hears beside the model; compare on the test split."""
        from pipeline import batches
        from pipeline.parts import hearing

        data, ear = self.data(run), hearing.ear(run.config.dataset)
        compared = np.arange(min(len(data.test), _COMPARED))
        ((inputs, _),) = batches.dataset(data.test, [compared])
        return {
            "labels": _labels(run.config),
            "examples": inputs.numpy(),
            "hearing": ear.hearing,
            "card": {"data set": data.source, **ear.card},
        }


def feed_forward(config: DigitsConfig, data: DigitsData, fit: Fit) -> npt.NDArray[Any]:
    """A network of one hidden layer over mean and spread of the frames."""
    import keras

    from pipeline import batches
    from pipeline.parts import hearing

    given, frames, real = hearing.ear(config.dataset).hear(data.train)
    pooled = hearing.pool(frames, real)
    hidden = keras.layers.Dense(4 * config.units, activation="relu")(pooled)
    model = _classifier(given, hidden, config, name="feed_forward_network")
    return batches.outputs(fit(model, config), data.test)


def support_vectors(config: DigitsConfig, data: DigitsData, fit: Fit) -> npt.NDArray[Any]:
    """Support vectors with a radial kernel on mean and spread of the frames."""
    import keras
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from pipeline import batches
    from pipeline.parts import hearing

    given, frames, real = hearing.ear(config.dataset).hear(data.train)
    pooled = keras.Model(given, hearing.pool(frames, real))
    machine = make_pipeline(StandardScaler(), SVC(C=10.0))
    machine.fit(batches.outputs(pooled, data.train), data.train.targets.numpy())
    scores = np.full((len(data.test), len(_labels(config))), -np.inf)
    scores[:, machine.classes_] = machine.decision_function(batches.outputs(pooled, data.test))
    return scores


def _labels(config: DigitsConfig) -> Sequence[str]:
    from pipeline.data.recordings import LABELS

    return LABELS[config.dataset]


def _examples(split: Sequence[Recording]) -> Examples:
    from pipeline import batches

    return batches.frames([each.sound for each in split], [each.label for each in split])


def _classifier(given: Any, features: Any, config: DigitsConfig, *, name: str) -> keras.Model:
    """Finish a model of what is `given` that has come to `features` `[batch, features]`."""
    import keras

    features = keras.layers.Dropout(config.dropout)(features)
    probabilities = keras.layers.Dense(
        len(_labels(config)), activation="softmax", dtype="float32", name="probabilities"
    )(features)
    return keras.Model(given, probabilities, name=name)


@dataclass(frozen=True, eq=False)
class _Subject:
    """A recording, what to call it, and the place of its label, if that is known."""

    sound: Sound
    name: str
    label: int | None = None


def _subjects(run: Run[DigitsConfig], ear: Ear, given: Sequence[str]) -> list[_Subject]:
    from pipeline.data import loading, recordings

    labels = _labels(run.config)

    def test() -> Sequence[Recording]:
        return loading.load(run.config.dataset, recordings.SOURCES).test

    def tested(recording: Recording, name: str) -> _Subject:
        sound, label = recording
        return _Subject(sound, f"{name}, a {labels[label]}", label)

    def read(name: str) -> _Subject:
        return _Subject(ear.read(Path(name)), name)

    return subjects.resolve(given, "recording", test, tested, read)


def _answer(
    subject: _Subject, probabilities: npt.NDArray[Any], labels: Sequence[str], unheard: str | None
) -> Answer:
    *_, second, first = probabilities.argsort()
    notes = []
    if subject.label not in (None, first):
        notes.append(f"that is wrong: it is a {labels[subject.label]}")
    if probabilities[first] < _SURE:
        notes.append(f"next likely is {labels[second]}, {probabilities[second]:.3f}")
    if unheard:
        notes.append(unheard)
    text = f"{labels[first]}\t{probabilities[first]:.3f}\t{subject.name}"
    return Answer(text, tuple(notes))


task = Digits()
