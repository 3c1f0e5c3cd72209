"""The second half of a model that writes: a symbol and states in, the next symbols' odds out."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from exports import tracing
from exports.artifact import Artifact
from exports.decoder import Decoder
from exports.endpoints.base import Endpoint, Function, Load, Reference, Request, Samples
from exports.endpoints.encode import Encode, state_names
from exports.parity.cases import Case
from exports.parity.compare import Parity, compare
from exports.schema import DECODE_STEP, ENCODE
from exports.signature import Array, Arrays, Run, Signature, State

_MOST_STEPS = 64  # of a sequence to compare on


class DecodeStep(Endpoint):
    """One symbol more for each of some hypotheses, which are rows here.

    Args:
        whole: the signature of the model.
        encode: that of what is read before.
        previous: the name of the input of the symbols that were written.
        decoder: the halves of the model.
    """

    name = DECODE_STEP

    def __init__(
        self, whole: Signature, encode: Signature, previous: str, decoder: Decoder | None = None
    ) -> None:
        self._previous, self._decoder = previous, decoder
        self._memory = [each for each in encode.outputs if "." not in each.name]
        self.states = tuple(
            State(each.name, f"{each.name}.next", each.shape, each.dtype)
            for each in encode.outputs
            if "." in each.name
        )
        symbols = Array(previous, (None,), "int32")
        (output,) = whole.outputs
        following = Array(output.name, (None, *output.shape[2:]), output.dtype)
        self.signature = Signature((symbols, *self._memory), (following,)).of_steps(self.states)
        self.model: Any = decoder and decoder.model

    @classmethod
    def requested(cls, request: Request) -> Self | None:
        """Return the endpoint of a model that reads something, and then writes.

        Raises:
            UnsupportedLayerError: if no recurrent layer reads what the model wrote.
        """
        encode = Encode.requested(request)
        if encode is None or request.writing is None:
            return None
        previous = request.writing.previous
        decoder = Decoder(request.model, previous)
        return cls(request.signature, encode.signature, previous, decoder)

    @classmethod
    def recorded(cls, artifact: Artifact) -> Self | None:
        """Return the endpoint of a model that reads something, and then writes."""
        encode, writing = Encode.recorded(artifact), artifact.config.writing
        if encode is None or writing is None:
            return None
        return cls(artifact.signature, encode.signature, writing.previous)

    def function(self) -> Function:
        """Return the step as a function of symbols `[hypotheses]`, the memory and the states."""
        decoder: Any = self._decoder
        output, counts = self.signature.outputs[0].name, len(self._memory)

        def step(symbols: Any, *tensors: Any) -> dict[str, Any]:
            given = dict(zip((each.name for each in self.states), tensors[counts:], strict=True))
            states: dict[str, list[Any]] = {}
            for name, tensor in given.items():
                states.setdefault(name.rpartition(".")[0], []).append(tensor)
            with tracing.for_files(decoder.model):
                odds, after = decoder.step(symbols[:, None], list(tensors[:counts]), states)
            following = {f"{name}.next": each for name, each in state_names(self.model, after)}
            return {output: odds[:, 0], **following}

        return step

    def compare(self, load: Load, reference: Reference, samples: Samples) -> Parity:
        """Compare what is written symbol by symbol with what the model gives for whole texts."""
        steps, encoders = load(self.name), load(ENCODE)
        sides = {
            f"{name} step by step": self._whole(encoders[name], run) for name, run in steps.items()
        }
        short = list(map(self._cut, samples.cases))
        return compare({reference.name: reference.run, **sides}, short, reference.sensitivity)

    def _cut(self, case: Case) -> Case:
        written = case.inputs[self._previous][:, :_MOST_STEPS]
        return case._replace(inputs={**case.inputs, self._previous: written})

    def _whole(self, encode: Run, step: Run) -> Run:
        """Return the function of whole texts that goes through them symbol by symbol."""
        names = [each.name for each in self._memory]

        def run(inputs: Arrays) -> Arrays:
            read = encode({name: inputs[name] for name in inputs if name != self._previous})
            memory = {name: read[name] for name in names}
            states: Mapping[str, Any] = {each.name: read[each.name] for each in self.states}
            odds = []
            for symbols in np.moveaxis(inputs[self._previous], 1, 0):
                outputs = step({self._previous: symbols, **memory, **states})
                states = {each.name: outputs.pop(each.next) for each in self.states}
                odds.append(outputs)
            (output,) = odds[0]
            return {output: np.stack([each[output] for each in odds], axis=1)}

        return run


endpoint = DecodeStep
