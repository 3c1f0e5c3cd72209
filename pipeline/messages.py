"""What the user is told beside results."""

import click

from exports.errors import printable


def say(message: str) -> None:
    """Tell the user something that is no result."""
    click.echo(f"recurrent: {printable(message)}", err=True)
