"""`task-audit replay`: rebuilds facts from the archive, without an API call."""

import sys
from dataclasses import asdict
from datetime import datetime

import click

from etl.archive.store import Store
from etl.cli.context import Context, common_options, pass_context
from etl.cli.options import range_options
from etl.cli.output import open_console, print_json
from etl.cli.signals import interruptible
from etl.database.clock import clock_of
from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.jobs.opening import open_warehouse
from etl.jobs.read_copy import renew_read_copy
from etl.jobs.replay import Range, replay_archive
from etl.report.summary import print_summary
from etl.runs import FinishedRun


@click.command()
@range_options(
    since="Asked for on or after this date or instant (UTC).",
    until="Asked for on or before this date, or before this instant.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the replay's row as one JSON object on stdout.")
@common_options
@pass_context
def replay(context: Context, *, since: datetime | None, until: datetime | None, as_json: bool) -> None:
    """Rebuild facts, history, dimensions and dead letters from the archive, without an API call.

    Rows that the warehouse already holds stay as they are, so you may repeat a replay. The range selects by the time of
    the request to KooDrive, not by submission.

    \b
    Example:
      task-audit replay
      task-audit replay --since 2026-11-01 --until 2026-11-07
    """
    settings = context.settings()
    if settings.archive.location is None:
        raise ConfigurationError(
            "There is no archive to replay: archive.location is not set.",
            code=Code.SETTING_MISSING,
            remedy="Set it to the folder or bucket where runs keep their responses.",
        )
    with open_warehouse(settings.warehouse) as warehouse:
        done = replay_archive(
            Store(settings.archive), warehouse, asked=Range(since=since, until=until), clock=clock_of(warehouse.engine)
        )
    with interruptible():
        renew_read_copy(settings)
    if settings.telemetry.log_format != "json":
        print_summary(FinishedRun(run=done, ended_by=None), console=open_console(stderr=True), dry_run=False)
    if as_json:
        print_json(asdict(done))
    sys.exit(done.exit_code)
