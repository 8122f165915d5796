"""Loading: each batch goes into the warehouse in one transaction, and its tasks are acknowledged in the source.

A run loads only what it still holds. A task that another run has taken over is that run's to write.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import structlog

from etl.crash_points import crash_point
from etl.errors import LeaseLostError
from etl.normalize import normalize
from etl.redaction import Secrets
from etl.run.batches import BatchBuffer
from etl.run.context import RunContext
from etl.run.lease_keeper import LeaseKeeper
from etl.run.leases import Leases
from etl.run.record import RunRecord
from etl.run.settlement import exhaust_if_due, settlement_of, updates_ignored
from etl.runs import AuditRun
from etl.tasks import FetchFailure, Observation, Outcome, Settlement
from etl.warehouse.load.batch import Batch

MAX_LETTERS_LOGGED = 1_000
"""The dead letters that a run logs by task; `task-audit dead-letters list` shows all."""

MAX_ID_CHARACTERS = 64
"""The characters of a task ID in the log: an invalid ID can be arbitrary text, and a log line stays short."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class BatchLoader:
    """Loads the outcomes of one run."""

    def __init__(self, context: RunContext, leases: Leases, *, keeper: LeaseKeeper, record: RunRecord) -> None:
        """Prepare to load.

        Args:
            context: the run's databases.
            leases: the tasks that the run holds.
            keeper: renews leases that may have ended.
            record: receives the numbers of each load.
        """
        self._context = context
        self._leases = leases
        self._keeper = keeper
        self._record = record
        self._can_load = True

    async def load_all(self, batches: BatchBuffer) -> None:
        """Load every batch until there are no more."""
        trace = self._context.trace
        received_at = trace.now()
        while outcomes := await batches.batch():
            failed = sum(isinstance(outcome, FetchFailure) for outcome in outcomes)
            # The span covers a whole load, since one batch is fetched while the one before is loaded.
            trace.note("fetch", received_at, {"tasks": len(outcomes), "failed": failed})
            received_at = trace.now()
            # After a failed load, the tasks of later batches stay held until the run gives them back.
            if self._can_load:
                await self._load_held(outcomes)

    async def _load_held(self, outcomes: Sequence[Outcome]) -> None:
        """Load the outcomes of tasks that this run still holds."""
        if self._leases.may_have_ended:
            await self._keeper.renew()
        while held := [outcome for outcome in outcomes if self._leases.holds(outcome.task)]:
            try:
                with self._leases.loading(outcome.task for outcome in held):
                    await self._load_batch(held)
                break
            except LeaseLostError:
                # The keeper may have found some of them lost before, while this load was under way.
                await self._keeper.renew()
                if all(self._leases.holds(outcome.task) for outcome in held):
                    self._stop(len(held))
                    break

    def _stop(self, tasks: int) -> None:
        """Load nothing more: the batch was rolled back because the database ignored the settlement of held tasks."""
        self._can_load = False
        # If the renewal failed as well, the shutdown has its own reason already.
        message = f"{tasks:,} tasks are done, but the pending database does not let this run settle them."
        self._context.shutdown.request(updates_ignored(message))

    async def _load_batch(self, outcomes: Sequence[Outcome]) -> None:
        crash_point("fetched")
        limits = self._context.limits
        final = [exhaust_if_due(each, dead_letter_after=limits.dead_letter_after) for each in outcomes]
        settlements = [settlement_of(outcome, recheck_after=limits.recheck_after) for outcome in final]
        with self._context.trace.span("load", tasks=len(final)) as attributes:
            loaded = await self._context.retry.call(self._write, final, settlements)
            if loaded is None:
                attributes["error"] = str(self._context.shutdown.reason)
        if loaded is None:
            self._can_load = False
            return
        self._leases.drop([outcome.task for outcome in final])
        self._record.note_load(loaded, final)
        _log_dead_letters(final, total=loaded.dead_lettered)
        crash_point("committed")
        if not self._context.shares_database:
            await self._acknowledge(settlements)
        crash_point("settled")

    def _write(self, outcomes: Sequence[Outcome], settlements: Sequence[Settlement]) -> AuditRun:
        context = self._context
        if context.archive is not None:
            # The archive comes before the facts, so that a replay never lacks one. A response may be there twice.
            context.archive.keep(outcomes)
        batch = make_batch(outcomes, secrets=context.secrets, now=context.clock())
        if not context.shares_database:
            return context.warehouse.load(batch, self._record.run)
        return context.warehouse.load(
            batch, self._record.run, within=lambda connection: context.source.settle(settlements, within=connection)
        )

    async def _acknowledge(self, settlements: Sequence[Settlement]) -> None:
        # The facts are committed: a crash or an error here costs one more request per task, and never a fact.
        with suppress(LeaseLostError), self._context.trace.span("acknowledge", tasks=len(settlements)):
            await self._context.retry.call(self._context.source.settle, settlements)


def make_batch(outcomes: Sequence[Outcome], *, secrets: Secrets, now: datetime) -> Batch:
    """Sort outcomes into what a load writes.

    Args:
        outcomes: what the run has learnt about its tasks.
        secrets: values that no fact may hold.
        now: the time by the clock of the run.
    """
    observations = [outcome for outcome in outcomes if isinstance(outcome, Observation)]
    failures = [outcome for outcome in outcomes if isinstance(outcome, FetchFailure)]
    return Batch(
        facts=normalize(observations, redact=secrets.redact),
        audited=len(observations),
        dead_letters=[failure for failure in failures if failure.is_lasting],
        released=sum(not failure.is_lasting for failure in failures),
        now=now,
    )


def _log_dead_letters(outcomes: Sequence[Outcome], *, total: int) -> None:
    """Log the tasks that have become dead letters, up to a bound for the run; the table has all.

    Args:
        outcomes: the outcomes that were just loaded.
        total: the dead letters of the run, with these.
    """
    letters = [each for each in outcomes if isinstance(each, FetchFailure) and each.is_lasting]
    logged = total - len(letters)
    for letter in letters[: max(0, MAX_LETTERS_LOGGED - logged)]:
        log.warning(
            "task_dead_lettered",
            task_id=repr(letter.task.task_id[:MAX_ID_CHARACTERS])[1:-1],
            trace_id=letter.trace_id,
            reason=str(letter.reason),
            http_status=letter.http_status,
            error_code=letter.error_code,
            said=letter.detail,
        )
    if logged <= MAX_LETTERS_LOGGED < total:
        log.warning("dead_letters_untold", told=MAX_LETTERS_LOGGED)
