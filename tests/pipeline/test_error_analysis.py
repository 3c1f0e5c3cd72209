"""What a report says of predictions is what one counts by hand."""

import math
from collections import Counter
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.error_analysis import forecasts, measure, running, tags, texts
from pipeline.error_analysis.findings import (
    Bars,
    Block,
    Chart,
    Dots,
    Passage,
    Piece,
    Ranges,
    Table,
    Text,
)
from pipeline.error_analysis.forecasts import Forecasts
from pipeline.error_analysis.measure import Choices
from pipeline.error_analysis.tags import PredictedSteps
from pipeline.error_analysis.texts import Written


def only(blocks: Any, kind: Any) -> Any:
    """The one block of a kind."""
    (found,) = (each for each in blocks if isinstance(each, kind))
    return found


def written(passage: Any) -> str:
    return "".join(piece.text for piece in passage.pieces)


def notes(passage: Any) -> list[tuple[str, str]]:
    return [(piece.text, piece.note) for piece in passage.pieces if piece.note]


def excerpt(place: int) -> list[Piece]:
    return [Piece(f"number {place}")]


@pytest.fixture
def choices() -> Choices:
    random = np.random.default_rng(0)
    targets = random.integers(0, 3, 50)
    return Choices(["a", "b", "c"], targets, random.dirichlet(np.ones(3), 50))


def test_confusions_are_counted_and_the_surest_are_shown(choices: Choices) -> None:
    confusion, *_ = measure.of_choices(choices, "words", excerpt)
    table = only(confusion.content, Table)
    pairs = [
        (choices.labels[target], choices.labels[row.argmax()], row.max(), place)
        for place, (target, row) in enumerate(
            zip(choices.targets, choices.probabilities, strict=True)
        )
        if row.argmax() != target
    ]
    counts = Counter((right, said) for right, said, *_ in pairs)
    assert [int(row[2]) for row in table.rows] == sorted(counts.values(), reverse=True)
    for right, said, count, share, shown in table.rows:
        assert int(count) == counts[right, said]
        of_label = np.count_nonzero(choices.targets == choices.labels.index(right))
        assert share == f"{counts[right, said] / of_label:.1%}"
        members = sorted(
            (each for each in pairs if each[:2] == (right, said)), key=lambda each: -each[2]
        )
        assert written(shown) == "\n".join(f"number {place}" for *_, place in members[:3])


def test_each_label_has_its_precision_and_recall(choices: Choices) -> None:
    _, labels, _ = measure.of_choices(choices, "words", excerpt)
    for number, row in enumerate(only(labels.content, Table).rows):
        true, said = choices.targets == number, choices.probabilities.argmax(-1) == number
        both = np.count_nonzero(true & said)
        precision, recall = both / said.sum(), both / true.sum()
        f1 = 2 / (1 / precision + 1 / recall)
        assert row == [
            choices.labels[number],
            *(f"{each:.4f}" for each in (precision, recall, f1)),
            str(true.sum()),
            str(said.sum()),
        ]


def test_of_many_labels_those_are_shown_that_are_confused() -> None:
    labels = [f"label {number}" for number in range(100)]
    targets = np.arange(100)
    predicted = np.where(targets == 70, 90, targets)
    confusion, listed, _ = measure.of_choices(
        Choices(labels, targets, np.eye(100)[predicted]), "words", excerpt
    )
    matrix: Any = confusion.content[0]
    table: Any = confusion.content[1]
    assert len(matrix.rows) == 30 and {"label 70", "label 90"} <= {*matrix.rows}
    assert "30 of 100 labels" in matrix.caption
    assert matrix.values[matrix.rows.index("label 70")][matrix.columns.index("label 90")] == 1
    assert [row[:3] for row in table.rows] == [["label 70", "label 90", "1"]]
    assert only(listed.content, Table).folded


def test_labels_that_are_all_right_leave_nothing_to_show() -> None:
    right = Choices(["no", "yes"], np.array([0, 1]), np.eye(2))
    confusion, _, calibration = measure.of_choices(right, "words", excerpt)
    assert only(confusion.content, Text).text == "No prediction is wrong."
    table = only(calibration.content, Chart).numbers
    assert table.rows == [["1.000", "1.000", "2"]]
    mistakes = measure.worst(right.errors, "nats", ["example"], lambda place: [str(place)])
    assert mistakes == Text("No prediction is wrong.")


def test_errors_are_counted_and_the_worst_come_first() -> None:
    errors = np.array([0, 2, 0, 5, 1])
    chart, _ = measure.distribution(errors, "letters")
    assert isinstance(chart, Chart) and only(chart.elements, Bars).counts == [2, 1, 1, 0, 0, 1]
    assert "mean 1.6 letters" in chart.description and "median 1 letters" in chart.description
    table = measure.worst(errors, "letters", ["example"], lambda place: [f"number {place}"])
    assert isinstance(table, Table)
    assert table.rows == [["number 3", "5"], ["number 1", "2"], ["number 4", "1"]]
    assert table.caption == "The worst 3 of 3 predictions with an error"


def test_examples_of_like_length_are_grouped() -> None:
    lengths, errors = np.array([3, 4, 3, 9, 4]), np.array([0, 2, 0, 5, 1])
    (chart,) = measure.by_group(lengths, "letters", errors, "mean error")
    assert isinstance(chart, Chart) and chart.numbers
    assert chart.numbers.rows == [["3", "0", "2"], ["4 to 9", f"{8 / 3:.4g}", "3"]]
    assert measure.by_group(np.array([5, 5]), "words", errors[:2], "") == [
        Text("All have 5 words.")
    ]


def test_intervals_are_held_against_what_is_known() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=(200, 2))
    truth[random.random(truth.shape) < 0.2] = np.nan
    quantiles = np.sort(random.normal(size=(200, 2, 3)), axis=-1)
    predictions = np.concatenate([np.zeros((200, 2, 1)), quantiles], axis=-1)
    table: Any = measure.intervals(["one", "other"], truth, predictions)
    for place, (_, *shown) in enumerate(table.rows):
        known = [row for row in range(200) if truth[row, place] == truth[row, place]]
        low, middle, high = (
            [truth[row, place] - quantiles[row, place, part] for row in known] for part in range(3)
        )
        expected = [np.mean([each < 0 for each in part]) for part in (low, middle, high)]
        inside = [below >= 0 >= above for below, above in zip(low, high, strict=True)]
        width = np.mean([below - above for below, above in zip(low, high, strict=True)])
        np.testing.assert_allclose(
            [float(each) for each in shown], [*expected, np.mean(inside), width], atol=6e-4
        )


def test_a_number_that_is_never_known_has_no_interval() -> None:
    truth = np.array([[1.0, np.nan], [2.0, np.nan]])
    table = measure.intervals(["known", "unknown"], truth, np.zeros((2, 2, 4)))
    assert [row[0] for row in table.rows] == ["known"]


# Labels in their sentence.


ANNA = PredictedSteps(
    "test sentence 1",
    ["Anna", "Smith", "lives", "in", "Abville", "now"],
    ["B-PER", "I-PER", "O", None, "B-LOC", "O"],
    ["B-PER", "O", "O", "B-LOC", "B-PER", "O"],
)


def test_wrong_labels_stand_behind_their_words() -> None:
    passage = Passage(ANNA.whole())
    assert written(passage) == "Anna Smith lives in Abville now"
    assert notes(passage) == [("Smith", "I-PER, not O"), ("Abville", "B-LOC, not B-PER")]


def test_a_long_sentence_is_cut_around_what_is_wrong() -> None:
    words = [f"w{number}" for number in range(300)]
    said = ["O"] * 300
    said[150] = "B-PER"
    example = PredictedSteps("", words, ["O"] * 300, said)
    passage = Passage(example.whole())
    assert written(passage) == f"… {' '.join(words[144:157])} …"
    assert notes(passage) == [("w150", "O, not B-PER")]


def test_steps_without_words_are_shown_as_stretches() -> None:
    truth = ["wake", "wake", "deep", "deep", "deep", None]
    said = ["wake", "wake", "rem", "rem", "deep", "deep"]
    passage = Passage(PredictedSteps("test night 3", None, truth, said).whole())
    assert written(passage) == "test night 3: 1-2 wake, 3-4, 5-6 deep"
    assert notes(passage) == [("3-4", "deep, not rem")]


def test_what_is_wrong_with_entities_is_shown() -> None:
    by_kind, errors = (cast(Table, each) for each in tags.of_entities([ANNA]).content)
    assert by_kind.rows == [
        ["LOC", "0.0000", "0.0000", "0.0000", "1", "0"],
        ["PER", "0.0000", "0.0000", "0.0000", "1", "2"],
    ]
    found = {row[0]: notes(row[2]) for row in errors.rows}
    assert found == {
        "another kind": [("Abville", "right: LOC “Abville”; the model: PER “Abville”")],
        "another span": [("Anna Smith", "right: PER “Anna Smith”; the model: PER “Anna”")],
    }


# Texts.


TOKENS = st.lists(st.sampled_from("abc"), max_size=6)


@given(TOKENS, st.lists(TOKENS, min_size=1, max_size=3))
def test_a_marked_text_tells_the_right_one(tokens: list[str], references: list[list[str]]) -> None:
    text = Written(tokens, references, 0.5)
    said, right = [], []
    for piece in text.compared(" ".join):
        kind, _, more = piece.note.partition(": ")
        said += [] if kind == "missing" or piece.text == "nothing" else piece.text.split()
        right += {"": piece.text.split(), "too much": []}.get(piece.note, more.split())
    assert said == tokens
    assert right == text.reference if tokens or text.reference else right == ["nothing"]
    assert text.wrong == min(distance(tokens, each) for each in references)


def distance(one: list[str], other: list[str]) -> int:
    """The fewest tokens to replace, insert and delete, by trying all."""
    if not one or not other:
        return len(one) + len(other)
    return min(
        distance(one[1:], other) + 1,
        distance(one, other[1:]) + 1,
        distance(one[1:], other[1:]) + (one[0] != other[0]),
    )


def test_wrong_tokens_are_counted() -> None:
    made = [
        Written("kat", ["cat"], 0.9),
        Written("kow", ["cow", "cows"], 0.9),
        Written("do", ["dog"], 0.4),
        Written("ants", ["ant"], 0.2),
        Written("bee", ["bee"], 0.8),
    ]
    found = {each.title: each.content for each in texts.findings(made, shown, "letters", "".join)}
    assert only(found["Wrong letters"], Table).rows == [
        ["“c”", "“k”", "2"],
        ["nothing", "“s”", "1"],
        ["“g”", "nothing", "1"],
    ]
    table = only(found["Predictions and references"], Table)
    assert [row[0] for row in table.rows] == [
        "source 4",
        "source 0",
        "source 1",
        "source 2",
        "source 3",
    ]
    assert notes(table.rows[3][2]) == [("…", "missing: g")]
    sure = only(found["Calibration"], Chart).numbers
    assert sure.rows[-1] == ["0.900", "0.000", "2"]


def shown(place: int) -> list[str]:
    return [f"source {place}", "what is right"]


# Running text.


def test_tokens_that_cost_most_come_first() -> None:
    random = np.random.default_rng(0)
    ids, nats = random.integers(2, 9, 100), random.exponential(size=100)
    table = running.costly(ids, nats, "token {}".format)
    sums: Counter[int] = Counter()
    for token, surprise in zip(ids.tolist(), nats.tolist(), strict=True):
        sums[token] += surprise
    assert table.rows == [
        [f"token {token}", f"{count}", f"{total / count:.3f}", f"{total / nats.sum():.1%}"]
        for token, total in sums.most_common()
        for count in [np.count_nonzero(ids == token)]
    ]


def test_the_colour_of_a_token_is_its_surprise() -> None:
    _, passage = running.passage(["a", "b", "c"], np.array([0.0, math.log(4) / 2, 9.0]), 4)
    assert isinstance(passage, Passage)
    assert passage.pieces == [Piece("a"), Piece("b", strength=0.5), Piece("c", strength=1.0)]


# Forecasts.


@pytest.fixture
def made() -> Forecasts:
    random = np.random.default_rng(0)
    truth = random.normal(size=(40, 5, 2))
    truth[random.random(truth.shape) < 0.2] = np.nan
    spread = np.array([0, -0.5, 0, 0.5])
    predictions = random.normal(size=(40, 5, 2, 1)) + spread
    read, last = random.normal(size=(40, 7, 2)), random.normal(size=(40, 2))
    return Forecasts(["x", "y"], read, last, truth, predictions, np.array([1.0, 2.0]), "units")


def test_errors_and_coverage_are_measured_at_each_step(made: Forecasts) -> None:
    coverage: Any = forecasts.by_step(made).content[1]
    for step, row in enumerate(coverage.numbers.rows):
        known = [
            (window, target, made.truth[window, step, target])
            for window in range(40)
            for target in range(2)
            if not math.isnan(made.truth[window, step, target])
        ]
        errors, naive, inside = zip(
            *(
                (
                    abs(made.predictions[window, step, target, 0] - true) / (1 + target),
                    abs(made.last[window, target] - true) / (1 + target),
                    abs(made.predictions[window, step, target, 0] - true) <= 0.5,
                )
                for window, target, true in known
            ),
            strict=True,
        )
        assert row == [
            str(step + 1),
            f"{np.mean(errors):.4g}",
            f"{np.mean(naive):.4g}",
            f"{np.mean(inside):.3f}",
        ]


def test_windows_are_drawn_by_the_rank_of_their_error(made: Forecasts) -> None:
    charts: Any = forecasts.drawn(made, "window {}".format, lambda _: ["t"] * 5).content
    off = abs(made.predictions[..., 0] - made.truth) / np.array([1, 2])
    errors = [np.mean([each for each in row.ravel() if each == each]) for row in off]
    ranked = sorted(range(40), key=errors.__getitem__)
    assert [chart.title for chart in charts] == [
        f"{kind}, window {ranked[rank]}: {target}"
        for kind, rank in {
            "A good window": 4,
            "A typical window": 20,
            "A bad window": 35,
            "The worst window": 39,
        }.items()
        for target in ("x", "y")
    ]
    chart = charts[-1]
    read, true, _, mean = chart.elements
    worst = ranked[-1]
    same(read, made.read[worst, :, 1], range(-6, 1))
    same(true, made.truth[worst, :, 1], range(1, 6))
    same(mean, made.predictions[worst, :, 1, 0], range(1, 6))
    assert [row[0] for row in chart.numbers.rows] == ["t"] * 5


def same(line: Any, values: Any, steps: range) -> None:
    assert line.x == [float(step) for step in steps]
    np.testing.assert_allclose(np.array(line.y, float), values, rtol=1e-5)


def test_predictions_are_drawn_with_their_intervals() -> None:
    truth = np.arange(1000.0)
    chart = measure.agreement("price", truth, truth[:, None] + np.array([1, -2, 0, 3]))
    ranges, dots = only(chart.elements, Ranges), only(chart.elements, Dots)
    assert len(dots.x) == 200 and dots.x[0] == 0 and dots.x[-1] == 999
    np.testing.assert_allclose(np.array(dots.y) - np.array(dots.x), 1)
    np.testing.assert_allclose(np.array(ranges.high) - np.array(ranges.low), 5)


def test_what_is_shown_of_many_is_little() -> None:
    """A long text and a large picture make no large file."""
    random = np.random.default_rng(0)
    picture = measure.picture(random.integers(0, 256, (500, 400, 3), np.uint8), "noise")
    assert len(picture.png) < 50_000
    blocks: list[Block] = measure.distribution(random.normal(size=10_000), "units")
    assert len(only(only(blocks, Chart).elements, Bars).counts) == 30
