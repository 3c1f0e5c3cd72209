"""The `recurrent` command. It parses; what takes long to import is imported inside the verbs."""

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click

from exports.serving.limits import Limits
from pipeline.errors import PipelineError

_INTERRUPTED = 130
_FORMATS = ("saved_model", "onnx")
_FOLDER = click.Path(path_type=Path)
_AMOUNT = click.IntRange(min=1)
_SECONDS = click.FloatRange(min=0, min_open=True)
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=_CONTEXT)
@click.version_option(package_name="keras-recurrent", message="%(package)s %(version)s")
def command() -> None:
    """Train recurrent networks, test them, use them and export them.

    Begin with: recurrent train sentiment
    """


@command.command()
def tasks() -> None:
    """List what can be learnt, and from what."""
    from pipeline import tasks

    for name in tasks.names():
        task = tasks.get(name)
        click.echo(f"{name}: {task.summary}")
        click.echo(f"  data sets: {', '.join(task.datasets)}")
        click.echo(f"  presets: {', '.join(task.presets)}")


class _Training(click.Group):
    """The verb `train`, with a command for each task, made from the settings of that task."""

    def list_commands(self, context: click.Context) -> list[str]:
        from pipeline import tasks

        return tasks.names()

    def get_command(self, context: click.Context, name: str) -> click.Command:
        from pipeline import tasks

        task = tasks.get(name)
        return click.Command(
            name,
            params=[*_run_options(task), *_setting_options(task)],
            callback=lambda **given: _train(task, **given),
            help=f"Learn {task.summary}.\n\nA setting given here beats one in the file, and that "
            "one beats the preset. The same command goes on with a run that was stopped.",
            short_help=task.summary,
        )


@command.group(cls=_Training, subcommand_metavar="TASK [OPTIONS]")
def train() -> None:
    """Train a model, or go on with a run that was stopped.

    For the settings of a task: recurrent train TASK --help
    """


def _run_options(task: Any) -> Iterator[click.Option]:
    presets = list(task.presets)
    yield click.Option(
        ["--run", "path"],
        type=_FOLDER,
        help="Run directory.  [default: one in runs/, named after the settings]",
    )
    yield click.Option(
        ["--preset"],
        type=click.Choice(presets),
        default=presets[0],
        show_default=True,
        help="Settings to begin with.",
    )
    yield click.Option(["--config", "file"], type=_FOLDER, help="Settings in a JSON file.")


def _setting_options(task: Any) -> Iterator[click.Option]:
    """Make an option for each setting of `task`. Whether a value will do, the config says."""
    preset = next(iter(task.presets.values()))()
    for name, field in task.settings.model_fields.items():
        if name == "task":
            continue
        flag, shown = name.replace("_", "-"), getattr(preset, name)
        default = "" if shown is None else f"  [default: {str(shown).lower()}]"
        yield click.Option(
            [f"--{flag}/--no-{flag}" if field.annotation is bool else f"--{flag}"],
            type=_click_type(field.annotation),
            default=None,
            help=f"{field.description}{default}",
        )


def _click_type(annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return click.Choice(get_args(annotation))
    return next(kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type))


def _train(task: Any, path: Path | None, preset: str, file: Path | None, **flags: Any) -> None:
    from pipeline import config as configs
    from pipeline import quiet

    in_file = configs.read(file) if file else {}
    given = {name: value for name, value in flags.items() if value is not None}
    config = configs.merge(task.presets[preset](), in_file, given)
    quiet.load_tensorflow()
    from pipeline import tables
    from pipeline.run import Run, default_path

    run = Run.create(path or default_path(config), config)
    if run.finished:
        _say(f"{run.path} is trained already")
    train_run(run)
    click.echo(f"{run.path}: best epoch {run.best['epoch']}, {tables.line(run.best)}")
    _say(f"next: recurrent evaluate {run.path}")


@command.command()
@click.argument("run", type=_FOLDER)
def evaluate(run: Path) -> None:
    """Test the model of RUN and its baselines."""
    opened = _open(run)
    from rich.console import Console

    from pipeline import tables, train

    Console().print(tables.results(train.evaluate(opened), opened.config.cell))
    _say(f"written to {run / 'results.json'}")


@command.command()
@click.argument("run", type=_FOLDER)
@click.argument("subjects", nargs=-1, metavar='["SUBJECT"]...')
def predict(run: Path, subjects: Sequence[str]) -> None:
    """Ask the model of RUN about each SUBJECT.

    It is a text for sentiment, and for digits a WAV file, a .npy file of 13 MFCCs a frame, or the
    number of a test recording. Each line of the standard input is a SUBJECT if none is given here.
    """
    if not subjects and sys.stdin.isatty():
        raise click.UsageError("give a subject to ask about, or pipe lines in")
    opened = _open(run)
    given = subjects or sys.stdin.buffer.read().decode(errors="replace").splitlines()
    if not given:
        raise PipelineError(f"there is no {opened.task.subject} on the standard input")
    readable = [subject.encode(errors="replace").decode() for subject in given]
    for number, answer in enumerate(opened.task.predict(opened, readable), start=1):
        click.echo(answer.text)
        for note in answer.notes:
            _say(f"{opened.task.subject} {number}: {note}")


@command.command()
@click.argument("run", type=_FOLDER, metavar="RUN|FILE.keras")
@click.option(
    "--format",
    "formats",
    type=click.Choice(_FORMATS),
    multiple=True,
    default=_FORMATS,
    help="May be given twice.  [default: both]",
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
@click.option("--precision", type=click.Choice(["float16"]), help="Write this form of ONNX, too.")
@click.option("--quantize", type=click.Choice(["int8"]), help="Write this form of ONNX, too.")
@click.option(
    "--max-drop",
    type=float,
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
    forms of the ONNX file are tested on the test split of a run.
    """
    small = [form for form in (precision, quantize) if form]
    if run.suffix == ".keras":
        if small:
            raise click.UsageError(f"{small[0]} is tested on the test split of a run: give a RUN")
        artifact = _export_file(run, to, formats, streaming)
    else:
        opened = _open(run)
        from pipeline.export import export

        artifact = export(opened, to, formats, small, max_drop, streaming)
    from rich.console import Console

    from pipeline import tables

    console = Console()
    console.print(tables.parity(artifact.directory))
    if small:
        console.print(tables.small(artifact.directory))
    click.echo(artifact.directory)


def _export_file(
    path: Path, to: Path | None, formats: Sequence[str], streaming: bool | None
) -> Any:
    if not path.is_file():
        raise PipelineError(f"{path} is not there: save one with model.save({path.name!r})")
    from pipeline import quiet

    quiet.load_tensorflow()
    from pipeline.export import export_file

    return export_file(path, to, formats, streaming)


@command.command()
@click.argument("run", type=_FOLDER)
@click.option(
    "--rounds", type=click.IntRange(3), default=200, show_default=True, help="Calls of each side."
)
@click.option("--json", "file", type=_FOLDER, help="File to write the figures to, too.")
def bench(run: Path, rounds: int, file: Path | None) -> None:
    """Measure what a call of the model of RUN takes.

    Keras, the exported formats and what Keras itself exports take turns, for half a minute at most
    at each batch size.
    """
    opened = _open(run)
    from rich.console import Console
    from rich.progress import Progress

    from exports.latency import BATCHES
    from pipeline import files, tables
    from pipeline.bench import bench

    stderr = Console(stderr=True)
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        turns = {batch: bar.track(range(rounds), description=f"Batch {batch}") for batch in BATCHES}
        measured = bench(opened, turns)
    Console().print(tables.latency(measured))
    _say(f"measured on {measured['processor']}")
    for side, reason in measured["left_out"].items():
        _say(f"{side} is left out: {reason}")
    if file:
        files.write(file, json.dumps(measured, indent=2) + "\n")
        _say(f"written to {file}")


@command.command(context_settings={"show_default": True})
@click.argument("run", type=_FOLDER)
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", default=8000, help="Port to listen on; 0 is one that is free.")
@click.option("--max-bytes", type=_AMOUNT, default=Limits.max_bytes, help="Of a request.")
@click.option("--max-rows", type=_AMOUNT, default=Limits.max_rows, help="Of a request.")
@click.option("--max-batch", type=_AMOUNT, default=Limits.max_batch, help="Rows run together.")
@click.option("--max-parallel", type=_AMOUNT, default=Limits.max_parallel, help="Batches.")
@click.option("--max-queue", type=_AMOUNT, default=Limits.max_queue, help="Requests that wait.")
@click.option("--max-streams", type=_AMOUNT, default=Limits.max_streams, help="Open at a time.")
@click.option("--max-seconds", type=_SECONDS, default=Limits.max_seconds, help="For an answer.")
def serve(run: Path, host: str, port: int, **limits: Any) -> None:
    """Answer over HTTP with the exported model of RUN, which may be an artifact directory too.

    POST /predict takes {"texts": [...]} or {"inputs": {name: rows}}, the WebSocket /stream chunks
    of a sequence; GET /health and /metrics are for machines. SIGTERM stops the server once
    everything that it took on is answered. Neither TensorFlow nor Keras is loaded.
    """
    from exports.serving import server
    from pipeline import serving

    server.exit_on_sigterm()
    service = serving.load(run, Limits(**limits))
    with serving.listen(host, port) as listener:
        _say(f"serving {run} on http://{host}:{listener.getsockname()[1]}")
        server.run(service, listener)


@command.command()
def doctor() -> None:
    """Check this machine, and say what to do."""
    from pipeline.doctor import examine

    ill = False
    for finding in examine():
        click.echo(f"{'!!' if finding.remedy else 'ok'}  {finding.subject}: {finding.seen}")
        if finding.remedy:
            click.echo(f"    try: {finding.remedy}")
        ill |= bool(finding.remedy)
    sys.exit(int(ill))


def train_run(run: Any) -> None:
    """Train `run`, and say how to go on if the user interrupts."""
    from pipeline.train import train

    try:
        train(run)
    except KeyboardInterrupt:
        _say(
            f"stopped: {len(run.metrics)} of {run.config.epochs} epochs are kept in {run.path}, "
            "and the same command goes on from there"
        )
        sys.exit(_INTERRUPTED)


def _open(path: Path) -> Any:
    """Open a run; what is wrong with it is said before TensorFlow is loaded, which takes long."""
    from pipeline import quiet
    from pipeline.run import Run

    run = Run.open(path)
    quiet.load_tensorflow()
    return run


def _say(message: str) -> None:
    click.echo(f"recurrent: {message}", err=True)


def guarded(program: Callable[[], Any]) -> int:
    """Run `program` and return its exit status; what goes wrong is one line on stderr."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they are for developers, who have `python -W`
    try:
        program()
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("stopped")
        return _INTERRUPTED
    except PipelineError as error:
        _say(" ".join(str(error).split()))
        return 1
    except OSError as error:
        _say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        # What stdout could not take would be tried again, and complained about, at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def main() -> None:
    """Run the command as a program."""
    sys.exit(guarded(lambda: command.main(prog_name="recurrent", standalone_mode=False)))


if __name__ == "__main__":
    main()
