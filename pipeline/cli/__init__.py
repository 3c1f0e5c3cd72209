"""The `recurrent` command. It parses; what takes long to import is imported inside the verbs."""

import sys
from pathlib import Path

import click

from pipeline.cli import learning, using
from pipeline.cli.learning import train_run
from pipeline.cli.program import Command, guarded

__all__ = ["command", "guarded", "main", "train_run"]


def _load(context: click.Context, parameter: click.Parameter, file: Path | None) -> None:
    if file:
        from pipeline import user_code

        user_code.load(file)


@click.group(
    cls=Command, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="keras-recurrent", message="%(package)s %(version)s")
@click.option(
    "--code",
    type=click.Path(path_type=Path),
    callback=_load,
    is_eager=True,
    expose_value=False,
    metavar="FILE.py",
    help="Run your own code first: cells and tasks. It may stand behind the verb, too.",
)
def command() -> None:
    """Train recurrent networks, test them, use them and export them.

    Begin with: recurrent train sentiment
    """


@command.command()
def tasks() -> None:
    """List what can be learnt, and with which presets."""
    from pipeline import recipes

    for name in recipes.names():
        recipe = recipes.get(name)
        click.echo(f"{name}: {recipe.summary}")
        click.echo(f"  presets: {', '.join(recipe.presets)}")


@command.command()
def doctor() -> None:
    """Check this machine, and say what to do."""
    from pipeline.doctor import examine

    ill = False
    for finding in examine():
        click.echo(f"{'!!' if finding.remedy else 'ok'}  {finding.item}: {finding.seen}")
        if finding.remedy:
            click.echo(f"    try: {finding.remedy}")
        ill |= bool(finding.remedy)
    sys.exit(int(ill))


for verb in (*learning.VERBS, *using.VERBS):
    command.add_command(verb)


def main() -> None:
    """Run the command as a program."""
    sys.exit(guarded(lambda: command.main(prog_name="recurrent", standalone_mode=False)))
