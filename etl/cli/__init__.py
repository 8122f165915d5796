"""Holds the commands, which parse options, call one job, print its result and exit.

A command writes data to stdout, and logs and progress to stderr.
"""

import sys
from importlib import import_module
from typing import Any

import click

from etl import __version__
from etl.cli.context import common_options
from etl.cli.errors import bug_of, emit, usage_error
from etl.errors import OutputError, TaskAuditError

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
    "prune": "etl.cli.prune:prune",
    "notify": "etl.cli.notify:notify",
    "digest": "etl.cli.digest:digest",
    "doctor": "etl.cli.doctor:doctor",
    "explain": "etl.cli.explain:explain",
    "config": "etl.cli.config:config",
    "fake-api": "etl.cli.fake_api:fake_api",
}
"""The module and name of each command, in the order of the help."""


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
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


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
        ended_by: TaskAuditError = error
    except Exception as error:  # noqa: BLE001 - only a bug shows a traceback
        ended_by = _task_audit_error(error, options)
    emit(ended_by, log_format=options.get("log_format", "auto"), verbose=options.get("verbose", False))
    sys.exit(ended_by.exit_code)


def _task_audit_error(error: Exception, options: dict[str, Any]) -> TaskAuditError:
    match error:
        case TaskAuditError():
            return error
        case click.UsageError():
            return usage_error(error, log_format=options.get("log_format", "auto"))
        case _:
            return bug_of(error)
