"""One to many: what a picture shows, letter by letter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops
from PIL import Image
from rapidfuzz.distance import Levenshtein
from sacrebleu.metrics.chrf import CHRF
from sklearn.neighbors import NearestNeighbors

from pipeline import batches, metrics, models
from pipeline.baselines import Baseline, Fit
from pipeline.config.spell import SpellConfig
from pipeline.data import captions, loading, pictures
from pipeline.data.captions import LETTERS, Captioned
from pipeline.data.loading import Splits
from pipeline.data.pictures import Pixels
from pipeline.error_analysis import ErrorAnalysis, Mistake, Picture
from pipeline.errors import PipelineError
from pipeline.examples import Compute, Data, Examples
from pipeline.explain import reading
from pipeline.explain.reading import Reading
from pipeline.models import seq2seq
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

_SURE = 0.9  # a probability from which the next candidate is not worth a word

_LONGEST = 100  # letters of a spelling, at most
_WIDTH = 4  # spellings that the search follows at a time

_CONVOLUTIONS = 2  # before the picture is halved
_SMALLEST = 4  # height of the picture that the last convolution leaves, at most
_THUMBNAIL = (16, 16)  # width and height at which nearest pictures are looked for


@dataclass(frozen=True, eq=False)
class SpellData(Data):
    """Pictures and spellings as examples, and as they were loaded."""

    captioned: Splits[Captioned]


class Spell(SampleTask[SpellConfig, SpellData]):
    """Spells what a picture shows."""

    subject = "picture"
    accepts = "a PNG or JPEG file, or the number of a test picture"

    @property
    def datasets(self) -> Sequence[str]:
        """The samples that come with packages, and what TFDS has."""
        return tuple(captions.SOURCES)

    def check(self, config: SpellConfig) -> None:
        """Refuse to write from both ends, too."""
        super().check(config)
        if config.bidirectional:
            raise PipelineError("spell writes one letter after another: leave out bidirectional")

    def data(self, run: Run[SpellConfig]) -> SpellData:
        """Load the pictures and spell their captions."""
        loaded = loading.load(run.config.dataset, captions.SOURCES, run.config.limit)
        train, validation, test = map(_examples, (loaded.train, loaded.validation, loaded.test))
        return SpellData(train, validation, test, captioned=loaded)

    def model(self, config: SpellConfig, data: SpellData) -> keras.Model:
        """Look at the picture; what is seen is read beside each letter that was written."""
        picture, previous, seen = _seen(config, data)
        letters = keras.layers.Embedding(_symbols(), config.embedding, name="letters")(previous)
        beside = ops.zeros_like(letters[..., :1]) + ops.expand_dims(seen, 1)
        decoder = models.recurrent(config, name="decoder")
        written = decoder(ops.concatenate([letters, beside], axis=-1))
        return _speller(picture, previous, written, config, name="spell")

    def loss(self, config: SpellConfig, data: Data) -> keras.losses.Loss:
        """Cross-entropy: how little the model believed in each letter; padding does not count."""
        return seq2seq.loss()

    def metrics(self, config: SpellConfig) -> Sequence[Any]:
        """Measure the fraction of letters that are right, given those before."""
        return (metrics.accuracy,)

    def monitor(self, config: SpellConfig) -> Monitor:
        """Take the letters of the validation split that are right."""
        return ACCURACY

    def answers(self, compute: Compute, examples: Examples) -> npt.NDArray[Any]:
        """Return the spelling that a search finds for each picture."""
        return np.array([_text(best.symbols) for best, *_ in _searched(compute, examples)], object)

    def score(self, answers: npt.NDArray[Any], examples: Examples) -> Figures:
        """Measure the fraction of exact spellings, and chrF of all of them, between 0 and 1.

        chrF (Popović, 2015, "chrF: character n-gram F-score for automatic MT evaluation") is the
        F-score of runs of up to 6 letters, in which recall counts more.
        """
        references = list(map(_text, seq2seq.sequences(examples)))
        exact = np.mean([given == right for given, right in zip(answers, references, strict=True)])
        chrf = CHRF().corpus_score(list(answers), [references]).score / 100
        return {"exact": float(exact), "chrf": chrf}

    def error_analysis(
        self, config: SpellConfig, data: SpellData, answers: npt.NDArray[Any]
    ) -> ErrorAnalysis:
        """Count the letters to replace, insert and delete."""
        captions = list(map(_text, seq2seq.sequences(data.test)))
        pictures = data.test.inputs["picture"]

        def read(place: int) -> Mistake:
            picture = Picture(pictures[place].numpy(), f"test picture {place + 1}")
            return Mistake(picture, captions[place], answers[place])

        pairs = zip(answers, captions, strict=True)
        errors = np.array([Levenshtein.distance(*pair) for pair in pairs])
        lengths = np.array(list(map(len, captions)))
        return ErrorAnalysis(errors, "wrong letters", lengths, "letters", read)

    def baselines(self, run: Run[SpellConfig]) -> Mapping[str, Baseline]:
        """One that writes without memory, and one that repeats what it has seen."""
        return {"all letters at once": all_at_once, "nearest picture": nearest_picture}

    def predict(self, run: Run[SpellConfig], subjects: Sequence[str]) -> list[Answer]:
        """Give spelling, probability and what was looked at.

        Each of `subjects` is the number of a picture of the test split, from 1, or else the path of
        a PNG or JPEG file.
        """
        model = run.model()
        looked_at = _subjects(run, subjects, model.inputs[0].shape[1:])
        examples = _examples([Captioned(each.picture, "") for each in looked_at])
        found = _searched(batches.compute(model), examples)
        return [_answer(each, spellings) for each, spellings in zip(looked_at, found, strict=True)]

    def reading(self, run: Run[SpellConfig], model: keras.Model, subject: str) -> Reading:
        """Write letter by letter what the search finds, looking at the picture."""
        (seen,) = _subjects(run, [subject], model.inputs[0].shape[1:])
        examples = _examples([Captioned(seen.picture, "")])
        ((best, *_),) = _searched(batches.compute(model), examples)
        return reading.written(
            model,
            name=seen.name,
            given={"picture": seen.picture[None]},
            symbols=best.symbols,
            names=["padding", "end", *LETTERS],
            noun="letter",
            view=reading.Picture(seen.picture),
        )

    def artifact(self, run: Run[SpellConfig]) -> Mapping[str, Any]:
        """Put the letters beside the model; compare on the test split."""
        data = self.data(run)
        ((inputs, _),) = batches.dataset(data.test, [np.arange(len(data.test))])
        loaded = data.captioned
        return {
            "labels": ["padding", "boundary", *LETTERS],
            "examples": {name: values.numpy() for name, values in inputs.items()},
            "card": {
                "data set": f"{loaded.name} {loaded.version}",
                "input": "a picture, and the letters written so far, after a boundary",
                "output": "the probabilities of the next letter after each of those",
            },
        }


def all_at_once(config: SpellConfig, data: SpellData, fit: Fit) -> npt.NDArray[Any]:
    """A network that sees picture and place of a letter, but none of the letters before it."""
    picture, previous, seen = _seen(config, data)
    places = ops.cumsum(ops.ones_like(previous), axis=1) - 1
    placed = keras.layers.Embedding(_LONGEST + 1, config.units, name="places")(places)
    hidden = ops.expand_dims(keras.layers.Dense(config.units)(seen), 1) + placed
    written = keras.layers.Activation("relu")(hidden)
    model = _speller(picture, previous, written, config, name="all_letters_at_once")
    return task.answers(batches.compute(fit(model, config)), data.test)


def nearest_picture(config: SpellConfig, data: SpellData, fit: Fit) -> npt.NDArray[Any]:
    """The spelling of the training picture whose thumbnail has the nearest pixels."""
    train, test = data.captioned.train, data.captioned.test
    neighbours = NearestNeighbors(n_neighbors=1).fit(_thumbnails(train))
    ((*places,),) = neighbours.kneighbors(_thumbnails(test), return_distance=False).T
    return np.array([train[place].caption for place in places], object)


def _searched(compute: Compute, examples: Examples) -> list[list[Hypothesis]]:
    """Find spellings; first is the one whose letters are most probable, by their geometric mean.

    The most probable of all would be short: each letter more makes a spelling less probable.
    """

    def a_letter(spelling: Hypothesis) -> float:
        return spelling.score / (len(spelling.symbols) + 1)

    found = seq2seq.search(compute, examples, width=_WIDTH, longest=_LONGEST)
    return [sorted(each, key=a_letter, reverse=True) for each in found]


def _symbols() -> int:
    """How many ids there are."""
    return seq2seq.FIRST + len(LETTERS)


def _ids(text: str) -> list[int]:
    return [seq2seq.FIRST + LETTERS.index(letter) for letter in text]


def _text(ids: Sequence[int]) -> str:
    return "".join(LETTERS[each - seq2seq.FIRST] for each in ids)


def _examples(split: Sequence[Captioned]) -> Examples:
    """A picture leads to the letters of its caption.

    They count as of one length: batches of words of one length would show few kinds of picture at
    a time, and batch normalization would measure those alone.
    """
    pictures = tf.constant(np.stack([each.picture for each in split]))
    spellings = [_ids(each.caption)[:_LONGEST] for each in split]
    examples = seq2seq.examples({"picture": pictures}, spellings)
    return replace(examples, lengths=np.ones(len(split), int))


def _seen(config: SpellConfig, data: SpellData) -> tuple[Any, Any, Any]:
    """The inputs, and what convolutions see in the picture, `[batch, features]`."""
    shape = data.train.inputs["picture"].shape[1:]
    picture = keras.Input(shape, dtype="uint8", name="picture")
    previous = keras.Input((None,), dtype="int32", name="previous")
    seen = keras.layers.Rescaling(1 / 255)(picture)
    for vary in _variations(config):
        seen = vary(seen)
    filters = config.filters
    while seen.shape[1] > _SMALLEST:
        for _ in range(_CONVOLUTIONS):
            seen = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(seen)
            seen = keras.layers.BatchNormalization(momentum=0.9)(seen)
            seen = keras.layers.Activation("relu")(seen)
        seen = keras.layers.MaxPooling2D()(seen)
        filters *= 2
    seen = keras.layers.Dropout(config.dropout)(keras.layers.GlobalAveragePooling2D()(seen))
    seen = keras.layers.Dense(config.units, activation="relu", name="seen")(seen)
    return picture, previous, keras.layers.Dropout(config.dropout)(seen)


def _variations(config: SpellConfig) -> Iterator[keras.layers.Layer]:
    """Layers that show training a picture otherwise each time; the edge goes on outside."""
    yield keras.layers.RandomTranslation(config.shift, config.shift, fill_mode="nearest")
    yield keras.layers.RandomRotation(config.turn / 360, fill_mode="nearest")
    yield keras.layers.RandomZoom((-config.zoom, config.zoom), fill_mode="nearest")


def _speller(
    picture: Any, previous: Any, written: Any, config: SpellConfig, *, name: str
) -> keras.Model:
    """Finish a model that has come to `written` `[batch, steps, features]`."""
    written = keras.layers.Dropout(config.dropout)(written)
    probabilities = keras.layers.Dense(
        _symbols(), activation="softmax", dtype="float32", name="probabilities"
    )(written)
    return keras.Model([picture, previous], probabilities, name=name)


def _thumbnails(split: Sequence[Captioned]) -> npt.NDArray[np.float32]:
    def thumbnail(picture: Pixels) -> npt.NDArray[np.float32]:
        image = Image.fromarray(picture.squeeze()).resize(_THUMBNAIL, Image.Resampling.BOX)
        return np.asarray(image, np.float32).ravel()

    return np.stack([thumbnail(each.picture) for each in split])


@dataclass(frozen=True, eq=False)
class _Subject:
    """A picture, what to call it, and its caption, if that is known."""

    picture: Pixels
    name: str
    caption: str | None = None
    notes: tuple[str, ...] = ()


def _subjects(
    run: Run[SpellConfig], given: Sequence[str], shape: tuple[int, int, int]
) -> list[_Subject]:
    def test() -> Sequence[Captioned]:
        return loading.load(run.config.dataset, captions.SOURCES).test

    return subjects.resolve(given, "picture", test, _tested, partial(_read, shape=shape))


def _tested(picture: Captioned, name: str) -> _Subject:
    return _Subject(picture.picture, f"{name}, {picture.caption!r}", picture.caption)


def _read(name: str, shape: tuple[int, int, int]) -> _Subject:
    """Read a picture file; digits are light on dark ground, as MNIST has them."""
    picture = pictures.read(Path(name), shape)
    if shape[-1] == 1 and np.median(picture) > 127:
        note = "it is dark on light, and was read as its negative"
        return _Subject(255 - picture, name, notes=(note,))
    return _Subject(picture, name)


def _answer(subject: _Subject, spellings: Sequence[Hypothesis]) -> Answer:
    texts = [_text(each.symbols) for each in spellings]
    chances = np.exp([each.score for each in spellings])
    notes = list(subject.notes)
    if subject.caption not in (None, texts[0]):
        notes.append(f"that is wrong: it is {subject.caption!r}")
    if chances[0] < _SURE and len(texts) > 1:
        notes.append(f"the next choice is {texts[1]!r}, {chances[1]:.3f}")
    return Answer(f"{texts[0]}\t{chances[0]:.3f}\t{subject.name}", tuple(notes))


task = Spell()
