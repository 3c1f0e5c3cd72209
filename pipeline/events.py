"""The curves of a run for TensorBoard: a file of events for each epoch."""

import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from pipeline import compute, files
from pipeline.run import Run
from pipeline.tasks.base import Metrics


def write(run: Run[Any]) -> None:
    """Write the metrics and the learning rate of each epoch that has no file of events yet.

    An epoch has one file, which is written once, so no curve has an epoch twice.

    Raises:
        PipelineError: the metrics are damaged, or a file cannot be written.
    """
    rate = compute.learning_rate(run.config, run.config.epochs)
    for metrics in run.metrics:
        path = run.tensorboard / f"events.out.tfevents.{metrics['epoch']:04d}"
        if not path.exists():
            _write(path, {**metrics, "learning_rate": float(rate(metrics["epoch"]))})


def _write(path: Path, metrics: Metrics) -> None:
    scalars = [
        tf.compat.v1.Summary.Value(tag=name, simple_value=value)
        for name, value in metrics.items()
        if name != "epoch"
    ]
    events = (
        {"file_version": "brain.Event:2"},
        {"step": int(metrics["epoch"]), "summary": tf.compat.v1.Summary(value=scalars)},
    )
    with files.replacing(path) as partial, tf.io.TFRecordWriter(str(partial)) as writer:
        for event in events:
            writer.write(tf.compat.v1.Event(wall_time=time.time(), **event).SerializeToString())
