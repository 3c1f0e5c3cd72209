"""Sequences of vectors, such as the readings of sensors."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, final

import keras
import numpy as np
import numpy.typing as npt

from pipeline.config.inputs import SequenceConfig
from pipeline.data import columns, sequences, sources
from pipeline.data.table import Unusable, parsed
from pipeline.errors import PipelineError
from pipeline.examples import Examples
from pipeline.explain.spec import Array, Explained, ExplainSpec, after_prefixes_one_by_one
from pipeline.explain.spec import Vectors as View
from pipeline.features.base import Entrance
from pipeline.features.frames import Frames, filled, read_array, read_step_by_step, scaled


@final
class Vectors(Frames):
    """Sequences of vectors, `[steps, numbers]`.

    Args:
        width: numbers of a step.
        length: of every sequence; None: any, and zeros at the end are padding.
        names: of the numbers, if they have some.
    """

    noun = "sequence"
    accepts = "a .npy file of [steps, numbers], a .csv file, or the number of a test sequence"
    steps = "steps"

    def __init__(self, width: int, length: int | None, names: Sequence[str]) -> None:
        self.width = width
        self.length = length
        self.names = names

    @classmethod
    def fit(cls, values: Sequence[Any], config: SequenceConfig) -> Self:
        """Learn how many numbers a step has, and how long all sequences are if one length."""
        widths, lengths = ({each.shape[axis] for each in values} for axis in (1, 0))
        if len(widths) > 1:
            raise PipelineError(
                f"the steps of some sequences have {min(widths)} numbers and of others "
                f"{max(widths)}. Give all the same."
            )
        return cls._named(widths.pop(), lengths.pop() if len(lengths) == 1 else None, config)

    @classmethod
    def restored(
        cls, fitted: Mapping[str, Any], vocabulary: Sequence[str], config: SequenceConfig
    ) -> Self:
        """Take the shape that was once learnt."""
        return cls._named(fitted["width"], fitted["length"], config)

    @classmethod
    def _named(cls, width: int, length: int | None, config: SequenceConfig) -> Self:
        names = sequences.names(config.features or "")
        return cls(width, length, names if len(names) == width else [])

    @property
    def fitted(self) -> dict[str, str | int | None]:
        """The shape of a sequence."""
        return {"width": self.width, "length": self.length}

    def begin(self, train: Examples) -> Entrance:
        """Give each number a mean of 0 and a standard deviation of 1; a constant becomes 0."""
        known = train.inputs.flat
        vectors = keras.Input((None, self.width), dtype="float32", name="vectors")
        deviation = known.std(0)
        sequences = scaled(vectors, known.mean(0), np.where(deviation > 0, deviation, 1))
        return Entrance(vectors, sequences, None if self.length else filled(vectors))

    def fault(self, model: keras.Model) -> str | None:
        """Compare the numbers of a step."""
        here, there = self.width, model.input_shape[-1]
        if here == there:
            return None
        return f"columns.json is damaged: a step has {here} numbers, and the model knows {there}"

    def read(self, typed: str) -> npt.NDArray[np.float32]:
        """Read a file."""
        path = Path(typed)
        if path.suffix.lower() not in (".npy", ".csv", ".tsv") or not path.is_file():
            raise PipelineError(f"{typed!r} is not a file of vectors: give {self.accepts}")
        try:
            values = read_array(path) if path.suffix.lower() == ".npy" else self._read_table(path)
            return self._checked(columns.to_vectors(values))
        except Unusable as error:
            raise PipelineError(f"{path} {error}") from error

    def _read_table(self, path: Path) -> npt.NDArray[Any]:
        table = sources.read(str(path))
        names = self.names or list(table.columns)
        rows = parsed(table, dict.fromkeys(names, columns.to_number), "stop")
        return np.stack([np.array(rows.column(name), np.float32) for name in names], axis=-1)

    def _checked(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        wanted = f"[{self.length or 'steps'}, {self.width}]"
        steps, width = vectors.shape
        if width != self.width or (self.length or steps) != steps:
            raise Unusable(f"has the shape {list(vectors.shape)}: give {wanted}")
        return vectors

    def described(self, values: Sequence[Any]) -> str:
        """Count steps and numbers."""
        return f"{self.width} numbers, median {statistics.median(map(len, values)):g} steps"

    def shown(self, value: Any) -> str:
        """Count the steps."""
        return f"{len(value)} steps"

    def notes(self, value: Any) -> tuple[str, ...]:
        """Count the steps at the end that the model takes for padding."""
        if self.length:
            return ()
        given = np.flatnonzero(value.any(axis=-1))
        empty = len(value) - (given[-1] + 1 if len(given) else 0)
        if not empty:
            return ()
        return (f"the last {empty} of its {len(value)} steps are zeros, which is padding",)

    def explained(
        self, model: keras.Model, name: str, value: Any, explain: Callable[[Array], Explained]
    ) -> ExplainSpec:
        """Read step by step."""
        steps = [str(step) for step in range(1, 1 + len(value))]
        read = read_step_by_step(model, name, value, steps, self, "number", explain)
        read = replace(read, view=View(value, "number", self.names))
        return replace(read, running=after_prefixes_one_by_one) if self.length else read
