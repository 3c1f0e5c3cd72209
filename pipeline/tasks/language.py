"""Many to many: which token comes next in running text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from exports.runtime.generation import Sampling
from exports.runtime.predictor import Stream
from exports.runtime.tokens import PADDING, TOKENIZERS, UNKNOWN, Ids, Tokenizer, Vocabulary
from exports.schema import Unit, Writing
from pipeline import batches, models
from pipeline.baselines import Baseline, Fit
from pipeline.baselines.kneser_ney import KneserNey
from pipeline.config.language import LanguageConfig
from pipeline.data import running, store
from pipeline.data.table import Table
from pipeline.data.waiting import spinner
from pipeline.error_analysis import measure
from pipeline.error_analysis.findings import Finding
from pipeline.error_analysis.running import (
    Sample,
    Surprise,
    costly,
    largest,
    passage,
    samples,
)
from pipeline.errors import PipelineError
from pipeline.examples import Compute, Data, Examples, InMemoryRagged
from pipeline.explain.spec import ExplainSpec, Text, at_every_step, coming
from pipeline.messages import say
from pipeline.models import stepping
from pipeline.schema import Columns
from pipeline.tasks.base import DataTask, Metrics, Prediction, Run
from pipeline.tasks.shared.generation import Continuation, Generator
from pipeline.tasks.shared.inputs import known_columns, lines_as_inputs

Floats = npt.NDArray[np.floating[Any]]

_BREAK = "\n"  # texts are separated by two
_CHUNK = 256  # tokens of a prompt that are read at once
_SAMPLED = (0.25, 0.5, 0.75)  # parts of the test text after which the report has samples
_WRITTEN = 200  # letters of a sample
_COLOURED = 600  # tokens whose surprise the report shows by their colour
_CONTEXT = 60  # letters on either side of a token that surprised the model
_EXPECTED = 3  # tokens that it expected instead
_SHOWN = 5  # likely tokens in a prediction
_SAMPLE = (2, 16)  # windows, and tokens of each, that exported formats are compared on


@dataclass(frozen=True, eq=False)
class LanguageData(Data):
    """Texts in windows, each token with the next one as target; those for testing are long."""

    eval_batch_size: ClassVar[int] = 32

    vocabulary: Vocabulary
    source: str
    tokenizer: Tokenizer
    sizes: Sizes


class Sizes(NamedTuple):
    """What depends on how long tokens are.

    Attributes:
        eval_window: tokens in a window of the validation and test split.
        order: tokens that the Kneser-Ney baseline counts together.
        reach: tokens that the feed-forward baseline sees.
    """

    eval_window: int
    order: int
    reach: int


_UNITS: Mapping[str, Unit] = {"characters": "characters", "words": "prose"}
_LONGEST = 500  # tokens that an exported model writes, unless it is told otherwise
_SIZES = {"characters": Sizes(2000, 7, 10), "words": Sizes(256, 5, 5)}


class Language(DataTask[LanguageConfig, LanguageData], Generator[LanguageConfig, LanguageData]):
    """Tells which character, or which word, comes next."""

    input_noun = "text"
    accepts = "the beginning of a text"
    better = "lower"

    def check(self, config: LanguageConfig) -> None:
        """Look, too, whether the model would see what it is to tell."""
        super().check(config)
        if config.bidirectional:
            raise PipelineError(f"{config.task} reads forwards only: leave bidirectional off.")

        loaded = running.load(config)
        if not config.recipe and not config.text:
            counts = ", ".join(
                f"{sum(map(len, getattr(loaded, name))):,} {name}"
                for name in ("train", "validation", "test")
            )
            say(f"Text: {loaded.column}. Characters: {counts}.")

    def data(self, run: Run[LanguageConfig]) -> LanguageData:
        """Load and encode the texts; the vocabulary is made of those to train on."""
        config, tokenizer = run.config, _tokenizer(run.config)
        loaded = running.load(config)
        splits = loaded.train, loaded.validation, loaded.test

        def counted() -> Sequence[str]:
            tokens = _tokens(tokenizer, loaded.train)
            return Vocabulary.of(tokens, config.vocabulary_size).tokens

        with spinner("Encoding the texts"):
            if run.vocabulary is None:
                size = config.vocabulary_size
                content = store.digest(loaded.train), config.tokens, size
                known = store.values("tokens", content, counted)
                run.keep_vocabulary(list(map(_quoted, known.values)))
            columns = Columns(
                kind="text",
                input=loaded.column,
                targets=[],
                classes=[],
                version=loaded.version,
                fitted={},
            )
            if run.columns is None:
                run.keep_columns(columns)
            if run.columns != columns:
                raise PipelineError(
                    f"{loaded.name} has changed since {run.path} was begun. Name another directory."
                )
            vocabulary = _vocabulary(run)
            ids = [_encoded(tokenizer, split, vocabulary) for split in splits]
        sizes = _SIZES[config.tokens]
        lengths = config.window, sizes.eval_window, sizes.eval_window
        train, validation, test = map(windows, ids, lengths)
        return LanguageData(
            train,
            validation,
            test,
            vocabulary=vocabulary,
            source=loaded.name,
            tokenizer=tokenizer,
            sizes=sizes,
        )

    def model(self, config: LanguageConfig, data: LanguageData) -> keras.Model:
        """Embed each token, remember what came before, compare with the embeddings of all."""
        return _model(models.recurrent(config), config, data, name=config.task)

    def loss(self, config: LanguageConfig, data: Data) -> Any:
        """Cross-entropy: how little the model believed in the tokens."""
        return keras.losses.SparseCategoricalCrossentropy(ignore_class=PADDING)

    def metrics(self, config: LanguageConfig) -> Sequence[Any]:
        """None: the loss says it all."""
        return ()

    def predictions(self, compute: Compute, examples: Examples) -> Floats:
        """Return the logarithm of the probability of each token of the text, in their order.

        The probabilities of all tokens are there for a few windows at a time.
        """
        plan = batches.one_after_the_other(len(examples), LanguageData.eval_batch_size)
        found: list[Floats] = []
        for inputs, targets in batches.dataset(examples, plan):
            ids = targets.numpy()
            probabilities = np.take_along_axis(compute(inputs), ids[..., None], axis=-1)[..., 0]
            found.append(probabilities[ids != PADDING])
        return np.log(np.maximum(np.concatenate(found), np.finfo(np.float32).tiny))

    def score(self, predictions: Floats, examples: Examples) -> Metrics:
        """Measure the surprise of a token on average, and among how many it leaves to guess.

        A token that the vocabulary lacks is the one unknown token.
        """
        nats = -float(predictions.mean())
        return {"nats": nats, "bits": nats / math.log(2), "perplexity": math.exp(nats)}

    def error_analysis(
        self, run: Run[LanguageConfig], data: LanguageData, predictions: Floats
    ) -> list[Finding]:
        """Show what the model writes beside how the text goes on, and what surprises it."""
        begin, _ = _trained(run)
        tested = _TestText(text(data.test), data, begin)
        nats, count = -predictions, len(predictions)
        seeds = [run.config.seed + number for number in range(len(_SAMPLED))]
        made = [
            tested.sample(round(count * part), Sampling(seed=seed))
            for part, seed in zip(_SAMPLED, seeds, strict=True)
        ]
        half = range(count // 2, min(count, count // 2 + _COLOURED))
        read_before = np.concatenate([np.arange(1, length + 1) for length in data.test.lengths])
        return [
            samples(made, f"drawn at temperature 1 with seeds {seeds[0]} to {seeds[-1]}"),
            Finding(
                "Surprise",
                [
                    *passage(tested.pieces(half), nats[half], len(data.vocabulary.tokens)),
                    *measure.distribution(nats, "nats"),
                ],
            ),
            Finding(
                "Context", measure.by_group(read_before, "tokens before", nats, "surprise, nats")
            ),
            Finding("Costly tokens", [costly(tested.ids[1:], nats, tested.quoted)]),
            Finding("Worst mistakes", [largest(nats, tested.surprise)]),
        ]

    def baselines(self, run: Run[LanguageConfig]) -> Mapping[str, Baseline]:
        """Two that see a few tokens: one counts, the other learns."""
        sizes = _SIZES[run.config.tokens]
        return {
            f"Kneser-Ney, {sizes.order} tokens": self._count,
            f"feed-forward network, {sizes.reach} tokens": self._feed_forward,
        }

    def _count(self, config: LanguageConfig, data: LanguageData, fit: Fit) -> Floats:
        """Modified Kneser-Ney smoothing of counts in the training text."""
        with spinner("Counting"):
            counted = KneserNey(text(data.train), data.sizes.order, len(data.vocabulary.tokens))
            return counted.log_probabilities(text(data.test))[1:]

    def _feed_forward(self, config: LanguageConfig, data: LanguageData, fit: Fit) -> Floats:
        """A network of one hidden layer over the embeddings of the last tokens."""
        hidden = keras.layers.Conv1D(
            config.units, data.sizes.reach, padding="causal", activation="relu", name="hidden"
        )
        model = _model(hidden, config, data, name="feed_forward_network")
        return self.predictions(batches.compute(fit(model, config)), data.test)

    def predict(self, run: Run[LanguageConfig], inputs: Sequence[str]) -> list[Prediction]:
        """Give the tokens that are likely to come next, with their probabilities."""
        begin, vocabulary = _trained(run)
        predictions = []
        for input in inputs:
            tokens = _beginning(run, input)
            probabilities = _read(begin(), vocabulary.encode(tokens))
            likely = np.argsort(-probabilities, kind="stable")[:_SHOWN]
            shown = (f"{_quoted(vocabulary.tokens[k])} {probabilities[k]:.3f}" for k in likely)
            predictions.append(Prediction("\t".join(shown), _notes(vocabulary, tokens)))
        return predictions

    def examples(self, run: Run[LanguageConfig], table: Table) -> Examples:
        """Cut the texts of a table into windows."""
        texts = running.texts_of(table, known_columns(run)["input"], run.config.on_error)
        tokenizer = _tokenizer(run.config)
        ids = _encoded(tokenizer, texts, _vocabulary(run))
        return windows(ids, _SIZES[run.config.tokens].eval_window)

    def scored(self, run: Run[LanguageConfig], table: Table) -> Mapping[str, Sequence[Any]]:
        """Return the columns of `table` and what comes next; each line of a text file is a row."""
        return super().scored(run, lines_as_inputs(run, table))

    def predict_table(self, run: Run[LanguageConfig], table: Table) -> Table:
        """Give the token that is likeliest to come after each text, and its probability."""
        begin, vocabulary = _trained(run)
        column = known_columns(run)["input"]
        texts = running.texts_of(table, column, run.config.on_error)
        read = [_read(begin(), vocabulary.encode(_beginning(run, each))) for each in texts]
        likeliest = [vocabulary.tokens[each.argmax()] for each in read]
        columns = {"predicted next": likeliest, "probability": [each.max() for each in read]}
        return replace(table, columns=columns)

    def generate(self, run: Run[LanguageConfig], prompt: str, sampling: Sampling) -> Continuation:
        """Go on with `prompt`, or begin a text; the model makes one step for each token."""
        begin, vocabulary = _trained(run)
        tokenizer, tokens = _tokenizer(run.config), _beginning(run, prompt)
        ids = vocabulary.encode(tokens)
        drawn = (vocabulary.tokens[each] for each in _drawn(begin(), ids, sampling))
        return Continuation(_spelled(tokenizer, drawn, prompt), _notes(vocabulary, tokens))

    def explain_spec(self, run: Run[LanguageConfig], model: keras.Model, input: str) -> ExplainSpec:
        """Read token by token; the model has an answer after each."""
        vocabulary = _known(run, model)
        tokenizer, tokens = _tokenizer(run.config), _beginning(run, input)
        ids = vocabulary.encode(tokens)
        before = ["", *tokens[:-1]]
        pieces = [tokenizer.spelled(*pair) for pair in zip(tokens, before, strict=True)]
        return ExplainSpec(
            model=model,
            name=input,
            inputs={"tokens": ids[None]},
            time="tokens",
            steps=[_quoted(token) for token in tokens],
            noun="tokens",
            running=at_every_step,
            explain=coming(ids, [_quoted(token) for token in vocabulary.tokens], "token"),
            view=Text(pieces, between=""),
            source="tokens",
            notes=_notes(vocabulary, tokens),
        )

    def artifact(self, run: Run[LanguageConfig]) -> Mapping[str, Any]:
        """Put the tokens beside the model, as labels; compare on some of the test split."""
        data = self.data(run)
        ((inputs, _),) = batches.dataset(data.test, [np.arange(min(_SAMPLE[0], len(data.test)))])
        return {
            "labels": data.vocabulary.tokens,
            "writing": Writing(
                unit=_UNITS[run.config.tokens],
                longest=_LONGEST,
                never=(PADDING, UNKNOWN),
                previous="tokens",
            ),
            "examples": inputs.numpy()[:, : _SAMPLE[1]],
            "card": {
                "data set": data.source,
                "input": "ids of tokens, their places in labels.json; 0 is padding, 1 is unknown",
                "output": "at each step, the probability of each token to be the next",
            },
        }


def _tokenizer(config: LanguageConfig) -> Tokenizer:
    return TOKENIZERS[_UNITS[config.tokens]]


def _tokens(tokenizer: Tokenizer, texts: Iterable[str]) -> Iterator[str]:
    """The tokens of `texts`, one after the other, after a line break."""
    return chain([_BREAK], chain.from_iterable(_split(tokenizer, text) for text in texts))


def _split(tokenizer: Tokenizer, text: str) -> Sequence[str]:
    """Cut a text into tokens, with an end."""
    return tokenizer.split(text + 2 * _BREAK)


def _encoded(tokenizer: Tokenizer, texts: Sequence[str], vocabulary: Vocabulary) -> Ids:
    """Return the ids of the tokens of `texts`."""
    settings = type(tokenizer).__name__, vocabulary.tokens

    def encode(texts: Sequence[str]) -> Iterator[Ids]:
        return (vocabulary.encode(_split(tokenizer, text)) for text in texts)

    ids = store.ragged("token ids", texts, settings, encode, like=np.empty(0, np.int32))
    return np.concatenate([vocabulary.encode([_BREAK]), ids.flat])


def _beginning(run: Run[LanguageConfig], text: str) -> list[str]:
    """Return the tokens of what a user begins; a line break if that is nothing."""
    return list(_tokenizer(run.config).split(text)) or [_BREAK]


def windows(ids: Ids, length: int) -> Examples:
    """Cut a text into windows. Each token but the first is the target of the one before it."""
    starts = np.arange(0, len(ids) - 1, length)
    lengths = np.minimum(length, len(ids) - 1 - starts)
    inputs, targets = (InMemoryRagged(values, lengths) for values in (ids[:-1], ids[1:]))
    return Examples(inputs, targets, lengths)


def text(examples: Examples) -> Ids:
    """Put windows together again."""
    inputs, targets = (each.flat for each in (examples.inputs, examples.targets))
    return np.concatenate([inputs[:1], targets])


def _model(
    memory: keras.layers.Layer, config: LanguageConfig, data: LanguageData, *, name: str
) -> keras.Model:
    """Put `memory` between the embeddings of the tokens read and those of the tokens to come."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    table = keras.layers.ReversibleEmbedding(
        len(data.vocabulary.tokens), config.embedding_dim, name="embeddings"
    )
    read = keras.layers.Dropout(config.dropout)(table(tokens))
    remembered = keras.layers.Dropout(config.dropout)(memory(read))
    expected = keras.layers.Dense(config.embedding_dim, name="expected")(remembered)
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


def _drawn(stream: Stream, ids: Ids, sampling: Sampling) -> Iterator[int]:
    """Draw one token after another, behind those that are read first."""
    random = np.random.default_rng(sampling.seed)
    while True:
        probabilities = _read(stream, ids)
        probabilities[[PADDING, UNKNOWN]] = 0.0
        ids = np.array([sampling.draw(probabilities, random)], np.int32)
        yield int(ids[0])


def _spelled(tokenizer: Tokenizer, tokens: Iterable[str], before: str) -> Iterator[str]:
    """Write tokens as they stand in a text, behind what is `before`."""
    for token in tokens:
        yield tokenizer.spelled(token, before)
        before = token


@dataclass(frozen=True, eq=False)
class _TestText:
    """The test text for a reader. A place in it is the number of a prediction.

    Attributes:
        ids: of its tokens; the prediction of a place is about the id behind it.
        data: whose vocabulary and tokenizer they are of.
        begin: begins to read with the model.
    """

    ids: Ids
    data: LanguageData
    begin: Callable[[], Stream]

    def quoted(self, number: int) -> str:
        """Write the token with an id."""
        return _quoted(self.data.vocabulary.tokens[number])

    def pieces(self, places: range) -> list[str]:
        """Write the tokens that the predictions of these places are about."""
        tokens = self.data.vocabulary.tokens
        before = tokens[self.ids[places.start]]
        told = (tokens[self.ids[place + 1]] for place in places)
        return list(_spelled(self.data.tokenizer, told, before))

    def surprise(self, place: int) -> Surprise:
        """Show a token in the text, and what the model expected there, as it was tested."""
        window = self.data.sizes.eval_window
        start = place // window * window
        probabilities = _read(self.begin(), self.ids[start : place + 1])
        likely = np.argsort(-probabilities, kind="stable")[:_EXPECTED].tolist()
        expected = ", ".join(f"{self.quoted(each)} {probabilities[each]:.2f}" for each in likely)
        (piece,) = self.pieces(range(place, place + 1))
        token = piece if piece.strip() else self.quoted(self.ids[place + 1])
        before, after = self._before(place, _CONTEXT), self._after(place + 1, _CONTEXT)
        return Surprise(before, token, after, expected)

    def sample(self, place: int, sampling: Sampling) -> Sample:
        """Let the model go on with the text before a place, and show how the text does."""
        tokens = self.data.vocabulary.tokens
        read = self.ids[max(0, place + 1 - _CHUNK) : place + 1]
        drawn = (tokens[each] for each in _drawn(self.begin(), read, sampling))
        written = _spelled(self.data.tokenizer, drawn, tokens[read[-1]])
        letters = ""
        while len(letters) < _WRITTEN:
            letters += next(written)
        before, after = self._before(place, _WRITTEN), self._after(place, _WRITTEN)
        return Sample(before, after, letters[:_WRITTEN])

    def _before(self, place: int, letters: int) -> str:
        """Write what stands before the token of a place."""
        return "".join(self.pieces(range(max(0, place - letters), place)))[-letters:]

    def _after(self, place: int, letters: int) -> str:
        """Write the text from the token of a place on."""
        end = min(len(self.ids) - 1, place + letters)
        return "".join(self.pieces(range(place, end)))[:letters]


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


task = Language()
