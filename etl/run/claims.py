"""Claiming: tasks are taken while fewer wait than can be asked about soon, and let in unless their outcome is known."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

import structlog

from etl.crash_points import crash_point
from etl.errors import LeaseLostError
from etl.fetch.backlog import Backlog
from etl.observe.trace import Trace
from etl.run.batches import BatchBuffer
from etl.run.database_retry import DatabaseRetry
from etl.run.leases import Leases
from etl.run.limits import Limits
from etl.run.settlement import already_audited, reject_unaskable
from etl.shutdown import Shutdown
from etl.source import Source
from etl.tasks import PendingTask
from etl.warehouse import Loader

LOADED_POLL_SECONDS = 0.02
"""How often to look whether all that was asked is loaded, before a task is asked about alone."""

LEASE_POLL_SECONDS = 5.0
"""How often to look whether another run has let go of its tasks."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Claims:
    """What a run takes out of the source."""

    def __init__(
        self,
        source: Source,
        warehouse: Loader,
        *,
        shares_database: bool,
        retry: DatabaseRetry,
        leases: Leases,
        backlog: Backlog,
        outbox: BatchBuffer,
        limits: Limits,
        shutdown: Shutdown,
        clock: Callable[[], datetime],
        trace: Trace,
    ) -> None:
        """Begin with nothing.

        Args:
            source: hands out tasks.
            warehouse: knows what runs have loaded that died before they could acknowledge it.
            shares_database: whether source and warehouse are one database, so that no run can die between the two.
            retry: calls the databases, and tries again after a passing failure.
            leases: holds what is claimed.
            backlog: takes the tasks that are to be asked about.
            outbox: takes those whose outcome is known without asking.
            limits: how much at a time.
            shutdown: where an early end is ordered.
            clock: tells the time, aware and in UTC.
            trace: notes how long a claim took.
        """
        self._source = source
        self._warehouse = warehouse
        self._shares_database = shares_database
        self._retry = retry
        self._leases = leases
        self._backlog = backlog
        self._outbox = outbox
        self._limits = limits
        self._shutdown = shutdown
        self._clock = clock
        self._trace = trace
        self._others_held = 0
        self.claimed = 0
        """Tasks that were taken."""
        self.refused = 0
        """Tasks among them whose outcome was known without asking."""

    async def take_all(self) -> None:
        """Take tasks until there are no more for this run, or it is to stop."""
        while not self._shutdown.is_requested and (wanted := self._wanted()):
            began_at = self._trace.now()
            tasks = await self._retry.call(self._source.claim, wanted)
            suspects = [] if tasks else await self._retry.call(self._source.claim_suspect)
            if tasks or suspects:
                self._trace.note("claim", began_at, {"tasks": len(tasks or suspects or [])})
                crash_point("claimed")
                await self._admit(tasks or [], suspects or [])
                await self._backlog.runs_low()
            elif await self._others_hold_some():
                await self._shutdown.sleep(LEASE_POLL_SECONDS)
            else:
                break
        self._backlog.end()

    async def _admit(self, tasks: Sequence[PendingTask], suspects: Sequence[PendingTask]) -> None:
        """Let into the backlog what may be asked about; the rest has its outcome already."""
        tasks, suspects = await self._acknowledge_audited(tasks), await self._acknowledge_audited(suspects)
        self.claimed += len(tasks) + len(suspects)
        self._leases.take([*tasks, *suspects])
        if suspects:
            await self._load_all_but(suspects)
        askable = []
        for task in (*tasks, *suspects):
            failure = reject_unaskable(task, dead_letter_after=self._limits.dead_letter_after, now=self._clock())
            if failure is None:
                askable.append(task)
            else:
                await self._outbox.put(failure)
                self.refused += 1
        self._backlog.fill(askable)

    async def _acknowledge_audited(self, tasks: Sequence[PendingTask]) -> Sequence[PendingTask]:
        """Settle what a run has loaded that died before it could do so; returns the others.

        That run has counted them, so this one does not: for it, they were never claimed.
        """
        left_behind = [task.task_id for task in tasks if task.attempts > 1]
        if self._shares_database or not left_behind:
            return tasks
        audited = await self._retry.call(self._warehouse.audited_by_dead_runs, left_behind) or set()
        settlements = [already_audited(task, now=self._clock()) for task in tasks if task.task_id in audited]
        if settlements:
            log.info("acknowledged_for_dead_runs", tasks=len(settlements))
            with suppress(LeaseLostError):
                await self._retry.run(self._source.settle, settlements)
        return [task for task in tasks if task.task_id not in audited]

    async def _load_all_but(self, suspects: Sequence[PendingTask]) -> None:
        """Wait until nothing else is under way that would die with a task that kills its runs."""
        self._outbox.hurry()
        while len(self._leases.held) > self._backlog.deferred + len(suspects) and not self._shutdown.is_requested:
            await self._shutdown.sleep(LOADED_POLL_SECONDS)

    async def _others_hold_some(self) -> bool:
        """Say whether another run holds tasks that are due here.

        It may finish them; or it is dead, and they are ours when its leases end. So a run after a crash does not end
        well while the tasks of the crashed one still wait.
        """
        if self._shutdown.is_requested:
            return False
        leased = await self._retry.call(self._source.count_leased) or 0
        if leased not in {0, self._others_held}:
            log.info("waiting_for_another_run", tasks=leased)
        self._others_held = leased
        return leased > 0

    def _wanted(self) -> int:
        if self._limits.tasks is None:
            return self._limits.claim_size
        return min(self._limits.claim_size, self._limits.tasks - self.claimed)
