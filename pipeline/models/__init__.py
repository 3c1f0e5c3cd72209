"""What the models of several tasks have in common: their files, layers by name, pooling."""

from pathlib import Path
from typing import Any

import keras
from keras import ops

from custom_layers import Chrono
from custom_layers.layers import CellLayer
from exports import files, keras_file
from exports.errors import ExportError
from pipeline import config as configs
from pipeline import metrics
from pipeline.config import Config
from pipeline.config.inputs import SequenceConfig
from pipeline.distribution import DistributionLoss
from pipeline.errors import PipelineError
from pipeline.files import replacing

Tensor = Any
KNOWN = {**metrics.KNOWN, "pipeline>DistributionLoss": DistributionLoss}
_FAR_BELOW = -1e9  # below any output of a recurrent layer, and finite


def save(model: keras.Model, path: Path, config: Config, *, with_optimizer: bool) -> None:
    """Write `model`, made as `config` says, to the `.keras` file `path`, in one step."""
    with replacing(path) as partial:
        model.save(partial, include_optimizer=with_optimizer)
        keras_file.write_note(partial, config.model_dump_json())


def load(path: Path, config: Config, *, with_optimizer: bool) -> keras.Model:
    """Read a `.keras` file, in safe mode: nothing in it is run.

    Raises:
        PipelineError: it is missing, damaged, wants to run code, or is not a model as `config`
            makes it.
    """
    try:
        model = keras_file.read(path, custom_objects=KNOWN, with_optimizer=with_optimizer)
        note = keras_file.read_note(path)
        theirs = (
            files.parse_json(note.encode(), dict[str, Any], f"{path}, its note,") if note else {}
        )
    except ExportError as error:
        raise PipelineError(str(error)) from error
    theirs, mine = configs.current(theirs), config.model_dump()
    if other := {name: theirs[name] for name in mine if theirs.get(name, mine[name]) != mine[name]}:
        made = ", ".join(f"{name} = {value!r}" for name, value in other.items())
        raise PipelineError(f"{path} is the model of a run with {made}, not of this one")
    if not note:
        _reject_unlike(path, model, config)
    return model


def _reject_unlike(path: Path, model: keras.Model, config: Config) -> None:
    """Raise for the model of another task or width; a file of an older version says neither."""
    units = {each.cell.units for each in model._flatten_layers() if isinstance(each, CellLayer)}
    names = config.task, getattr(config, "recipe", None)
    if model.name not in names or (units and config.units not in units):
        raise PipelineError(
            f"{path} is the model {model.name!r} with {sorted(units)} units, and its run is one of "
            f"{config.task!r} with {config.units}"
        )


def layer(name: str) -> Any:
    """Find a layer of the library by its name, in any case.

    Raises:
        PipelineError: there is none.
    """
    known = {each.__name__.lower(): each for each in CellLayer.__subclasses__()}
    if name.lower() not in known:
        raise PipelineError(f"no layer is called {name!r}. There are {', '.join(known)}.")
    return known[name.lower()]


def recurrent(config: Config, **options: Any) -> keras.layers.Layer:
    """Make the layer that `config` asks for; it returns sequences unless `options` say no."""
    one = layer(config.cell)(config.units, **{"return_sequences": True, **options})
    return keras.layers.Bidirectional(one) if config.bidirectional else one


def reader(config: SequenceConfig, **options: Any) -> keras.layers.Layer:
    """Make the layer that reads sequences; its gates start as `config` says."""
    if config.chrono_steps:
        options["bias_initializer"] = Chrono(config.chrono_steps, seed=config.seed)
    return recurrent(config, clip_state_gradient=config.clip_state_gradient, **options)


def check_chrono(config: SequenceConfig) -> None:
    """Look whether the layer has gates that can start as `config` says.

    Raises:
        PipelineError: none of them keeps or overwrites the state.
    """
    cell = layer(config.cell).cell_class
    if config.chrono_steps and not (cell.forget_gates or cell.input_gates):
        raise PipelineError(
            f"chrono_steps = {config.chrono_steps} will not do: {config.cell} has no gate that "
            "keeps or overwrites its state. Pass --set chrono_steps=null, or name another cell, "
            "such as lstm."
        )


@keras.saving.register_keras_serializable("pipeline")
class Vote(keras.layers.Layer):
    """What a model that learns and one that is fitted already say together.

    In training the learning one answers alone: the other knows the training data, and would leave
    nothing to learn.

    Args:
        share: of the fitted one in the answer.
        options: those of every Keras layer.
    """

    def __init__(self, share: float, **options: Any) -> None:
        super().__init__(**options)
        self.share = share

    def call(self, learning: Tensor, fitted: Tensor, training: bool = False) -> Tensor:
        """Weigh the two."""
        return learning if training else (1 - self.share) * learning + self.share * fitted

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "share": self.share}


def logits(features: Tensor, classes: int, dropout: float) -> Tensor:
    """Return how much `features` `[batch, features]` speak for each class; zero is the middle."""
    features = keras.layers.Dropout(dropout)(features)
    return keras.layers.Dense(classes, dtype="float32", name="logits")(features)


def probabilities(logits: Tensor) -> Tensor:
    """Return the probability of each class."""
    return keras.layers.Softmax(dtype="float32", name="probabilities")(logits)


def mean(sequences: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over time of `[batch, time, features]` where `mask` `[batch, time]`, else zero.

    Here and below, every step counts if `mask` is None.
    """
    if mask is None:
        return ops.mean(ops.cast(sequences, "float32"), axis=1)
    weights = ops.cast(ops.expand_dims(mask, -1), "float32")
    total = ops.sum(ops.cast(sequences, "float32") * weights, axis=1)
    return total / ops.maximum(ops.sum(weights, axis=1), 1.0)


def spread(sequences: Tensor, mask: Tensor | None) -> Tensor:
    """Standard deviation over time of `[batch, time, features]` where `mask`, else zero."""
    middle = ops.expand_dims(mean(sequences, mask), 1)
    return ops.sqrt(mean(ops.square(ops.cast(sequences, "float32") - middle), mask))


def mean_and_spread(sequences: Tensor, mask: Tensor | None) -> Tensor:
    """Mean and standard deviation over time where `mask`, `[batch, 2 * features]`."""
    return ops.concatenate([mean(sequences, mask), spread(sequences, mask)], axis=-1)


def scaled_sum(sequences: Tensor, mask: Tensor) -> Tensor:
    """Sum over time of `[batch, time, features]` where `mask`, over the root of how many there are.

    Numbers that are as often above zero as below so give as much at any length.
    """
    weights = ops.cast(ops.expand_dims(mask, -1), "float32")
    total = ops.sum(ops.cast(sequences, "float32") * weights, axis=1)
    return total / ops.sqrt(ops.maximum(ops.sum(weights, axis=1), 1.0))


def maximum(sequences: Tensor, mask: Tensor | None) -> Tensor:
    """Maximum over time of `[batch, time, features]` where `mask` `[batch, time]`, else zero."""
    if mask is None:
        return ops.max(ops.cast(sequences, "float32"), axis=1)
    weights = ops.cast(ops.expand_dims(mask, -1), "float32")
    shown = ops.where(ops.expand_dims(mask, -1), ops.cast(sequences, "float32"), _FAR_BELOW)
    return ops.max(shown, axis=1) * ops.max(weights, axis=1)
