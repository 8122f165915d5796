"""Wires one run from the settings: opens the databases and the API, builds the pipeline and runs it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Engine
from structlog.contextvars import bound_contextvars

from etl.database.clock import Clock, clock_of
from etl.database.connections import same_database
from etl.database.versions import require_current
from etl.errors import TaskAuditError
from etl.fetch.budget import RetryBudget
from etl.fetch.pool import Pool, Traffic
from etl.fetch.probes import FindTasks
from etl.fetch.retry import RetryPolicy
from etl.jobs.forecast import Forecast, forecast
from etl.jobs.gates import open_gate
from etl.jobs.opening import max_rate_of, nothing_settled, open_source, open_warehouse, user_table
from etl.koodrive.client import open_koodrive
from etl.observe.delivery import message_writer
from etl.observe.trace import Trace
from etl.observe.webhook import open_webhook
from etl.redaction import Secrets
from etl.run.context import Announce, RunContext
from etl.run.database_retry import DatabaseRetry
from etl.run.limits import Limits
from etl.run.pipeline import Pipeline
from etl.run.settlement import claims_allowed
from etl.runs import AuditRun, FinishedRun, RunRequest, begin_run, reason
from etl.settings.load import Settings
from etl.shutdown import Shutdown
from etl.source import Source
from etl.source.overview import overview
from etl.source.queue import Queue
from etl.source.read_only import ReadOnlySource, unclaimed
from etl.source.schema import queue_schema
from etl.source.tables import pending_table
from etl.tasks import PendingTask, TaskState, is_valid_task_id
from etl.warehouse.load.batch import Within
from etl.warehouse.load.dry_run import DryRun
from etl.warehouse.load.loader import Warehouse

if TYPE_CHECKING:
    from etl.archive.archive import Archive

log: structlog.stdlib.BoundLogger = structlog.get_logger()

CLAIM_SECONDS = 5
"""The seconds of work in one claim: enough not to wait for the database, and little to lose by a crash."""

MAX_CLAIM = 1_000
"""The tasks in one claim, at most: a larger claim costs as much per task, and keeps the first requests waiting."""

ProgressHook = Callable[[Pipeline, int | None], None]
"""Receives a pipeline that is about to run, and the number of due tasks; None if that number is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHooks:
    """The functions that a caller wants to have called during a run."""

    progress: ProgressHook | None = None
    begin: Callable[[AuditRun], None] = lambda _run: None
    """Receives the row of the run that begins."""
    note_written: Callable[[], None] = lambda: None
    """Called if the warehouse has the end of the run, and the messages about it."""
    trace: Trace = field(default_factory=Trace)


async def run_job(
    settings: Settings, request: RunRequest, *, shutdown: Shutdown, hooks: RunHooks | None = None
) -> FinishedRun:
    """Do one run; returns the row of the finished run, the error that ended it, and the tasks that are due later.

    Args:
        settings: the configuration.
        request: the tasks to audit, and how.
        shutdown: ends the run early.
        hooks: the functions to call during the run.

    Raises:
        TaskAuditError: the run could not begin.
    """
    hooks = hooks or RunHooks()
    with ExitStack() as databases:
        engine = databases.enter_context(open_source(settings.source))
        clock = clock_of(engine)
        run = begin_run(request.selection, max_rate=max_rate_of(settings, request), now=clock())
        databases.enter_context(bound_contextvars(run_id=run.run_id))
        wiring = Wiring(settings, request, engine=engine, clock=clock, run_id=run.run_id, shutdown=shutdown)
        warehouse = databases.enter_context(wiring.warehouse())
        source, announce, archive = wiring.source(warehouse), wiring.announce(), wiring.archive()
        find_probes = partial(_find_probes, source, warehouse)
        async with wiring.open_pool(find_probes, keeps_answers=archive is not None) as (pool, secrets):
            context = RunContext(
                source=source,
                warehouse=DryRun() if request.dry_run or warehouse is None else warehouse,
                shares_database=same_database(settings.source.url, settings.warehouse.url),
                retry=DatabaseRetry(shutdown),
                limits=wiring.limits(),
                shutdown=shutdown,
                clock=clock,
                renew_clock=clock.renew,
                trace=hooks.trace,
                archive=archive,
                secrets=secrets,
                announce=announce,
            )
            return await _run(Pipeline(context, pool, run=run), wiring, due=source.count(), hooks=hooks)


@dataclass(frozen=True, slots=True)
class Wiring:
    """Makes the parts of one run from its settings and its request."""

    settings: Settings
    request: RunRequest
    _: KW_ONLY
    engine: Engine
    """The pending database."""
    clock: Clock
    run_id: str
    shutdown: Shutdown

    @contextmanager
    def warehouse(self) -> Iterator[Warehouse | None]:
        """Open the warehouse, to read only in a dry run; None if the run neither reads nor writes it."""
        settings, is_dry = self.settings.warehouse, self.request.dry_run
        if is_dry and self.settings.source.mode == "queue":
            yield None
            return
        with open_warehouse(settings, read_only=is_dry) as warehouse:
            if not is_dry:
                warehouse.follow_zone(settings.time_zone)
            yield warehouse

    def source(self, warehouse: Warehouse | None) -> Source:
        """Make the source, and check its table.

        Raises:
            ConfigurationError: the table is not what the settings say, or not of this program's version.
        """
        settings, selection = self.settings.source, self.request.selection
        if settings.mode == "read_only":
            # The settled tasks are in the warehouse, so this mode opens it even for a dry run.
            assert warehouse is not None  # noqa: S101 - for the type checker
            return user_table(settings, self.request, engine=self.engine, settled=warehouse.settled)
        table = pending_table(settings.table)
        with self.engine.connect() as connection:
            require_current(connection, queue_schema(table))
        if self.request.dry_run:
            # A dry run only reads, since a claim would write.
            return ReadOnlySource(
                self.engine, unclaimed(table, selection, now=self.clock()), selection, settled=nothing_settled
            )
        queue = Queue(
            self.engine,
            table,
            selection,
            owner=self.run_id,
            lease=timedelta(seconds=self.settings.run.lease_seconds),
            clock=self.clock,
            claims_allowed=claims_allowed(self.settings.run.dead_letter_after),
        )
        if ahead := queue.count_checked_in_future():
            log.warning("checked_in_future", tasks=ahead)
        return queue

    def announce(self) -> Announce | None:
        """Return what writes the messages about the finished run; None if there is no webhook to send them to."""
        if self.request.dry_run or open_webhook(self.settings.notify) is None:
            return None

        def announce(run: AuditRun) -> Within:
            return message_writer(self.settings.notify, run, pending=None if run.claimed else self._pending())

        return announce

    def archive(self) -> "Archive | None":
        """Make the archive, if one is configured and may be written to."""
        if not self.settings.archive.location or self.request.dry_run:
            return None
        from etl.archive.archive import Archive  # noqa: PLC0415 - a run without an archive does not wait for it
        from etl.archive.store import Store  # noqa: PLC0415 - as above

        return Archive(Store(self.settings.archive), run_id=self.run_id)

    @asynccontextmanager
    async def open_pool(self, find_probes: FindTasks, *, keeps_answers: bool) -> AsyncIterator[tuple[Pool, Secrets]]:
        """Open the API, and make the pool that asks it; yields the API's secrets, too."""
        traffic = Traffic()
        koodrive = open_koodrive(
            self.settings.api,
            run_id=self.run_id,
            clock=self.clock,
            keeps_answers=keeps_answers,
            note_refresh=traffic.note_refresh,
            shutdown=self.shutdown,
        )
        gate = open_gate(self.settings, self.request, engine=self.engine, run_id=self.run_id, shutdown=self.shutdown)
        async with koodrive as api, gate as opened_gate:
            pool = Pool(
                api.ask,
                gate=opened_gate,
                policy=RetryPolicy(attempts=self.settings.api.attempts),
                budget=RetryBudget(),
                concurrency=self.settings.api.concurrency,
                shutdown=self.shutdown,
                traffic=traffic,
                find_probes=find_probes,
            )
            yield pool, api.secrets

    def limits(self) -> Limits:
        """Return the bounds of the run."""
        api, run = self.settings.api, self.settings.run
        work_ahead = max(2 * api.concurrency, ceil(api.max_rate * CLAIM_SECONDS))
        return Limits(
            batch_size=run.batch_size,
            claim_size=min(run.batch_size, work_ahead, MAX_CLAIM),
            lease_seconds=run.lease_seconds,
            dead_letter_after=run.dead_letter_after,
            recheck_after=timedelta(seconds=run.recheck_seconds),
            tasks=self.request.tasks,
        )

    def _pending(self) -> int | None:
        """Count the pending tasks of all times, but for open ones that are due later; None for a run of a selection."""
        if self.settings.source.mode == "read_only" or self.request != RunRequest():
            return None
        try:
            table, now = pending_table(self.settings.source.table), clock_of(self.engine)()
            counted = overview(self.engine, table, now=now)
        except TaskAuditError:
            # A message without this number is better than none, and the end of the run is decided.
            return None
        pending = sum(state.tasks for state in counted.states if state.state == TaskState.PENDING)
        return pending - counted.waiting.tasks


async def _run(pipeline: Pipeline, wiring: Wiring, *, due: int | None, hooks: RunHooks) -> FinishedRun:
    run, expected = pipeline.record.run, _at_most(due, wiring.request.tasks)
    if expected is not None:
        log.info("run_planned", **_planned(forecast(expected, rate=run.max_rate, now=wiring.clock())))
    if hooks.progress is not None:
        hooks.progress(pipeline, expected)
    hooks.begin(run)
    finished = await pipeline.run()
    if pipeline.record.end_is_written:
        hooks.note_written()
    ended_by = reason(finished, wiring.shutdown.reason)
    return FinishedRun(run=finished, ended_by=ended_by, waiting=pipeline.record.waiting)


def _planned(forecast: Forecast) -> dict[str, object]:
    return {
        "tasks": forecast.tasks,
        "requests_at_most": forecast.requests_at_most,
        "minutes": round(forecast.seconds / 60, 1),
        "ends_at": f"{forecast.ends_at:%Y-%m-%dT%H:%M:%SZ}",
    }


def _at_most(due: int | None, tasks: int | None) -> int | None:
    return min((number for number in (due, tasks) if number is not None), default=None)


async def _find_probes(source: Source, warehouse: Warehouse | None) -> list[PendingTask]:
    """Find the tasks that earlier runs got an answer about most recently, and a few due tasks to probe with."""
    try:
        known = await asyncio.to_thread(warehouse.known_tasks) if warehouse is not None else []
        sample = await asyncio.to_thread(source.sample)
    except TaskAuditError:
        # The tasks would only help to find out faster what a failure means.
        return []
    return [*(PendingTask(task_id=task_id) for task_id in known if is_valid_task_id(task_id)), *sample]
