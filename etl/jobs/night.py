"""Reads what a report and a digest tell of a night, from the warehouse and the pending table."""

from collections.abc import Sequence
from datetime import datetime
from platform import node

from sqlalchemy import Engine

from etl.database.clock import clock_of
from etl.jobs.opening import open_queue
from etl.observe.digest import NightNews, digest_of
from etl.observe.messages import Message
from etl.settings.load import Settings
from etl.source.overview import overview
from etl.tasks import TaskState
from etl.times.night import Night, night_of
from etl.warehouse.calendar import zone_of
from etl.warehouse.read.news import Period
from etl.warehouse.read.period import find, last_start
from etl.warehouse.read.trend import trend


def night_at(engine: Engine, instant: datetime) -> Night:
    """Return the night of an instant, in the time zone of the warehouse."""
    return night_of(instant, zone_of(engine))


def last_night(engine: Engine) -> Night | None:
    """Return the night of the newest run; None if there is no run."""
    started_at = last_start(engine)
    return None if started_at is None else night_at(engine, started_at)


def period_of(night: Night) -> Period:
    """Return the period of all runs that began in a night."""
    return Period(start=night.start, end=night.end)


def compose_digest(settings: Settings, engine: Engine, night: Night) -> Message:
    """Make the digest of a night.

    Args:
        settings: the pending table.
        engine: the warehouse.
        night: the night.
    """
    findings = find(engine, period_of(night), now=clock_of(engine)())
    ages = pending_by_age(settings)
    pending = None if ages is None else sum(tasks for _, tasks in ages)
    news = NightNews(night=night, findings=findings, trend=trend(engine, night), pending=pending)
    return digest_of(news, host=node())


def pending_by_age(settings: Settings) -> Sequence[tuple[str, int]] | None:
    """Count the pending tasks by age; None if the pending table is the user's own."""
    if settings.source.mode != "queue":
        return None
    with open_queue(settings.source) as (engine, table):
        states = overview(engine, table, now=clock_of(engine)()).states
    pending = [row for row in states if row.state == TaskState.PENDING]
    return [
        ("under a day", sum(row.under_a_day for row in pending)),
        ("under a week", sum(row.under_a_week for row in pending)),
        ("older", sum(row.older for row in pending)),
    ]
