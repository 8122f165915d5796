"""`task-audit status`: shows the backlog, the dead letters and the last runs."""

from dataclasses import asdict

import click

from etl.cli.context import Context, common_options, pass_context
from etl.cli.output import open_console, print_json
from etl.database.clock import clock_of
from etl.jobs.opening import open_queue, open_warehouse
from etl.observe.outbox import count_unsent
from etl.report.status_text import Status, print_status
from etl.settings.load import Settings
from etl.source.overview import overview
from etl.source.waiting import waiting_tasks
from etl.tasks import Selection
from etl.warehouse.read.labels import count_unexplained
from etl.warehouse.read.overview import last_runs, open_dead_letters

RUNS_SHOWN = 10


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
        print_json(asdict(found))
    else:
        print_status(found, console=open_console())


def _status(settings: Settings) -> Status:
    backlog = waiting = None
    if settings.source.mode == "queue":
        with open_queue(settings.source) as (engine, table):
            now = clock_of(engine)()
            backlog, waiting = overview(engine, table, now=now), waiting_tasks(engine, table, Selection(), now=now)
    with open_warehouse(settings.warehouse, read_only=True) as warehouse:
        return Status(
            backlog=backlog,
            waiting=waiting,
            dead_letters=open_dead_letters(warehouse.engine),
            runs=last_runs(warehouse.engine, number=RUNS_SHOWN),
            unexplained=count_unexplained(warehouse.engine),
            unsent=count_unsent(warehouse.engine),
        )
