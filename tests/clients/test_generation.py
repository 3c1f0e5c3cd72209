"""What `generation.mjs` writes in Node: as Python does."""

import json
import sys
import unicodedata
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from exports import Artifact
from exports.runtime import Predictor
from exports.runtime.generation import SCRIPT, Sampling, beam_search, source_ids
from exports.runtime.tokens import TOKENIZERS
from exports.schema import Source, Unit
from tests.clients.node import HERE, reject_uninstalled, run

START, END = 1, 2  # of random models

ASKED = """
import { readFileSync } from "node:fs";
import { TOKENIZERS, beamSearch, draw, join, labelIds, sourceIds } from "./generation.mjs";

const last = async (found) => {
  let latest;
  for await (const each of found) latest = each;
  return latest;
};

const ASKED = {
  split: ({ unit, text }) => TOKENIZERS[unit].split(text),
  join: ({ unit, tokens }) => join(unit, tokens),
  sourceIds: ({ source, text }) => sourceIds(source, text),
  draw: ({ probabilities, options, uniform }) => draw(probabilities, options, uniform),
  async beamSearch({ table, options }) {
    const gains = table.map((row) => row.map((each) => each ?? -Infinity));
    const step = (symbols, parents, states) => {
      const before = parents.map((parent) => states[parent]);
      const after = before.map((state, place) => (state * 7 + symbols[place]) % table.length);
      return { gains: after.map((state) => gains[state]), states: after };
    };
    const found = await last(beamSearch(step, [0], options));
    return found.map(({ symbols, score }) => ({ symbols, score }));
  },
};
const cases = JSON.parse(readFileSync("cases.json", "utf8"));
const answers = await Promise.all(cases.map(({ asked, ...given }) => ASKED[asked](given)));
console.log(JSON.stringify(answers));
"""
WRITE = """
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { Writer, uniforms } from "./generation.mjs";

const [directory] = process.argv.slice(2);
const read = (name) => JSON.parse(readFileSync(`${directory}/${name}`, "utf8"));
const load = async (name) => {
  const session = await ort.InferenceSession.create(`${directory}/onnx/${name}.onnx`);
  return (inputs) => session.run(inputs);
};
const runs = { encode: await load("encode"), decode_step: await load("decode_step") };
const writer = new Writer(read("config.json"), read("labels.json"), runs, ort.Tensor);
const cases = JSON.parse(readFileSync("cases.json", "utf8"));
const answers = [];
for (const { text, width, longest, temperature, seed } of cases) {
  const found =
    temperature === undefined
      ? writer.search(text, width, longest)
      : writer.draw(text, { temperature }, uniforms(seed), longest);
  const shown = [];
  for await (const hypotheses of found) shown.push(hypotheses);
  answers.push(shown);
}
console.log(JSON.stringify(answers, (_, value) => (value === -Infinity ? null : value)));
"""


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A folder in which Node finds the module."""
    reject_uninstalled()
    (tmp_path / "generation.mjs").symlink_to(SCRIPT)
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    (tmp_path / "asked.mjs").write_text(ASKED)
    (tmp_path / "write.mjs").write_text(WRITE)
    return tmp_path


def told(node: Path, cases: list[dict[str, Any]], *command: str | Path) -> list[Any]:
    (node / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    return list(json.loads(run(node, *(command or ("asked.mjs",)))))


TEXTS = [
    "",
    " ",
    "hello",
    "Well--he said: «don't»!\n\n(The end.) [x]",
    "co-opt 3,000 l’été naïve 日本語 🙂🙂 x_1 ½ ²",
    "\x1ca\x85b\u2003c\ufeffd\u200be\tf",
]


def test_every_character_is_cut_as_in_python(node: Path) -> None:
    """Those that Unicode assigned before Python 3.11, each between two letters."""
    characters = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) not in ("Cn", "Cs")
    ]
    text = " . ".join(f"a{each}a {each}" for each in characters)
    units = list(TOKENIZERS)
    cases = [{"asked": "split", "unit": unit, "text": text} for unit in units]
    for unit, tokens in zip(units, told(node, cases), strict=True):
        assert tokens == TOKENIZERS[unit].split(text)


def test_texts_are_cut_joined_and_numbered_as_in_python(node: Path) -> None:
    cases, expected = list[dict[str, Any]](), list[Any]()
    for unit in get_args(Unit):
        tokenizer = TOKENIZERS[unit]
        known = sorted({token for text in TEXTS for token in tokenizer.split(text)})[::2]
        source = Source("ids", unit, known)
        for text in TEXTS:
            tokens = tokenizer.split(text)
            cases += [
                {"asked": "split", "unit": unit, "text": text},
                {"asked": "join", "unit": unit, "tokens": tokens},
                {"asked": "sourceIds", "source": {"unit": unit, "known": known}, "text": text},
            ]
            ids = source_ids(source, [text])["ids"][0].tolist()
            expected += [tokens, tokenizer.join(tokens), ids]
    assert told(node, cases) == expected


def test_symbols_are_drawn_as_in_python(node: Path) -> None:
    random = np.random.default_rng(0)
    cases, expected = list[dict[str, Any]](), list[int]()
    for seed in range(300):
        probabilities = random.choice([0, 0.1, 0.25, random.random()], 7)
        probabilities[seed % 7] += 0.1
        options: dict[str, Any] = {
            "temperature": float(random.choice([0, 0.01, 0.5, 1, 3])),
            "topP": float(random.choice([1, 0.9, 0.3, 0.01])),
            "topK": int(random.choice([0, 1, 3, 9])),
        }
        cases.append(
            {
                "asked": "draw",
                "probabilities": probabilities.tolist(),
                "options": options,
                "uniform": np.random.default_rng(seed).random(),
            }
        )
        sampling = Sampling(options["temperature"], options["topP"], options["topK"])
        expected.append(sampling.draw(probabilities, np.random.default_rng(seed)))
    assert len(set(expected)) == 7
    assert told(node, cases) == expected


def test_beam_search_finds_what_it_finds_in_python(node: Path) -> None:
    random = np.random.default_rng(0)
    cases, expected = list[dict[str, Any]](), list[Any]()
    for _ in range(200):
        symbols = int(random.integers(3, 7))
        table = random.normal(size=(11, symbols)) * 2
        table[random.random(table.shape) < 0.2] = -np.inf
        end = int(random.choice([START, END]))
        width, longest = int(random.integers(1, 9)), int(random.integers(0, 6))
        penalty = float(random.choice([0, 0.6, 1]))
        options = {"start": START, "end": end, "width": width, "longest": longest}

        def step(
            given: np.ndarray, parents: np.ndarray, states: np.ndarray, table: np.ndarray = table
        ) -> tuple[np.ndarray, np.ndarray]:
            following = (states[parents] * 7 + given) % len(table)
            return table[following], following

        (found,) = beam_search(step, np.array([0]), 1, **options, length_penalty=penalty)
        expected.append(found)
        rows = [[value if np.isfinite(value) else None for value in row] for row in table.tolist()]
        given = {**options, "lengthPenalty": penalty}
        cases.append({"asked": "beamSearch", "table": rows, "options": given})
    assert sum(map(len, expected)) > 300 and [] in expected
    for wanted, said in zip(expected, told(node, cases), strict=True):
        assert [each["symbols"] for each in said] == [list(each.symbols) for each in wanted]
        np.testing.assert_allclose([e["score"] for e in said], [e.score for e in wanted])


ASKED_TEXTS = ["ab", "abc", "dcba?", "", "日ab", "a" * 30]


def test_texts_are_written_as_in_python(node: Path, translator: Artifact) -> None:
    predictor = Predictor(translator.directory)
    cases: list[dict[str, Any]] = [
        {"text": text, "width": width, "longest": longest}
        for text in ASKED_TEXTS
        for width, longest in [(1, 20), (4, 20), (4, 3), (50, 3)]
    ]
    written = told(node, cases, "write.mjs", translator.directory)
    for case, shown in zip(cases, written, strict=True):
        ((*expected,),) = predictor.hypotheses(
            case["text"], beam=case["width"], longest=case["longest"]
        )
        found = shown[-1]
        assert [each["text"] for each in found] == [each.text for each in expected]
        scores = np.exp([each["score"] for each in found])
        np.testing.assert_allclose(scores, [each.probability for each in expected], rtol=1e-4)
        assert all(each["ended"] for each in found) and len(shown) <= case["longest"] + 2


def test_a_text_is_drawn_symbol_by_symbol(node: Path, translator: Artifact) -> None:
    """At temperature 0 it is what Python draws; above, each text comes as often as is likely."""
    predictor = Predictor(translator.directory)
    cold = [{"text": text, "temperature": 0, "seed": 0, "longest": 9} for text in ASKED_TEXTS]
    hot = [{"text": "ab", "temperature": 1, "seed": seed, "longest": 4} for seed in range(1500)]
    shown = told(node, [*cold, *hot], "write.mjs", translator.directory)
    coldest = [found[-1][0]["text"] for found in shown[: len(cold)]]
    assert coldest == predictor.generate(ASKED_TEXTS, temperature=0.0, longest=9)
    drawn = [found[-1][0] for found in shown[len(cold) :]]
    ((*all_texts,),) = predictor.hypotheses("ab", beam=99, longest=3)
    for each in all_texts[:4]:
        same = [one for one in drawn if one["text"] == each.text and one["ended"]]
        assert len(same) / len(drawn) == pytest.approx(each.probability, abs=0.04)
        assert np.exp(same[0]["score"]) == pytest.approx(each.probability, rel=1e-4)
    for found in shown[len(cold) :][:20]:
        lengths = [len(each["symbols"]) for (each,) in found]
        assert lengths == sorted(lengths) and lengths[0] <= 1
