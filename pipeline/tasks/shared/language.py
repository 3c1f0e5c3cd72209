"""Many to many: what the tasks share that learn from running text which token comes next."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from exports.runtime import Stream
from pipeline import batches, models
from pipeline.baselines import Baseline, Fit
from pipeline.baselines.kneser_ney import KneserNey
from pipeline.config.language import LanguageConfig
from pipeline.data import loading, texts
from pipeline.data.cached import cached
from pipeline.data.waiting import spinner
from pipeline.error_analysis import ErrorAnalysis, Mistake
from pipeline.errors import PipelineError
from pipeline.examples import Compute, Data, Examples
from pipeline.explain.reading import Reading, Text, at_every_step, coming
from pipeline.models import stepping
from pipeline.tasks.base import Answer, Run
from pipeline.tasks.shared.generation import Continuation, Generator, Sampling, draw

Ids = npt.NDArray[np.int32]
Floats = npt.NDArray[np.floating[Any]]

_PADDING, _UNKNOWN = 0, 1
_BREAK = "\n"  # texts are separated by two
_CHUNK = 256  # tokens of a prompt that are read at once
_CONTEXT = 80  # letters before a token that the report shows
_SHOWN = 5  # likely tokens in a prediction
_SAMPLE = (2, 16)  # windows, and tokens of each, that exported formats are compared on


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that are known, by id. Id 0 is padding, and 1 any token that is not known."""

    tokens: tuple[str, ...]

    @classmethod
    def of(cls, tokens: Iterable[str], size: int) -> Vocabulary:
        """Know the most frequent of `tokens`, `size` with the two that none is."""
        counts = sorted(Counter(tokens).items(), key=lambda item: (-item[1], item[0]))
        return cls(("", "[UNK]", *(token for token, _ in counts[: size - 2])))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens)}

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    def encode(self, tokens: Iterable[str]) -> Ids:
        """Turn tokens into ids."""
        return np.array([self._ids.get(token, _UNKNOWN) for token in tokens], np.int32)


@dataclass(frozen=True, eq=False)
class LanguageData(Data):
    """Texts in windows, each token with the next one as target; those for testing are long."""

    eval_batch_size: ClassVar[int] = 32

    vocabulary: Vocabulary
    source: str


class Language(Generator[LanguageConfig, LanguageData]):
    """Tells which token comes next.

    Attributes:
        long_window: tokens in a window of the validation and test split.
        order: tokens that the counting baseline counts together.
        reach: tokens that the feed-forward baseline sees.
    """

    subject = "text"
    accepts = "the beginning of a text"
    better = "lower"
    long_window: ClassVar[int]
    order: ClassVar[int]
    reach: ClassVar[int]

    @abstractmethod
    def split(self, text: str) -> Iterable[str]:
        """Cut `text` into tokens."""

    @abstractmethod
    def spelled(self, token: str, before: str) -> str:
        """Write `token` as it stands in a text that so far ends with `before`."""

    @property
    def datasets(self) -> Sequence[str]:
        """The plays that come with a package, and what TFDS has."""
        return tuple(texts.SOURCES)

    def check(self, config: LanguageConfig) -> None:
        """Look, too, whether the model would see what it is to tell."""
        super().check(config)
        if config.bidirectional:
            raise PipelineError(f"{config.task} reads forwards only: leave bidirectional off.")

    def data(self, run: Run[LanguageConfig]) -> LanguageData:
        """Load and encode the texts; the vocabulary is made of those to train on."""
        config = run.config
        loaded = loading.load(config.dataset, texts.SOURCES, config.limit)
        splits = loaded.train, loaded.validation, loaded.test

        def counted() -> Vocabulary:
            return Vocabulary.of(self._tokens(loaded.train), config.vocabulary_size)

        def encoded() -> list[Ids]:
            return [vocabulary.encode(self._tokens(split)) for split in splits]

        with spinner("Encoding the texts"):
            if run.vocabulary is None:
                known = cached("tokens", counted, config.task, loaded.train, config.vocabulary_size)
                run.keep_vocabulary([_quoted(token) for token in known.tokens])
            vocabulary = _vocabulary(run)
            ids = cached("ids", encoded, config.task, splits, vocabulary.tokens)
        lengths = config.window, self.long_window, self.long_window
        train, validation, test = map(windows, ids, lengths)
        source = f"{loaded.name} {loaded.version}"
        return LanguageData(train, validation, test, vocabulary=vocabulary, source=source)

    def _tokens(self, texts: Iterable[str]) -> Iterator[str]:
        """The tokens of `texts`, one after the other, after a line break."""
        return chain([_BREAK], *(self.split(text + 2 * _BREAK) for text in texts))

    def model(self, config: LanguageConfig, data: LanguageData) -> keras.Model:
        """Embed each token, remember what came before, compare with the embeddings of all."""
        return _model(models.recurrent(config), config, data, name=config.task)

    def loss(self, config: LanguageConfig, data: Data) -> Any:
        """Cross-entropy: how little the model believed in the tokens."""
        return keras.losses.SparseCategoricalCrossentropy(ignore_class=_PADDING)

    def metrics(self, config: LanguageConfig) -> Sequence[Any]:
        """None: the loss says it all."""
        return ()

    def answers(self, compute: Compute, examples: Examples) -> Floats:
        """Return the logarithm of the probability of each token of the text, in their order.

        The probabilities of all tokens are there for a few windows at a time.
        """
        plan = batches.one_after_the_other(len(examples), LanguageData.eval_batch_size)
        found: list[Floats] = []
        for inputs, targets in batches.dataset(examples, plan):
            ids = targets.numpy()
            probabilities = np.take_along_axis(compute(inputs), ids[..., None], axis=-1)[..., 0]
            found.append(probabilities[ids != _PADDING])
        return np.log(np.maximum(np.concatenate(found), np.finfo(np.float32).tiny))

    def error_analysis(
        self, config: LanguageConfig, data: LanguageData, answers: Floats
    ) -> ErrorAnalysis:
        """Measure the surprise of each token, beside how many the model has read before it."""
        ids, tokens = text(data.test), data.vocabulary.tokens

        def read(place: int) -> Mistake:
            before = ""
            for each in ids[max(0, place + 1 - _CONTEXT) : place + 1]:
                before += self.spelled(tokens[each], before)
            probability = f"probability {np.exp(answers[place]):.2g}"
            return Mistake(before[-_CONTEXT:], _quoted(tokens[ids[place + 1]]), probability)

        read_before = np.concatenate([np.arange(1, length + 1) for length in data.test.lengths])
        return ErrorAnalysis(-answers, "nats", read_before, "tokens before", read)

    def baselines(self, run: Run[LanguageConfig]) -> Mapping[str, Baseline]:
        """Two that see a few tokens: one counts, the other learns."""
        return {
            f"Kneser-Ney, {self.order} tokens": self._count,
            f"feed-forward network, {self.reach} tokens": self._feed_forward,
        }

    def _count(self, config: LanguageConfig, data: LanguageData, fit: Fit) -> Floats:
        """Modified Kneser-Ney smoothing of counts in the training text."""
        with spinner("Counting"):
            counted = KneserNey(text(data.train), self.order, len(data.vocabulary.tokens))
            return counted.log_probabilities(text(data.test))[1:]

    def _feed_forward(self, config: LanguageConfig, data: LanguageData, fit: Fit) -> Floats:
        """A network of one hidden layer over the embeddings of the last tokens."""
        hidden = keras.layers.Conv1D(
            config.units, self.reach, padding="causal", activation="relu", name="hidden"
        )
        model = _model(hidden, config, data, name="feed_forward_network")
        return self.answers(batches.compute(fit(model, config)), data.test)

    def predict(self, run: Run[LanguageConfig], subjects: Sequence[str]) -> list[Answer]:
        """Give the tokens that are likely to come next, with their probabilities."""
        begin, vocabulary = _trained(run)
        answers = []
        for subject in subjects:
            tokens = list(self.split(subject)) or [_BREAK]
            probabilities = _read(begin(), vocabulary.encode(tokens))
            likely = np.argsort(-probabilities, kind="stable")[:_SHOWN]
            shown = (f"{_quoted(vocabulary.tokens[k])} {probabilities[k]:.3f}" for k in likely)
            answers.append(Answer("\t".join(shown), _notes(vocabulary, tokens)))
        return answers

    def generate(self, run: Run[LanguageConfig], prompt: str, sampling: Sampling) -> Continuation:
        """Go on with `prompt`, or begin a text; the model makes one step for each token."""
        begin, vocabulary = _trained(run)
        tokens = list(self.split(prompt)) or [_BREAK]

        def pieces() -> Iterator[str]:
            random, stream = np.random.default_rng(sampling.seed), begin()
            before, ids = prompt, vocabulary.encode(tokens)
            while True:
                probabilities = _read(stream, ids)
                probabilities[[_PADDING, _UNKNOWN]] = 0.0
                ids = np.array([draw(probabilities, sampling, random)], np.int32)
                token = vocabulary.tokens[ids[0]]
                yield self.spelled(token, before)
                before = token

        return Continuation(pieces(), _notes(vocabulary, tokens))

    def reading(self, run: Run[LanguageConfig], model: keras.Model, subject: str) -> Reading:
        """Read token by token; the model has an answer after each."""
        vocabulary = _known(run, model)
        tokens = list(self.split(subject)) or [_BREAK]
        ids = vocabulary.encode(tokens)
        before = ["", *tokens[:-1]]
        pieces = [self.spelled(*pair) for pair in zip(tokens, before, strict=True)]
        return Reading(
            model=model,
            name=subject,
            inputs={"tokens": ids[None]},
            time="tokens",
            steps=[_quoted(token) for token in tokens],
            noun="tokens",
            running=at_every_step,
            explain=coming(ids, [_quoted(token) for token in vocabulary.tokens], "token"),
            view=Text(pieces, between=""),
            source="tokens",
        )

    def artifact(self, run: Run[LanguageConfig]) -> Mapping[str, Any]:
        """Put the tokens beside the model, as labels; compare on some of the test split."""
        data = self.data(run)
        ((inputs, _),) = batches.dataset(data.test, [np.arange(min(_SAMPLE[0], len(data.test)))])
        return {
            "labels": data.vocabulary.tokens,
            "examples": inputs.numpy()[:, : _SAMPLE[1]],
            "card": {
                "data set": data.source,
                "input": "ids of tokens, their places in labels.json; 0 is padding, 1 is unknown",
                "output": "at each step, the probability of each token to be the next",
            },
        }


def windows(ids: Ids, length: int) -> Examples:
    """Cut a text into windows. Each token but the first is the target of the one before it."""
    starts = np.arange(0, len(ids) - 1, length)
    lengths = np.minimum(length, len(ids) - 1 - starts)
    inputs, targets = (
        tf.RaggedTensor.from_row_lengths(values, lengths) for values in (ids[:-1], ids[1:])
    )
    return Examples(inputs, targets, lengths)


def text(examples: Examples) -> Ids:
    """Put windows together again."""
    inputs, targets = (each.values.numpy() for each in (examples.inputs, examples.targets))
    return np.concatenate([inputs[:1], targets])


def _model(
    memory: keras.layers.Layer, config: LanguageConfig, data: LanguageData, *, name: str
) -> keras.Model:
    """Put `memory` between the embeddings of the tokens read and those of the tokens to come."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    table = keras.layers.ReversibleEmbedding(
        len(data.vocabulary.tokens), config.embedding, name="embeddings"
    )
    read = keras.layers.Dropout(config.dropout)(table(tokens))
    remembered = keras.layers.Dropout(config.dropout)(memory(read))
    expected = keras.layers.Dense(config.embedding, name="expected")(remembered)
    logits = table(expected, reverse=True)
    softmax = keras.layers.Activation("softmax", dtype="float32", name="probabilities")
    return keras.Model(tokens, softmax(logits), name=name)


def _trained(run: Run[LanguageConfig]) -> tuple[Callable[[], Stream], Vocabulary]:
    """Load what begins to read with the model of `run`, and the tokens that it knows."""
    model = run.model()
    return stepping.streams(model), _known(run, model)


def _known(run: Run[LanguageConfig], model: keras.Model) -> Vocabulary:
    """The vocabulary of `run`, which must be that of `model`."""
    vocabulary = _vocabulary(run)
    known = model.get_layer("embeddings").input_dim
    if known != len(vocabulary.tokens):
        raise PipelineError(
            f"{run.path / 'vocabulary.txt'} is damaged: it has {len(vocabulary.tokens)} tokens, "
            f"and the model knows {known}"
        )
    return vocabulary


def _read(stream: Stream, ids: Ids) -> Floats:
    """Read some tokens more, and return the probability of each token to be the next."""
    for start in range(0, len(ids), _CHUNK):
        (probabilities,) = stream.feed(ids[None, start : start + _CHUNK]).values()
    return probabilities[0, -1]


def _vocabulary(run: Run[LanguageConfig]) -> Vocabulary:
    """The vocabulary of `run`, which must be there: a token a line, as a string of JSON."""
    try:
        return Vocabulary(tuple(json.loads(line) for line in run.vocabulary or []))
    except ValueError as error:
        raise PipelineError(f"{run.path / 'vocabulary.txt'} is damaged: {error}") from error


def _quoted(token: str) -> str:
    return json.dumps(token, ensure_ascii=False)


def _notes(vocabulary: Vocabulary, tokens: Sequence[str]) -> tuple[str, ...]:
    """What the reader should know about a prompt of these `tokens`."""
    unknown = dict.fromkeys(token for token in tokens if token not in vocabulary)
    if not unknown:
        return ()
    some = ", ".join(map(_quoted, list(unknown)[:_SHOWN]))
    return (f"the model does not know {some}{' and more' if len(unknown) > _SHOWN else ''}",)
