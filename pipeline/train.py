"""Training and evaluation: from a run's config to its model and its figures."""

import functools
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from pipeline import batches, compute, environment, events, report
from pipeline.baselines import Baseline
from pipeline.checkpoints import Checkpoints
from pipeline.config import Config
from pipeline.data import sources
from pipeline.data.waiting import spinner
from pipeline.error_analysis.findings import Finding
from pipeline.errors import Diverged, PipelineError
from pipeline.examples import Data
from pipeline.progress import TrainingBar, training_bar
from pipeline.run import Run
from pipeline.tasks.base import DataTask, Metrics, Task

AnyTask = Task[Any, Any]


def train(
    run: Run[Any], *, tensorboard: bool = False, checkpoint_minutes: float = math.inf
) -> None:
    """Train the model of `run`, from where the run stands until all its epochs are done; report.

    A run that was interrupted ends with the same weights as one that was not.

    Args:
        run: to train.
        tensorboard: whether to write the curves for TensorBoard, too.
        checkpoint_minutes: between two checkpoints inside an epoch; by default, there are none.

    Raises:
        PipelineError: the config names what is not there, the data cannot be had, the run is
            damaged, cannot be written or is in use by another process.
        Diverged: the loss is no finite number any more.
    """
    done = run.finished and run.report.exists()
    for _ in epochs(run, tensorboard=tensorboard, checkpoint_minutes=checkpoint_minutes):
        pass
    if not done:
        report.write(run)


def epochs(
    run: Run[Any],
    title: str = "training",
    *,
    tensorboard: bool = False,
    checkpoint_minutes: float = math.inf,
) -> Generator[Metrics]:
    """Train as `train` does, and give the figures of each epoch once it is kept.

    `title` stands beside the progress bar.
    """
    task, config = run.task, run.config
    with run.owned():
        if tensorboard:
            events.write(run)
        if run.finished:
            return
        data = task.data(run)
        compute.be_reproducible(config.seed)  # now, as what prepares data draws random numbers
        with compute.scope(config):
            model, done = run.restore()
            if model is None:
                model = task.model(config, data)
                _compile(model, task, config, data)
        run.keep_environment(environment.describe())
        ranks = [run.rank(figures) for figures in run.metrics[:done]]
        inside = (run.inside, checkpoint_minutes)
        for figures in _epochs(model, task, data, config, title, ranks, *inside):
            run.commit(model, figures)
            if tensorboard:
                events.write(run)
            yield figures


def evaluate(run: Run[Any], baselines: Mapping[str, Baseline] | None = None) -> dict[str, Any]:
    """Measure the model of `run`, and the baselines that it must beat, on the test split.

    `baselines` are those of the task, if not given.

    Raises:
        PipelineError: the run has no model yet, the data cannot be had, or the run is damaged or
            in use by another process.
    """
    with run.owned():
        beaten = run.task.baselines(run) if baselines is None else baselines
        results, findings = _evaluated(run, beaten)
        run.keep_results(results, findings)
        report.write(run)
    return results


def evaluate_on(run: Run[Any], data: str) -> Metrics:
    """Measure the model of `run` on other data, with the columns of its own.

    Raises:
        PipelineError: the task of `run` reads no tables, the run has no model yet, or a row cannot
            be used.
    """
    task, model = run.task, run.model()
    if not isinstance(task, DataTask):
        raise PipelineError(f"{run.config.task} cannot be tested on other data yet.")
    table = task.rows(run, sources.read(data, run.config.on_error))
    examples = task.examples(run, table)
    with spinner("Testing the model"):
        return task.score(task.predictions(task.compute(model), examples), examples)


def _evaluated(
    run: Run[Any], baselines: Mapping[str, Baseline]
) -> tuple[dict[str, Any], Sequence[Finding]]:
    """Return the figures of the model and of `baselines`, and how right single predictions are."""
    task, config, model = run.task, run.config, run.model()
    data = task.data(run)
    compute.be_reproducible(config.seed)

    fitting = functools.partial(fit, task, data)
    with spinner("Testing the model"):
        predictions = task.predictions(task.compute(model), data.test)
        scores = task.score(predictions, data.test)
        findings = task.error_analysis(run, data, predictions)
    results = {
        "examples": {name: len(getattr(data, name)) for name in ("train", "validation", "test")},
        "parameters": model.count_params(),
        "best_epoch": run.best,
        "model": {
            **scores,
            "seconds": _seconds(sum(line["seconds"] for line in run.metrics)),
        },
        "baselines": dict(run.results.get("baselines", {})),
    }
    for name, baseline in baselines.items():
        started = time.perf_counter()
        compute.be_reproducible(config.seed)  # so that what was computed before does not count
        scores = task.score(baseline(config, data, fitting), data.test)
        seconds = _seconds(time.perf_counter() - started)
        results["baselines"][name] = {**scores, "seconds": seconds}
    return results, findings


def fit(task: AnyTask, data: Data, model: keras.Model, config: Config) -> keras.Model:
    """Train `model` as a run trains its own, and return it as it was after its best epoch."""
    _compile(model, task, config, data)
    best, weights, monitor = -math.inf, model.get_weights(), task.monitor(config)
    for figures in _epochs(model, task, data, config, model.name.replace("_", " ")):
        if monitor.rank(figures) > best:
            best, weights = monitor.rank(figures), model.get_weights()
    model.set_weights(weights)
    return model


def _compile(model: keras.Model, task: AnyTask, config: Config, data: Data) -> None:
    """AdamW, its learning rate going down along half a cosine over exactly the steps to come."""
    steps = batches.steps(data.train, config.batch_size) * config.epochs
    rate = compute.learning_rate(config, steps)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    model.compile(optimizer=optimizer, loss=task.loss(config, data), metrics=task.metrics(config))


def _epochs(
    model: keras.Model,
    task: AnyTask,
    data: Data,
    config: Config,
    title: str,
    ranks: Sequence[float] = (),
    inside: Callable[[int], Path | None] = lambda epoch: None,
    checkpoint_minutes: float = math.inf,
) -> Iterator[Metrics]:
    """Train `model` epoch by epoch, and give the figures after each.

    `ranks` are those of the epochs that are done, `inside` names the file of the checkpoints inside
    an epoch.
    """
    replicas = model.distribute_strategy.num_replicas_in_sync
    if replicas > 1 and (config.batch_size % replicas or len(data.train) < config.batch_size):
        raise PipelineError(
            f"{replicas} devices cannot share {len(data.train)} examples "
            f"in batches of {config.batch_size}"
        )
    steps = batches.steps(data.train, config.batch_size)
    plan = batches.in_order(data.validation.lengths, replicas, data.eval_batch_size)
    validation = batches.dataset(data.validation, plan)
    found = list(ranks)
    with training_bar(title, steps=steps, epochs=config.epochs, done=len(found)) as bar:
        while not config.ends_after(found):
            checkpoints = Checkpoints(steps, inside(len(found) + 1), checkpoint_minutes)
            figures = _epoch(model, task, data, config, len(found), validation, bar, checkpoints)
            found.append(task.monitor(config).rank(figures))
            yield figures
            bar.report(figures)


def _epoch(
    model: keras.Model,
    task: AnyTask,
    data: Data,
    config: Config,
    epoch: int,
    validation: Any,
    bar: TrainingBar,
    checkpoints: Checkpoints,
) -> Metrics:
    """Go once through the training data; what happens depends on the weights and `epoch` alone.

    Among the figures are the seconds, and the share of them in which it waited for batches.
    """
    compute.reseed(model, config.seed, epoch)
    plan = batches.shuffled(data.train.lengths, config.batch_size, seed=config.seed, epoch=epoch)
    if checkpoints.start.step:
        bar.skip(checkpoints.start.step)
        model.evaluate(validation.take(1), verbose=0)  # Keras builds the metrics on the way
    rest = batches.dataset(data.train, plan[checkpoints.start.step :])
    history = model.fit(
        checkpoints.stopwatch.watched(rest),
        validation_data=validation,
        initial_epoch=epoch,
        epochs=epoch + 1,
        callbacks=[bar, checkpoints],
        class_weight=task.class_weights(config, data),
        shuffle=False,
        verbose=0,
    ).history
    measured = {name.replace("val_", "validation_"): last for name, (last,) in history.items()}
    if not all(map(math.isfinite, measured.values())):
        raise Diverged(
            f"training diverged in epoch {epoch + 1}: {measured}; "
            f"a learning rate below {config.learning_rate} may help"
        )
    seconds = checkpoints.seconds
    waited = round(checkpoints.stopwatch.seconds / seconds, 4)
    return {"epoch": epoch + 1, **measured, "seconds": _seconds(seconds), "waited": waited}


def _seconds(seconds: float) -> float:
    return round(seconds, 1)
