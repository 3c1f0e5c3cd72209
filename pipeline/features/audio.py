"""Recordings as waveforms; the model itself makes frames of log-mel energies."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, final

import keras
import numpy as np
from keras import ops

from pipeline import batches, models
from pipeline.config.inputs import SequenceConfig
from pipeline.data import sound, store
from pipeline.data.sound import Recording
from pipeline.data.table import Unusable
from pipeline.errors import PipelineError
from pipeline.examples import Examples
from pipeline.explain.spec import Array, Explained, ExplainSpec
from pipeline.features import log_mel
from pipeline.features.base import Entrance
from pipeline.features.frames import SCALE, Frames, read_step_by_step, scaled

_MEASURED = 1000  # training recordings that show which energies are usual
_STILL = 0.1  # deviation of the energy in a band; what is below is not brought to 1
_HIGHEST_RATE = 16_000  # samples a second that are kept of recordings


@final
class Audio(Frames):
    """Recordings as 16-bit samples, `[samples]`, `rate` a second."""

    noun = "recording"
    accepts = "a .wav, .flac or .ogg file, or the number of a test recording"
    steps = "frames"

    def __init__(self, rate: int) -> None:
        self.rate = rate

    @classmethod
    def fit(cls, values: Sequence[Any], config: SequenceConfig) -> Self:
        """Choose the rate of most recordings, up to 16 kHz."""
        ((rate, _),) = Counter(each.rate for each in values).most_common(1)
        return cls(min(rate, _HIGHEST_RATE))

    @classmethod
    def restored(
        cls, fitted: Mapping[str, Any], vocabulary: Sequence[str], config: SequenceConfig
    ) -> Self:
        """Take the rate that was once chosen."""
        return cls(fitted["rate"])

    @property
    def fitted(self) -> dict[str, str | int | None]:
        """The rate."""
        return {"rate": self.rate}

    def examples(self, values: Sequence[Any], targets: Any) -> Examples:
        """Bring recordings to one rate."""
        resampled = partial(map, partial(sound.resampled, rate=self.rate))
        like = np.empty(0, np.int16)
        waveforms = store.ragged("waveforms", values, self.rate, resampled, like=like)
        return batches.examples(waveforms, targets)

    def begin(self, train: Examples) -> Entrance:
        """Make log-mel frames, each band with a mean of 0 and a standard deviation of 1."""
        waveform = keras.Input((None,), dtype="int16", name="waveform")
        frames, mask = log_mel.log_mel(waveform, self.rate)
        pooled = keras.Model(waveform, models.mean_and_spread(frames, mask))
        known = (each[:_MEASURED] for each in (train.inputs, train.targets, train.lengths))
        means, spreads = np.split(batches.outputs(pooled, Examples(*known)), 2, axis=-1)
        spread = np.maximum(np.sqrt(means.var(0) + np.square(spreads).mean(0)), _STILL)
        return Entrance(waveform, scaled(frames, means.mean(0), spread), mask)

    def fault(self, model: keras.Model) -> str | None:
        """Compare the rate, by the length of a window."""
        (here, there) = log_mel.window(self.rate), model.get_layer("spectrum").kernel_size[0]
        if here == there:
            return None
        return f"columns.json is damaged: {self.rate} Hz is not the rate that the model knows"

    def read(self, typed: str) -> Recording:
        """Read a sound file."""
        path = Path(typed)
        if path.suffix.lower() not in sound.SUFFIXES or not path.is_file():
            raise PipelineError(f"{typed!r} is not a file of sound: give {self.accepts}")
        try:
            return sound.load(path)
        except Unusable as error:
            raise PipelineError(f"{path} {error}") from error

    def described(self, values: Sequence[Any]) -> str:
        """Measure how long recordings last."""
        lasting = statistics.median(len(each.samples) / each.rate for each in values)
        return f"median {lasting:.2g} s at {self.rate:,} Hz"

    def shown(self, value: Any) -> str:
        """Measure how long a recording lasts."""
        return f"{len(value.samples) / value.rate:.2f} s"

    def notes(self, value: Any) -> tuple[str, ...]:
        """Notice a recording of zeros alone."""
        if value.samples.any():
            return ()
        return ("it is silent from end to end, and nothing of it is heard",)

    def explained(
        self, model: keras.Model, name: str, value: Any, explain: Callable[[Array], Explained]
    ) -> ExplainSpec:
        """Read the frames that the model makes of the waveform."""
        if not value.samples.any():
            raise PipelineError(f"{name} is silent, and the model hears nothing of it")
        hidden = [model.get_layer(SCALE).input, model.get_layer(log_mel.REAL).output]
        samples = sound.resampled(value, self.rate)
        heard, mask = (each[0].numpy() for each in keras.Model(model.input, hidden)(samples[None]))
        rest = keras.Model(hidden, model.output)
        frames = keras.Input((None, heard.shape[-1]), name="frames")
        given = ops.any(ops.not_equal(frames, 0.0), axis=-1)
        whole = keras.Model(frames, rest([frames, given]))
        steps = [f"{each:.2f} s" for each in log_mel.seconds(mask.sum(), self.rate)]
        return read_step_by_step(whole, name, heard[mask], steps, self, "mel band", explain)

    def artifact(self, tested: Sequence[Any]) -> dict[str, Any]:
        """Say what becomes of the waveform."""
        return {
            **super().artifact(tested),
            "card": {
                "input": f"16-bit samples at {self.rate} Hz; zeros at the end are padding",
                "heard as": log_mel.definition(self.rate),
            },
        }
