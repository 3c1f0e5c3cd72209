"""The model itself: whole sequences in, its outputs out."""

import bisect
from collections.abc import Mapping
from typing import Self

import keras

from exports import tracing
from exports.artifact import Artifact
from exports.endpoints.base import Endpoint, Function, Load, Reference, Request, Samples
from exports.errors import ExportError, ParityError
from exports.parity.cases import grid
from exports.parity.compare import AmplifiedError, Parity, compare
from exports.schema import MODEL
from exports.signature import Run, Signature


class Model(Endpoint):
    """The model on whole sequences."""

    name = MODEL

    def __init__(self, signature: Signature, model: keras.Model | None = None) -> None:
        self.signature, self.model = signature, model

    @classmethod
    def requested(cls, request: Request) -> Self:
        """Return the model: there always is one."""
        return cls(request.signature, request.model)

    @classmethod
    def recorded(cls, artifact: Artifact) -> Self:
        """Return the model: there always is one."""
        return cls(artifact.signature)

    def function(self) -> Function:
        """Return the model as a function of its inputs."""
        return tracing.function(self.model, self.signature)

    def compare(self, load: Load, reference: Reference, samples: Samples) -> Parity | None:
        """Compare the formats on all sequences; of a model that amplifies, say what it can bear."""
        others = {name: run for name, run in load(self.name).items() if name != reference.name}
        if not others:
            return None
        sides = {reference.name: reference.run, **others}
        try:
            return compare(sides, samples.cases, reference.sensitivity)
        except AmplifiedError as error:
            if lengths := self._agreeing_lengths(sides, samples.limits):
                raise ParityError(f"{error} The formats agree with lengths={lengths}.") from error
            raise

    def _agreeing_lengths(
        self, sides: Mapping[str, Run], limits: Mapping[str, int]
    ) -> dict[str, tuple[int, int]] | None:
        """Return the longest range of lengths on which formats agree, for each sequence's axis."""
        signature = self.signature
        axes = [array.axes[1] for array in signature.streamed if array.has_time]
        known = [signature.lengths[axis].proved for axis in axes if axis in signature.lengths]
        if not known:
            return None
        least, most = max(each[0] for each in known), max(each[-1] for each in known)

        def differ(length: int) -> bool:
            cases = grid(signature.no_longer_than(length, axes), limits)
            try:
                compare(sides, cases)
            except ExportError:
                return True
            return False

        longest = least + bisect.bisect_left(range(least + 1, most), True, key=differ)
        return dict.fromkeys(axes, (least, longest)) if longest > least else None


endpoint = Model
