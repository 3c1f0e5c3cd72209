"""How recordings reach a model: as frames of coefficients, or as waveforms."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from exports import Hearing
from pipeline import batches, files, models
from pipeline.data.builders.spoken_digits import COEFFICIENTS
from pipeline.data.recordings import RATES, Sound
from pipeline.errors import PipelineError
from pipeline.examples import Examples
from pipeline.parts import cepstrum, log_mel, sound

_MEASURED = 1000  # training recordings that show which numbers are usual
_STILL = 0.1  # spread of the energy in a band; what is below is not brought to 1
_SCALE = "scale"  # the layer that takes what is heard
_LOWEST, _HIGHEST = -(2**15), 2**15 - 1
_MOST_FRAMES = 2**16  # of a user's file


class Heard(NamedTuple):
    """The beginning of a model.

    Attributes:
        input: what the model takes.
        frames: what it hears in it, on one scale, `[batch, frames, features]`.
        real: which frames are no padding, `[batch, frames]`.
    """

    input: Any
    frames: Any
    real: Any


class Framed(NamedTuple):
    """A recording in frames, and what hears them.

    Attributes:
        model: the part of a model that takes frames.
        frames: those that the model hears, `[frames, features]`.
        seconds: when each is.
        feature: what each of its numbers is.
    """

    model: keras.Model
    frames: npt.NDArray[Any]
    seconds: npt.NDArray[Any]
    feature: str


class Ear(ABC):
    """One form that recordings have.

    Attributes:
        steps: what their lengths count.
    """

    steps: ClassVar[str]

    @abstractmethod
    def hear(self, train: Examples) -> Heard:
        """Begin a model. Its scale is that of the recordings in `train`."""

    @abstractmethod
    def framed(self, model: keras.Model, given: Sound) -> Framed:
        """Cut a recording into the frames that `model`, which begins as `hear` says, hears."""

    @abstractmethod
    def read(self, path: Path) -> Sound:
        """Read a user's file.

        Raises:
            PipelineError: it is no file of this form, or damaged.
        """

    @abstractmethod
    def unheard(self, given: Sound) -> str | None:
        """Say what of a recording the model takes for padding, if anything."""

    @property
    @abstractmethod
    def hearing(self) -> Hearing | None:
        """Say how samples become the input, where a page in the browser can do that."""

    @property
    @abstractmethod
    def card(self) -> Mapping[str, str]:
        """Say what the model takes."""


def ear(dataset: str) -> Ear:
    """Choose the form that the recordings of `dataset` have."""
    return Waveforms(RATES[dataset]) if dataset in RATES else Coefficients()


class Coefficients(Ear):
    """Frames of MFCCs, `[frames, coefficients]`; one of zeros is padding."""

    steps = "frames"

    def hear(self, train: Examples) -> Heard:
        """Bring the frames to a mean of 0 and a spread of 1."""
        known = train.inputs.flat_values.numpy()
        frames = keras.Input((None, known.shape[-1]), dtype="float32", name="mfcc")
        real = ops.any(ops.not_equal(frames, 0.0), axis=-1)
        return Heard(frames, _scaled(frames, known.mean(0), known.std(0)), real)

    def framed(self, model: keras.Model, given: Sound) -> Framed:
        """Take the frames as they are."""
        return Framed(model, given, sound.seconds(len(given)), "coefficient")

    def read(self, path: Path) -> Sound:
        """Read the sound in a `.wav` file, or the frames in a `.npy` file."""
        if path.suffix.lower() not in (".wav", ".npy") or not path.is_file():
            raise PipelineError(
                f"'{path}' is no file of sound or frames: give a .wav file, a .npy file of "
                f"[frames, {COEFFICIENTS}] MFCCs, or the number of a test recording"
            )
        if path.suffix.lower() == ".npy":
            return _saved_frames(path)
        return sound.mfcc(sound.read(path), COEFFICIENTS)

    def unheard(self, given: Sound) -> str | None:
        """Count the frames of zeros."""
        empty = int((given == 0).all(-1).sum())
        return f"{empty} of its {len(given)} frames are all zeros, and not heard" if empty else None

    @property
    def hearing(self) -> Hearing:
        """Say how samples become MFCCs."""
        return Hearing(sound.RATE, cepstrum.model(COEFFICIENTS))

    @property
    def card(self) -> Mapping[str, str]:
        """Say which coefficients they are."""
        return {
            "input": f"the first {COEFFICIENTS} of each frame; a frame of zeros is padding",
            "MFCC": sound.MFCC,
        }


class Waveforms(Ear):
    """Samples as 16-bit numbers, `[samples]`, `rate` a second; zeros at the end are padding."""

    steps = "samples"

    def __init__(self, rate: int) -> None:
        self.rate = rate

    def hear(self, train: Examples) -> Heard:
        """Make log-mel frames, each band with a mean of 0 and a spread of 1."""
        waveform = keras.Input((None,), dtype="int16", name="waveform")
        frames, real = log_mel.log_mel(waveform, self.rate)
        pooled = keras.Model(waveform, pool(frames, real))
        known = (each[:_MEASURED] for each in (train.inputs, train.targets, train.lengths))
        means, spreads = np.split(batches.outputs(pooled, Examples(*known)), 2, axis=-1)
        spread = np.maximum(np.sqrt(means.var(0) + np.square(spreads).mean(0)), _STILL)
        return Heard(waveform, _scaled(frames, means.mean(0), spread), real)

    def framed(self, model: keras.Model, given: Sound) -> Framed:
        """Split the model behind its log-mel frames; to the rest, frames of zeros are padding."""
        hidden = [model.get_layer(_SCALE).input, model.get_layer(log_mel.REAL).output]
        heard, real = (each[0].numpy() for each in keras.Model(model.input, hidden)(given[None]))
        rest = keras.Model(hidden, model.output)
        frames = keras.Input((None, heard.shape[-1]), name="frames")
        begun = ops.any(ops.not_equal(frames, 0.0), axis=-1)
        whole = keras.Model(frames, rest([frames, begun]))
        return Framed(whole, heard[real], log_mel.seconds(real.sum(), self.rate), "mel band")

    def read(self, path: Path) -> Sound:
        """Read the sound in a `.wav` file."""
        if path.suffix.lower() != ".wav" or not path.is_file():
            raise PipelineError(
                f"'{path}' is no file of sound: give a .wav file, or the number of a test recording"
            )
        samples = np.round(sound.read(path, self.rate) * -_LOWEST)
        return samples.clip(_LOWEST, _HIGHEST).astype(np.int16)

    def unheard(self, given: Sound) -> str | None:
        """Notice a recording of zeros alone."""
        return None if given.any() else "it is silent from end to end, and nothing of it is heard"

    @property
    def hearing(self) -> None:
        """Say nothing: pages do not make 16-bit numbers."""
        return None

    @property
    def card(self) -> Mapping[str, str]:
        """Say what becomes of the waveform."""
        return {
            "input": f"16-bit samples at {self.rate} Hz; zeros at the end are padding",
            "heard as": log_mel.definition(self.rate),
        }


def pool(frames: Any, real: Any) -> Any:
    """Mean and spread of the frames that are real, `[batch, 2 * features]`."""
    return ops.concatenate([models.mean(frames, real), models.spread(frames, real)], axis=-1)


def _scaled(frames: Any, mean: npt.NDArray[Any], spread: npt.NDArray[Any]) -> Any:
    layer = keras.layers.Rescaling((1 / spread).tolist(), (-mean / spread).tolist(), name=_SCALE)
    return layer(frames)


def _saved_frames(path: Path) -> Sound:
    wanted = f"an array [frames, {COEFFICIENTS}] of MFCCs"
    files.reject_irregular(path)
    try:
        values = np.lib.format.open_memmap(path, mode="r")  # no more than the file has
    except (MemoryError, OSError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise PipelineError(f"{path} is damaged or holds no array: give {wanted}") from error
    if values.ndim != 2 or values.shape[1] != COEFFICIENTS or not 0 < len(values) <= _MOST_FRAMES:
        raise PipelineError(f"{path} holds an array {list(values.shape)}: give {wanted}")
    with np.errstate(over="ignore"):
        frames = values.astype(np.float32) if values.dtype.kind in "fiu" else np.array(np.nan)
    if not np.isfinite(frames).all():
        raise PipelineError(f"{path} holds what is no finite number: give {wanted}")
    return frames
