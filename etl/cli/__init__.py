"""Holds the commands, which parse options, call one job, print its result and exit.

A command writes data to stdout, and logs and progress to stderr.
"""

import sys
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from etl import __version__
from etl.cli.context import common_options
from etl.errors import OutputError, TaskAuditError

INDENTATION = 6
"""The blanks around the name of a command in the help, as click counts them."""

COMPLETION_WIDTH = 45
"""The characters of a command's words beside its name when a shell completes it, as click cuts them."""

READER_GONE = 141
"""The exit code of a program that SIGPIPE ends: 128 and 13."""

COMMANDS = {
    "demo": "etl.cli.demo:demo",
    "init": "etl.cli.init:init",
    "enqueue": "etl.cli.enqueue:enqueue",
    "plan": "etl.cli.plan:plan",
    "run": "etl.cli.run:run",
    "replay": "etl.cli.replay:replay",
    "status": "etl.cli.status:status",
    "query": "etl.cli.query:query",
    "report": "etl.cli.report:report",
    "labels": "etl.cli.labels:labels",
    "dead-letters": "etl.cli.dead_letters:dead_letters",
    "export": "etl.cli.export:export",
    "prune": "etl.cli.prune:prune",
    "notify": "etl.cli.notify:notify",
    "digest": "etl.cli.digest:digest",
    "doctor": "etl.cli.doctor:doctor",
    "explain": "etl.cli.explain:explain",
    "mcp": "etl.cli.mcp:mcp",
    "config": "etl.cli.config:config",
    "fake-api": "etl.cli.fake_api:fake_api",
}
"""The module and name of each command, in the order of the help."""

HELP = {
    "demo": "Run the whole job once on embedded parts: no configuration, no network.",
    "init": "Create or upgrade the pending table and the warehouse; safe to repeat.",
    "enqueue": "Add pending task IDs; an ID that is already there stays as it is.",
    "plan": "Count what a run would ask about, by day and state, and say how long it would take; changes nothing.",
    "run": "Audit the tasks that are due: claim, fetch, normalize, load.",
    "replay": "Rebuild facts, history, dimensions and dead letters from the archive, without an API call.",
    "status": "Show the backlog by state and age, open dead letters and the last runs.",
    "query": "Ask the warehouse a ready-made question; without a name, list the questions.",
    "report": "Make one self-contained HTML file of the last night, to read, mail or print.",
    "labels": "Explain result codes and task types, and name tenants, in a CSV file.",
    "dead-letters": "Show tasks that could not be audited; retry or discard them.",
    "export": "Write the warehouse as Parquet files with a manifest, into a folder or a bucket; only what changed.",
    "prune": (
        "Delete old rows and files that no question needs: done tasks of the queue, "
        "counters, sent messages, the archive."
    ),
    "notify": "Send the messages about runs that the webhook has not accepted yet.",
    "digest": "Send the digest of the last night to the webhook, also if all went well or no run began.",
    "doctor": "Check everything that a run needs, and print one line each with the remedy; changes nothing.",
    "explain": "Explain an error and its remedy; without a code, list all codes.",
    "mcp": "Serve read-only tools to an assistant over the Model Context Protocol, on stdin and stdout.",
    "config": "Show the configuration, or write a first one.",
    "fake-api": "Run a stand-in KooDrive API to try things against.",
}
"""The first words of each command, so that the help imports none of them; a test compares them with the commands."""


class Commands(click.Group):
    """Imports a command only when it is used, so that a run does not wait for the libraries of the report.

    Source: https://click.palletsprojects.com/en/stable/complex/#lazily-loading-subcommands
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """List the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        _import_structlog()
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands as click does, but without an import of all of them."""
        limit = formatter.width - INDENTATION - max(map(len, COMMANDS))
        with formatter.section("Commands"):
            formatter.write_dl([(name, _short_help(name, limit)) for name in COMMANDS])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command as click does, but without an import of all of them."""
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=_short_help(name, COMPLETION_WIDTH)) for name in names), *options]


def _import_structlog() -> None:
    """Import structlog as if rich were not installed: no log of this program has the tracebacks of rich.

    They take 228 of the 3,550 million instructions of a run without tasks, most of them for pygments.
    """
    if {"structlog", "rich"}.isdisjoint(sys.modules):
        sys.modules["rich"] = None  # type: ignore[assignment]  # the import system takes None for "not installed"
        import_module("structlog")
        del sys.modules["rich"]


def _short_help(name: str, limit: int) -> str:
    return click.Command(name, help=HELP[name]).get_short_help_str(limit)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@common_options
@click.version_option(__version__, prog_name="task-audit")
def cli() -> None:
    """Audit KooDrive tasks into a warehouse: which ran, how did each end, and what is stuck?"""


def main() -> None:
    """Run a command and exit with its exit code."""
    options: dict[str, Any] = {}
    try:
        sys.exit(cli.main(prog_name="task-audit", standalone_mode=False, obj=options))
    except click.Abort:
        click.echo("Aborted!", err=True)
        sys.exit(1)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except OutputError as error:
        if error.reader_is_gone:
            # As any program that a signal tells about the end of its reader, such as in `task-audit query … | head`.
            sys.exit(READER_GONE)
        _end(error, options)
    except Exception as error:  # noqa: BLE001 - only a bug shows a traceback
        _end(error, options)


def _end(error: Exception, options: dict[str, Any]) -> None:
    """Print the error and exit with its exit code."""
    # A command that ends well does not wait for these imports.
    from etl.cli.errors import bug_of, emit, usage_error  # noqa: PLC0415

    log_format = options.get("log_format", "auto")
    match error:
        case TaskAuditError():
            ended_by: TaskAuditError = error
        case click.UsageError():
            ended_by = usage_error(error, log_format=log_format)
        case _:
            ended_by = bug_of(error)
    emit(ended_by, log_format=log_format, verbose=options.get("verbose", False))
    sys.exit(ended_by.exit_code)
