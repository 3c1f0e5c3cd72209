"""The store keeps encodings under a version: encodings that change need another version."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from exports.runtime.tokens import TOKENIZERS, Vocabulary
from pipeline.data import sources, store
from pipeline.data.cache import VARIABLE
from pipeline.data.sound import Recording
from pipeline.examples import Ragged
from pipeline.features.audio import Audio
from pipeline.features.images import Images
from pipeline.features.text import Text
from pipeline.features.tokens import Tokens
from pipeline.features.words import Words

TEXTS = ["Not bad, isn't it?", "день 日本 <br /> a--b 3.5", ""]
RANDOM = np.random.default_rng(0)
NOISE = RANDOM.integers(-9000, 9000, 4410, np.int16)
PIXELS = RANDOM.integers(0, 256, (6, 6, 3), np.uint8)


def ids(unit: str) -> Ragged:
    known = ("", "[UNK]", "not", "it", "?", "'", "день", "日", "a", "3", "5", ".")
    return (
        Text(known, 12, "words" if unit == "words" else "characters")
        .examples(TEXTS, [0] * 3)
        .inputs
    )


def rows(name: str, content: str, folder: Path) -> Ragged:
    path = folder / name
    path.write_text(content)
    table = sources.read(str(path))
    values = [
        repr((place, [each[row] for each in table.columns.values()]))
        for row, place in enumerate(table.places)
    ]
    return store.ragged(
        "rows",
        values,
        (),
        lambda each: (np.frombuffer(value.encode(), np.uint8) for value in each),
        like=np.empty(0, np.uint8),
    )


ENCODINGS: dict[str, tuple[Callable[[Path], Ragged], str]] = {
    "words": (lambda _: ids("words"), "28ed8a7843a9c19e"),
    "characters": (lambda _: ids("characters"), "dcebd34abbc75d56"),
    "spellings": (
        lambda _: Words(5).examples([["Paris", "день"], ["a"]], [0, 0]).inputs,
        "0e8212207a0d92af",
    ),
    "waveforms": (
        lambda _: Audio(8000).examples([Recording(NOISE, 11_025)], [0]).inputs,
        "0f7bcce9f3a8c75f",
    ),
    "images": (lambda _: Images(1, True).inputs([PIXELS])["image"], "cb0017a5d1d7ecaf"),
    "source ids": (
        lambda _: Tokens("words", ("not", "it")).inputs(["not it now"])["source"],
        "2414c6fffc3e4f3a",
    ),
    "CSV": (lambda folder: rows("a.csv", 'a,b\n" x",\n1,"2\n3"\n', folder), "9bd7a754b1e5a744"),
    "JSON lines": (
        lambda folder: rows("a.jsonl", '{"a": 1}\n\n{"b": [1.5, null]}\n', folder),
        "71b88779cf17c571",
    ),
    "text": (lambda folder: rows("a.txt", " a b \r\n\nc", folder), "a6f160ac549d2c07"),
    "CoNLL": (lambda folder: rows("a.conll", "a X\nb Y\n\nc Z\n", folder), "ce9fb56590fcb1b1"),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_an_encoding_is_that_of_the_version(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    encode, expected = ENCODINGS[name]
    found = encode(tmp_path)
    content = hashlib.sha256(repr(found.lengths.tolist()).encode() + found.flat.tobytes())
    assert (store._VERSION, content.hexdigest()[:16]) == (1, expected), (
        "raise _VERSION of pipeline.data.store, so that nobody trains on what was stored before"
    )


@pytest.mark.parametrize("kind", ["characters", "prose"])
def test_tokens_of_running_text_are_those_of_the_version(kind: str) -> None:
    tokens = [token for text in TEXTS for token in TOKENIZERS[kind].split(text)]
    found = Vocabulary.of(tokens, 9).encode(tokens)
    expected = {"characters": "561cee24265a7723", "prose": "4321b53885ae45ec"}[kind]
    content = hashlib.sha256(found.tobytes()).hexdigest()[:16]
    assert (store._VERSION, content) == (1, expected), "raise _VERSION of pipeline.data.store"
