"""The commands around a run: set up and look."""

import click
from rich.console import Console

from etl.cli.context import Context, common_options, pass_context
from etl.configuration import Settings
from etl.database.clock import clock_of
from etl.job import initialize, open_queue, open_warehouse
from etl.report.status import Status, print_status, status_json
from etl.source.overview import overview
from etl.warehouse.labels import count_unexplained
from etl.warehouse.notifications import count_unsent
from etl.warehouse.overview import last_runs, open_dead_letters

RUNS_SHOWN = 10


@click.command()
@common_options
@pass_context
def init(context: Context) -> None:
    """Create or upgrade the pending table and the warehouse; safe to repeat.

    \b
    Example:
      task-audit init
      task-audit --config production.toml init
    """
    for done in initialize(context.settings()):
        name = done.name[0].upper() + done.name[1:]
        if done.before == done.after:
            click.echo(f"{name}: version {done.after}, nothing to do.")
        elif done.before is None:
            click.echo(f"{name}: created, version {done.after}.")
        else:
            click.echo(f"{name}: upgraded from version {done.before} to {done.after}.")


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
    found = _status(context.settings())
    if as_json:
        click.echo(status_json(found))
    else:
        print_status(found, console=Console())


def _status(settings: Settings) -> Status:
    backlog = None
    if settings.source.mode == "queue":
        with open_queue(settings.source) as (engine, table):
            backlog = overview(engine, table, now=clock_of(engine)())
    with open_warehouse(settings.warehouse) as warehouse:
        return Status(
            backlog=backlog,
            dead_letters=open_dead_letters(warehouse.engine),
            runs=last_runs(warehouse.engine, number=RUNS_SHOWN),
            unexplained=count_unexplained(warehouse.engine),
            unsent=count_unsent(warehouse.engine),
        )
