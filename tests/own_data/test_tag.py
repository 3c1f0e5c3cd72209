"""A tagger of sentences and of the steps of sequences: trained, tested, exported and asked."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exports
from exports.answers import Spans, entities
from exports.runtime.predictor import Predictor
from pipeline.run import Run
from tests.exports.servers import serving
from tests.own_data import sentences
from tests.own_data.sentences import Sentence, write
from tests.pipeline.pages import element, marked, parsed, table
from tests.pipeline.served import served
from tests.pipeline.small import Outcome

Command = Callable[..., Outcome]

SMALL = ["--units=8", "--cell=gru", "--embedding-dim=8", "--word-buckets=512", "--filters=16"]
SMALL += ["--batch-size=8", "--learning-rate=0.02", "--dropout=0", "--no-bidirectional"]
STAGES = ["--features=eeg,eog", "--sequence-id=night", "--label=stage"]


def trained(recurrent: Command, data: object, folder: Path, *options: str) -> Outcome:
    return recurrent("train", "tag", f"--data={data}", f"--run={folder}", *SMALL, *options)


def results(run: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((run / "results.json").read_text())["model"]
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on sentences. Leave it as it is."""
    from pipeline import cli

    folder = tmp_path_factory.mktemp("sentences")
    data = write(folder / "ner.conll", sentences.sentences(160))
    arguments = ["train", "tag", f"--data={data}", f"--run={folder / 'run'}", *SMALL]
    cli.command.main([*arguments, "--epochs=6"], standalone_mode=False)
    return folder / "run"


def test_entities_are_found_and_measured(recurrent: Command, run: Path) -> None:
    assert recurrent("evaluate", run, "--baselines").status == 0
    assert results(run).keys() == {"accuracy", "precision", "recall", "f1", "seconds"}
    assert results(run)["f1"] > 0.8
    baselines = json.loads((run / "results.json").read_text())["baselines"]
    assert baselines.keys() == {"most frequent label", "logistic regression"}
    # It takes each unknown place for a word like most, and the other one sees its ending.
    assert baselines["most frequent label"]["f1"] < 0.8 < baselines["logistic regression"]["f1"]


def test_a_word_that_was_never_seen_is_told_by_its_spelling(recurrent: Command, run: Path) -> None:
    outcome = recurrent("predict", run, "Mary Jones lives in Zxqville", "Ravi works in Kkville.")
    assert outcome.out.splitlines() == [
        "Mary/B-PER Jones/I-PER lives/O in/O Zxqville/B-LOC",
        *outcome.out.splitlines()[1:],
    ]
    assert "sentence 2: 'Kkville.' is one word; put a space before its mark" in outcome.err


def test_the_exported_model_takes_the_bytes_of_words(
    recurrent: Command, run: Path, tmp_path: Path
) -> None:
    assert recurrent("export", run, f"--to={tmp_path / 'model'}").status == 0
    assert max(each.worst for each in exports.verify(tmp_path / "model").values()) < 2e-5
    predictor = Predictor(tmp_path / "model")
    (spelling,) = predictor.signature.inputs
    length = spelling.shape[2]
    assert length is not None and predictor.labels is not None

    def spelled(sentence: list[str], steps: int) -> Any:
        array = np.zeros((1, steps, length), np.uint8)
        for step, word in enumerate(sentence):
            octets = word.encode()[:length]
            array[0, step, : len(octets)] = list(octets)
        return array

    for tokens, _ in sentences.sentences(5, seed=7):
        (scores,) = predictor(spelled(tokens, len(tokens)))["probabilities"]
        told = recurrent("predict", run, " ".join(tokens)).out.split()
        assert [each.split("/")[1] for each in told] == [
            predictor.labels[number] for number in scores.argmax(-1)
        ]
        (padded,) = predictor(spelled(tokens, len(tokens) + 3))["probabilities"]
        np.testing.assert_allclose(padded[: len(tokens)], scores, atol=1e-6)


def test_an_artifact_finds_the_entities_that_predict_writes(
    recurrent: Command, run: Path, tmp_path: Path
) -> None:
    assert recurrent("export", run, "--format=onnx", f"--to={tmp_path / 'model'}").status == 0
    assert exports.load(tmp_path / "model").config.answer == Spans("entities", words=True)
    predictor = Predictor(tmp_path / "model")
    texts = [" ".join(each.tokens) for each in sentences.sentences(20, seed=8)]
    texts += [texts[0].replace("ville", "villeindenbergenamgrossenfluss" * 2), "Mary"]
    answers = predictor.answer(texts)
    for text, answer in zip(texts, answers, strict=True):
        told = [each.rsplit("/", 1) for each in recurrent("predict", run, text).out.split()]
        assert [word for word, _ in told] == text.split()
        tags = [tag for _, tag in told]
        assert answer["labels"] == tags
        found = [(each["start"], each["end"], each["label"]) for each in answer["spans"]]
        assert found == [*entities(tags)] and found
        for each in answer["spans"]:
            assert each["text"] == " ".join(text.split()[each["start"] : each["end"]])
            assert 0 < each["score"] <= 1
    with serving(tmp_path / "model") as server:
        assert server.post({"texts": texts}).json()["answers"] == answers


def test_parts_of_speech_are_spans_of_a_word_each(recurrent: Command, tmp_path: Path) -> None:
    made = [
        Sentence(each.tokens, [tag.replace("-", "") for tag in each.tags])
        for each in sentences.sentences(40)
    ]
    data = write(tmp_path / "pos.conll", made)
    assert trained(recurrent, data, tmp_path / "run", "--epochs=1").status == 0
    exported = tmp_path / "model"
    assert recurrent("export", tmp_path / "run", "--format=onnx", f"--to={exported}").status == 0
    text = "Mary Jones lives in Zxqville"
    answer = Predictor(exported).answer(text)
    told = recurrent("predict", tmp_path / "run", text).out.split()
    assert [f"{each['text']}/{each['label']}" for each in answer["spans"]] == told


def test_the_report_shows_wrong_tags_in_their_sentences(recurrent: Command, tmp_path: Path) -> None:
    """Every second place has another tag than its ending says, so that some are wrong."""
    made = [
        Sentence(words, [tag.replace("LOC", "PER") if number % 2 else tag for tag in tags])
        for number, (words, tags) in enumerate(sentences.sentences(160))
    ]
    data, run = write(tmp_path / "ner.conll", made), tmp_path / "run"
    assert trained(recurrent, data, run, "--epochs=3").status == 0
    assert recurrent("evaluate", run).status == 0
    opened = Run.open(run)
    tested = list(zip(*opened.task.data(opened).raw.test, strict=True))
    wrong: dict[str, list[tuple[str, str]]] = {}
    kinds: Counter[tuple[str, str]] = Counter()
    for words, (tags,) in tested:
        said = recurrent("predict", run, " ".join(words)).out.split()
        pairs = [(each.split("/"), tag) for each, tag in zip(said, tags, strict=True)]
        wrong[" ".join(words)] = [(w, f"{tag}, not {t}") for (w, t), tag in pairs if t != tag]
        kinds.update((tag, t) for (_, t), tag in pairs if t != tag)
    assert kinds

    page = parsed(run / "report.html")
    assert {
        (right, said): int(count) for right, said, count, *_ in table(page, "Confusions")
    } == kinds
    rows = list(element(page, "The worst").find("tbody"))
    counts = sorted(map(len, filter(None, wrong.values())), reverse=True)
    assert [int(row[1].text) for row in rows] == counts[:10]
    for row in rows:
        assert marked(row) in wrong.values()
    entities = table(page, "How well entities are found")
    figures = results(run)
    assert sum(int(row[4]) for row in entities) == sum(
        tag.startswith("B-") for _, (tags,) in tested for tag in tags
    )
    right = sum(float(row[2]) * int(row[4]) for row in entities)
    assert right / sum(int(row[4]) for row in entities) == pytest.approx(
        figures["recall"], abs=1e-3
    )


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_steps_without_a_label_are_neither_learnt_nor_measured(
    recurrent: Command, tmp_path: Path
) -> None:
    """Only a third of the words have a label; those of "in" have none at all."""
    rows = [
        {
            "tokens": words,
            "tags": [
                tag if place % 3 == number % 3 and word != "in" else None
                for place, (word, tag) in enumerate(zip(words, tags, strict=True))
            ],
        }
        for number, (words, tags) in enumerate(sentences.sentences(300))
    ]
    data = tmp_path / "partly.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert trained(recurrent, data, tmp_path / "run", "--epochs=4").status == 0
    one = tmp_path / "one.jsonl"
    one.write_text(
        json.dumps({"tokens": ["Ann", "in"], "tags": ["B-LOC", None]}) + "\n", encoding="utf-8"
    )
    assert recurrent("evaluate", tmp_path / "run", "--baselines").status == 0
    assert results(tmp_path / "run")["accuracy"] > 0.8
    outcome = recurrent("evaluate", tmp_path / "run", f"--data={one}")
    assert outcome.status == 0 and "0.0000" in outcome.out, outcome.out


@pytest.mark.parametrize("suffix", [".conll", ".txt"])
def test_a_file_in_gives_a_row_for_each_word(
    recurrent: Command, run: Path, tmp_path: Path, suffix: str
) -> None:
    made = sentences.sentences(10, seed=1)
    data, scored = tmp_path / f"new{suffix}", tmp_path / "scored.csv"
    if suffix == ".txt":
        data.write_text("\n\n".join(" ".join(each.tokens) for each in made))
    else:
        write(data, made)
    outcome = recurrent("predict", run, f"--input={data}", f"--output={scored}")
    assert outcome.status == 0, outcome.err
    rows = read(scored)
    assert [(int(row["sequence"]), row["tokens"]) for row in rows] == [
        (number, token) for number, each in enumerate(made, start=1) for token in each.tokens
    ]
    tags = [tag for each in made for tag in each.tags]
    right = [row["predicted tags"] == tag for row, tag in zip(rows, tags, strict=True)]
    assert np.mean(right) > 0.8
    if suffix == ".conll":
        assert [row["tags"] for row in rows] == tags
        (accuracy, *_) = recurrent("evaluate", run, f"--data={data}").out.splitlines()
        assert accuracy == f"accuracy: {np.mean(right):.4f}"


def test_a_row_that_is_left_out_has_no_predictions(recurrent: Command, tmp_path: Path) -> None:
    made = sentences.sentences(40)
    data = write(tmp_path / "ner.jsonl", made)
    outcome = trained(recurrent, data, tmp_path / "run", "--epochs=1", "--on-error=skip")
    assert outcome.status == 0, outcome.err
    new = tmp_path / "new.jsonl"
    new.write_text('{"tokens": ["Mary", ""]}\n{"tokens": ["Anna"]}\n')
    outcome = recurrent("predict", tmp_path / "run", f"--input={new}", f"--output={tmp_path / 'o'}")
    assert outcome.status == 0 and "Rows left out: 1. new.jsonl, line 1" in outcome.err
    predicted = [row["predicted tags"] for row in read(tmp_path / "o")]
    assert predicted[:2] == ["", ""] and predicted[2]


def test_a_page_explains_each_label(recurrent: Command, run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    outcome = recurrent("explain", run, "Mary Jones lives in Zxqville", f"--to={page}")
    assert outcome.status == 0, outcome.err
    assert "what each of the words, a row, depends on" in page.read_text()


def test_repeated_sentences_are_in_one_split(run: Path, tmp_path: Path) -> None:
    from pipeline.config.tag import TagConfig
    from pipeline.data import labelled

    made = sentences.sentences(60)
    other = [each._replace(tags=["O"] * len(each.tags)) for each in made]
    data = write(tmp_path / "twice.conll", [*made, *other, *made])
    loaded = labelled.load(TagConfig(task="tag", data=str(data)), [], "labels")
    splits = [
        {tuple(each) for each in split.inputs}
        for split in (loaded.train, loaded.validation, loaded.test)
    ]
    assert all(splits) and set.union(*splits) == {tuple(each.tokens) for each in made}
    train, validation, test = splits
    assert not (train & validation or train & test or validation & test)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_sentences_may_be_lists_or_a_row_for_each_word(
    recurrent: Command, tmp_path: Path, suffix: str
) -> None:
    data, run = write(tmp_path / f"ner{suffix}", sentences.sentences(80)), tmp_path / "run"
    named = ["--text=word", "--sequence-id=sentence", "--label=tag"] if suffix == ".csv" else []
    outcome = trained(recurrent, data, run, "--epochs=1", *named)
    assert outcome.status == 0, outcome.err
    if not named:
        assert "Sentence: tokens (median 5 words). Label: tags (4 classes)." in outcome.err
    assert recurrent("predict", run, "Mary Jones lives").out.startswith("Mary/")


def test_data_sets_of_tfds_have_sequences_of_labels(recurrent: Command, tmp_path: Path) -> None:
    classes = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]

    def examples(count: int, seed: int) -> list[dict[str, Any]]:
        return [
            {"tokens": each.tokens, "ner": [classes.index(tag) for tag in each.tags]}
            for each in sentences.sentences(count, seed)
        ]

    splits = {"train": examples(40, 0), "dev": examples(10, 1), "test": examples(10, 2)}
    with served(splits):
        outcome = trained(
            recurrent, "tfds:conll2003", tmp_path / "run", "--epochs=1", "--label=ner"
        )
        assert outcome.status == 0, outcome.err
        assert recurrent("evaluate", tmp_path / "run").status == 0
    counts = json.loads((tmp_path / "run" / "results.json").read_text())["examples"]
    assert counts == {"train": 40, "validation": 10, "test": 10}
    assert "f1" in results(tmp_path / "run")


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on nights. Leave it as it is."""
    from pipeline import cli

    folder = tmp_path_factory.mktemp("nights")
    data = sentences.nights(folder / "sleep.csv", 60)
    arguments = ["train", "tag", f"--data={data}", f"--run={folder / 'run'}", *STAGES, *SMALL]
    cli.command.main([*arguments, "--epochs=8"], standalone_mode=False)
    return folder / "run"


def test_steps_of_sequences_are_labelled(recurrent: Command, stages: Path, tmp_path: Path) -> None:
    assert recurrent("evaluate", stages, "--baselines").status == 0
    assert results(stages).keys() == {"accuracy", "macro_f1", "seconds"}
    assert results(stages)["accuracy"] > 0.8

    data, scored = sentences.nights(tmp_path / "new.csv", 5, seed=1), tmp_path / "scored.csv"
    outcome = recurrent("predict", stages, f"--input={data}", f"--output={scored}")
    assert outcome.status == 0, outcome.err
    given, rows = read(data), read(scored)
    for name in ("night", "time", "stage"):
        assert [row[name] for row in rows] == [row[name] for row in given]
    assert [float(row["eeg"]) for row in rows] == [float(row["eeg"]) for row in given]
    right = np.mean([row["predicted stage"] == row["stage"] for row in rows])
    (accuracy, *_) = recurrent("evaluate", stages, f"--data={data}").out.splitlines()
    assert right > 0.8 and accuracy == f"accuracy: {right:.4f}"

    steps = [row for row in given if row["night"] == "n0"]
    vectors = np.array([[row["eeg"], row["eog"]] for row in steps], np.float32)
    np.save(tmp_path / "one.npy", vectors)
    told, name = recurrent("predict", stages, tmp_path / "one.npy").out.strip().split("\t")
    assert name == str(tmp_path / "one.npy")
    labels = []
    for stretch in told.split(", "):
        label, places = stretch.split()
        first, *last = map(int, places.split("-"))
        labels += [label] * (last[0] - first + 1 if last else 1)
    assert labels == [row["predicted stage"] for row in rows if row["night"] == "n0"]

    assert recurrent("export", stages, "--format=onnx", f"--to={tmp_path / 'model'}").status == 0
    predictor = Predictor(tmp_path / "model")
    (scores,) = predictor(vectors[None])["probabilities"]
    assert labels == [(predictor.labels or [])[number] for number in scores.argmax(-1)]

    longer = np.zeros((2, len(vectors) + 5, 2), np.float32)
    longer[0, : len(vectors)], longer[1] = vectors, 0.1
    answer, other = predictor.answer(longer)
    assert answer["labels"] == labels and len(other["labels"]) == len(vectors) + 5
    assert ", ".join(map(_stretch, answer["spans"])) == told


def _stretch(span: Mapping[str, Any]) -> str:
    first, last = span["start"] + 1, span["end"]
    return f"{span['label']} {first}-{last}" if last > first else f"{span['label']} {first}"


def test_a_test_sequence_is_predicted_by_its_number(recurrent: Command, stages: Path) -> None:
    outcome = recurrent("predict", stages, "1")
    assert outcome.out.endswith("\ttest sequence 1\n") and "labels are wrong" in outcome.err


def test_a_page_explains_the_labels_of_steps(
    recurrent: Command, stages: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "one.npy", np.array([[1, 0], [0.9, 0.1], [-1, 0], [-0.9, 0.1]], np.float32))
    page = tmp_path / "page.html"
    assert recurrent("explain", stages, tmp_path / "one.npy", f"--to={page}").status == 0
    assert "what each of the steps, a row, depends on" in page.read_text()


def test_the_same_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import tag

    monkeypatch.setenv("KERAS_RECURRENT_CACHE", str(tmp_path / "cache"))
    made = sentences.sentences(60)
    columns = {name: [getattr(each, name) for each in made] for name in Sentence._fields}
    small: dict[str, Any] = {
        "units": 4,
        "embedding_dim": 4,
        "filters": 4,
        "word_buckets": 64,
        "epochs": 1,
    }
    run = tag.train(columns, run=tmp_path / "run", **small)
    (answer,) = run.predict(["Mary lives in Zxqville"])
    assert [pair.split("/")[0] for pair in answer.text.split()] == [
        "Mary",
        "lives",
        "in",
        "Zxqville",
    ]
    assert 0 <= run.evaluate()["f1"] <= 1
    assert run.evaluate({"tokens": [["Mary"]], "tags": [["B-PER"]]})["accuracy"] in (0.0, 1.0)


def test_sentences_are_inspected(recurrent: Command, tmp_path: Path) -> None:
    made = sentences.sentences(30)
    data = write(tmp_path / "ner.conll", [*made, made[0]])
    outcome = recurrent("inspect", data)
    assert outcome.status == 0, outcome.err
    tags = [tag for each in [*made, made[0]] for tag in each.tags]
    for said in (
        "ner.conll: 31 rows",
        "tokens: 4 to 6 words",
        f"B-LOC {tags.count('B-LOC')}",
        "left out of training: 1",
    ):
        assert said in outcome.out
    assert f"recurrent train tag --data {data} --label tags" in outcome.err


def test_nights_of_two_files_are_not_one_though_they_have_one_name(tmp_path: Path) -> None:
    from pipeline.config.tag import TagConfig
    from pipeline.data import labelled

    files = [sentences.nights(tmp_path / f"{seed}.csv", 30, seed) for seed in (0, 1)]
    config = TagConfig(
        task="tag",
        data=str(files[0]),
        test=str(files[1]),
        features="eeg,eog",
        sequence_id="night",
        label="stage",
    )
    loaded = labelled.load(config, ["stage"], "labels")
    assert len(loaded.test.inputs) == 30
    assert len(loaded.train.inputs) + len(loaded.validation.inputs) == 30


GOOD = "".join(
    f"{token}\t{tag}\n" for each in sentences.sentences(2) for token, tag in zip(*each, strict=True)
)
BROKEN = {
    "empty.conll": (b"", "is empty"),
    "comments.conll": (b"# nothing\n\n-DOCSTART- O\n", "has no rows"),
    "latin.conll": (GOOD.replace("Mary", "Mäy").encode("latin-1") + b"caf\xe9 O\n", "is not UTF-8"),
    "short.conll": (b"Mary\tB-PER\nlives\n", "short.conll, line 2: 1 values for 2 columns"),
    "long.conll": (b"Mary B-PER\n\nin at O\n", "long.conll, line 3: 3 values for 2 columns"),
    "words.conll": (b"Mary\nlives\n", "words.conll, line 1: 1 values for 2 columns"),
    "few.conllu": (b"1\tMary\tNOUN\n", "few.conllu, line 1: 3 values for 10 columns"),
    "one.conll": (b"".join(b"w%d O\n\n" % number for number in range(400)), "one label, 'O'"),
    "few.conll": (b"Mary B-PER\n\nin O\n", "no example for the"),
    "uneven.jsonl": (
        b'{"tokens": ["a", "b"], "tags": ["O"]}\n',
        "uneven.jsonl, line 1: tags has 1 labels for 2 steps",
    ),
    "none.jsonl": (
        b'{"tokens": ["a"], "tags": ["O"]}\n{"tokens": [], "tags": []}\n',
        "none.jsonl, line 2: tokens is empty",
    ),
    "null.jsonl": (
        b'{"tokens": ["a"], "tags": ["O"]}\n{"tokens": ["a"], "tags": null}\n',
        "null.jsonl, line 2: tags is NoneType, not a list of labels",
    ),
    "texts.jsonl": (b'{"body": "a text", "team": "x"}\n' * 40, "no column of words or vectors"),
    "numbers.csv": (b"night,eeg,stage\nn1,1,wake\n", "has no column of words or vectors"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_line_and_leaves_nothing(
    recurrent: Command, tmp_path: Path, name: str
) -> None:
    content, said = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    outcome = trained(recurrent, tmp_path / name, tmp_path / "run")
    assert outcome.status == 1 and outcome.err.count("\n") == 1, outcome.err
    assert name in outcome.err and said in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_label_of_a_step_that_is_missing_is_named(recurrent: Command, tmp_path: Path) -> None:
    data = sentences.nights(tmp_path / "sleep.csv", 10)
    lines = data.read_text().splitlines()
    lines[5] = lines[5].rpartition(",")[0] + ","
    data.write_text("\n".join(lines))
    outcome = trained(recurrent, data, tmp_path / "run", *STAGES)
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert "sleep.csv, row 2: stage is empty at step 5" in outcome.err


def test_a_label_that_the_model_does_not_know_is_named(
    recurrent: Command, run: Path, tmp_path: Path
) -> None:
    data = write(tmp_path / "new.conll", [Sentence(["Mary", "sings"], ["B-PER", "B-MISC"])])
    outcome = recurrent("evaluate", run, f"--data={data}")
    assert outcome.status == 1
    assert "new.conll, line 1: tags has 'B-MISC' at step 2, a label that the model" in outcome.err


@pytest.mark.gpu
def test_a_tagger_of_a_gpu_agrees_with_its_files(recurrent: Command, tmp_path: Path) -> None:
    data, run = write(tmp_path / "ner.conll", sentences.sentences(160)), tmp_path / "run"
    outcome = trained(recurrent, data, run, "--epochs=6", "--bidirectional", "--cell=lstm")
    assert outcome.status == 0, outcome.err
    assert recurrent("evaluate", run).status == 0 and results(run)["f1"] > 0.8
    assert recurrent("export", run).status == 0
    assert max(each.worst for each in exports.verify(run / "exports").values()) < 2e-5
