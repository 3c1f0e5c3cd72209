"""Texts for texts of one's own: trained, tested, exported and asked."""

import csv
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exports
from exports.runtime.predictor import Predictor
from pipeline.config.transduce import TransduceConfig
from pipeline.data import pairs
from pipeline.data.pairs import Pair
from pipeline.run import Run
from tests.pipeline.pages import element, marked, parsed, table, text
from tests.pipeline.served import served
from tests.pipeline.small import Outcome
from tests.pipeline.talks import told

Command = Callable[..., Outcome]
Rows = Sequence[tuple[str, str]]

SMALL = ["--units=24", "--embedding-dim=24", "--epochs=8", "--batch-size=16"]
SMALL += ["--learning-rate=0.02", "--dropout=0"]


def sentences(count: int, seed: int = 0) -> list[tuple[str, str]]:
    return [(str(each["pt"]), str(each["en"])) for each in told(count, seed)]


def write(path: Path, rows: Rows, names: tuple[str, str] = ("pt", "en")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter="\t").writerows([names, *rows])
    return path


def train(recurrent: Command, data: object, run: Path, *options: str) -> Outcome:
    return recurrent("train", "transduce", f"--data={data}", f"--run={run}", *SMALL, *options)


def results(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "results.json").read_text())
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on sentences, each of which has a second translation. Leave it as it is."""
    from pipeline import cli

    folder = tmp_path_factory.mktemp("pairs")
    made = sentences(300)
    data = write(folder / "pairs.tsv", [*made, *((pt, f"{en} indeed") for pt, en in made[:3])])
    arguments = ["train", "transduce", f"--data={data}", f"--run={folder / 'run'}", *SMALL]
    cli.command.main(arguments, standalone_mode=False)
    return folder / "run"


def test_it_learns_another_order_of_words(recurrent: Command, run: Path) -> None:
    assert recurrent("evaluate", run, "--baselines").status == 0
    found = results(run)
    assert found["model"]["bleu"] > 0.7 and found["model"]["token_error_rate"] < 0.3
    assert found["baselines"].keys() == {"word by word", "nearest source"}
    assert found["baselines"]["word by word"]["bleu"] < 0.5
    assert 0.2 < found["baselines"]["nearest source"]["bleu"] < 0.9


def test_a_file_in_gives_what_is_measured(recurrent: Command, run: Path, tmp_path: Path) -> None:
    made = sentences(20, seed=1)
    data, scored = write(tmp_path / "new.tsv", made), tmp_path / "scored.csv"
    outcome = recurrent("predict", run, f"--input={data}", f"--output={scored}")
    assert outcome.status == 0, outcome.err
    with scored.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["pt"], row["en"]) for row in rows] == made
    right = np.mean([row["predicted en"] == row["en"] for row in rows])
    measured = recurrent("evaluate", run, f"--data={data}").out.splitlines()
    assert f"exact match: {right:.4f}" in measured and right > 0.3

    asked = recurrent("predict", run, made[0][0], f"  {made[1][0]}  zzyzx")
    told_of, unknown = (line.split("\t") for line in asked.out.splitlines())
    assert told_of[::2] == [rows[0]["predicted en"], made[0][0]]
    assert float(told_of[1]) == pytest.approx(float(rows[0]["probability"]), abs=6e-4)
    assert unknown[2] == f"{made[1][0]} zzyzx" and "does not know 'zzyzx'" in asked.err


def test_the_report_shows_texts_beside_the_right_ones(recurrent: Command, run: Path) -> None:
    assert recurrent("evaluate", run).status == 0
    page, right = parsed(run / "report.html"), dict(sentences(300))
    rows = list(element(page, "from the best to the worst").find("tbody"))
    assert len(rows) == 10
    counts = []
    for row in rows:
        source, reference, written, wrong = map(text, row)
        assert reference.startswith(right[source])
        answer = recurrent("predict", run, source).out.split("\t")[0]
        for _, note in marked(row):
            written = written.replace(f" {note}", "", 1)
        assert [word for word in written.split() if word != "…"] == answer.split()
        assert bool(int(wrong)) == bool(marked(row)) == (answer != right[source])
        counts.append(int(wrong))
    assert counts == sorted(counts)
    source = text(rows[0][0])
    attention = table(page, f"“{source}”: what is written")
    assert [row[0] for row in attention] == [*right[source].split(), "end"]
    for _, *weights in attention:
        assert len(weights) == len(source.split())
        assert sum(map(float, weights)) == pytest.approx(1, abs=0.06)
    # The words come in another order: the model looks where each one comes from.
    looked = [int(np.argmax([float(each) for each in row])) for _, *row in attention]
    assert looked[:3] != [0, 1, 2]


def test_the_exported_model_writes_the_same(recurrent: Command, run: Path, tmp_path: Path) -> None:
    assert recurrent("export", run, f"--to={tmp_path / 'model'}").status == 0
    assert max(each.worst for each in exports.verify(tmp_path / "model").values()) < 2e-5
    predictor = Predictor(tmp_path / "model")
    known: Any = json.loads((run / "columns.json").read_text())["fitted"]
    text, labels = sentences(1)[0][0], predictor.labels or []
    read = np.array([[1 + known["source"].index(word) for word in text.split()]], np.int32)
    symbols, score = [1], 0.0
    while len(symbols) == 1 or symbols[-1] != 1:
        (steps,) = predictor({"source": read, "previous": np.array([symbols], np.int32)}).values()
        symbols.append(int(steps[0, -1].argmax()))
        score += math.log(steps[0, -1].max())
    outcome = recurrent("predict", run, text)
    assert (
        outcome.out
        == f"{' '.join(labels[each] for each in symbols[1:-1])}\t{math.exp(score):.3f}\t{text}\n"
    )
    # Without the whole model: as `predict` finds it.
    texts = [source for source, _ in sentences(5)]
    lines = recurrent("predict", run, *texts).out.splitlines()
    found = [row[0] for row in predictor.hypotheses(texts)]
    told = zip(found, texts, strict=True)
    assert [f"{best.text}\t{best.probability:.3f}\t{text}" for best, text in told] == lines


def test_a_page_explains_each_word(recurrent: Command, run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert recurrent("explain", run, sentences(1)[0][0], f"--to={page}").status == 0
    assert "what each of the words, a row, depends on" in page.read_text()


def test_columns_are_inferred_and_characters_are_aligned(
    recurrent: Command, tmp_path: Path
) -> None:
    draw = np.random.default_rng(0)
    words = {"".join(draw.choice([*"abcde"], draw.integers(2, 6))) for _ in range(300)}
    rows = [(word, " ".join(word.upper())) for word in sorted(words)]
    outcome = train(
        recurrent, write(tmp_path / "spelt.tsv", rows, ("word", "spelt")), tmp_path / "run"
    )
    assert outcome.status == 0, outcome.err
    assert "Source: word (median 4 characters). Target: spelt (median 4 words)." in outcome.err
    assert recurrent("evaluate", tmp_path / "run", "--baselines").status == 0
    found = results(tmp_path / "run")
    assert found["baselines"].keys() == {"n-grams", "feed-forward network"}
    assert found["baselines"]["n-grams"]["exact_match"] == 1
    assert found["model"]["token_error_rate"] < 0.3


def test_data_sets_of_tfds_are_translated(recurrent: Command, tmp_path: Path) -> None:
    splits = {"train": told(60, 0), "validation": told(15, 1), "test": told(20, 2)}
    with served(splits):
        outcome = train(
            recurrent,
            "tfds:ted_hrlr_translate/pt_to_en",
            tmp_path / "run",
            *("--source=pt", "--target=en", "--epochs=1"),
        )
        assert outcome.status == 0, outcome.err
        assert recurrent("evaluate", tmp_path / "run").status == 0
    assert results(tmp_path / "run")["examples"]["test"] == 20


def test_the_recipe_translate_says_what_replaced_it(recurrent: Command) -> None:
    outcome = recurrent("train", "translate", "--epochs=1")
    assert outcome.status != 0 and len(outcome.err.splitlines()) == 1
    assert "recurrent train transduce --data tfds:ted_hrlr_translate/pt_to_en" in outcome.err


def loaded(path: Path, **settings: Any) -> pairs.Paired:
    return pairs.load(TransduceConfig(task="transduce", data=str(path), **settings))


def test_a_source_is_in_one_split_with_all_its_targets(tmp_path: Path) -> None:
    made = sentences(60)
    others = [(f" {pt.replace(' ', '  ')}", en.upper()) for pt, en in made]
    found = loaded(write(tmp_path / "pairs.tsv", [*made, *others, *made]))
    splits = found.train, found.validation, found.test
    assert all(splits) and sum(map(len, splits)) == 60
    assert {pair for split in splits for pair in split} == {
        Pair(pt, (en, en.upper())) for pt, en in made
    }


def test_what_is_tested_is_not_learnt_from(tmp_path: Path) -> None:
    made = sentences(60)
    data, test = write(tmp_path / "a.tsv", made), write(tmp_path / "b.tsv", made[:20])
    found = loaded(data, test=str(test))
    assert {pair.source for pair in found.test} == {pt for pt, _ in made[:20]}
    assert not {*found.test} & {*found.train, *found.validation}


def test_lists_hold_several_targets(tmp_path: Path) -> None:
    rows = [{"q": f"how much is {n}", "a": [f"{n} it is", f"it is {n}"]} for n in range(80)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = loaded(tmp_path / "pairs.jsonl")
    assert (found.source, found.target) == ("q", "a")
    assert all(pair.targets[0] != pair.targets[1] for pair in found.test)


def test_the_nearest_target_counts_and_marks_may_be_ignored() -> None:
    from exports.runtime.generation import Hypothesis
    from pipeline import tasks
    from pipeline.features.tokens import PairExamples, Tokens

    names = ["R", "D", "T", "S", "IY1", "EH1", "EH2", "L", "AH0"]
    target, source = Tokens("words", names), Tokens("characters", [*"readl"])
    config = TransduceConfig(task="transduce", ignored="012")
    listed = {"read": ("R IY1 D", "R EH1 D"), "lead": ("L IY1 D", "L EH1 D"), "a": ("AH0",)}
    examples = PairExamples.of(list(map(Pair, listed, listed.values())), source, target, config)
    said = ["R EH1 D", "L EH2 T S", "AH0"]
    predictions = np.empty(3, object)
    predictions[:] = [[Hypothesis(tuple(target.write(each)), -1.0)] for each in said]
    figures = tasks.get("transduce").score(predictions, examples)
    assert figures["token_error_rate"] == pytest.approx(2 / 7)
    assert figures["exact_match"] == figures["exact_match_in_full"] == pytest.approx(2 / 3)
    assert figures["token_error_rate_in_full"] == pytest.approx(3 / 7)

    few = PairExamples.of([Pair("read", ("R IY1 D",))], source, target, config)
    predictions = np.empty(1, object)
    candidates = {"R D": 0.4, "R EH1 D": 0.1, "R EH2 D": 0.35}
    predictions[0] = [
        Hypothesis(tuple(target.write(k)), math.log(p)) for k, p in candidates.items()
    ]
    assert tasks.get("transduce").score(predictions, few)["token_error_rate"] == pytest.approx(
        1 / 3
    )


def test_bleu_is_that_of_the_formula() -> None:
    from exports.runtime.generation import Hypothesis
    from pipeline import tasks
    from pipeline.features.tokens import PairExamples, Tokens

    tokens = Tokens("words", [*"abcdefg"])
    config = TransduceConfig(task="transduce")

    def bleu(written: str, target: str = "a b c d e f") -> float:
        examples = PairExamples.of([Pair("a", (target,))], tokens, tokens, config)
        predictions = np.empty(1, object)
        predictions[0] = [Hypothesis(tuple(tokens.write(written)), 0.0)]
        return dict(tasks.get("transduce").score(predictions, examples))["bleu"]

    assert bleu("a b c d e f") == pytest.approx(1)
    # 5 of 6 words, 4 of 5 pairs, 3 of 4 triples, 2 of 3 of four are right
    assert bleu("a b c d e g") == pytest.approx((5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** (1 / 4))
    assert bleu("a b c d e") == pytest.approx(math.exp(1 - 6 / 5))
    assert bleu("a", "a") == bleu("a b", "a b") == pytest.approx(1)  # which have no run of 4


def test_the_same_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import transduce

    monkeypatch.setenv("KERAS_RECURRENT_CACHE", str(tmp_path / "cache"))
    made = sentences(60)
    columns = {"pt": [pt for pt, _ in made], "en": [en for _, en in made]}
    trained = transduce.train(columns, run=tmp_path / "run", units=4, embedding_dim=4, epochs=1)
    (answer,) = trained.predict([made[0][0]])
    assert answer.text.endswith(f"\t{made[0][0]}")
    assert 0 <= trained.evaluate({"pt": ["o gato"], "en": ["the cat"]})["chrf"] <= 1


GOOD = "".join(f"{pt}\t{en}\n" for pt, en in sentences(40))
BROKEN: dict[str, tuple[str | bytes, str]] = {
    "empty.tsv": (b"", "is empty"),
    "one.tsv": ("pt\n" + "".join(f"{pt}\n" for pt, _ in sentences(40)), "two columns of texts"),
    "three.tsv": (
        "a\tb\tc\n" + "".join(f"{a}\t{b}\t{a}\n" for a, b in sentences(40)),
        "a, b, c may be the source or the target. Name them with --source and --target",
    ),
    "blank.tsv": (f"pt\ten\n{GOOD}o gato\t \n", "row 42: en is empty"),
    "few.tsv": ("pt\ten\no gato\tthe cat\n", "no example for the train split among its 1"),
    "same.tsv": ("pt\ten\n" + "o gato\tthe cat\no gato\ta cat\n" * 9, "no example for the"),
    "none.jsonl": ('{"pt": "o gato", "en": []}\n', "none.jsonl, line 1: en is empty"),
    "bad.jsonl": ('{"pt": ["o"], "en": "the"}\n', "bad.jsonl, line 1: pt is list, not a text"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_bad_input_is_one_line_and_leaves_no_run(
    recurrent: Command, tmp_path: Path, name: str
) -> None:
    content, said = BROKEN[name]
    data = tmp_path / name
    data.write_bytes(content if isinstance(content, bytes) else content.encode())
    named = ["--source=pt", "--target=en"] if name.endswith("jsonl") else []
    outcome = train(recurrent, data, tmp_path / "run", *named)
    assert outcome.status == 1 and said in outcome.err, outcome.err
    assert len(outcome.err.splitlines()) == 1 and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--source=fr"], "Column 'fr' is not in pairs.tsv; its columns are pt, en."),
        (["--source=pt", "--target=pt"], "cannot be both the source and the target"),
        (["--max-length=1"], "Every training pair of pairs.tsv has more than 1 tokens"),
    ],
)
def test_settings_that_will_not_do(
    recurrent: Command, tmp_path: Path, options: list[str], said: str
) -> None:
    data = write(tmp_path / "pairs.tsv", sentences(60))
    outcome = train(recurrent, data, tmp_path / "run", *options)
    assert outcome.status == 1 and said in outcome.err


def test_an_empty_text_is_refused(recurrent: Command, run: Path) -> None:
    outcome = recurrent("predict", run, "o gato", " ")
    assert outcome.status == 1 and outcome.out == ""
    assert "The text ' ' is empty: give one to read." in outcome.err


def test_tokens_of_another_model_are_damaged(recurrent: Command, run: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run, tmp_path / "run")
    opened = Run.open(tmp_path / "run")
    assert opened.columns is not None
    fitted: Any = {**opened.columns["fitted"], "target": ["the"]}
    opened.keep_columns({**opened.columns, "fitted": fitted})
    outcome = recurrent("predict", tmp_path / "run", "o gato")
    assert outcome.status == 1
    assert "columns.json is damaged: it has 3 ids of target tokens, and the model" in outcome.err
