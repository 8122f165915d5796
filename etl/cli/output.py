"""Prints data on stdout: a file or a pipe gets it unchanged, and a terminal gets its control characters escaped.

Tables and other text for a person go through a console.
"""

import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec

from etl.receivers import for_terminal, for_terminal_json

if TYPE_CHECKING:
    from rich.console import Console

UNFOLDED_WIDTH = 10_000
"""The columns of a file or a pipe, where folded lines would only hinder a program."""


def open_console(*, stderr: bool = False) -> "Console":
    """Open stdout or stderr for tables and other text for a person."""
    from rich.console import Console  # noqa: PLC0415 - a command that prints JSON does not wait for it

    console = Console(stderr=stderr)
    if not console.is_terminal:
        console.width = UNFOLDED_WIDTH
    return console


def print_data(text: str) -> None:
    """Print a text of whole lines."""
    _print(for_terminal(text, keeps_lines=True) if sys.stdout.isatty() else text)


def print_json(value: Any, *, indent: int | None = None) -> None:
    """Print a value as one JSON document and a line break.

    Args:
        value: what msgspec can write.
        indent: the spaces for each level; None for one line.
    """
    document = msgspec.json.encode(value)
    if indent is not None:
        document = msgspec.json.format(document, indent=indent)
    text = f"{document.decode()}\n"
    _print(for_terminal_json(text) if sys.stdout.isatty() else text)


def _print(text: str) -> None:
    # Without `color`, click removes from a file or a pipe what looks like a colour.
    click.echo(text, nl=False, color=True)
