"""The `recurrent` command. What parses its arguments comes with an extra, too."""

import sys

from exports import extras


def main() -> None:
    """Run the command, or say what to install."""
    try:
        with extras.needed("pipeline"):
            from pipeline import cli
    except extras.MissingExtraError as error:
        sys.exit(f"recurrent: {error}")
    cli.main()


if __name__ == "__main__":
    main()
