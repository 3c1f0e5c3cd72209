"""The settings of a task as options of a verb."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import starmap
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click

FOLDER = click.Path(path_type=Path)


class OfTask(click.Group):
    """A verb with a command for each task, whose options are the settings of that task.

    Args:
        does: gets the task, and the values of all options by their names.
        options: those that are no settings.
        about: what the command of a task does, where `{}` is what the task learns.
        help: what the verb does.
        without: settings that are no options.
    """

    def __init__(
        self,
        name: str,
        *,
        does: Callable[..., None],
        options: Iterable[click.Option],
        about: str,
        help: str,
        without: Iterable[str] = (),
    ) -> None:
        super().__init__(name, help=help, subcommand_metavar="TASK [OPTIONS]")
        self.does = does
        self.options = tuple(options)
        self.about = about
        self.without = ("task", *without)

    def list_commands(self, context: click.Context) -> list[str]:
        """Name the tasks."""
        from pipeline import tasks

        return tasks.names()

    def get_command(self, context: click.Context, name: str) -> click.Command:
        """Make the command of the task called `name`."""
        from pipeline import tasks

        task = tasks.get(name)
        return click.Command(
            name,
            params=[*self.options, *_beginning(task), *_settings(task, self.without)],
            callback=lambda **given: self.does(task, **given),
            help=self.about.format(task.summary),
            short_help=task.summary,
        )


def chosen(
    task: Any, preset: str, file: Path | None, flags: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Return the config that the user asks for, and the settings among `flags` that are given."""
    from pipeline import config

    in_file = config.read(file) if file else {}
    given = {name: value for name, value in flags.items() if value is not None}
    return config.merge(task.presets[preset](), in_file, given), given


def command(config: Any, path: Path) -> str:
    """Return the command that trains the run of `config` at `path`, by its nearest preset."""
    from pipeline import tasks

    presets = {name: preset() for name, preset in tasks.get(config.task).presets.items()}
    changes = {
        name: {key: value for key, value in config if value != getattr(preset, key)}
        for name, preset in presets.items()
    }
    preset, changed = min(changes.items(), key=lambda item: len(item[1]))
    options = [f"--preset={preset}", *starmap(_given, changed.items())]
    if None in changed.values():  # which no option can say
        options = [f"--config={path / 'config.json'}"]
    return shlex.join(["recurrent", "train", config.task, *options, f"--run={path}"])


def _given(name: str, value: Any) -> str:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    return f"--{flag}={value}"


def _beginning(task: Any) -> Iterator[click.Option]:
    presets = list(task.presets)
    yield click.Option(
        ["--preset"],
        type=click.Choice(presets),
        default=presets[0],
        show_default=True,
        help="Settings to begin with.",
    )
    yield click.Option(["--config", "file"], type=FOLDER, help="Settings in a JSON file.")


def _settings(task: Any, without: Iterable[str]) -> Iterator[click.Option]:
    """Make an option for each setting of `task`. Whether a value will do, the config says."""
    preset = next(iter(task.presets.values()))()
    for name, field in task.settings.model_fields.items():
        if name in without:
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
