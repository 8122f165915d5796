"""Reads what a report and a digest tell of a night, from the warehouse and the pending table."""

from collections.abc import Sequence

from etl.database.clock import clock_of
from etl.jobs.opening import open_queue
from etl.nights import Night
from etl.settings.load import Settings
from etl.source.overview import overview
from etl.tasks import TaskState
from etl.warehouse.read.news import Period


def period_of(night: Night) -> Period:
    """Return the period of all runs that began in a night."""
    return Period(start=night.start, end=night.end)


def pending_by_age(settings: Settings) -> Sequence[tuple[str, int]] | None:
    """Count the pending tasks by age; None if the pending table is the user's own."""
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
