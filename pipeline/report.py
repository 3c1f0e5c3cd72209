"""`report.html`: all that is known of a run, from the files in its directory, for a reader."""

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from exports.directions import direction
from pipeline import config as configs
from pipeline import files, paths, plots, recipes, tables
from pipeline.cli import settings
from pipeline.error_analysis import page as analysed
from pipeline.pages import figures, page
from pipeline.pages.page import Section, blocks
from pipeline.plots import Panel
from pipeline.run import Run


def write(run: Run[Any]) -> None:
    """Write the report of `run`, with all that is known by now.

    Raises:
        PipelineError: the run is damaged or cannot be written.
    """
    sections = [
        Section("Results", list(_results(run))),
        Section("Training", list(_curves(run))),
        *_predictions(run),
        Section("Exports", list(_exports(run))),
        Section("How it was made", list(_origin(run))),
    ]
    title = f"{run.config.recipe_name}: {run.path.resolve().name}"
    files.write(run.report, page.render(title, _introduction(run), sections))


def _introduction(run: Run[Any]) -> str:
    config, summary = run.config, recipes.get(run.config.recipe_name).summary
    return (
        f"{summary[0].upper()}{summary[1:]}. "
        f"Learnt from {configs.data(config)}, with {config.cell} of "
        f"{config.units} units, for {len(run.metrics)} of {config.epochs} epochs."
    )


def _results(run: Run[Any]) -> Iterator[Markup]:
    results = run.results
    if not results:
        yield blocks.paragraph("The test split is not looked at yet. To test the model:")
        yield blocks.code(f"recurrent evaluate {run.path}")
        return
    shown = tables.results(results, run.config.cell)
    yield shown.on_page(f"The model and its baselines on the test split: {_better(run, results)}")
    counts = {f"{split} examples": f"{count:,}" for split, count in results["examples"].items()}
    yield blocks.terms({**counts, "parameters": f"{results['parameters']:,}"})


def _better(run: Run[Any], results: Mapping[str, Any]) -> str:
    """Say which figures are better."""
    better = run.task.better
    if isinstance(better, str):
        return f"{better} figures are better"
    ways = ((name, direction(better, name)) for name in results["model"])
    return ", ".join(f"{way} {name.replace('_', ' ')} is better" for name, way in ways if way)


def _curves(run: Run[Any]) -> Iterator[Markup]:
    """Draw each figure by epoch, on the training and on the validation split."""
    metrics, best = run.metrics, run.best["epoch"]
    names = tables.learnt(metrics[0])
    for name in dict.fromkeys(name.removeprefix("validation_") for name in names):
        splits = {"training": name, "validation": f"validation_{name}"}
        found = {
            split: [epoch[key] for epoch in metrics]
            for split, key in splits.items()
            if key in names
        }
        title = name.replace("_", " ").capitalize()
        panel = Panel(title, {split: [values] for split, values in found.items()})
        course = "; ".join(
            f"{split}: {values[0]:.4g} after the first epoch, {values[best - 1]:.4g} after the "
            f"best, {values[-1]:.4g} after the last"
            for split, values in found.items()
        )
        yield figures.picture(plots.curves(panel, best), title, f"Curves by epoch. {course}.")
    rows = [[epoch["epoch"], *(f"{epoch[name]:.4f}" for name in names)] for epoch in metrics]
    heads = ["epoch", *(name.replace("_", " ") for name in names)]
    yield blocks.folded("Every epoch", blocks.table("Figures of each epoch", heads, rows))
    seconds = sum(epoch["seconds"] for epoch in metrics)
    yield blocks.paragraph(f"Epoch {best} is the best one. Training took {seconds:,.0f} s.")


def _predictions(run: Run[Any]) -> Iterator[Section]:
    """Show how right single predictions for the test split are, as the task describes it."""
    if run.findings is not None:
        yield from analysed.sections(run.findings)
    elif run.results:
        command = blocks.code(f"recurrent evaluate {run.path}")
        said = "This run was tested by an older version. To see single predictions, test it again:"
        yield Section("Single predictions", [blocks.paragraph(said), command])


def _exports(run: Run[Any]) -> Iterator[Markup]:
    if not run.exports.exists():
        yield blocks.paragraph("The model is not exported yet. To write it in other formats:")
        yield blocks.code(f"recurrent export {run.path}")
        return
    artifact = paths.load(run.exports)
    measured = artifact.report
    yield tables.parity(artifact.proofs).on_page("Exported formats against Keras")
    yield blocks.terms({f"bytes of {name}": f"{size:,}" for name, size in measured.sizes.items()})
    if measured.operators:
        yield blocks.paragraph(f"ONNX operators: {tables.operators(measured.operators)}.")
    for name, each in measured.precision.items():
        yield tables.precision(name, each).on_page(f"Smaller {name} files")
    latency = measured.latency
    yield tables.latency(latency).on_page(f"Latency on {latency['processor']}")


def _origin(run: Run[Any]) -> Iterator[Markup]:
    yield blocks.paragraph("This command trains the same model:")
    yield blocks.code(settings.command(run.config, run.path, run.code))
    unknown = {"environment": "not recorded: the run is older than its report"}
    yield blocks.terms(run.environment or unknown)
    rows = [[name.replace("_", " "), value] for name, value in run.config]
    yield blocks.folded("Every setting", blocks.table("Settings", ["setting", "value"], rows))
