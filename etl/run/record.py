"""The row of a run in the warehouse: its numbers while it runs, and its end."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace

import structlog

from etl.crash_points import crash_point
from etl.error_codes import Code
from etl.errors import StoppedError, TaskAuditError, UnavailableError
from etl.fetch.pool import Pool, Traffic
from etl.observe.streams import lines_lost
from etl.run.context import RunContext
from etl.runs import AuditRun, Counters, reason, verdict
from etl.tasks import FetchFailure, Outcome, WaitingTasks
from etl.tasks.failure_reasons import SETTLED_LOCALLY

SUMMARY_FIELDS = ("outcome", "exit_code", "claimed", "audited", "dead_lettered", "released", "requests", "error")

TRAFFIC_FIELDS = {field.name for field in fields(Traffic)} & {field.name for field in fields(AuditRun)}
"""The numbers of the traffic that have a column of the same name in the row of the run."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class RunRecord:
    """Collects the numbers of one run, and writes its row."""

    def __init__(self, context: RunContext, run: AuditRun, *, pool: Pool) -> None:
        """Start with the numbers of a new run.

        Args:
            context: the run's databases and clock.
            run: the row of the run as it begins.
            pool: counts the requests.
        """
        self._context = context
        self._loaded = run
        self._pool = pool
        self._outcomes: Counter[str] = Counter()
        self.claimed = 0
        self.waiting: WaitingTasks | None = None
        """The open tasks that are due again later, once the run has ended; None if they are not known."""
        self.end_is_written = False
        """Whether the warehouse has the end of the run, and what is announced with it."""

    @property
    def run(self) -> AuditRun:
        """The row at this moment: the numbers of the last load, and the current claims and requests."""
        traffic = {name: getattr(self._pool.traffic, name) for name in TRAFFIC_FIELDS}
        return replace(self._loaded, claimed=self.claimed, **traffic)

    @property
    def is_mostly_refused(self) -> bool:
        """Whether KooDrive has refused more tasks of this run than it has answered about."""
        return self._pool.traffic.refusals > self._pool.traffic.observations

    @property
    def counters(self) -> Counters:
        """The parts of the run's numbers at this moment."""
        traffic = self._pool.traffic
        by_counter = {
            "outcome": self._outcomes,
            "http_status": {**traffic.failures, "200": traffic.failures["200"] + traffic.observations},
            "request": {"session_refresh": traffic.refreshes},
            "drift": traffic.drift,
            "log": {"lines_lost": lines_lost()},
            "pace": {"ceiling_per_minute": round(60 * (self._pool.ceiling or 0))},
        }
        return {
            (counter, name): number
            for counter, numbers in by_counter.items()
            for name, number in numbers.items()
            if number
        }

    async def start(self) -> None:
        """Write the row of the run that begins.

        Raises:
            TaskAuditError: the warehouse cannot write it.
        """
        await asyncio.to_thread(self._context.warehouse.start, self.run)
        crash_point("started")
        log.info("run_started", max_rate=self._loaded.max_rate)

    def note_load(self, loaded: AuditRun, outcomes: Sequence[Outcome]) -> None:
        """Take over the numbers that the warehouse returned for a load of these outcomes."""
        self._loaded = loaded
        self._outcomes.update(map(_kind, outcomes))
        log.info("batch_loaded", tasks=len(outcomes), audited=loaded.audited)

    def note_release(self, tasks: int) -> None:
        """Count tasks that were given back without an outcome."""
        self._loaded = replace(self._loaded, released=self._loaded.released + tasks)

    async def finish(self, *, lost: int) -> AuditRun:
        """Write how the run has ended; returns its final row.

        Args:
            lost: the tasks that another run has taken over.
        """
        crash_point("finishing")
        finished, counters = self._finished(lost), self.counters
        for (counter, name), number in counters.items():
            if counter == "drift":
                log.warning("drift", what=name, answers=number)
        self.end_is_written = await self._context.retry.run(self._write_end, finished, counters)
        if not self.end_is_written:
            log.error("run_row_not_written")
            # The failed write has requested the shutdown: the run must not end well while its row says "running".
            finished = self._finished(lost)
        crash_point("finished")
        self.waiting = await self._count_waiting()
        summary = {name: getattr(finished, name) for name in SUMMARY_FIELDS}
        log.info("run_finished", **summary, **_due_later(self.waiting))
        return finished

    async def _count_waiting(self) -> WaitingTasks | None:
        """Count the open tasks that are due again later; the end of the run is decided, whatever comes of it."""
        if isinstance(self._context.shutdown.reason, UnavailableError):
            return None
        with suppress(TaskAuditError):
            return await asyncio.to_thread(self._context.source.count_waiting)
        return None

    def _write_end(self, finished: AuditRun, counters: Counters) -> None:
        # The announcement reads the pending table before the transaction opens: SQLite and DuckDB allow one user only.
        announce = self._context.announce
        within = announce(finished) if announce is not None else None
        self._context.warehouse.finish(finished, counters, within=within)

    def _finished(self, lost: int) -> AuditRun:
        run = self.run
        if lost:
            self._context.shutdown.request(_taken_over(lost))
        ended_by = self._context.shutdown.reason
        settled_locally = sum(self._outcomes[reason] for reason in SETTLED_LOCALLY)
        exit_code, error = verdict(run, ended_by, settled_locally=settled_locally), reason(run, ended_by)
        return replace(
            run,
            finished_at=self._context.clock(),
            outcome=exit_code.outcome,
            exit_code=int(exit_code),
            error=str(error) if error else None,
        )


def _due_later(waiting: WaitingTasks | None) -> dict[str, object]:
    """Return the fields of the log about open tasks that are due later; null if they are not known."""
    next_at = waiting.next_at if waiting else None
    return {
        "waiting": waiting.tasks if waiting else None,
        "next_check_at": f"{next_at:%Y-%m-%dT%H:%M:%SZ}" if next_at else None,
    }


def _taken_over(tasks: int) -> StoppedError:
    return StoppedError(
        f"{tasks:,} tasks were taken over by another run: this one had not renewed their leases in time.",
        code=Code.LEASES_LOST,
        remedy="Nothing is lost. If the machine was not suspended, raise run.lease_seconds.",
    )


def _kind(outcome: Outcome) -> str:
    return str(outcome.reason) if isinstance(outcome, FetchFailure) else "audited"
