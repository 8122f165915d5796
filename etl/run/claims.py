"""A run claims tasks whenever its backlog runs low, and adds to it the tasks without a known outcome.

A suspect is a task that killed runs have held so often that it may have killed them.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import structlog

from etl.crash_points import crash_point
from etl.error_codes import Code
from etl.errors import LeaseLostError, StoppedError
from etl.fetch.backlog import Backlog
from etl.fetch.pool import Pool
from etl.run.batches import BatchBuffer
from etl.run.context import RunContext
from etl.run.leases import Leases
from etl.run.record import RunRecord
from etl.run.settlement import already_audited, claims_allowed, reject_unaskable, updates_ignored
from etl.tasks import PendingTask
from etl.tasks.failure_reasons import FailureReason

LOADED_POLL_SECONDS, MAX_LOADED_POLL_SECONDS = 0.02, 1.0
"""The first pause between two checks whether all earlier tasks are loaded, before a suspect is asked about alone; and
the longest. It doubles, since a low rate makes an earlier task wait for a minute."""

MAX_EMPTY_CLAIMS = 3
"""The claims in a row that may take none of the due tasks. Other runs may claim them first, but hardly three times."""

MAX_INVALID = 100_000
"""The texts that are no task IDs, of which one run makes dead letters. A source claims them after all tasks."""

LEASE_POLL_SECONDS, MAX_LEASE_POLL_SECONDS = 0.25, 5.0
"""The first pause between two looks whether another run has released its tasks, and the longest."""

LEASE_POLL_GROWTH = 1.35
"""How much longer each pause is. A run therefore ends soon after the other, by about a third of its wait at most. One
that was killed, and holds its tasks for minutes, takes few looks."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Claims:
    """Claims the tasks of one run from the source."""

    def __init__(
        self,
        context: RunContext,
        leases: Leases,
        *,
        backlog: Backlog,
        batches: BatchBuffer,
        record: RunRecord,
        pool: Pool,
    ) -> None:
        """Start without a claim.

        Args:
            context: the run's databases and limits.
            leases: the tasks that the run holds.
            backlog: receives the tasks to ask about.
            batches: receives the outcomes that are known without asking.
            record: counts the claimed tasks.
            pool: asks about the tasks of the backlog, and holds doubtful outcomes back.
        """
        self._context = context
        self._leases = leases
        self._backlog = backlog
        self._batches = batches
        self._record = record
        self._pool = pool
        self._held_by_others = 0
        self._empty_claims = 0
        """The claims in a row that took none of the due tasks."""
        self._invalid = 0
        self._size = context.limits.claim_size
        """The tasks of the next claim: a whole batch after a claim that left nothing to ask about."""
        self._has_taken_turns = False

    async def take_all(self) -> None:
        """Claim tasks until there are no more for this run, or a stop is requested."""
        source, call, trace = self._context.source, self._context.retry.call, self._context.trace
        shutdown = self._context.shutdown
        while not shutdown.is_requested and self._invalid < MAX_INVALID and (wanted := self._wanted()):
            began_at = trace.now()
            tasks = await call(partial(source.claim, wanted, in_turns=self._takes_turns())) or []
            suspects = [] if tasks else await call(source.claim_suspect) or []
            if tasks or suspects:
                trace.note("claim", began_at, {"tasks": len(tasks or suspects)})
                crash_point("claimed")
                self._empty_claims = 0
                await self._admit(tasks, suspects)
                await self._backlog.runs_low()
            elif not (await self._some_are_left() or await self._others_release_some()):
                break
        self._backlog.end()

    async def require_none_left(self) -> None:
        """Check after the end that the database has recorded every outcome; otherwise the run must not end with 0."""
        context = self._context
        if context.shutdown.is_requested or self._leases.lost:
            return
        if self._invalid >= MAX_INVALID:
            context.shutdown.request(_too_many_invalid(self._invalid))
            return
        if left := await context.retry.call(context.source.count_held) or 0:
            message = f"{left:,} tasks are done, but the pending database still shows them as claimed by this run."
            context.shutdown.request(updates_ignored(message))

    async def _admit(self, tasks: Sequence[PendingTask], suspects: Sequence[PendingTask]) -> None:
        """Add the claimed tasks to the backlog, except those whose outcome is known already."""
        # A claim whose answer was lost is found by the end of its leases. A renewal may have given others the same end,
        # since the clock stands still after the server's was set back.
        tasks = [task for task in tasks if not self._leases.holds(task)]
        tasks, suspects = await self._acknowledge_audited(tasks), await self._acknowledge_audited(suspects)
        self._record.claimed += len(tasks) + len(suspects)
        self._leases.take([*tasks, *suspects])
        if suspects:
            await self._load_all_but(suspects)
        limits, now, askable = self._context.limits, self._context.clock(), []
        are_of_dead_runs = await self._are_claims_of_dead_runs([*tasks, *suspects])
        for task in (*tasks, *suspects):
            failure = reject_unaskable(
                task,
                dead_letter_after=limits.dead_letter_after,
                are_claims_of_dead_runs=are_of_dead_runs,
                now=now,
            )
            if failure is None:
                askable.append(task)
            else:
                self._invalid += failure.reason is FailureReason.INVALID_ID
                await self._batches.put(failure)
        self._backlog.fill(askable)
        self._size = limits.claim_size if askable else min(limits.batch_size, MAX_INVALID - self._invalid)

    async def _acknowledge_audited(self, tasks: Sequence[PendingTask]) -> Sequence[PendingTask]:
        """Settle the tasks that a killed run loaded but did not acknowledge; returns the other tasks.

        The killed run has counted these tasks, so this run does not.
        """
        context = self._context
        left_behind = [task.task_id for task in tasks if task.attempts > 1]
        if context.shares_database or not left_behind:
            return tasks
        audited = await context.retry.call(context.warehouse.audited_by_dead_runs, left_behind) or set()
        settlements = [already_audited(task, now=context.clock()) for task in tasks if task.task_id in audited]
        if settlements:
            log.info("acknowledged_for_dead_runs", tasks=len(settlements))
            with suppress(LeaseLostError):
                await context.retry.run(context.source.settle, settlements)
        return [task for task in tasks if task.task_id not in audited]

    async def _are_claims_of_dead_runs(self, tasks: Sequence[PendingTask]) -> bool:
        """Return whether so many runs never ended that the claims of a task that was claimed too often may be theirs.

        Runs take tasks from each other if their clocks differ or they were suspended, and a claim counts each time.
        """
        allowed = claims_allowed(self._context.limits.dead_letter_after)
        if self._leases.lost or all(task.attempts <= allowed for task in tasks):
            return False
        count = partial(self._context.warehouse.count_unfinished, but=self._record.run.run_id)
        return (await self._context.retry.call(count) or 0) >= allowed

    async def _load_all_but(self, suspects: Sequence[PendingTask]) -> None:
        """Wait until all other tasks are loaded, since a suspect may kill this run as well."""
        self._batches.hurry()
        shutdown = self._context.shutdown
        seconds = LOADED_POLL_SECONDS
        while len(self._leases.held) > self._postponed + len(suspects) and not shutdown.is_requested:
            await shutdown.sleep(seconds)
            seconds = min(MAX_LOADED_POLL_SECONDS, 2 * seconds)

    @property
    def _postponed(self) -> int:
        """The number of held tasks that are loaded only after an answer about another, or at the end of the run."""
        return self._backlog.deferred + self._pool.quarantined

    async def _some_are_left(self) -> bool:
        """Return whether tasks are due and free after an empty claim: the run must not end as if all were audited.

        They may be new, another transaction may lock them, or the database may not let this run claim them.
        """
        context = self._context
        left = await context.retry.call(context.source.count) or 0
        if left:
            self._empty_claims += 1
            can_claim = await context.retry.call(context.source.can_claim)
            if can_claim is False or self._empty_claims >= MAX_EMPTY_CLAIMS:
                message = f"{left:,} tasks are due, but the pending database does not let this run claim them."
                context.shutdown.request(updates_ignored(message))
        return left > 0

    async def _others_release_some(self) -> bool:
        """Wait while other runs hold tasks that are due here; return whether one of the tasks is free.

        The other run may finish them. If it was killed, this run can claim them when their leases end. A run after a
        crash therefore does not end while the tasks of the killed run still wait. A run that waits only reads: a claim
        locks the database, if only to find nothing.
        """
        context, seconds = self._context, LEASE_POLL_SECONDS
        while await self._others_hold_some():
            await self._end_postponed()
            await context.shutdown.sleep(seconds)
            seconds = min(MAX_LEASE_POLL_SECONDS, LEASE_POLL_GROWTH * seconds)
            if await context.retry.call(context.source.count):
                return True
        return False

    async def _others_hold_some(self) -> bool:
        """Return whether another run holds tasks that are due here, or has just released them."""
        if self._context.shutdown.is_requested:
            return False
        others = await self._context.retry.call(self._context.source.count_others) or 0
        if others not in {0, self._held_by_others}:
            log.info("waiting_for_another_run", tasks=others)
        self._held_by_others = others
        return others > 0

    async def _end_postponed(self) -> None:
        """Let no task wait for the end of this run: the other run may wait for the tasks of this one, too."""
        self._backlog.bring_back_deferred()
        if len(self._leases.held) <= self._pool.quarantined:
            for outcome in self._pool.release_quarantined():
                await self._batches.put(outcome)
        self._batches.flush()

    def _takes_turns(self) -> bool:
        """Return whether to claim from other parts of the due tasks than the oldest, too.

        Refused tasks then take about half of the requests, as long as there are others.
        """
        is_refused = self._record.is_mostly_refused
        if is_refused and not self._has_taken_turns:
            self._has_taken_turns = True
            log.warning("claims_in_turns", claimed=self._record.claimed)
        return is_refused

    def _wanted(self) -> int:
        most = self._context.limits.tasks
        return self._size if most is None else min(self._size, most - self._record.claimed)


def _too_many_invalid(number: int) -> StoppedError:
    return StoppedError(
        f"{number:,} texts in the pending table were no task IDs, and there may be more.",
        code=Code.INVALID_IDS_MANY,
        remedy="Find the program that adds them, and delete its rows; each run makes dead letters of as many.",
    )
