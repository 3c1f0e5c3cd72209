"""Word embeddings from files, in the text format of GloVe, word2vec and fastText."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from pipeline import files
from pipeline.data.waiting import spinner
from pipeline.errors import PipelineError

Floats = npt.NDArray[np.float32]


def embedded(tokens: Any, path: Path, words: Sequence[str]) -> Any:
    """Embed words, those that the file at `path` has by its numbers, the rest at random.

    Raises:
        PipelineError: `read` cannot read it.
    """
    known, found = read(path, words)
    layer = keras.layers.Embedding(*known.shape, mask_zero=True, name="words")
    sequences = layer(tokens)
    (embeddings,) = layer.get_weights()
    layer.set_weights([np.where(found[:, None], known, embeddings)])
    return sequences


def read(path: Path, words: Sequence[str]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Read the embeddings of `words`: a word and its numbers a line, with spaces between them.

    A first line with two numbers says how many follow, and is skipped. A word that the file has in
    capitals alone is found, too.

    Returns:
        Embeddings `[words, numbers]`, zeros where the file has none; and for which words it has
        one, `[words]`.

    Raises:
        PipelineError: there is no such file, a line is broken, or it has none of the words.
    """
    files.reject_irregular(path)
    places = {word: place for place, word in enumerate(words)}
    found: dict[int, list[str]] = {}
    width = 0
    with spinner(f"Reading {path.name}"), path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            fields = line.rstrip().split(" ")
            if number == 1 and len(fields) == 2:
                continue
            width = width or len(fields) - 1
            if len(fields) <= width or not width:
                raise PipelineError(
                    f"{path}, line {number} has {len(fields) - 1} numbers, and others {width}."
                )
            word = " ".join(fields[:-width])
            place = places.get(word, places.get(word.lower()))
            if place is not None and (place not in found or words[place] == word):
                found[place] = fields[-width:]
    if not found:
        raise PipelineError(f"{path} has no word of the training texts.")
    embeddings = np.zeros((len(words), width), np.float32)
    for place, numbers in found.items():
        try:
            embeddings[place] = [float(number) for number in numbers]
        except ValueError as error:
            raise PipelineError(f"{path}: the numbers of {words[place]!r} are broken.") from error
    if not np.isfinite(embeddings).all():
        raise PipelineError(f"{path} holds a number that is not finite.")
    return embeddings, np.isin(np.arange(len(words)), [*found])
