"""What the user types. stdout carries data only; everything for people goes to stderr."""

import sys

import typer

from edged import __version__
from edged.cli.commands import LaterGroup
from edged.cli.terminal import say
from edged.contracts.errors import ConfigError, EdgedError

app = typer.Typer(
    name="edged",
    cls=LaterGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Edge inference daemon: cameras and MQTT requests in, documented JSON out.",
)


@app.callback(invoke_without_command=True)
def version(
    show: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
) -> None:
    """The options that stand before a command."""
    if show:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """The console script. An error that edged raises on purpose is one sentence, not a traceback."""
    try:
        app()
    except ConfigError as error:
        for fault in error.faults:
            say(fault, "red")
        sys.exit(2)
    except EdgedError as error:
        say(str(error), "red")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
