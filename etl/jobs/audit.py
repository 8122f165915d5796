"""Wires one run from the settings: opens the databases and the API, builds the pipeline and runs it."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from math import ceil

import structlog
from sqlalchemy import Engine
from structlog.contextvars import bound_contextvars

from etl.archive.archive import Archive
from etl.archive.store import Store
from etl.database.clock import Clock, clock_of
from etl.database.connections import same_database
from etl.database.migrations import require_current
from etl.errors import TaskAuditError
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.pool import Pool, Traffic
from etl.fetch.retry import RetryPolicy
from etl.jobs.forecast import Forecast, forecast
from etl.jobs.opening import max_rate_of, nothing_settled, open_gate, open_source, open_warehouse, user_table
from etl.koodrive.client import KooDrive, open_koodrive
from etl.observe.delivery import message_writer
from etl.observe.trace import Trace
from etl.observe.webhook import open_webhook
from etl.run.limits import Limits
from etl.run.pipeline import Announce, Pipeline
from etl.run.settlement import claims_allowed
from etl.runs import AuditRun, RunRequest, begin_run
from etl.settings.load import Settings
from etl.settings.model import ApiSettings
from etl.shutdown import Shutdown
from etl.source import Source
from etl.source.overview import overview
from etl.source.queue import Queue
from etl.source.read_only import ReadOnlySource, unclaimed
from etl.source.schema import queue_schema
from etl.source.tables import pending_table
from etl.tasks import TaskState
from etl.warehouse.load.batch import Within
from etl.warehouse.load.dry_run import DryRun
from etl.warehouse.load.loader import Warehouse

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CLAIM_SECONDS = 5
"""How many seconds of work one claim takes: enough not to wait for the database, and little to lose by a crash."""

MAX_CLAIM = 1_000
"""Tasks in one claim, at most: larger ones are no cheaper per task, and keep the first requests waiting."""

ProgressHook = Callable[[Pipeline, int | None], None]
"""Receives a pipeline that is about to run, and how many tasks are due, or None if that is not known."""


async def run_job(
    settings: Settings,
    request: RunRequest,
    *,
    shutdown: Shutdown,
    progress: ProgressHook | None = None,
    begin: Callable[[AuditRun], None] | None = None,
    note_written: Callable[[], None] | None = None,
    trace: Trace | None = None,
) -> AuditRun:
    """Do one run; returns the row of the finished run.

    Args:
        settings: the configuration.
        request: what this run is to do.
        shutdown: where an early end is ordered.
        progress: shows how it goes on.
        begin: told of the run that begins.
        note_written: told that the run's end is in the warehouse, and the messages about it.
        trace: notes how long what took.

    Raises:
        TaskAuditError: the run could not begin.
    """
    with ExitStack() as databases:
        source_engine = databases.enter_context(open_source(settings.source))
        clock = clock_of(source_engine)
        run = begin_run(request.selection, max_rate=max_rate_of(settings, request), now=clock())
        databases.enter_context(bound_contextvars(run_id=run.run_id))
        warehouse = None
        if not request.dry_run or settings.source.mode == "read_only":
            warehouse = databases.enter_context(open_warehouse(settings.warehouse))
        source = _source(settings, request, source_engine, warehouse, run_id=run.run_id, clock=clock)
        announce = _announce(settings, request, source_engine)
        traffic = Traffic()
        archive = None
        if settings.archive.location and not request.dry_run:
            archive = Archive(Store(settings.archive), run_id=run.run_id)
        koodrive = open_koodrive(
            settings.api,
            run_id=run.run_id,
            clock=clock,
            keeps_answers=archive is not None,
            note_refresh=traffic.note_refresh,
        )
        async with (
            koodrive as api,
            open_gate(settings, request, source_engine, run_id=run.run_id, shutdown=shutdown) as gate,
        ):
            pipeline = Pipeline(
                source,
                _pool(api, gate, settings.api, shutdown, traffic),
                DryRun() if request.dry_run or warehouse is None else warehouse,
                run=run,
                limits=_limits(settings, request),
                shutdown=shutdown,
                clock=clock,
                shares_database=same_database(settings.source.url, settings.warehouse.url),
                archive=archive,
                secrets=api.secrets,
                announce=announce,
                trace=trace,
            )
            due = _at_most(source.count(), request.tasks)
            if due is not None:
                log.info("run_planned", **_planned(forecast(due, rate=run.max_rate, now=clock())))
            if progress is not None:
                progress(pipeline, due)
            if begin is not None:
                begin(run)
            finished = await pipeline.run_to_end()
            if note_written is not None and pipeline.end_is_written:
                note_written()
            return finished


def _source(
    settings: Settings, request: RunRequest, engine: Engine, warehouse: Warehouse | None, *, run_id: str, clock: Clock
) -> Source:
    if settings.source.mode == "read_only":
        assert warehouse is not None  # noqa: S101 - what is settled stands there, so this mode opens it even to look on
        return user_table(settings.source, request, engine, warehouse)
    table = pending_table(settings.source.table)
    with engine.connect() as connection:
        require_current(connection, queue_schema(table))
    if request.dry_run:
        # A claim would write: a dry run looks on.
        due = unclaimed(table, request.selection)
        return ReadOnlySource(engine, due, request.selection, settled=nothing_settled)
    lease = timedelta(seconds=settings.run.lease_seconds)
    allowed = claims_allowed(settings.run.dead_letter_after)
    return Queue(engine, table, request.selection, owner=run_id, lease=lease, clock=clock, claims_allowed=allowed)


def _announce(settings: Settings, request: RunRequest, engine: Engine) -> Announce | None:
    """Make what writes messages about the run, where a webhook is told of it."""
    if request.dry_run or open_webhook(settings.notify) is None:
        return None

    def announce(run: AuditRun) -> Within:
        return message_writer(
            settings.notify, run, pending=None if run.claimed else _pending(settings, request, engine)
        )

    return announce


def _pending(settings: Settings, request: RunRequest, engine: Engine) -> int | None:
    """Count the pending tasks of all times, where the run was to ask about all of them."""
    if settings.source.mode == "read_only" or request != RunRequest():
        return None
    try:
        states = overview(engine, pending_table(settings.source.table), now=clock_of(engine)())
    except TaskAuditError:
        # The run has ended as it has.
        return None
    return sum(state.tasks for state in states if state.state == TaskState.PENDING)


def _pool(koodrive: KooDrive, gate: Gate, settings: ApiSettings, shutdown: Shutdown, traffic: Traffic) -> Pool:
    return Pool(
        koodrive.ask,
        gate=gate,
        policy=RetryPolicy(attempts=settings.attempts),
        budget=RetryBudget(),
        concurrency=settings.concurrency,
        shutdown=shutdown,
        traffic=traffic,
    )


def _limits(settings: Settings, request: RunRequest) -> Limits:
    work_ahead = max(2 * settings.api.concurrency, ceil(settings.api.max_rate * CLAIM_SECONDS))
    return Limits(
        batch_size=settings.run.batch_size,
        claim_size=min(settings.run.batch_size, work_ahead, MAX_CLAIM),
        lease_seconds=settings.run.lease_seconds,
        dead_letter_after=settings.run.dead_letter_after,
        tasks=request.tasks,
    )


def _planned(forecast: Forecast) -> dict[str, object]:
    return {
        "tasks": forecast.tasks,
        "requests_at_most": forecast.requests_at_most,
        "minutes": round(forecast.seconds / 60, 1),
        "ends_at": f"{forecast.ends_at:%Y-%m-%dT%H:%M:%SZ}",
    }


def _at_most(due: int | None, tasks: int | None) -> int | None:
    return min((number for number in (due, tasks) if number is not None), default=None)
