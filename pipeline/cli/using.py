"""The verbs that use a model: of a run, of an artifact directory, or of a Keras file."""

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import fields
from itertools import chain, islice
from pathlib import Path
from typing import Any

import click

from exports import extras, formats
from exports.errors import ExportError
from exports.runtime.http.limits import Limits
from pipeline import exported, paths
from pipeline.cli.program import FiniteRange
from pipeline.errors import PipelineError
from pipeline.messages import say
from pipeline.paths import Kind

_FORMATS = ("saved_model", "onnx")
_ANY = "RUN|ARTIFACT|FILE.keras"
_FOLDER = click.Path(path_type=Path)
_AMOUNT = click.IntRange(min=1)


@click.command()
@click.argument("data")
@click.option("--text", help="Column of the texts.  [default: inferred]")
@click.option("--label", help="Column of the labels.  [default: inferred]")
def inspect(data: str, text: str | None, label: str | None) -> None:
    """Say what the columns of DATA would be taken for, and what is in them.

    DATA is what `recurrent train --data` takes: a file, files by a pattern, a folder, or tfds:NAME.
    """
    from rich.console import Console

    from pipeline import inspection
    from pipeline.data import columns, sources

    table = sources.read(data, "skip")
    click.echo(f"{table.name}: {len(table):,} rows")
    Console().print(inspection.overview(table).terminal())
    known = columns.describe(table)
    has_steps = any(each.kind == "words" for each in known.values())
    targets = [label] if label else []
    try:
        chosen = columns.choose(table, text, targets, "labels" if has_steps else "class")
    except PipelineError as error:
        if times := [name for name, each in known.items() if each.kind == "time"]:
            for line in inspection.findings_in_time(table, times[0]):
                click.echo(line)
            _say_next("forecast", "--data", data, "--time", times[0], "--target", "COLUMN")
            return
        say(str(error))
        say(
            "numbers: recurrent train regress --help; series: recurrent train forecast --help; "
            "pairs of texts: recurrent train transduce --help; "
            "images: recurrent train caption --help"
        )
        return
    for line in inspection.findings(table, chosen):
        click.echo(line)
    named = ("--text", chosen.input) if chosen.kind == "text" else ()
    task = "tag" if has_steps else "classify"
    _say_next(task, "--data", data, *named, "--label", chosen.targets[0])


def _say_next(task: str, *options: str) -> None:
    """Say how to train, as a shell takes it."""
    say(f"next: {shlex.join(['recurrent', 'train', task, *options])}")


@click.command()
@click.argument("run", type=_FOLDER)
@click.option("--data", help="Test on other data, of the same columns, instead of the test split.")
@click.option("--baselines", is_flag=True, help="Train and test the baselines of the task, too.")
def evaluate(run: Path, data: str | None, baselines: bool) -> None:
    """Test the model of RUN on its test split. Baselines that were tested before stay listed."""
    opened = _open(run, "evaluate")
    from rich.console import Console

    from pipeline import tables, train

    if data:
        for name, value in train.evaluate_on(opened, data).items():
            click.echo(f"{name.replace('_', ' ')}: {value:.4f}")
        return
    Console().print(
        tables.results(
            train.evaluate(opened, None if baselines else {}), opened.config.cell
        ).terminal()
    )
    say(f"written to {run / 'results.json'} and {run / 'report.html'}")


@click.command()
@click.argument("path", type=_FOLDER, metavar=_ANY)
@click.argument("inputs", nargs=-1, metavar='["INPUT"]...')
@click.option("--input", "data", help="Data for a RUN to predict from, in place of INPUTs.")
@click.option("--output", type=_FOLDER, help="CSV file to write: --input, and the predictions.")
def predict(path: Path, inputs: Sequence[str], data: str | None, output: Path | None) -> None:
    """Ask a model about each INPUT, or about each row of a file.

    An INPUT is what the model takes: a text, say, or a sound file. An artifact and a .keras file
    also take arrays, in a .npy, .npz or .json file. Each line of the standard input is an INPUT if
    none is given here.
    """
    if data or output:
        if not (data and output) or inputs:
            raise click.UsageError("give --input and --output together, and no INPUT")
        run = _open(path, "predict --input")
        from pipeline import scoring

        scoring.score(run, data, output)
        click.echo(output)
        return
    if not inputs and sys.stdin.isatty():
        raise click.UsageError("give an input to predict from, or pipe lines in")
    kind = paths.kind(path)
    if kind is Kind.RUN:
        run = _open(path)
    given = inputs or sys.stdin.buffer.read().decode(errors="replace").splitlines()
    if not given:
        noun = run.task.noun(run) if kind is Kind.RUN else "INPUT"
        raise PipelineError(f"there is no {noun} on the standard input")
    readable = list(map(_readable, given))
    match kind:
        case Kind.RUN:
            for number, prediction in enumerate(run.task.predict(run, readable), start=1):
                click.echo(prediction.text)
                for note in prediction.notes:
                    say(f"{run.task.noun(run)} {number}: {note}")
        case Kind.ARTIFACT:
            from pipeline import predictions

            for line in predictions.of_artifact(path, readable):
                click.echo(line)
        case Kind.KERAS:
            from pipeline import predictions, quiet

            quiet.load_tensorflow()
            for line in predictions.of_keras_file(path, readable):
                click.echo(line)


@click.command()
@click.argument("path", type=_FOLDER, metavar=_ANY)
@click.argument("input")
@click.option(
    "--beside", type=_FOLDER, multiple=True, metavar="RUN", help="To compare with; may be repeated."
)
@click.option(
    "--to",
    type=_FOLDER,
    help="HTML file to write.  [default: explain.html in RUN, or NAME-explain.html beside others]",
)
@click.option("--figures", type=_FOLDER, help="Folder for the figures as SVG and PNG, too.")
def explain(
    path: Path, input: str, beside: Sequence[Path], to: Path | None, figures: Path | None
) -> None:
    """Show on a page what a model makes of INPUT, step by step.

    The page of a RUN has what the model says after each step, what that depends on, gates and
    states of each unit, and how the gradient vanishes on its way back. That of an ARTIFACT with a
    step model has its outputs and states; that of a .keras file, states and gates of our layers.
    It opens from disk.
    """
    kind, given = paths.kind(path), _readable(input)
    if beside or kind is Kind.RUN:
        runs = [_open(each, "explain --beside") for each in (path, *beside)]
        from pipeline.explain import runs as explaining

        page = to or path / "explain.html"
        with nullcontext() if to else runs[0].owned():
            explaining.explain(runs, given, page, figures)
    else:
        from pipeline import quiet

        quiet.load_tensorflow()
        from pipeline.explain import states

        page = to or paths.beside(path, "explain.html")
        explained = states.of_artifact if kind is Kind.ARTIFACT else states.of_keras_file
        explained(path, given, page, figures)
    click.echo(page)


@click.command(context_settings={"show_default": True})
@click.argument("path", type=_FOLDER, metavar="RUN|ARTIFACT")
@click.option(
    "--prompt", default="", show_default=False, help="Text to go on with.  [default: begin one]"
)
@click.option("--tokens", type=_AMOUNT, default=500, help="Characters, words or marks to write.")
@click.option(
    "--temperature",
    default=1.0,
    help="Below 1, likely tokens become more likely; 0 takes the likeliest.",
)
@click.option(
    "--top-p",
    default=1.0,
    help="Draw from the likeliest tokens that together have this probability.",
)
@click.option("--top-k", default=0, help="Draw from so many of the likeliest tokens; 0: all.")
@click.option("--seed", default=0, help="The same one writes the same text.")
def generate(
    path: Path,
    prompt: str,
    tokens: int,
    temperature: float,
    top_p: float,
    top_k: int,
    seed: int,
) -> None:
    """Let a model that writes text go on with one.

    Each token is shown once it is drawn.
    """
    from exports.runtime.generation import Sampling

    sampling, readable = Sampling(temperature, top_p, top_k, seed), _readable(prompt)
    if paths.kind(path) is Kind.ARTIFACT:
        from pipeline import predictions

        pieces = predictions.open_quietly(path).write(readable, sampling, tokens)
    else:
        pieces = islice(_continued(_open(path, "generate"), readable, sampling), tokens)
    for piece in chain([readable], pieces, ["\n"]):
        click.echo(piece, nl=False)


def _continued(run: Any, prompt: str, sampling: Any) -> Iterator[str]:
    """Let the model of a run go on with a text, and say what to know about it."""
    from pipeline.tasks.shared.generation import Generator

    if not isinstance(run.task, Generator):
        raise PipelineError(f"{run.config.task} writes no text; tasks that do: {_generators()}")
    continuation = run.task.generate(run, prompt, sampling)
    for note in continuation.notes:
        say(f"prompt: {note}")
    return continuation.pieces


@click.command()
@click.argument("run", type=_FOLDER, metavar="RUN|FILE.keras")
@click.option(
    "--format",
    "formats",
    type=click.Choice(formats.names()),
    multiple=True,
    default=_FORMATS,
    help=f"May be repeated.  [default: {' and '.join(_FORMATS)}]",
)
@click.option(
    "--to",
    type=_FOLDER,
    help="Directory to make.  [default: exports in RUN, or FILE-exports beside FILE]",
)
@click.option(
    "--streaming/--no-streaming",
    default=None,
    help="Write a model of chunks and states, too.  [default: if a layer is stateful]",
)
@click.option(
    "--precision", type=click.Choice(["float16"]), help="Write files of this precision, too."
)
@click.option("--quantize", type=click.Choice(["int8"]), help="Write files of this precision, too.")
@click.option(
    "--max-drop",
    type=FiniteRange(),
    default=0.01,
    show_default=True,
    help="How far a score of such a form on the test split may be worse than that of float32.",
)
def export(
    run: Path,
    formats: Sequence[str],
    to: Path | None,
    streaming: bool | None,
    precision: str | None,
    quantize: str | None,
    max_drop: float,
) -> None:
    """Write the model of RUN, or one saved in a FILE.keras, as files for others.

    The files are compared with the model on many inputs, and thrown away if they differ. Smaller
    ones are tested on the test split of a run.
    """
    small = [form for form in (precision, quantize) if form]
    if paths.kind(run) is Kind.KERAS:
        if small:
            raise click.UsageError(f"{small[0]} is tested on the test split of a run: give a RUN")
        artifact = _export_file(run, to, formats, streaming)
    else:
        opened = _open(run, "export")
        from pipeline.export import export

        artifact = export(opened, to, formats, small, max_drop, streaming)
    from rich.console import Console

    from pipeline import tables

    console = Console()
    console.print(tables.parity(artifact.proofs).terminal())
    for name, measured in artifact.report.precision.items():
        console.print(tables.precision(name, measured).terminal())
    click.echo(artifact.directory)


def _export_file(
    path: Path, to: Path | None, formats: Sequence[str], streaming: bool | None
) -> Any:
    from pipeline import quiet

    quiet.load_tensorflow()
    from pipeline.export import export_file

    return export_file(path, to, formats, streaming)


@click.command()
@click.argument("path", type=_FOLDER, metavar=_ANY)
def verify(path: Path) -> None:
    """Check exports anew: their files, their recorded examples, and that the formats agree.

    They are those of a RUN, of an ARTIFACT directory, or FILE-exports beside a FILE.keras. The
    status is 1 if a file is damaged or a number differs.
    """
    directory = paths.directory(path)
    from pipeline import quiet

    quiet.load_tensorflow()
    from rich.console import Console

    from pipeline import tables
    from pipeline.export import verify

    proofs = verify(path)
    Console().print(tables.verified(proofs).terminal())
    say(f"{directory} holds what was exported, and its formats agree")


@click.command()
@click.argument("path", type=_FOLDER, metavar=_ANY)
@click.option(
    "--rounds", type=click.IntRange(3), default=200, show_default=True, help="Calls of each side."
)
@click.option("--json", "file", type=_FOLDER, help="File to write the figures to, too.")
def bench(path: Path, rounds: int, file: Path | None) -> None:
    """Measure what a call of a model takes.

    Keras, the exported formats and what Keras itself exports take turns, for half a minute at most
    at each batch size. A .keras file is exported to a temporary directory first; of an ARTIFACT,
    the formats alone are measured. Both are measured on recorded examples, a RUN on its test split.
    """
    kind = paths.kind(path)
    if kind is Kind.RUN:
        paths.directory(path)
        run = _open(path)
    from pipeline import quiet

    quiet.load_tensorflow()
    from rich.console import Console
    from rich.progress import Progress

    from exports.latency import BATCHES
    from pipeline import bench, files, tables

    stderr = Console(stderr=True)
    with (
        exported.directory(path, _FORMATS) as directory,
        Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as bar,
    ):
        turns = {batch: bar.track(range(rounds), description=f"Batch {batch}") for batch in BATCHES}
        match kind:
            case Kind.RUN:
                measured = bench.of_run(run, turns)
            case Kind.ARTIFACT:
                measured = bench.of_artifact(path, turns)
            case Kind.KERAS:
                measured = bench.of_keras_file(path, directory, turns)
    Console().print(tables.latency(measured).terminal())
    say(f"measured on {measured['processor']}")
    for side, reason in measured["left_out"].items():
        say(f"{side} is left out: {reason}")
    if file:
        files.write(file, json.dumps(measured, indent=2) + "\n")
        say(f"written to {file}")


def _limits(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb an option for each limit of a server."""
    for limit in reversed(fields(Limits)):
        name = f"--{limit.name.replace('_', '-')}"
        option = click.option(name, default=limit.default, help=limit.metadata["meaning"])
        verb = option(verb)
    return verb


@click.command(context_settings={"show_default": True})
@click.argument("path", type=_FOLDER, metavar=_ANY)
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8000,
    help="Port to listen on; 0 is one that is free.",
)
@click.option(
    "--origin",
    "origins",
    multiple=True,
    metavar="URL",
    help="Take requests of web pages there, too; may be repeated.  [default: of this host alone]",
)
@click.option("--allow-nonfinite", is_flag=True, help="Take NaN and Infinity in inputs.")
@_limits
def serve(
    path: Path,
    host: str,
    port: int,
    origins: Sequence[str],
    allow_nonfinite: bool,
    **limits: Any,
) -> None:
    """Answer over HTTP with an exported model: that of a RUN, or of an ARTIFACT directory.

    POST /predict takes {"texts": [...]} or {"inputs": {name: rows}}, the WebSocket /stream chunks
    of a sequence; GET /health and /metrics are for machines. SIGTERM stops the server once
    everything that it took on is answered. Neither TensorFlow nor Keras is loaded, but for a .keras
    file: it is exported to a temporary directory first.
    """
    with extras.needed("serve"):
        from exports.runtime.http import server
        from pipeline import serving

    try:
        taken = Limits(**limits)
    except ExportError as error:
        raise click.UsageError(f"--{error}".replace("_", "-")) from error
    server.exit_on_sigterm()
    with exported.directory(path) as directory:
        service = serving.load(directory, taken, origins=origins, allow_nonfinite=allow_nonfinite)
        with serving.listen(host, port) as listener:
            say(f"serving {path} on http://{host}:{listener.getsockname()[1]}")
            server.run(service, listener)


@click.command()
@click.argument("path", type=_FOLDER, metavar="RUN|ARTIFACT")
@click.argument("folder", type=_FOLDER, required=False)
@click.option("--open", "opened", is_flag=True, help="Serve the page, and open it in the browser.")
def demo(path: Path, folder: Path | None, opened: bool) -> None:
    """Build a page that runs an exported model in the browser, in FOLDER or in NAME-page beside it.

    Type, speak or throw, as the model takes it, and watch its state. Any static server can serve
    FOLDER, and the page asks for nothing else.
    """
    import webbrowser

    from pipeline import web

    if paths.kind(path) is Kind.KERAS:
        raise PipelineError(
            f"{path} has neither labels nor what turns texts or sounds into arrays, and a page "
            "needs both. Give exports.export labels and an encoder or an audio_frontend, and "
            "recurrent demo what it writes."
        )
    folder = folder or paths.beside(path, "page")
    weight = web.build(paths.directory(path), folder)
    parts = (f"{name} {size / 1e6:.2f} MB" for name, size in weight._asdict().items())
    say(f"built: {', '.join(parts)}")
    click.echo(folder)
    if opened:
        with web.server(folder) as server:
            address = f"http://127.0.0.1:{server.server_port}"
            say(f"serving {folder} on {address} until Ctrl-C")
            webbrowser.open(address)
            server.serve_forever()


def _open(path: Path, verb: str = "") -> Any:
    """Open a run, for a verb that takes nothing else.

    What is wrong with it is said before TensorFlow is loaded, which takes long.
    """
    from pipeline import quiet
    from pipeline.run import Run

    if verb:
        paths.require_run(path, verb)
    run = Run.open(path)
    quiet.load_tensorflow()
    return run


def _readable(text: str) -> str:
    """Replace what of an argument is no Unicode."""
    return text.encode(errors="replace").decode()


def _generators() -> str:
    from pipeline import tasks
    from pipeline.tasks.shared.generation import Generator

    return ", ".join(name for name in tasks.names() if isinstance(tasks.get(name), Generator))


VERBS = (inspect, evaluate, predict, explain, generate, export, verify, bench, serve, demo)
