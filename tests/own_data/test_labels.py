"""Several labels of a text, rare classes, and embeddings that somebody else has trained."""

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exports
from exports.answers import Labels
from exports.runtime.predictor import Predictor
from pipeline import config
from pipeline.config.classify import ClassifyConfig
from pipeline.errors import PipelineError
from pipeline.features import pretrained
from pipeline.run import Run
from tests.exports.servers import serving
from tests.own_data.tickets import WORDS, tickets, write
from tests.pipeline.pages import parsed, table
from tests.pipeline.small import Outcome

Command = Callable[..., Outcome]

SMALL = ["--units=4", "--embedding-dim=8", "--bigram-buckets=512", "--no-bidirectional"]
SMALL += ["--batch-size=16", "--learning-rate=0.03", "--max-length=30"]


def concerns(path: Path, count: int, seed: int = 0) -> Path:
    """Write tickets about none, one or several of the teams' matters."""
    draw = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["body", "teams", "one"])
        for number in range(count):
            teams = [team for team in WORDS if draw.random() < 0.5]
            words = [word for team in teams for word in draw.sample(WORDS[team], 2)]
            words += draw.choices(["please", "help", "again", "monday"], k=4)
            draw.shuffle(words)
            writer.writerow([f"{' '.join(words)} no {number}", "; ".join(teams), "x"])
    return path


def test_several_labels_belong_to_a_text(recurrent: Command, tmp_path: Path) -> None:
    data, run = concerns(tmp_path / "tickets.csv", 300), tmp_path / "run"
    options = ["--label=teams", "--multilabel", "--epochs=4", *SMALL]
    outcome = recurrent("train", "classify", f"--data={data}", f"--run={run}", *options)
    assert outcome.status == 0, outcome.err
    assert "Labels: teams (3 classes)" in outcome.err

    assert recurrent("evaluate", run, "--baselines").status == 0
    results = json.loads((run / "results.json").read_text())
    model, baselines = results["model"], results["baselines"]
    assert model["exact_matches"] > 0.8 and model["accuracy"] > 0.9 and model["macro_f1"] > 0.9
    assert baselines["frequency"]["exact_matches"] < 0.3
    assert baselines["logistic regression"]["accuracy"] > 0.9

    opened = Run.open(run)
    tested = opened.task.data(opened).raw.test
    told = [recurrent("predict", run, each).out.split("\t")[0] for each in tested.inputs]
    for label, precision, recall, _, support, predicted in table(
        parsed(run / "report.html"), "How well each label is found"
    ):
        true = [label in labels for (labels,) in tested.targets]
        said_so = [label in each for each in told]
        both = sum(a and b for a, b in zip(true, said_so, strict=True))
        assert (int(support), int(predicted)) == (sum(true), sum(said_so))
        assert float(precision) == pytest.approx(both / sum(said_so), abs=1e-4)
        assert float(recall) == pytest.approx(both / sum(true), abs=1e-4)

    said = recurrent(
        "predict", run, "the wifi router is slow and the invoice has a wrong price"
    ).out
    assert {part.split()[0] for part in said.split("\t")[0].split(", ")} == {"billing", "network"}
    assert recurrent("predict", run, "please help again on monday").out.startswith("none\t")

    assert recurrent("export", run, "--format=onnx").status == 0
    assert max(each.worst for each in exports.verify(run / "exports").values()) < 2e-5
    scores = Predictor(run / "exports")("the wifi router is slow and wrong price refund").scores
    assert scores["network"] > 0.5 and scores["billing"] > 0.5 and scores["hardware"] < 0.5

    predictor = Predictor(run / "exports")
    assert predictor.artifact.config.answer == Labels((0.5, 0.5, 0.5))
    given = [*tested.inputs, "please help again on monday"]
    answers = predictor.answer(given)
    assert {len(each) for each in answers} == {0, 1, 2, 3}
    for text, answer in zip(given, answers, strict=True):
        said = recurrent("predict", run, text).out.split("\t")[0]
        pairs = [] if said == "none" else [each.rsplit(" ", 1) for each in said.split(", ")]
        assert [each["label"] for each in answer] == [label for label, _ in pairs]
        assert [each["score"] for each in answer] == pytest.approx(
            [float(score) for _, score in pairs], abs=6e-4
        )
    with serving(run / "exports") as server:
        assert server.post({"texts": given[:40]}).json()["answers"] == predictor.answer(given[:40])

    new, scored = concerns(tmp_path / "new.csv", 40, seed=1), tmp_path / "scored.csv"
    assert recurrent("predict", run, f"--input={new}", f"--output={scored}").status == 0
    with scored.open(newline="") as file:
        rows = list(csv.DictReader(file))
    right = sum(
        row["predicted teams"] == ";".join(sorted(row["teams"].split("; "))) for row in rows
    )
    exact = float(recurrent("evaluate", run, f"--data={new}").out.splitlines()[0].split(": ")[1])
    assert right / 40 == pytest.approx(exact, abs=1e-4) and exact > 0.7


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--multilabel"], "Name the column of the labels: --label COLUMN with --multilabel."),
        (["--multilabel", "--label=body"], "Column 'body' cannot be both the input and what"),
        (["--multilabel", "--label=one"], "Give two labels or more, each in two rows or more."),
    ],
)
def test_labels_that_nothing_can_be_learnt_of(
    recurrent: Command, tmp_path: Path, options: list[str], said: str
) -> None:
    data = concerns(tmp_path / "tickets.csv", 60)
    outcome = recurrent(
        "train", "classify", f"--data={data}", "--text=body", f"--run={tmp_path / 'run'}", *options
    )
    assert outcome.status == 1 and outcome.err.count("\n") == 1 and said in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_hundred_rows_are_tested_in_folds(recurrent: Command, tmp_path: Path) -> None:
    data, path = write(tmp_path / "tickets.csv", tickets(100)), tmp_path / "folds"
    options = ["--text=body", "--label=team", "--folds=3", "--epochs=2", *SMALL]
    outcome = recurrent("train", "classify", f"--data={data}", f"--run={path}", *options)
    assert outcome.status == 0, outcome.err
    tested = [
        json.loads((path / f"fold-{number}" / "results.json").read_text())["examples"]["test"]
        for number in (1, 2, 3)
    ]
    assert sorted(tested) == [33, 33, 34]
    rows = {row["name"]: row for row in json.loads((path / "folds.json").read_text())}
    assert len(rows["gru"]["figures"]["accuracy"]) == 3
    assert np.mean(rows["TF-IDF of words and bigrams"]["figures"]["accuracy"]) > 0.8
    outcome = recurrent(
        "train", "classify", f"--data={data}", f"--run={tmp_path / 'none'}", *options, "--fold=4"
    )
    assert outcome.status == 1 and "There is no fold 4 of 3: see --folds." in outcome.err


def test_balanced_classes_weigh_alike(tmp_path: Path) -> None:
    """The sum of the weights of all examples of a class is the same for each."""
    rows = [row for row in tickets(300) if row.team != "billing"]
    rows += [row for row in tickets(300) if row.team == "billing"][:12]
    data = write(tmp_path / "tickets.csv", rows)
    chosen: dict[str, Any] = {"data": str(data), "text": "body", "label": "team"}
    run = Run.create(tmp_path / "run", ClassifyConfig(task="classify", **chosen))
    encoded = run.task.data(run)
    assert run.task.class_weights(run.config, encoded) is None
    balanced = config.merge(run.config, {"class_weights": "balanced"})
    weights = run.task.class_weights(balanced, encoded)
    assert weights is not None
    counts = np.bincount(encoded.train.targets.numpy())
    total = np.array([weights[each] for each in range(3)]) * counts
    np.testing.assert_allclose(total, total.mean())
    assert weights[0] > 5 * weights[1]


def test_rare_classes_are_found_more_often_if_all_weigh_alike(
    recurrent: Command, tmp_path: Path
) -> None:
    draw = random.Random(0)
    rows = tickets(400)
    rows = [row for row in rows if row.team != "billing" or draw.random() < 0.12]
    data = write(tmp_path / "tickets.csv", rows)
    asked = [row.body for row in tickets(200, seed=3) if row.team == "billing"]
    found = {}
    for weights in ("none", "balanced"):
        run = tmp_path / weights
        options = ["--text=body", "--label=team", "--epochs=2", f"--class-weights={weights}"]
        options += ["--regression-weight=0", *SMALL]
        assert (
            recurrent("train", "classify", f"--data={data}", f"--run={run}", *options).status == 0
        )
        predictions = recurrent("predict", run, *asked).out.splitlines()
        found[weights] = sum(answer.startswith("billing") for answer in predictions)
    assert found["balanced"] > found["none"]


WORD = st.text(st.characters(blacklist_categories=["Z", "C"]), min_size=1, max_size=6)


@settings(max_examples=50)
@given(
    words=st.dictionaries(WORD, st.lists(st.floats(-9, 9, width=32), min_size=3, max_size=3)),
    unknown=WORD,
    header=st.booleans(),
)
def test_embeddings_of_any_words_are_read(
    tmp_path_factory: pytest.TempPathFactory,
    words: dict[str, list[float]],
    unknown: str,
    header: bool,
) -> None:
    path = tmp_path_factory.mktemp("vectors") / "vectors.txt"
    lines = [f"{word} {' '.join(map(str, numbers))}" for word, numbers in words.items()]
    path.write_text("\n".join([*([f"{len(words)} 3"] if header else []), *lines]), "utf-8")
    wanted = ["", "[UNK]", *words]
    if not words:
        with pytest.raises(PipelineError, match="no word of the training texts"):
            pretrained.read(path, wanted)
        return
    embeddings, found = pretrained.read(path, [*wanted, f"{unknown} {unknown}"])
    assert found.tolist() == [False, False, *[True] * len(words), False]
    np.testing.assert_allclose(embeddings[2:-1], [*words.values()], rtol=1e-6)
    assert not embeddings[~found].any()


def test_a_model_starts_from_embeddings(recurrent: Command, tmp_path: Path) -> None:
    data, run = write(tmp_path / "tickets.csv", tickets(120)), tmp_path / "run"
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("wifi 1 2 3 4 5\nInvoice 5 4 3 2 1\nnowhere 0 0 0 0 0\n")
    options = [f"--vectors={vectors}", "--epochs=1", "--learning-rate=1e-9", "--weight-decay=0"]
    outcome = recurrent("train", "classify", f"--data={data}", f"--run={run}", *SMALL[:4], *options)
    assert outcome.status == 0, outcome.err
    opened = Run.open(run)
    assert opened.vocabulary is not None
    (embeddings,) = opened.model().get_layer("words").get_weights()
    expected = {"wifi": [1, 2, 3, 4, 5], "invoice": [5, 4, 3, 2, 1]}
    for word, numbers in expected.items():
        np.testing.assert_allclose(embeddings[opened.vocabulary.index(word)], numbers, atol=1e-4)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no word of the training texts"),
        ("wifi 1 2\ninvoice 1\n", "line 2 has 1 numbers, and others 2"),
        ("wifi 1 two\n", "the numbers of 'wifi' are broken"),
        ("wifi 1 nan\n", "a number that is not finite"),
    ],
)
def test_broken_embeddings_are_one_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(content)
    with pytest.raises(PipelineError, match=said):
        pretrained.read(path, ["", "[UNK]", "wifi", "invoice"])
