"""`task-audit report`: renders a night, a run or a period as one HTML file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from etl import __version__
from etl.cli.context import Context, common_options, pass_context
from etl.cli.options import range_options
from etl.cli.output import print_data
from etl.database.clock import clock_of
from etl.error_codes import Code
from etl.errors import InputError
from etl.jobs.night import night_at, pending_by_age, period_of
from etl.jobs.opening import open_warehouse
from etl.nights import Night
from etl.report.page import Report, render
from etl.runs import AuditRun
from etl.settings.load import Settings
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.read.news import Period
from etl.warehouse.read.period import find, find_run, last_start
from etl.warehouse.read.trend import trend


@click.command()
@click.option("--run", "run_id", metavar="ID", help="Report one run instead of the last night.")
@range_options(
    since="Report a period instead, from this date or instant (UTC).",
    until="The period's last date, or the instant before which it ends.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; by default stdout.")
@common_options
@pass_context
def report(
    context: Context, *, run_id: str | None, since: datetime | None, until: datetime | None, out: Path | None
) -> None:
    """Make one self-contained HTML file of the last night, to read, mail or print.

    A night lasts from 18:00 to 18:00 in the time zone of the warehouse, and the last one is that of the newest run. The
    report has all runs of the night, and counts each task once, although several runs may have seen it.

    \b
    Example:
      task-audit report --out last-night.html
      task-audit report --since 2026-11-01 --until 2026-11-07 > week.html
    """
    if run_id and (since or until):
        raise click.UsageError("--run and a period exclude each other.")
    page = render(_report(context.settings(), run_id, since, until))
    if out is None:
        print_data(page)
        return
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"Cannot write {out}: {error.strerror}.",
            code=Code.FILE_UNWRITABLE,
            remedy="Check the folder and its rights.",
        ) from None
    context.note(f"{out}: {len(page.encode()) / 1000:,.0f} kB")


def _report(settings: Settings, run_id: str | None, since: datetime | None, until: datetime | None) -> Report:
    run = night = None
    with open_warehouse(settings.warehouse) as warehouse:
        made_at = clock_of(warehouse.engine)()
        if run_id:
            run = _run(warehouse, run_id)
            # A period excludes its end, but the run's last instant belongs to the run.
            end = (run.finished_at or made_at) + timedelta(microseconds=1)
            period = Period(start=run.started_at, end=end, run_id=run.run_id)
        elif since or until:
            period = Period(start=since or datetime(1970, 1, 1, tzinfo=UTC), end=until or made_at)
        else:
            night = _last_night(warehouse)
            period = period_of(night)
        findings = find(warehouse.engine, period, now=made_at)
        compared = trend(warehouse.engine, night) if night else None
    return Report(
        period=period,
        run=run,
        night=night,
        findings=findings,
        trend=compared,
        backlog=pending_by_age(settings),
        made_at=made_at,
        version=__version__,
    )


def _run(warehouse: Warehouse, run_id: str) -> AuditRun:
    run = find_run(warehouse.engine, run_id)
    if run is None:
        raise InputError(
            f"There is no run {run_id}.", code=Code.RUN_UNKNOWN, remedy="`task-audit status` lists the last runs."
        )
    return run


def _last_night(warehouse: Warehouse) -> Night:
    started_at = last_start(warehouse.engine)
    if started_at is None:
        raise InputError("There is no run yet.", code=Code.RUN_UNKNOWN, remedy="Start one with `task-audit run`.")
    return night_at(warehouse.engine, started_at)
