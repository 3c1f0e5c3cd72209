"""What outputs mean in JavaScript: as the table says, and as Python says of random ones."""

import json
import re
from pathlib import Path
from typing import Any, Literal

import keras
import msgspec
import numpy as np
import pytest

from custom_layers import GRU
from exports import export
from exports.answers import SCRIPT, Answer, Forecast, Label, Labels, Numbers, Spans, spell
from exports.runtime import Predictor
from tests.clients.node import HERE, reject_uninstalled, run, served
from tests.exports import models
from tests.exports.test_answers import CASES, TAGS

ASK = """
import { answer } from "./answers.mjs";
export const told = (cases) =>
  cases.map(({ answer: kind, output, labels, row }) => answer(kind, output, labels, row));
"""
NODE = """
import { readFileSync } from "node:fs";
import { told } from "./told.mjs";
console.log(JSON.stringify(told(JSON.parse(readFileSync("cases.json", "utf8")))));
"""
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Says what outputs mean</title>
<pre></pre>
<script type="module">
  import { told } from "./told.mjs";
  const cases = await (await fetch("cases.json")).json();
  document.querySelector("pre").textContent = JSON.stringify(told(cases));
</script>
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    reject_uninstalled()
    (tmp_path / "answers.mjs").symlink_to(SCRIPT)
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    (tmp_path / "told.mjs").write_text(ASK)
    (tmp_path / "node.mjs").write_text(NODE)
    (tmp_path / "page.html").write_text(PAGE)
    return tmp_path


def told(site: Path, cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what Node and Chromium say of cases."""
    (site / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    with served(site) as address:
        page = run(site, HERE / "browser.mjs", f"{address}/page.html")
    return {"Node": json.loads(run(site, "node.mjs")), "Chromium": json.loads(page)}


def test_outputs_mean_what_the_table_says(site: Path) -> None:
    for where, answers in told(site, CASES).items():
        for case, said in zip(CASES, answers, strict=True):
            assert said == case["expected"], f"{where}: {case['name']}"


def drawn(random: np.random.Generator) -> dict[str, Any]:
    """Draw a kind, and an output that has ties, with an input that has zeros."""
    size, steps = int(random.integers(1, 5)), int(random.integers(1, 9))
    labels = random.choice(["O", "B-A", "I-A", "B-B-C", "I-B-C", "I-", "-", "B"], size).tolist()
    schemes: list[Literal["entities", "runs", "steps"]] = ["entities", "runs", "steps"]
    scheme = schemes[random.integers(3)]
    padded, words = random.random(2) < 0.5
    names = tuple(f"n{place}" for place in range(size))
    units = {name: "°C" for name in names if random.random() < 0.5}
    octets = random.choice([0, 65, 195, 182, 240, 159, 239, 187, 191, 255], (steps, 4))
    vectors = random.choice([0, 0, 1.5, -2], (steps, 2))
    kinds: list[tuple[Answer, tuple[int, ...]]] = [
        (Label(), (size,)),
        (Labels(tuple(random.choice([0.1, 0.5, 0.75], size).tolist())), (size,)),
        (Spans(scheme, bool(padded), bool(words)), (steps, size)),
        (Numbers(names, units=units), (size,)),
        (Numbers(names, 0.9, units), (size, int(random.integers(3, 6)))),
        (Forecast(names, step="1 day", units=units), (steps, size, 4)),
    ]
    kind, shape = kinds[random.integers(len(kinds))]
    output = random.choice([0, 0.1, 0.5, 0.75, -1e-9, 1e30, random.normal()], shape)
    row = octets.astype(np.uint8) if words else vectors.astype(np.float32)
    return {"kind": kind, "output": output.astype(np.float32), "labels": labels, "row": row}


def test_random_outputs_mean_the_same_in_python(site: Path) -> None:
    random = np.random.default_rng(0)
    cases = [drawn(random) for _ in range(600)]
    written = [
        {
            "answer": msgspec.to_builtins(case["kind"]),
            "output": case["output"].tolist(),
            "labels": case["labels"],
            "row": case["row"].tolist(),
        }
        for case in cases
    ]
    expected = [case["kind"].answer(case["output"], case["labels"], case["row"]) for case in cases]
    assert sum(bool(isinstance(each, dict) and each.get("spans")) for each in expected) > 50
    for where, answers in told(site, written).items():
        for case, said, wanted in zip(written, answers, expected, strict=True):
            assert said == json.loads(json.dumps(wanted)), f"{where}: {case}"


SPELL = """
import { spell } from "./answers.mjs";
const { data, dims } = spell(JSON.parse(process.argv[2]), 5);
console.log(JSON.stringify({ data: [...data], dims }));
"""


def test_words_are_spelled_as_in_python(site: Path) -> None:
    sentences = [["Ann", "née", "日本", "Maximilian"], ["🙂🙂"], ["a", "ß"]]
    (site / "spell.mjs").write_text(SPELL)
    said = json.loads(run(site, "spell.mjs", json.dumps(sentences)))
    np.testing.assert_array_equal(np.array(said["data"]).reshape(said["dims"]), spell(sentences, 5))


def test_the_card_shows_answers_in_node_and_in_a_browser(site: Path) -> None:
    """The recorded examples of a tagger of words, as Python answers them."""
    spelling = keras.Input((None, 5), dtype="uint8", name="spelling")
    letters = keras.ops.cast(spelling, "float32") / 64
    mask = keras.ops.not_equal(spelling[:, :, 0], 0)
    hidden = GRU(models.UNITS, return_sequences=True)(letters, mask=mask)
    scores = keras.layers.Dense(len(TAGS), activation="softmax", name="tags")(hidden)
    model = models.randomized(keras.Model(spelling, scores), scale=1.5)
    words = spell([["Mary", "Jones", "lives", "in", "Köln"], ["Bo", "sleeps"]], 5)
    artifact = site / "artifact"
    export(
        model,
        artifact,
        formats=["onnx"],
        labels=TAGS,
        examples=words,
        answer=Spans("entities", words=True),
    )
    expected = Predictor(artifact).answer(words)
    assert any(each["spans"] for each in expected)

    in_node, in_browser = re.findall(
        r"```js\n(.*?)```", (artifact / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    (artifact / "node_modules").symlink_to(HERE / "node_modules")
    assert "answers(" in in_node and "answers(" in in_browser
    (artifact / "client.mjs").write_text(_printing(in_node, "console.log"))
    said = {"Node": json.loads(run(artifact, "client.mjs"))}
    module = "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs"
    script = _printing(in_browser, "show").replace("onnxruntime-web", module)
    show = 'const show = (text) => (document.querySelector("pre").textContent = text);'
    (artifact / "page.html").write_text(
        f'<!doctype html><pre></pre><script type="module">\n{show}\n{script}</script>'
    )
    with served(artifact) as address:
        said["Chromium"] = json.loads(run(artifact, HERE / "browser.mjs", f"{address}/page.html"))
    for answers in said.values():
        for found, wanted in zip(answers, expected, strict=True):
            assert found["labels"] == wanted["labels"]
            spans, others = ([{**s, "score": None} for s in e["spans"]] for e in (found, wanted))
            assert spans == others
            np.testing.assert_allclose(
                [each["score"] for each in found["spans"]],
                [each["score"] for each in wanted["spans"]],
                atol=1e-5,
            )


def _printing(code: str, function: str) -> str:
    """Return code that prints its last value as JSON."""
    return re.sub(r"console\.log\((.*)\);\n", rf"{function}(JSON.stringify(\1));\n", code)
