"""What a run is made from: typed settings, checked when they are made, plain JSON in a file."""

import difflib
import hashlib
import reprlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import PipelineError
from pipeline.space import Choice, Linear, Logarithmic


class Config(BaseModel):
    """The settings of every task. A task adds its own in a subclass.

    A setting that a sweep searches says where in its annotation: `pipeline.space`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    task: str = Field(description="What to learn.")
    cell: str = Field(
        default="gru", description="Layer of custom_layers, such as rnn, irnn, lstm, gru."
    )
    units: Annotated[int, Logarithmic(16, 256)] = Field(
        default=64, ge=1, le=8192, description="Units of the recurrent layer."
    )
    bidirectional: bool = Field(default=True, description="Read from both ends.")
    dropout: Annotated[float, Linear(0.0, 0.6)] = Field(
        default=0.0, ge=0, lt=1, description="Fraction of the features to drop."
    )
    epochs: int = Field(default=4, ge=1, le=1000, description="Passes over the training data.")
    patience: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Stop after so many epochs in a row without improvement.",
    )
    batch_size: Annotated[int, Choice((16, 32, 64, 128))] = Field(
        default=32, ge=1, le=65536, description="Examples per step."
    )
    learning_rate: Annotated[float, Logarithmic(3e-4, 3e-2)] = Field(
        default=1e-3, gt=0, le=10, description="Learning rate of AdamW at the first step."
    )
    weight_decay: Annotated[float, Logarithmic(1e-4, 0.3)] = Field(
        default=0.0, ge=0, le=1, description="Weight decay of AdamW."
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="Random seed.")
    strategy: Literal["none", "mirrored"] = Field(
        default="none", description="Train on one device, or on all (mirrored)."
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        default="float32", description="Precision of the computation; weights stay float32."
    )
    limit: int | None = Field(
        default=None, ge=16, description="Examples to keep of each split.  [default: all]"
    )

    @property
    def recipe_name(self) -> str:
        """The recipe that the settings are from, or else the task."""
        return getattr(self, "recipe", None) or self.task

    @property
    def kind(self) -> str:
        """The module in `pipeline.tasks` that learns with these settings."""
        return self.task

    def ends_after(self, ranks: Sequence[float]) -> bool:
        """Say whether training ends after epochs of these ranks, the higher the better."""
        if len(ranks) == self.epochs:
            return True
        since = len(ranks) - 1 - max(range(len(ranks)), key=ranks.__getitem__) if ranks else 0
        return self.patience is not None and since >= self.patience


class DataConfig(Config):
    """The settings of a task that learns from anybody's data."""

    recipe: str | None = Field(default=None, description="Recipe that the settings are from.")
    data: str = Field(
        default="",
        description="Data to learn from: a file, files by a pattern, a folder, or tfds:NAME.",
    )
    folds: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Parts of the data to test on, a model each; of series, the last stretches.",
    )
    fold: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="The one fold to train for, from 1.  [default: each, in runs of their own]",
    )
    on_error: Literal["stop", "skip"] = Field(
        default="stop", description="Stop at a row that cannot be used, or leave it out."
    )


class SplitConfig(DataConfig):
    """The settings of a task whose splits may be given."""

    validation: str | None = Field(
        default=None, description="Data to choose the best epoch on.  [default: part of the data]"
    )
    test: str | None = Field(
        default=None, description="Data to test on.  [default: part of the data]"
    )
    split: str | None = Field(
        default=None, description="Column with train, validation or test in each row."
    )


class GroupConfig(SplitConfig):
    """The settings of a task whose examples may belong together."""

    group: str | None = Field(
        default=None,
        description="Column of what stays in one split, such as a person or a document.",
    )


# Tasks of older versions, the tasks whose recipes they are now, and settings that they implied.
_RECIPES: Mapping[str, Mapping[str, Any]] = {
    "sentiment": {"task": "classify", "recipe": "sentiment"},
    "digits": {"task": "classify", "recipe": "digits", "monitor": "loss"},
    "next_char": {"task": "language", "recipe": "next_char", "tokens": "characters"},
    "next_word": {"task": "language", "recipe": "next_word", "tokens": "words"},
}
# Tasks of older versions whose models nothing reads any more, and what to do about it.
REPLACED: Mapping[str, str] = {
    "pronounce": "It is a recipe of transduce now: begin anew with recurrent train pronounce.",
    "trajectory": "It is a recipe of forecast now: begin anew with recurrent train trajectory.",
    "spell": "It is a recipe of caption now: begin anew with recurrent train spell.",
    "translate": "Begin anew with recurrent train transduce --data "
    "tfds:ted_hrlr_translate/pt_to_en --source pt --target en.",
    "memory": "Its problems are presets now: begin anew with recurrent train memory.",
}
# Settings that recipes had in older versions, and what to do instead.
REPLACED_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "memory": {
        "dataset": "Choose a preset: --preset adding.",
        "gap": "The gap is in the name of the data: --data tfds:country/gap_50.",
        "initialisation": "Give the steps to remember: --chrono-steps 68.",
    },
    "spell": {"dataset": "Name the data: recurrent train caption --data tfds:mnist."},
}
# Names that settings of these tasks had in older versions, and what they are called now.
OLD_NAMES: Mapping[str, Mapping[str, str]] = {
    "classify": {
        "dataset": "data",
        "embedding": "embedding_dim",
        "pairs": "bigram_buckets",
        "counting": "regression_weight",
    },
    "forecast": {"dataset": "data"},
    "transduce": {"dataset": "data", "embedding": "embedding_dim"},
    "caption": {"embedding": "embedding_dim"},
    "language": {"dataset": "data", "embedding": "embedding_dim"},
}

C = TypeVar("C", bound=Config)


def merge(preset: C, *layers: Mapping[str, Any]) -> C:
    """Lay settings over a preset; a later layer beats an earlier one. Old names are understood.

    Raises:
        PipelineError: a setting is unknown or out of bounds, or they are another task's.
    """
    settings, replaced = preset.model_dump(), REPLACED_SETTINGS.get(preset.recipe_name, {})
    for layer in layers:
        if gone := next(filter(replaced.__contains__, layer), None):
            raise PipelineError(
                f"{preset.recipe_name} has no setting {gone!r} any more. {replaced[gone]}"
            )
        settings.update(current({"task": preset.task, **layer}))
    merged = parse(type(preset), settings)
    if merged.task != preset.task:
        raise PipelineError(f"these settings are for the task {merged.task!r}, not {preset.task!r}")
    return merged


def current(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings that an older version may have written, in the words of this one.

    Raises:
        PipelineError: they are of a task that is no more.
    """
    found = dict(settings)
    named = str(found.get("task"))
    if named in REPLACED:
        raise PipelineError(f"the task {named!r} is of an older version. {REPLACED[named]}")
    found |= _RECIPES.get(named, {})
    names = OLD_NAMES.get(str(found.get("task")), {})
    if "dataset" in found and "dataset" in names:
        found["dataset"] = f"tfds:{found['dataset']}"
    return {names.get(name, name): value for name, value in found.items()}


def parse(kind: type[C], settings: Mapping[str, Any]) -> C:
    """Check `settings` and make them a config.

    Raises:
        PipelineError: says which setting is wrong, its value, and what is allowed.
    """
    try:
        return kind.model_validate(current(settings))
    except ValidationError as error:
        complaints = [_complaint(kind, dict(found)) for found in error.errors(include_url=False)]
        raise PipelineError("; ".join(complaints)) from error


def to_json(config: Config) -> str:
    """Write `config` as JSON, one line a setting."""
    return config.model_dump_json(indent=2) + "\n"


def data(config: Config) -> str:
    """Name what `config` learns from; a task of the user may have no setting for it."""
    return getattr(config, "data", config.task)


def digest(text: str) -> str:
    """Shorten `text`, such as settings, to a few letters for a name."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:6]


def _complaint(kind: type[Config], found: dict[str, Any]) -> str:
    """Say in one line what pydantic found."""
    name = ".".join(map(str, found["loc"]))
    if found["type"] == "missing":
        return f"the setting {name!r} is missing"
    if found["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, kind.model_fields, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(kind.model_fields)}"
        return f"no setting is called {name!r}; {hint}"
    message = str(found["msg"]).removeprefix("Input ").removeprefix("Value ")
    return f"{name} = {reprlib.repr(found['input'])} will not do: it {message}"
