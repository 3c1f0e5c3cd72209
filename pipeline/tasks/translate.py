"""Many to many, of other lengths: a sentence in another language."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import keras
import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from sacrebleu.metrics.bleu import BLEU
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.neighbors import NearestNeighbors

from pipeline import batches, metrics
from pipeline.baselines import Baseline, Fit
from pipeline.config.translate import TranslateConfig
from pipeline.data import loading, translations
from pipeline.data.loading import Splits
from pipeline.data.translations import Translated, Words, words
from pipeline.error_analysis import ErrorAnalysis, Mistake
from pipeline.errors import PipelineError
from pipeline.examples import Compute, Data, Examples
from pipeline.explain import reading
from pipeline.explain.reading import Reading
from pipeline.models import encoder_decoder, seq2seq
from pipeline.models.decoding import Hypothesis
from pipeline.tasks.base import (
    ACCURACY,
    Answer,
    Figures,
    Monitor,
    Run,
    SampleTask,
)
from pipeline.tasks.shared import subjects

_SPECIAL = ("", "end", "<unknown>")  # padding, the boundary, and every word that is not known
_UNKNOWN = _SPECIAL.index("<unknown>")
_LONGEST = 60  # words of a sentence to learn from, and of one to write
_WIDTH = 4  # translations that the search follows at a time
_COMPARED = 64  # test sentences that the exported formats are compared on


@dataclass(frozen=True, eq=False)
class TranslateData(Data):
    """Sentences as ids, as they were loaded, and the words that the ids stand for."""

    together: ClassVar[int] = 32  # each word has a probability for every word that is known

    sentences: Splits[Translated]
    vocabulary: Sequence[str]


class Translate(SampleTask[TranslateConfig, TranslateData]):
    """Writes a sentence in another language."""

    subject = "sentence"
    accepts = "a sentence, or the number of a test sentence"

    @property
    def datasets(self) -> Sequence[str]:
        """What TFDS has."""
        return tuple(translations.SOURCES)

    def data(self, run: Run[TranslateConfig]) -> TranslateData:
        """Load the sentences; the vocabulary is made of those to learn from."""
        loaded = loading.load(run.config.dataset, translations.SOURCES, run.config.limit)
        learnt = [each for each in loaded.train if max(map(len, each)) <= _LONGEST]
        if run.vocabulary is None:
            run.keep_vocabulary(_most_frequent(learnt, run.config.vocabulary_size))
        vocabulary = run.vocabulary or []
        train, validation, test = (
            _examples(split, vocabulary) for split in (learnt, loaded.validation, loaded.test)
        )
        return TranslateData(train, validation, test, sentences=loaded, vocabulary=vocabulary)

    def model(self, config: TranslateConfig, data: TranslateData) -> keras.Model:
        """Read the sentence from both ends, then write the translation and attend to it."""
        known = len(data.vocabulary)
        return encoder_decoder.build(
            config,
            source="words",
            ids=known,
            symbols=known,
            embedding=config.embedding,
            name="translate",
        )

    def loss(self, config: TranslateConfig, data: Data) -> keras.losses.Loss:
        """Cross-entropy: how little the model believed in each next word."""
        return seq2seq.loss()

    def metrics(self, config: TranslateConfig) -> Sequence[Any]:
        """Measure the fraction of words that are right, given those before."""
        return (metrics.accuracy,)

    def monitor(self, config: TranslateConfig) -> Monitor:
        """Take the words of the validation split that are right."""
        return ACCURACY

    def answers(self, compute: Compute, examples: Examples) -> npt.NDArray[Any]:
        """Return the words of the most probable translation that a search finds, as ids."""
        return _as_objects([best.symbols for best, *_ in _search(compute, examples)])

    def score(self, answers: npt.NDArray[Any], examples: Examples) -> Figures:
        """Measure BLEU of all translations, between 0 and 1; an unknown word is never right.

        (Papineni et al., 2002, "BLEU: a method for automatic evaluation of machine translation";
        words are as the data set has them.)
        """
        given = [" ".join(map(str, ids)) for ids in answers]
        right = [
            " ".join("?" if each == _UNKNOWN else str(each) for each in ids)
            for ids in seq2seq.sequences(examples)
        ]
        return {"bleu": BLEU(tokenize="none").corpus_score(given, [right]).score / 100}

    def error_analysis(
        self, config: TranslateConfig, data: TranslateData, answers: npt.NDArray[Any]
    ) -> ErrorAnalysis:
        """Count the words to replace, insert and delete."""
        test = data.sentences.test
        given = [[data.vocabulary[each] for each in ids] for ids in answers]

        def read(place: int) -> Mistake:
            return Mistake(*map(" ".join, (*test[place], given[place])))

        pairs = zip(given, test, strict=True)
        errors = np.array([Levenshtein.distance(words, each.translation) for words, each in pairs])
        lengths = np.array([len(each.sentence) for each in test])
        return ErrorAnalysis(errors, "wrong words", lengths, "words", read)

    def baselines(self, run: Run[TranslateConfig]) -> Mapping[str, Baseline]:
        """One that leaves the words where they are, and one that repeats what it has seen."""
        return {"word by word": word_by_word, "nearest sentence": nearest_sentence}

    def predict(self, run: Run[TranslateConfig], subjects: Sequence[str]) -> list[Answer]:
        """Give the translation, the mean probability of its words, and what was translated.

        Each of `subjects` is the number of a sentence of the test split, from 1, or else a
        sentence.
        """
        model = run.model()
        vocabulary, asked = _known(run, model), _subjects(run, subjects)
        examples = _examples([each.translated for each in asked], vocabulary)
        found = _search(batches.compute(model), examples)
        return [
            _answer(each, best, vocabulary) for each, (best, *_) in zip(asked, found, strict=True)
        ]

    def reading(self, run: Run[TranslateConfig], model: keras.Model, subject: str) -> Reading:
        """Write word by word what the search finds, reading the sentence."""
        vocabulary = _known(run, model)
        (asked,) = _subjects(run, [subject])
        examples = _examples([asked.translated], vocabulary)
        ((best, *_),) = _search(batches.compute(model), examples)
        return reading.written(
            model,
            name=asked.name,
            given={"words": examples.inputs["words"].numpy()},
            symbols=best.symbols,
            names=vocabulary,
            noun="word",
            read=asked.translated.sentence,
        )

    def artifact(self, run: Run[TranslateConfig]) -> Mapping[str, Any]:
        """Put the words beside the model; compare on sentences of the test split."""
        data = self.data(run)
        compared = np.arange(min(len(data.test), _COMPARED))
        ((inputs, _),) = batches.dataset(data.test, [compared])
        return {
            "labels": data.vocabulary,
            "examples": {name: values.numpy() for name, values in inputs.items()},
            "card": {
                "data set": f"{data.sentences.name} {data.sentences.version}",
                "words": "of a sentence, as numbers of labels; marks are words, 0 is padding",
                "previous": "the words of the translation so far, behind a 1, likewise",
            },
        }


def word_by_word(config: TranslateConfig, data: TranslateData, fit: Fit) -> npt.NDArray[Any]:
    """For each word the one that goes with it best, by Dice's coefficient, in the same order."""
    read, written = (_occurrences(each, data) for each in _pairs(data.train))
    together = (read.T @ written).tocoo()
    sizes = read.sum(0).A1[together.row] + written.sum(0).A1[together.col]
    best = np.full(len(data.vocabulary), _UNKNOWN)
    order = np.argsort(2 * together.data / sizes, kind="stable")
    best[together.row[order]] = together.col[order]  # the last one, which is the best, stays
    return _as_objects([tuple(best[ids]) for ids in data.test.inputs["words"].to_list()])


def nearest_sentence(config: TranslateConfig, data: TranslateData, fit: Fit) -> npt.NDArray[Any]:
    """The translation of the training sentence that shares the most telling words."""
    read, written = _pairs(data.train)
    weigh = TfidfTransformer(sublinear_tf=True)
    known = weigh.fit_transform(_occurrences(read, data))
    asked = weigh.transform(_occurrences(data.test.inputs["words"].to_list(), data))
    neighbours = NearestNeighbors(n_neighbors=1).fit(known)
    ((*places,),) = neighbours.kneighbors(asked, return_distance=False).T
    return _as_objects([tuple(written[place]) for place in places])


def _pairs(examples: Examples) -> tuple[list[list[int]], list[list[int]]]:
    """The ids of the sentences, and those of their translations."""
    return examples.inputs["words"].to_list(), seq2seq.sequences(examples)


def _occurrences(sentences: Sequence[Sequence[int]], data: TranslateData) -> Any:
    """Mark which words are in which sentence, in a sparse matrix `[sentences, words]`."""
    rows = np.repeat(np.arange(len(sentences)), list(map(len, sentences)))
    columns = np.fromiter(chain.from_iterable(sentences), int)
    shape = (len(sentences), len(data.vocabulary))
    counts = csr_matrix((np.ones(len(rows)), (rows, columns)), shape)
    return (counts > 0).astype(float)


def _most_frequent(sentences: Iterable[Translated], size: int) -> list[str]:
    """The special symbols, and the words of both languages, those of one count by alphabet."""
    counts = Counter(word for each in sentences for words in each for word in words)
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return [*_SPECIAL, *ordered][:size]


def _known(run: Run[TranslateConfig], model: keras.Model) -> Sequence[str]:
    """The vocabulary of `run`, which must be that of `model`."""
    vocabulary = run.vocabulary or []
    if len(vocabulary) != model.output_shape[-1]:
        raise PipelineError(
            f"{run.path / 'vocabulary.txt'} is damaged: it has {len(vocabulary)} words, and the "
            f"model knows {model.output_shape[-1]}"
        )
    return vocabulary


def _examples(split: Sequence[Translated], vocabulary: Sequence[str]) -> Examples:
    places = {word: place for place, word in enumerate(vocabulary) if place > _UNKNOWN}

    def ids(words: Words) -> list[int]:
        return [places.get(word, _UNKNOWN) for word in words]

    sentences = seq2seq.ragged([ids(each.sentence) for each in split])
    return seq2seq.examples({"words": sentences}, [ids(each.translation) for each in split])


def _search(compute: Compute, examples: Examples) -> list[list[Hypothesis]]:
    return seq2seq.search(
        compute,
        examples,
        width=_WIDTH,
        longest=_LONGEST,
        eval_batch_size=TranslateData.eval_batch_size,
    )


@dataclass(frozen=True, eq=False)
class _Subject:
    """A sentence, what to call it, and its translation, if that is known."""

    translated: Translated
    name: str


def _subjects(run: Run[TranslateConfig], given: Sequence[str]) -> list[_Subject]:
    def test() -> Sequence[Translated]:
        return loading.load(run.config.dataset, translations.SOURCES).test

    def tested(translated: Translated, name: str) -> _Subject:
        return _Subject(translated, f"{name}, {' '.join(translated.sentence)}")

    return subjects.resolve(given, "sentence", test, tested, _typed)


def _typed(text: str) -> _Subject:
    sentence = words(text)
    if not sentence:
        raise PipelineError(f"there is no word in {text!r}: give a sentence")
    if len(sentence) > _LONGEST:
        raise PipelineError(
            f"the sentence {text[:20]!r}... has {len(sentence)} words: give up to {_LONGEST}"
        )
    return _Subject(Translated(sentence, ()), text)


def _answer(subject: _Subject, found: Hypothesis, vocabulary: Sequence[str]) -> Answer:
    sentence, translation = subject.translated
    notes = []
    known = set(vocabulary[len(_SPECIAL) :])
    if strange := [word for word in sentence if word not in known]:
        notes.append(f"the model does not know {', '.join(strange)}")
    if translation:
        notes.append(f"the test split has {' '.join(translation)}")
    text = " ".join(vocabulary[each] for each in found.symbols)
    probability = math.exp(found.score / (1 + len(found.symbols)))
    return Answer(f"{text}\t{probability:.3f}\t{subject.name}", tuple(notes))


def _as_objects(found: Sequence[Any]) -> npt.NDArray[Any]:
    return np.fromiter(found, dtype=object, count=len(found))


task = Translate()
