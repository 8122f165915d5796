"""Prints the error that ends a command: in colour on a terminal, as one line in a JSON log, or as plain text.

Every form has the same code, message and remedy. ``-v`` adds the causes, except for errors raised ``from None``, whose
causes may hold a secret.
"""

import sys
import traceback
from collections.abc import Iterator

import click
import structlog
from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.error_codes import Code
from etl.errors import BugError, InputError, TaskAuditError
from etl.observe.logs import configure_logs
from etl.receivers import for_terminal
from etl.redaction import redact
from etl.settings.names import LogFormat

MAX_CAUSE_CHARACTERS = 2_000
"""The characters of one cause, which may quote a whole response."""

STYLES = {"Error": "bold red", "Remedy": "bold"}

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def emit(error: TaskAuditError, *, log_format: LogFormat, verbose: bool) -> None:
    """Print the error that ended a command to stderr."""
    causes = list(_causes(error)) if verbose else []
    if log_format == "json":
        _log(error, causes)
        return
    if isinstance(error, BugError) and error.__cause__:
        printed = redact("".join(traceback.format_exception(error.__cause__)))
        click.echo(for_terminal(printed, keeps_lines=True), err=True, nl=False)
    lines = [
        ("Remedy", error.remedy),
        ("Help", f"task-audit explain {error.code}"),
        *([("It says", error.quote)] if error.quote else []),
        *(("Cause", cause) for cause in causes),
    ]
    if sys.stderr.isatty():
        _draw([("Error", f"[{error.code}] {error.message}"), *lines])
    else:
        for label, message in ((f"Error [{error.code}]", error.message), *lines):
            click.echo(f"{label}: {for_terminal(message)}", err=True)


def usage_error(error: click.UsageError, *, log_format: LogFormat) -> InputError:
    """Make the error of a wrong command line, and print the usage above it."""
    if error.ctx is not None and log_format != "json":
        click.echo(f"{error.ctx.get_usage()}\n", err=True)
    command = error.ctx.command_path if error.ctx else "task-audit"
    return InputError(error.format_message(), code=Code.USAGE, remedy=f"`{command} --help` shows the options.")


def bug_of(error: Exception) -> BugError:
    """Make the error of an unexpected exception, which is printed with its traceback."""
    bug = BugError(
        f"This is a bug in task-audit: {type(error).__name__}.",
        code=Code.BUG,
        remedy="Please report it with the traceback.",
    )
    bug.__cause__ = error
    return bug


def _log(error: TaskAuditError, causes: list[str]) -> None:
    configure_logs("json", verbose=False)
    more: dict[str, object] = {"causes": causes} if causes else {}
    if error.quote:
        more["quoted"] = error.quote
    if isinstance(error, BugError) and error.__cause__:
        more["exc_info"] = error.__cause__
    log.error(
        "command_failed",
        code=str(error.code),
        message=error.message,
        remedy=error.remedy,
        exit_code=int(error.exit_code),
        **more,
    )


def _draw(lines: list[tuple[str, str]]) -> None:
    # The grid has no box, so that copied lines hold only text.
    grid = Table.grid(padding=(0, 2, 0, 0))
    for label, message in lines:
        grid.add_row(Text(label, style=STYLES.get(label, "dim")), Text(for_terminal(message)))
    Console(stderr=True).print(grid)


def _causes(error: BaseException) -> Iterator[str]:
    while error.__cause__ is not None:
        error = error.__cause__
        message = " ".join(redact(str(error)).split())[:MAX_CAUSE_CHARACTERS]
        yield f"{type(error).__module__}.{type(error).__qualname__}: {message}"
