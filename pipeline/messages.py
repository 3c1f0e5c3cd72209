"""What the user is told beside results."""

import click


def say(message: str) -> None:
    """Tell the user something that is no result."""
    click.echo(f"recurrent: {message}", err=True)
