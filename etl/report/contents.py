"""Reads the content of a report about a night, a run or a period, and of the status, from the databases."""

from datetime import UTC, datetime, timedelta

from etl import __version__
from etl.database.clock import clock_of
from etl.error_codes import Code
from etl.errors import InputError
from etl.jobs.night import last_night, pending_by_age, period_of
from etl.jobs.opening import open_queue, open_warehouse
from etl.observe.outbox import count_unsent
from etl.report.page import Report
from etl.report.status_text import Status
from etl.runs import AuditRun
from etl.settings.load import Settings
from etl.source.overview import overview
from etl.times.night import Night
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.read.labels import count_unexplained
from etl.warehouse.read.news import Period
from etl.warehouse.read.overview import last_runs, open_dead_letters
from etl.warehouse.read.period import find, find_run
from etl.warehouse.read.trend import trend

RUNS_SHOWN = 10
"""The runs of a status."""


def read_report(
    settings: Settings, *, run_id: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> Report:
    """Read the content of a report: about a run, about a period, or else about the last night.

    Args:
        settings: the databases.
        run_id: the run to report.
        since: the aware instant at which the period begins; None with ``until``: in 1970.
        until: the aware instant before which it ends; None with ``since``: now.

    Raises:
        InputError: there is no such run, or no run at all.
    """
    run = night = None
    with open_warehouse(settings.warehouse, read_only=True) as warehouse:
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


def read_status(settings: Settings) -> Status:
    """Read the state of the queue and of the warehouse.

    Raises:
        TaskAuditError: a database cannot be read.
    """
    backlog = waiting = None
    if settings.source.mode == "queue":
        with open_queue(settings.source, read_only=True) as (engine, table):
            counted = overview(engine, table, now=clock_of(engine)())
            backlog, waiting = counted.states, counted.waiting
    with open_warehouse(settings.warehouse, read_only=True) as warehouse:
        return Status(
            backlog=backlog,
            waiting=waiting,
            dead_letters=open_dead_letters(warehouse.engine),
            runs=last_runs(warehouse.engine, number=RUNS_SHOWN),
            unexplained=count_unexplained(warehouse.engine),
            unsent=count_unsent(warehouse.engine),
        )


def _run(warehouse: Warehouse, run_id: str) -> AuditRun:
    run = find_run(warehouse.engine, run_id)
    if run is None:
        raise InputError(
            f"There is no run {run_id}.", code=Code.RUN_UNKNOWN, remedy="`task-audit status` lists the last runs."
        )
    return run


def _last_night(warehouse: Warehouse) -> Night:
    night = last_night(warehouse.engine)
    if night is None:
        raise InputError("There is no run yet.", code=Code.RUN_UNKNOWN, remedy="Start one with `task-audit run`.")
    return night
