"""`task-audit report`: renders a run or a period as one HTML file."""

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
from etl.jobs.opening import open_queue, open_warehouse
from etl.report.page import Report, render
from etl.settings.load import Settings
from etl.source.overview import overview
from etl.tasks import TaskState
from etl.warehouse.read.period import Period, find, find_run


@click.command()
@click.option("--run", "run_id", metavar="ID", help="The run to report; by default the last that has ended.")
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
    """Make one self-contained HTML file of a run or a period, to read, mail or print.

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
    with open_warehouse(settings.warehouse) as warehouse:
        made_at = clock_of(warehouse.engine)()
        run = None if since or until else find_run(warehouse.engine, run_id)
        if run is None and not (since or until):
            named = f"no run {run_id}" if run_id else "no run that has ended"
            raise InputError(
                f"There is {named}.", code=Code.RUN_UNKNOWN, remedy="`task-audit status` lists the last runs."
            )
        if run:
            # A period excludes its end, but the run's last instant belongs to the run.
            end = (run.finished_at or made_at) + timedelta(microseconds=1)
            period = Period(start=run.started_at, end=end, run_id=run.run_id)
        else:
            period = Period(start=since or datetime(1970, 1, 1, tzinfo=UTC), end=until or made_at)
        findings = find(warehouse.engine, period)
    return Report(
        start=period.start,
        end=period.end,
        run=run,
        findings=findings,
        backlog=_backlog(settings),
        made_at=made_at,
        version=__version__,
    )


def _backlog(settings: Settings) -> list[tuple[str, int]] | None:
    if settings.source.mode != "queue":
        return None
    with open_queue(settings.source) as (engine, table):
        rows = overview(engine, table, now=clock_of(engine)())
    pending = [row for row in rows if row.state == TaskState.PENDING]
    return [
        ("under a day", sum(row.under_a_day for row in pending)),
        ("under a week", sum(row.under_a_week for row in pending)),
        ("older", sum(row.older for row in pending)),
    ]
