"""`task-audit status`: shows the backlog, the dead letters and the last runs."""

from dataclasses import asdict

import click

from etl.cli.context import Context, common_options, pass_context
from etl.cli.output import open_console, print_json
from etl.report.contents import read_status
from etl.report.status_text import print_status


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@common_options
@pass_context
def status(context: Context, *, as_json: bool) -> None:
    """Show the backlog by state and age, open dead letters and the last runs.

    \b
    Example:
      task-audit status --json | jq .dead_letters
    """
    found = read_status(context.settings())
    if as_json:
        print_json(asdict(found))
    else:
        print_status(found, console=open_console())
