"""The pipeline: claim, fetch, normalize, load, acknowledge. It fetches one batch while it loads the batch before.

Every early end is a request to stop. The run then claims and asks no more, loads what was fetched, and releases the
tasks that it still holds.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import structlog

from etl.archive.archive import Archive
from etl.crash_points import crash_point
from etl.errors import BugError, Code, LeaseLostError, StoppedError
from etl.fetch.backlog import Backlog
from etl.fetch.pool import Pool
from etl.normalize import normalize
from etl.observe.trace import Trace
from etl.redaction import Secrets
from etl.run.batches import BatchBuffer
from etl.run.claims import Claims
from etl.run.database_retry import DatabaseRetry
from etl.run.leases import Leases
from etl.run.limits import Limits
from etl.run.settlement import exhaust_if_due, settlement_of
from etl.runs import AuditRun, Counters, reason, verdict
from etl.shutdown import Shutdown
from etl.source import Source
from etl.tasks import FetchFailure, Observation, Outcome
from etl.warehouse import Loader
from etl.warehouse.load.batch import Batch, Within

FLUSH_SECONDS = 5.0
"""A batch is loaded when it is full or so old, so that a slow API never keeps answers in memory for long."""

DEFERRED_SECONDS = 60.0
"""How long tasks rest that are left for the end of the run, because too many of them had failed."""

GRACE_SECONDS = 5.0
"""How long requests in flight may go on after the order to stop."""

MAX_LETTERS_LOGGED = 1_000
"""Dead letters that a run names in its log; `task-audit dead-letters list` has all."""

MAX_ID_CHARACTERS = 64
"""Of a task ID in the log: what is none may be any text."""

SUMMARY_FIELDS = ("outcome", "exit_code", "claimed", "audited", "dead_lettered", "released", "requests", "error")

Announce = Callable[[AuditRun], Within]
"""From the row of a finished run to what is written in one transaction with it."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Pipeline:
    """One run, from the first claim to the last acknowledgement."""

    def __init__(
        self,
        source: Source,
        pool: Pool,
        warehouse: Loader,
        *,
        run: AuditRun,
        limits: Limits,
        shutdown: Shutdown,
        clock: Callable[[], datetime],
        shares_database: bool,
        archive: Archive | None = None,
        secrets: Secrets | None = None,
        announce: Announce | None = None,
        trace: Trace | None = None,
    ) -> None:
        """Open the doors.

        Args:
            source: hands out tasks.
            pool: asks about them.
            warehouse: takes the facts.
            run: the row of this run.
            limits: how much at a time.
            shutdown: where an early end is ordered.
            clock: tells the time, aware and in UTC.
            shares_database: whether source and warehouse are one database, so that one transaction spans both.
            archive: keeps the answers as they came, if wanted.
            secrets: what no answer may bring into a fact.
            announce: makes what is to be written with the row of the finished run.
            trace: notes how long what took.
        """
        self._source = source
        self._pool = pool
        self._warehouse = warehouse
        self._loaded = run
        self._limits = limits
        self._shutdown = shutdown
        self._clock = clock
        self._retry = DatabaseRetry(shutdown)
        self._shares_database = shares_database
        self._archive = archive
        self._secrets = secrets or Secrets()
        self._announce = announce
        self._trace = trace or Trace()
        self._backlog = Backlog(low=limits.claim_size // 2, rest_seconds=DEFERRED_SECONDS)
        self._outbox = BatchBuffer(size=limits.batch_size, seconds=FLUSH_SECONDS)
        self._answered = 0
        self._leases = Leases(seconds=limits.lease_seconds, clock=clock)
        self._claims = Claims(
            source,
            warehouse,
            shares_database=shares_database,
            retry=self._retry,
            leases=self._leases,
            backlog=self._backlog,
            outbox=self._outbox,
            limits=limits,
            shutdown=shutdown,
            clock=clock,
            trace=self._trace,
        )
        self.end_is_written = False
        """Whether the row says how the run has ended, and what was to be announced with it is written."""
        self._can_load = True
        self._outcomes: Counter[str] = Counter()

    @property
    def answered(self) -> int:
        """Tasks whose outcome is known, loaded or not."""
        return self._answered + self._claims.refused

    @property
    def run(self) -> AuditRun:
        """The run's counters at this moment: what was loaded, and the claims and the traffic until now."""
        traffic = self._pool.traffic
        return replace(
            self._loaded,
            claimed=self._claims.claimed,
            requests=traffic.requests,
            retries=traffic.retries,
            throttled=traffic.throttled,
        )

    @property
    def counters(self) -> Counters:
        """What the run's numbers are made of, at this moment."""
        traffic = self._pool.traffic
        statuses = {**traffic.failures, "200": traffic.failures["200"] + traffic.observations}
        ceiling = {"ceiling_per_minute": round(60 * self._pool.ceiling)} if self._pool.ceiling else {}
        refreshes = {"session_refresh": traffic.refreshes}
        by_counter = {
            "outcome": self._outcomes,
            "http_status": statuses,
            "request": refreshes,
            "drift": traffic.drift,
            "pace": ceiling,
        }
        return {
            (counter, name): number
            for counter, numbers in by_counter.items()
            for name, number in numbers.items()
            if number
        }

    async def run_to_end(self) -> AuditRun:
        """Run to the end, whatever ends it; returns the row of the finished run.

        Raises:
            TaskAuditError: the run could not even begin.
        """
        await asyncio.to_thread(self._warehouse.start, self.run)
        crash_point("started")
        log.info("run_started", max_rate=self._loaded.max_rate)
        try:
            await self._run_stages()
        except* Exception as unforeseen:
            log.exception("bug", exc_info=unforeseen)
            self._shutdown.request(
                BugError(
                    f"Unforeseen: {unforeseen.exceptions[0]!r}.",
                    code=Code.BUG,
                    remedy="Report it, with the log from `bug` on; it holds no secret.",
                )
            )
        await self._give_back()
        return await self._finish()

    async def _run_stages(self) -> None:
        async with asyncio.TaskGroup() as stages:
            heartbeat = stages.create_task(self._keep_leases())
            stop_watcher = stages.create_task(self._watch_for_stop())
            loading = stages.create_task(self._load())
            claiming = stages.create_task(self._claims.take_all())
            await self._fetch()
            await claiming
            self._outbox.end()
            await loading
            stop_watcher.cancel()
            heartbeat.cancel()

    async def _fetch(self) -> None:
        fetching = asyncio.ensure_future(self._pool.work(self._backlog, self._take))
        stopping = asyncio.ensure_future(self._shutdown.wait())
        await asyncio.wait({fetching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if self._shutdown.is_requested:
            await asyncio.wait({fetching}, timeout=GRACE_SECONDS)
            fetching.cancel()
        stopping.cancel()
        with suppress(asyncio.CancelledError):
            await fetching

    async def _take(self, outcome: Outcome) -> None:
        await self._outbox.put(outcome)
        self._answered += 1

    async def _watch_for_stop(self) -> None:
        await self._shutdown.wait()
        log.info("stopping", said=str(self._shutdown.reason))
        self._backlog.close()

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._limits.lease_seconds / 3)
            await self._renew_leases()

    async def _renew_leases(self) -> int:
        """Prolong all leases, and forget the tasks that this run has lost; returns how many."""
        asked_at = self._clock()
        lost = await self._retry.call(self._source.renew, self._leases.held)
        if lost is None:
            return 0
        if number := self._leases.note_renewal(asked_at, lost):
            log.warning("leases_lost", tasks=number)
        return number

    async def _load(self) -> None:
        handed_over = self._trace.now()
        while outcomes := await self._outbox.batch():
            failed = sum(isinstance(outcome, FetchFailure) for outcome in outcomes)
            # One batch is fetched while the one before is loaded.
            self._trace.note("fetch", handed_over, {"tasks": len(outcomes), "failed": failed})
            handed_over = self._trace.now()
            # After a load that failed, the rest is not tried: it stays held, and is given back.
            if self._can_load:
                await self._load_held(outcomes)

    async def _load_held(self, outcomes: Sequence[Outcome]) -> None:
        """Load the outcomes of tasks that this run still holds; those of others are not ours to write."""
        if self._leases.may_have_ended:
            await self._renew_leases()
        while held := [outcome for outcome in outcomes if self._leases.holds(outcome.task)]:
            try:
                with self._leases.loading(outcome.task for outcome in held):
                    await self._load_batch(held)
                break
            except LeaseLostError:
                if not await self._renew_leases():
                    raise

    async def _load_batch(self, outcomes: Sequence[Outcome]) -> None:
        crash_point("fetched")
        final = [self._exhaust_if_due(outcome) for outcome in outcomes]
        settlements = [settlement_of(outcome) for outcome in final]

        def load() -> AuditRun:
            if self._archive is not None:
                # Before the facts, so that a replay never lacks one; an answer that is there twice does no harm.
                self._archive.keep(final)
            batch = make_batch(final, secrets=self._secrets)
            if self._shares_database:
                return self._warehouse.load(
                    batch, self.run, within=lambda connection: self._source.settle(settlements, within=connection)
                )
            return self._warehouse.load(batch, self.run)

        with self._trace.span("load", tasks=len(final)) as told:
            loaded = await self._retry.call(load)
            if loaded is None:
                told["error"] = str(self._shutdown.reason)
        if loaded is None:
            self._can_load = False
            return
        self._loaded = loaded
        self._leases.drop(outcome.task for outcome in final)
        self._outcomes.update(map(_kind, final))
        log.info("batch_loaded", tasks=len(final), audited=loaded.audited)
        self._log_dead_letters([each for each in final if isinstance(each, FetchFailure) and each.is_lasting])
        crash_point("committed")
        if not self._shares_database:
            # The facts are committed: a crash or an error here costs one more request per task, never a fact.
            with suppress(LeaseLostError), self._trace.span("acknowledge", tasks=len(final)):
                await self._retry.call(self._source.settle, settlements)
        crash_point("settled")

    def _log_dead_letters(self, letters: Sequence[FetchFailure]) -> None:
        """Name the tasks that are dead letters now, so many of a run that no log is flooded; the table has all."""
        told = self._loaded.dead_lettered - len(letters)
        for letter in letters[: max(0, MAX_LETTERS_LOGGED - told)]:
            log.warning(
                "task_dead_lettered",
                task_id=repr(letter.task.task_id[:MAX_ID_CHARACTERS])[1:-1],
                trace_id=letter.trace_id,
                reason=str(letter.reason),
                http_status=letter.http_status,
                error_code=letter.error_code,
                said=letter.detail,
            )
        if told <= MAX_LETTERS_LOGGED < self._loaded.dead_lettered:
            log.warning("dead_letters_untold", told=MAX_LETTERS_LOGGED)

    def _exhaust_if_due(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, FetchFailure):
            return exhaust_if_due(outcome, dead_letter_after=self._limits.dead_letter_after)
        return outcome

    async def _give_back(self) -> None:
        held = self._leases.held
        self._loaded = replace(self._loaded, released=self._loaded.released + len(held) + self._leases.lost)
        if held and not await self._retry.run(self._source.release, held):
            log.warning("leases_left_to_expire", tasks=len(held), seconds=self._limits.lease_seconds)

    async def _finish(self) -> AuditRun:
        crash_point("finishing")
        finished = self._finished()
        counters = self.counters
        for (counter, name), number in counters.items():
            if counter == "drift":
                log.warning("drift", what=name, answers=number)
        if not await self._retry.run(self._write_end, finished, counters):
            log.error("run_row_not_written")
            # A run whose row says that it is still running has not ended well.
            finished = self._finished()
        else:
            self.end_is_written = True
        crash_point("finished")
        log.info("run_finished", **{name: getattr(finished, name) for name in SUMMARY_FIELDS})
        return finished

    def _write_end(self, finished: AuditRun, counters: Counters) -> None:
        # What is announced is looked up first: within the transaction, a file would have two users.
        within = self._announce(finished) if self._announce is not None else None
        self._warehouse.finish(finished, counters, within=within)

    def _finished(self) -> AuditRun:
        ended_by = self._shutdown.reason or (_taken_over(self._leases.lost) if self._leases.lost else None)
        exit_code, told = verdict(self.run, ended_by), reason(self.run, ended_by)
        return replace(
            self.run,
            finished_at=self._clock(),
            outcome=exit_code.outcome,
            exit_code=int(exit_code),
            error=str(told) if told else None,
        )


def make_batch(outcomes: Sequence[Outcome], *, secrets: Secrets) -> Batch:
    """Sort outcomes into what a load writes."""
    observations = [outcome for outcome in outcomes if isinstance(outcome, Observation)]
    failures = [outcome for outcome in outcomes if isinstance(outcome, FetchFailure)]
    return Batch(
        facts=normalize(observations, secrets=secrets.forms),
        audited=len(observations),
        dead_letters=[failure for failure in failures if failure.is_lasting],
        released=sum(not failure.is_lasting for failure in failures),
    )


def _taken_over(tasks: int) -> StoppedError:
    return StoppedError(
        f"{tasks:,} tasks were taken over by another run: this one had not renewed their leases in time.",
        code=Code.LEASES_LOST,
        remedy="Nothing is lost. If the machine was not suspended, raise run.lease_seconds.",
    )


def _kind(outcome: Outcome) -> str:
    return str(outcome.reason) if isinstance(outcome, FetchFailure) else "audited"
