"""The commands: parse, wire, report, exit. No business is done here.

stdout is data, stderr is talk, the exit code is the verdict.
"""

import sys
import traceback

import click

from etl import __version__
from etl.cli.admin import config, enqueue, init, status
from etl.cli.context import common_options
from etl.cli.dead_letters import dead_letters
from etl.cli.demo import demo
from etl.cli.doctor import doctor
from etl.cli.fake_api import fake_api
from etl.cli.labels import labels
from etl.cli.notify import notify
from etl.cli.plan import plan
from etl.cli.query import query
from etl.cli.replay import replay
from etl.cli.report import report
from etl.cli.run import run
from etl.errors import ExitCode, TaskAuditError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@common_options
@click.version_option(__version__, prog_name="task-audit")
def cli() -> None:
    """Audit KooDrive tasks into a warehouse: which ran, how did each end, and what is stuck."""


COMMANDS = (
    *(demo, init, enqueue, plan, run, replay, report, query, labels),
    *(dead_letters, notify, status, doctor, config, fake_api),
)
for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run a command and end with its exit code."""
    try:
        cli(prog_name="task-audit")
    except TaskAuditError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except Exception:  # noqa: BLE001 - a bug is the one thing that shows a traceback
        traceback.print_exc()
        click.echo("Error: this is a bug in task-audit; please report it with the lines above.", err=True)
        sys.exit(ExitCode.BUG)
