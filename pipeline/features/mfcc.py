"""Recordings as frames of mel-frequency cepstral coefficients (MFCC)."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, final

import keras
import numpy as np
import numpy.typing as npt

from exports import AudioFrontend
from pipeline.config.inputs import SequenceConfig
from pipeline.data import columns, sound
from pipeline.data.table import Unusable
from pipeline.errors import PipelineError
from pipeline.examples import Examples
from pipeline.explain.spec import Array, Explained, ExplainSpec
from pipeline.features import cepstrum
from pipeline.features.base import Entrance
from pipeline.features.frames import Frames, filled, read_array, read_step_by_step, scaled


@final
class Mfcc(Frames):
    """Frames of coefficients, `[frames, coefficients]`. A page computes them from sound."""

    noun = "recording"
    accepts = (
        "a .wav, .flac or .ogg file, a .npy file of [frames, coefficients] MFCCs, or the number of "
        "a test recording"
    )
    steps = "frames"

    def __init__(self, coefficients: int) -> None:
        self.coefficients = coefficients

    @classmethod
    def fit(cls, values: Sequence[Any], config: SequenceConfig) -> Self:
        """Count the coefficients."""
        return cls(values[0].shape[1])

    @classmethod
    def restored(
        cls, fitted: Mapping[str, Any], vocabulary: Sequence[str], config: SequenceConfig
    ) -> Self:
        """Take the number of coefficients that was once counted."""
        return cls(fitted["coefficients"])

    @property
    def fitted(self) -> dict[str, str | int | None]:
        """The number of coefficients."""
        return {"coefficients": self.coefficients}

    def begin(self, train: Examples) -> Entrance:
        """Give each coefficient a mean of 0 and a standard deviation of 1."""
        known = train.inputs.flat
        frames = keras.Input((None, self.coefficients), dtype="float32", name="mfcc")
        return Entrance(frames, scaled(frames, known.mean(0), known.std(0)), filled(frames))

    def fault(self, model: keras.Model) -> str | None:
        """Compare the number of coefficients."""
        here, there = self.coefficients, model.input_shape[-1]
        if here == there:
            return None
        return f"columns.json is damaged: it has {here} coefficients, and the model knows {there}"

    def read(self, typed: str) -> npt.NDArray[np.float32]:
        """Read the sound, or the frames, in a file."""
        path = Path(typed)
        suffix = path.suffix.lower()
        if suffix not in (*sound.SUFFIXES, ".npy") or not path.is_file():
            raise PipelineError(f"{typed!r} is not a file of sound or frames: give {self.accepts}")
        if suffix != ".npy":
            return cepstrum.mfcc(sound.read(path, cepstrum.RATE), self.coefficients)
        try:
            frames = columns.to_vectors(read_array(path))
            if frames.shape[1] != self.coefficients:
                raise Unusable(f"has the shape {list(frames.shape)}")
        except Unusable as error:
            wanted = f"[frames, {self.coefficients}]"
            raise PipelineError(f"{path} {error}: give an array {wanted} of MFCCs") from error
        return frames

    def described(self, values: Sequence[Any]) -> str:
        """Count frames and coefficients."""
        frames = statistics.median(map(len, values))
        return f"{self.coefficients} MFCCs, median {frames:g} frames"

    def shown(self, value: Any) -> str:
        """Count the frames."""
        return f"{len(value)} frames"

    def notes(self, value: Any) -> tuple[str, ...]:
        """Count the frames of zeros."""
        empty = int((value == 0).all(-1).sum())
        return (f"{empty} of its {len(value)} frames are all zeros",) if empty else ()

    def explained(
        self, model: keras.Model, name: str, value: Any, explain: Callable[[Array], Explained]
    ) -> ExplainSpec:
        """Read frame by frame."""
        if not value.any():
            raise PipelineError(f"{name} is silent, and the model hears nothing of it")
        steps = [f"{each:.2f} s" for each in cepstrum.seconds(len(value))]
        return read_step_by_step(model, name, value, steps, self, "coefficient", explain)

    def artifact(self, tested: Sequence[Any]) -> dict[str, Any]:
        """Put what makes frames of sound beside the model."""
        return {
            **super().artifact(tested),
            "audio_frontend": AudioFrontend(cepstrum.RATE, cepstrum.model(self.coefficients)),
            "card": {
                "input": f"the first {self.coefficients} of each frame; frames of zeros at the end "
                "are padding",
                "MFCC": cepstrum.DEFINITION,
            },
        }
