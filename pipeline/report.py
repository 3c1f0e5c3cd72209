"""`report.html`: all that is known of a run, from the files in its directory, for a reader."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from exports.directions import direction
from pipeline import config as configs
from pipeline import exported, files, pictures, recipes, tables
from pipeline.cli import settings
from pipeline.pages import figures, page
from pipeline.pages.page import Section
from pipeline.pictures import Panel
from pipeline.run import Run

_EXCERPT = 100  # letters of an example that are seen at once

Groups = Sequence[Mapping[str, Any]]


def write(run: Run[Any]) -> None:
    """Write the report of `run`, with all that is known by now.

    Raises:
        PipelineError: the run is damaged or cannot be written.
    """
    sections = [Section("Results", list(_results(run))), Section("Training", list(_curves(run)))]
    if run.error_analysis:
        sections += _answers(run.error_analysis)
    sections += [
        Section("Exports", list(_exports(run))),
        Section("How it was made", list(_origin(run))),
    ]
    title = f"{recipes.of(run.config)}: {run.path.resolve().name}"
    files.write(run.report, page.render(title, _introduction(run), sections))


def _introduction(run: Run[Any]) -> str:
    config, summary = run.config, recipes.get(recipes.of(run.config)).summary
    return (
        f"{summary[0].upper()}{summary[1:]}. "
        f"Learnt from {configs.data(config)}, with {config.cell} of "
        f"{config.units} units, for {len(run.metrics)} of {config.epochs} epochs."
    )


def _results(run: Run[Any]) -> Iterator[Markup]:
    results = run.results
    if not results:
        yield page.paragraph("The test split is not looked at yet. To test the model:")
        yield page.code(f"recurrent evaluate {run.path}")
        return
    shown = tables.results(results, run.config.cell)
    yield shown.on_page(f"The model and its baselines on the test split: {_better(run, results)}")
    counts = {f"{split} examples": f"{count:,}" for split, count in results["examples"].items()}
    yield page.terms({**counts, "parameters": f"{results['parameters']:,}"})


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
        yield figures.picture(pictures.curves(panel, best), title, f"Curves by epoch. {course}.")
    rows = [[epoch["epoch"], *(f"{epoch[name]:.4f}" for name in names)] for epoch in metrics]
    heads = ["epoch", *(name.replace("_", " ") for name in names)]
    yield page.folded("Every epoch", page.table("Figures of each epoch", heads, rows))
    seconds = sum(epoch["seconds"] for epoch in metrics)
    yield page.paragraph(f"Epoch {best} is the best one. Training took {seconds:,.0f} s.")


def _answers(analysis: Mapping[str, Any]) -> Iterator[Section]:
    """Show how right single answers on the test split are."""
    if "confusion" in analysis:
        yield Section("Confusion", [_confusion(**analysis["confusion"])])
        yield Section("Calibration", list(_calibration(analysis["calibration"])))
        what = "accuracy"
    else:
        yield Section("Errors", list(_errors(analysis["unit"], **analysis["errors"])))
        what = f"mean error, {analysis['unit']}"
    yield Section("Length", list(_lengths(analysis["lengths"], analysis["steps"], what)))
    yield Section("Worst mistakes", list(_worst(analysis)))


def _confusion(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Markup:
    caption = "Test examples by what they are, a row, and what the model says, a column"
    return page.confusion(caption, labels, counts)


def _calibration(groups: Groups) -> Iterator[Markup]:
    """Show whether the model is as sure as it is right."""
    answers = sum(group["answers"] for group in groups)
    apart = sum(group["answers"] * abs(group["confidence"] - group["accuracy"]) for group in groups)
    columns = ([group[key] for group in groups] for key in ("confidence", "accuracy", "answers"))
    drawn = pictures.calibration(*columns)
    shown = "; ".join(
        f"of {group['answers']:,} answers with a mean probability of {group['confidence']:.3f}, "
        f"{group['accuracy']:.3f} are right"
        for group in groups
    )
    yield figures.picture(drawn, "How often sure answers are right", f"A curve: {shown}.")
    rows = [
        [f"{group['confidence']:.3f}", f"{group['accuracy']:.3f}", f"{group['answers']:,}"]
        for group in groups
    ]
    heads = ["mean probability", "fraction that is right", "answers"]
    yield page.folded(
        "Calibration in numbers", page.table("Answers by their probability", heads, rows)
    )
    yield page.paragraph(
        f"Probability and fraction are {apart / answers:.3f} apart in the mean over all answers "
        "(the expected calibration error)."
    )


def _errors(
    unit: str,
    counts: Sequence[int],
    edges: Sequence[float],
    mean: float,
    quantiles: Mapping[str, float],
) -> Iterator[Markup]:
    """Show how many answers are how wrong."""
    shown = {"mean": mean, **quantiles}
    said = ", ".join(f"{name} {value:.4g}" for name, value in shown.items())
    drawn = pictures.distribution(counts, edges, unit)
    description = f"A histogram of {sum(counts):,} errors in {unit}: {said}."
    yield figures.picture(drawn, "Errors", description)
    yield page.terms({name: f"{value:.4g} {unit}" for name, value in shown.items()})


def _lengths(groups: Groups, steps: str, what: str) -> Iterator[Markup]:
    """Show whether the model does as well where there is more to read."""
    if len(groups) == 1:
        yield page.paragraph(f"All have {groups[0]['shortest']} {steps}.")
        return
    names = [
        f"{group['shortest']:,}"
        if group["shortest"] == group["longest"]
        else f"{group['shortest']:,} to {group['longest']:,}"
        for group in groups
    ]
    means = [group["mean"] for group in groups]
    middles = [(group["shortest"] + group["longest"]) / 2 for group in groups]
    said = "; ".join(f"{name} {steps}: {mean:.4g}" for name, mean in zip(names, means, strict=True))
    drawn = pictures.by_length(middles, means, steps, what)
    yield figures.picture(drawn, f"{what.capitalize()} by {steps}", f"A curve: {said}.")
    rows = [
        [name, f"{group['mean']:.4g}", f"{group['examples']:,}"]
        for name, group in zip(names, groups, strict=True)
    ]
    table = page.table(f"{what.capitalize()} by {steps}", [steps, what, "examples"], rows)
    yield page.folded("Length in numbers", table)


def _worst(analysis: Mapping[str, Any]) -> Iterator[Markup]:
    if not analysis["worst"]:
        yield page.paragraph("No answer is wrong.")
        return
    rows = [
        [_example(each["example"]), each["truth"], each["answer"], f"{each['error']:.4g}"]
        for each in analysis["worst"]
    ]
    caption = f"The worst {len(rows)} of {analysis['wrong']:,} answers with an error"
    if "confusion" in analysis:
        caption += "; probabilities in brackets"
    heads = ["example", "right is", "the model says", f"error, {analysis['unit']}"]
    yield page.table(caption, heads, rows)


def _example(shown: Any) -> str | Markup:
    if isinstance(shown, dict):
        return page.image(**shown)
    if len(shown) <= _EXCERPT:
        return shown
    return page.folded(f"{shown[: _EXCERPT - 1]}…", page.paragraph(shown))


def _exports(run: Run[Any]) -> Iterator[Markup]:
    if not run.exports.exists():
        yield page.paragraph("The model is not exported yet. To write it in other formats:")
        yield page.code(f"recurrent export {run.path}")
        return
    artifact = exported.load(run.exports)
    measured = artifact.report
    yield tables.parity(artifact).on_page("Exported formats against Keras")
    yield page.terms({f"bytes of {name}": f"{size:,}" for name, size in measured.sizes.items()})
    if measured.operators:
        yield page.paragraph(f"ONNX operators: {tables.operators(measured.operators)}.")
    if measured.small:
        yield tables.small(measured.small).on_page("Smaller forms")
    latency = measured.latency
    yield tables.latency(latency).on_page(f"Latency on {latency['processor']}")


def _origin(run: Run[Any]) -> Iterator[Markup]:
    yield page.paragraph("This command trains the same model:")
    yield page.code(settings.command(run.config, run.path, run.code))
    unknown = {"environment": "not recorded: the run is older than its report"}
    yield page.terms(run.environment or unknown)
    rows = [[name.replace("_", " "), value] for name, value in run.config]
    yield page.folded("Every setting", page.table("Settings", ["setting", "value"], rows))
