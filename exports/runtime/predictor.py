"""An exported model that answers, by one runtime and NumPy."""

import functools
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

import numpy as np

from exports import artifact, formats, latency
from exports.answers import Answer, Row, Spans, spell
from exports.errors import InvalidArgumentError, InvalidInputError
from exports.runtime.generation import Sampling, Writer, Written, source_ids
from exports.schema import DECODE_STEP, ENCODE, MODEL, STEP, TEXT, Writing
from exports.signature import Arrays, Run, Signature, State, reject_nonfinite

_TRIALS = 9  # calls that decide about the number of threads
_FORMATS = ("onnx", "litert")  # which need no TensorFlow, the one to prefer first


class Prediction(NamedTuple):
    """What a model says of one text.

    Attributes:
        label: the one with the highest score, or None if the model has no labels.
        scores: what the first output holds for each label, such as its probability.
        outputs: all outputs, by name.
        answer: what the first one means, if the artifact says it: see `exports.answers`.
    """

    label: str | None
    scores: dict[str, float]
    outputs: Arrays
    answer: Any = None


class Sentences(NamedTuple):
    """Sentences as a model takes them that reads words.

    Attributes:
        words: of each sentence.
        inputs: the bytes of the words, by the name of the input.
    """

    words: list[list[str]]
    inputs: Arrays


class Steps(NamedTuple):
    """What a model went through, step by step.

    Attributes:
        states: each state after each step, by the names of layer and state, such as "lstm_1.h":
            `[batch, time, units]`.
        outputs: each output after each step, by name: `[batch, time, ...]`.
    """

    states: Arrays
    outputs: Arrays


class Predictor:
    """An exported model that answers. Threads may share it.

    A pickle of it holds the path of the directory: whoever unpickles it loads the files anew.

    Args:
        directory: what `exports.export` wrote.
        threads: that one call may use; None: one or one for each core, whichever answers the
            recorded examples sooner. One thread each is best where many call at a time.
        format: that runs; None: ONNX or else LiteRT, if the artifact has one of them.
        allow_nonfinite: take NaN and infinity in inputs, for which ONNX Runtime may give finite
            numbers where Keras gives NaN.

    Attributes:
        artifact: the directory.
        signature: names, shapes and types of inputs and outputs.
        labels: name of each class, if the model has classes.
        format: that runs.

    Raises:
        ExportError: if the directory holds no exported model, or is damaged.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        threads: int | None = None,
        *,
        format: str | None = None,
        allow_nonfinite: bool = False,
    ) -> None:
        self.artifact = artifact.load(os.path.abspath(directory))  # it outlives a change of folder
        self.signature = self.artifact.signature
        self.labels = self.artifact.labels
        present = [name for name in _FORMATS if name in self.artifact.formats]
        self.format = format or next(iter(present), self.artifact.formats[0])
        self._threads = threads
        self._allow_nonfinite = allow_nonfinite

    def __reduce__(self) -> tuple[Any, ...]:
        make = functools.partial(
            type(self), format=self.format, allow_nonfinite=self._allow_nonfinite
        )
        return make, (self.artifact.directory, self._threads)

    @overload
    def __call__(self, given: str) -> Prediction: ...

    @overload
    def __call__(self, given: list[str] | tuple[str, ...]) -> list[Prediction]: ...

    @overload
    def __call__(self, given: np.ndarray | Mapping[str, Any]) -> Arrays: ...

    def __call__(self, given: Any) -> Prediction | list[Prediction] | Arrays:
        """Answer for a text, a list of texts, an array, or arrays by name.

        Raises:
            ExportError: if the model does not take what is given.
        """
        if isinstance(given, str):
            return self.predict_text([given])[0]
        if isinstance(given, list | tuple):
            return self.predict_text(given)
        return self.predict(given)

    def predict_text(self, texts: Sequence[str]) -> list[Prediction]:
        """Answer for each text.

        Raises:
            ExportError: if the model takes no text, or one of `texts` is none.
        """
        for number, text in enumerate(texts):
            _reject_no_text(number, text)
        if not texts:
            return []
        outputs = self._run_text({"text": np.array(texts, object)})
        known = self.artifact.config.answer is not None
        answers = self.answers(outputs, texts) if known else [None] * len(texts)
        return [self._prediction(outputs, row, each) for row, each in enumerate(answers)]

    def answer(self, given: Any) -> Any:
        """Say what the outputs mean, in the labels and units of the data: see `exports.answers`.

        Args:
            given: a text, a list of texts, an array, or arrays by name. For a model that reads
                words, a text is a sentence with spaces between its words.

        Returns:
            One answer for a text, or else a list with one for each row.

        Raises:
            ExportError: if the artifact does not say what its outputs mean, or the model does not
                take what is given.
        """
        kind = self._answer
        if isinstance(given, str):
            return self.answer([given])[0]
        if not isinstance(given, list | tuple):
            inputs = self.read_inputs(given)
            return self.answers(self._run(inputs), inputs)
        if not given:
            return []
        if isinstance(kind, Spans):
            sentences = self.read_sentences(given)
            return self.answers(self._run(sentences.inputs), sentences.words)
        return [each.answer for each in self.predict_text(given)]

    def answers(self, outputs: Arrays, inputs: Mapping[str, Any] | Sequence[Row]) -> list[Any]:
        """Say what outputs mean that were computed already, an answer for each row.

        Args:
            outputs: by name.
            inputs: that they were computed from, by name; or the text or the words of each row.

        Raises:
            ExportError: if the artifact does not say what its outputs mean.
        """
        first, *_ = self.signature.inputs
        rows = inputs[first.name] if isinstance(inputs, Mapping) else inputs
        found, labels = outputs[self.signature.outputs[0].name], self.labels or ()
        answer = self._answer.answer
        return [answer(each, labels, row) for each, row in zip(found, rows, strict=True)]

    def read_sentences(self, texts: Sequence[str]) -> Sentences:
        """Return what a model takes that reads the bytes of words; spaces are between words.

        Raises:
            ExportError: if the model reads no words, or there is none in one of `texts`.
        """
        if not self.reads_words:
            raise InvalidInputError(f"{self.artifact.directory} holds a model that reads no words.")
        for number, text in enumerate(texts):
            _reject_no_text(number, text)
            if not text.split() or "\0" in text:
                raise InvalidInputError(f"Text {number} is {text!r}: give words without NUL.")
        words = [text.split() for text in texts]
        (spelling,) = self.signature.inputs
        return Sentences(words, {spelling.name: spell(words, spelling.shape[2] or 0)})

    @property
    def reads_words(self) -> bool:
        """Whether the model reads the bytes of words, and labels each of them."""
        kind = self.artifact.config.answer
        return isinstance(kind, Spans) and kind.words

    @property
    def _answer(self) -> Answer:
        kind = self.artifact.config.answer
        if kind is None:
            raise InvalidInputError(
                f"{self.artifact.directory} does not say what its outputs mean: export with "
                "`answer`, a kind of `exports.answers`."
            )
        return kind

    def predict(self, inputs: Any) -> Arrays:
        """Return the outputs by name, for one array or for arrays by name.

        Raises:
            ExportError: if the arrays are not those that the model takes.
        """
        return self._run(self.read_inputs(inputs))

    def read_inputs(self, inputs: Any) -> Arrays:
        """Return the arrays that the model takes, by name, for one array or for arrays by name.

        Raises:
            ExportError: if they have other names, shapes or types, or hold NaN or infinity and
                these are not allowed.
        """
        arrays = self.signature.name_inputs(inputs)
        self._check_finite(arrays)
        return arrays

    @property
    def writing(self) -> Writing:
        """How the model writes.

        Raises:
            InvalidInputError: if it writes no text.
        """
        return self._writer.writing

    def generate(
        self,
        given: Any,
        *,
        beam: int | None = None,
        longest: int | None = None,
        temperature: float | None = None,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> list[str]:
        """Write a text for each text or row that is given, or go on with each text.

        It is the most probable text that a beam search finds, or "" if it finds none that ends;
        with a temperature, one that is drawn.

        Args:
            given: a text, a list of texts, or the arrays that the model reads, by name.
            beam: hypotheses that the search keeps for each text; None: as in the pipeline.
            longest: symbols of a text, at most; None: as in the pipeline.
            temperature: below 1, likely symbols become more likely; 0 takes the likeliest.
            top_k: of so many of the likeliest symbols one is drawn; 0: of all.
            top_p: of the likeliest symbols that together have this probability one is drawn.
            seed: the same one draws the same.

        Raises:
            InvalidInputError: if the model writes no text, or does not read what is given.
            InvalidArgumentError: if an option is out of bounds.
        """
        continues_text = self.writing.start is None
        if temperature is None and not continues_text:
            found = self.hypotheses(given, beam=beam, longest=longest)
            return [row[0].text if row else "" for row in found]
        heat = 1.0 if temperature is None else temperature
        return [
            "".join(self.write(row, Sampling(heat, top_p, top_k, seed + place), longest))
            for place, row in enumerate(self._rows(given))
        ]

    def hypotheses(
        self, given: Any, *, beam: int | None = None, longest: int | None = None
    ) -> list[list[Written]]:
        """Return the texts that a beam search finds for each text or row, the best one first.

        Raises:
            InvalidInputError: if the model writes no text, or does not read what is given.
            InvalidArgumentError: if the model goes on with a text.
        """
        writing = self.writing
        if writing.start is None:
            raise InvalidArgumentError(
                "A beam search needs an end, and this model goes on with a text: draw one, by a "
                "temperature."
            )
        read = self._to_read(given)
        return self._writer.search(read, beam or writing.beam, longest or writing.longest)

    def write(self, given: Any, sampling: Sampling, longest: int | None = None) -> Iterator[str]:
        """Draw a text for what is given, a text or one row, or behind it, piece by piece.

        Raises:
            InvalidInputError: if the model writes no text, or does not read what is given.
        """
        writing = self.writing
        most = longest or writing.longest
        if writing.start is not None:
            return self._writer.draw(self._to_read(given), sampling, most)
        _reject_no_text(0, given)
        return self._writer.go_on(given, sampling, most)

    def _rows(self, given: Any) -> list[Any]:
        """Part what is given into texts or single rows."""
        if not isinstance(given, Mapping):
            return [given] if isinstance(given, str) else list(given)
        count = len(next(iter(given.values())))
        return [
            {name: rows[place : place + 1] for name, rows in given.items()}
            for place in range(count)
        ]

    def _to_read(self, given: Any) -> Arrays:
        """Return the arrays that a model reads before it writes: of texts, the ids of tokens."""
        signature, source = self.artifact.endpoint(ENCODE), self.writing.source
        if isinstance(given, Mapping):
            return signature.name_inputs(given)
        texts = [given] if isinstance(given, str) else list(given)
        if source is None:
            names = [array.name for array in signature.inputs]
            raise InvalidInputError(f"The model reads {names}: give arrays by name.")
        for number, text in enumerate(texts):
            _reject_no_text(number, text)
        return signature.name_inputs(source_ids(source, texts))

    def stream(self, batch: int = 1) -> "Stream":
        """Begin `batch` sequences that are given chunk by chunk.

        Raises:
            ExportError: if the model was exported without a step model.
        """
        self.artifact.endpoint(STEP)
        return Stream(self._step, self.signature, self.artifact.states, batch)

    def trace(self, inputs: Any) -> Steps:
        """Feed sequences step by step, for one array or for arrays by name, and keep all it makes.

        An output that is one for the whole sequence is, after each step, that for the steps so far.

        Raises:
            ExportError: if the arrays are not those that the model takes, or it was exported
                without a step model.
        """
        arrays = self.read_inputs(inputs)
        timed = [array.name for array in self.signature.streamed]
        batch, time = arrays[timed[0]].shape[:2]
        stream = self.stream(batch)
        states: list[Arrays] = []
        outputs: list[Arrays] = []
        taken = self.signature.streamed[0].shape[1] or 1
        for step in range(0, time, taken):
            now = {name: arrays[name][:, step : step + taken] for name in timed}
            outputs.append(stream.feed({**arrays, **now}))
            states.append(stream.state)
        spread = [array.name for array in self.signature.outputs if not array.has_time]
        return Steps(
            {name: np.stack([each[name] for each in states], 1) for name in stream.state},
            {
                name: np.stack([each[name] for each in outputs], 1)
                if name in spread
                else np.concatenate([each[name] for each in outputs], 1)
                for name in outputs[0]
            },
        )

    def _step(self, arrays: Arrays) -> Arrays:
        self._check_finite(arrays)
        return self._run_step(arrays)

    def _check_finite(self, arrays: Arrays) -> None:
        if not self._allow_nonfinite:
            reject_nonfinite(arrays)

    def _prediction(self, outputs: Arrays, row: int, answer: Any) -> Prediction:
        own = {name: values[row] for name, values in outputs.items()}
        first = own[self.signature.outputs[0].name]
        if self.labels is None or first.shape != (len(self.labels),):
            return Prediction(None, {}, own, answer)
        scores = dict(zip(self.labels, first.tolist(), strict=True))
        return Prediction(self.labels[int(first.argmax())], scores, own, answer)

    def _load(self, endpoint: str) -> Run:
        return formats.read(self.artifact, self.format, endpoint, threads=self.threads)

    @functools.cached_property
    def threads(self) -> int:
        """How many threads a call uses."""
        if self._threads is not None:
            return self._threads
        cores, request = os.cpu_count() or 1, self.artifact.request
        calls = {
            threads: functools.partial(
                formats.read(self.artifact, self.format, threads=threads), request
            )
            for threads in {1, cores}
        }
        times = latency.turns(calls, range(_TRIALS)) if cores > 1 else {1: [0.0]}
        return min(times, key=lambda threads: statistics.median(times[threads]))

    # Each file is loaded when it is first needed: most users need one of them.

    @functools.cached_property
    def _run(self) -> Run:
        return self._load(MODEL)

    @functools.cached_property
    def _run_text(self) -> Run:
        return self._load(TEXT)

    @functools.cached_property
    def _writer(self) -> Writer:
        writing, labels = self.artifact.config.writing, self.labels
        if writing is None or labels is None:
            raise InvalidInputError(f"{self.artifact.directory} holds a model that writes no text.")
        encode = None if writing.start is None else self._load(ENCODE)
        name = STEP if encode is None else DECODE_STEP
        return Writer(writing, labels, self._load(name), self.artifact.endpoint(name), encode)

    @functools.cached_property
    def _run_step(self) -> Run:
        return self._load(STEP)


class Stream:
    """Sequences that are given chunk by chunk, by one thread.

    Attributes:
        state: what is carried from chunk to chunk, by name; it begins as zeros.
    """

    def __init__(self, run: Run, signature: Signature, states: Sequence[State], batch: int) -> None:
        self.state = {state.name: state.zeros(batch) for state in states}
        self._run = run
        self._signature = signature
        self._states = states
        self._batch = batch

    def feed(self, inputs: Any) -> Arrays:
        """Return the outputs for the next chunk, of one step or more, and carry the state on.

        Raises:
            ExportError: if the arrays are not those that the model takes; the state stays.
        """
        arrays = self._signature.name_inputs(inputs)
        rows = len(next(iter(arrays.values())))
        if rows != self._batch:
            raise InvalidInputError(
                f"The stream has {self._batch} sequences, and the chunk {rows}."
            )
        outputs = self._run({**arrays, **self.state})
        self.state = {state.name: outputs.pop(state.next) for state in self._states}
        return outputs


def _reject_no_text(number: int, text: Any) -> None:
    if not isinstance(text, str):
        raise InvalidInputError(
            f"A list is one of texts, and its item {number} is a {type(text).__name__}: "
            "give an array, or arrays by name."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"Text {number} is not Unicode: {error.reason}.") from error
