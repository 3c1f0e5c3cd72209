"""What the JSON files of a run hold. A file is read as one of these types, or not at all."""

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from exports.signature import Natural

_LARGEST = 1.7976931348623157e308
Finite = Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)]
Whole = Annotated[int, Meta(ge=-(2**53), le=2**53)]

Epoch = dict[str, Whole | Finite]
Scores = dict[str, float]


class Results(TypedDict):
    """`results.json`: figures on the test split."""

    examples: dict[str, Natural]
    parameters: Natural
    best_epoch: Epoch
    model: Scores
    baselines: dict[str, Scores]


class Columns(TypedDict):
    """`columns.json`: which columns of a table are read, and what is known of their values.

    Attributes:
        kind: of the input, one of `pipeline.features.KINDS`, or "series", "pairs" or "images".
        input: name of its column; of series, that of their time stamps.
        targets: names of the columns of the targets.
        classes: of the targets, if they are some.
        version: of the data.
        fitted: what the feature has to know.
    """

    kind: str
    input: str
    targets: list[str]
    classes: list[str]
    version: str
    fitted: Mapping[str, str | bool | int | float | list[float | str] | None]


class OfSeries(TypedDict):
    """What `Columns.fitted` has of series.

    Attributes:
        unit: of the clock.
        step: of the clock.
        naive_error: of each target.
    """

    unit: Literal["number", "second", "month"]
    step: Annotated[float, Meta(gt=0, le=_LARGEST)]
    naive_error: list[Annotated[float, Meta(gt=0, le=_LARGEST)]]


class Trial(TypedDict):
    """What a sweep notes of a trial: its best epoch, and which trials it begins again."""

    figures: NotRequired[Epoch]
    tries: NotRequired[list[Natural]]
    diverged: NotRequired[str]


def fault_of_results(results: Results) -> str | None:
    """Say what in `results.json` does not fit together, if anything."""
    scores = results["model"].keys()
    if "seconds" not in scores:
        return "its model has no seconds"
    other = (name for name, each in results["baselines"].items() if not each.keys() >= scores)
    return next((f"the baseline {name!r} lacks figures of the model" for name in other), None)


def fault_of_epochs(epochs: list[Epoch], most: int) -> str | None:
    """Say what in `metrics.jsonl` is not that of a run of so many epochs, if anything."""
    for number, figures in enumerate(epochs, start=1):
        if figures.get("epoch") != number or not isinstance(figures["epoch"], int):
            return f"line {number} has no figures of epoch {number}"
        if figures.keys() != epochs[0].keys() or "seconds" not in figures:
            return f"line {number} has other figures than the epochs before"
    return f"it has {len(epochs)} epochs of {most}" if len(epochs) > most else None
