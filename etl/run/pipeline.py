"""The pipeline: claim, fetch, normalize, load, acknowledge. It fetches one batch while it loads the previous one.

Every early end is a request to stop. The run then claims and asks no more, loads what was fetched, and releases the
tasks that it still holds.
"""

import asyncio
import traceback
from contextlib import suppress
from pathlib import Path

import structlog

from etl.database.error_map import identity_of
from etl.error_codes import Code
from etl.errors import BugError
from etl.fetch.backlog import Backlog
from etl.fetch.pool import Pool
from etl.run.batch_loader import BatchLoader
from etl.run.batches import BatchBuffer
from etl.run.claims import Claims
from etl.run.context import RunContext
from etl.run.lease_keeper import LeaseKeeper
from etl.run.leases import Leases
from etl.run.record import RunRecord
from etl.runs import AuditRun

FLUSH_SECONDS = 5.0
"""A batch of this age is loaded even if it is not full, so that a slow API never keeps outcomes in memory."""

DEFERRED_SECONDS = 60.0
"""The wait before the last attempts at tasks that were deferred because too many requests had failed."""

GRACE_SECONDS = 5.0
"""How long HTTP requests in flight may take after a stop is requested."""

PACKAGE = Path(__file__).parents[1]
"""The folder of this program's own code."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Pipeline:
    """One run, from the first claim to the last acknowledgement."""

    def __init__(self, context: RunContext, pool: Pool, *, run: AuditRun) -> None:
        """Connect the parts of a run.

        Args:
            context: the run's databases, limits, clock and trace.
            pool: asks about tasks.
            run: the row of the run as it begins.
        """
        self._shutdown = context.shutdown
        self._pool = pool
        self._backlog = Backlog(low=context.limits.claim_size // 2, rest_seconds=DEFERRED_SECONDS)
        self._batches = BatchBuffer(size=context.limits.batch_size, seconds=FLUSH_SECONDS)
        self._leases = Leases(seconds=context.limits.lease_seconds, clock=context.clock)
        self._keeper = LeaseKeeper(context, self._leases)
        self.record = RunRecord(context, run, pool=pool)
        self._claims = Claims(
            context, self._leases, backlog=self._backlog, batches=self._batches, record=self.record, pool=pool
        )
        self._loader = BatchLoader(context, self._leases, keeper=self._keeper, record=self.record)

    @property
    def answered(self) -> int:
        """The number of tasks with a known outcome, loaded or not."""
        return self._batches.received

    async def run(self) -> AuditRun:
        """Run until all tasks are accounted for or a stop is requested; returns the row of the finished run.

        Raises:
            TaskAuditError: the run could not begin.
        """
        await self.record.start()
        try:
            await self._run_stages()
        except* Exception as unforeseen:
            log.exception("bug", exc_info=unforeseen)
            self._shutdown.request(_bug(unforeseen))
        self.record.note_release(await self._keeper.release_all())
        await self._claims.require_none_left()
        return await self.record.finish(lost=self._leases.lost)

    async def _run_stages(self) -> None:
        async with asyncio.TaskGroup() as stages:
            heartbeat = stages.create_task(self._keeper.keep())
            stop_watcher = stages.create_task(self._watch_for_stop())
            loading = stages.create_task(self._loader.load_all(self._batches))
            claiming = stages.create_task(self._claims.take_all())
            await self._fetch()
            await claiming
            self._batches.end()
            await loading
            stop_watcher.cancel()
            heartbeat.cancel()

    async def _fetch(self) -> None:
        fetching = asyncio.ensure_future(self._pool.work(self._backlog, self._batches.put))
        stopping = asyncio.ensure_future(self._shutdown.wait())
        await asyncio.wait({fetching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if self._shutdown.is_requested:
            await asyncio.wait({fetching}, timeout=GRACE_SECONDS)
            fetching.cancel()
        stopping.cancel()
        with suppress(asyncio.CancelledError):
            await fetching

    async def _watch_for_stop(self) -> None:
        await self._shutdown.wait()
        reason = self._shutdown.reason
        log.info("stopping", said=str(reason), **({"quoted": reason.quote} if reason and reason.quote else {}))
        self._backlog.close()


def _bug(error: BaseException) -> BugError:
    """Make the error of an unforeseen exception, whose text may quote a row and is therefore only in the log."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return BugError(
        f"Unforeseen: {identity_of(error)}{_place_of(error)}.",
        code=Code.BUG,
        remedy="Report it, with the log from `bug` on; the log holds no secret, but it may quote the values of a row.",
    )


def _place_of(error: BaseException) -> str:
    """Return the last line of this program that the exception passed, such as `` at etl/normalize.py:77``."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if PACKAGE in Path(frame.filename).parents]
    return f" at {Path(ours[-1].filename).relative_to(PACKAGE.parent).as_posix()}:{ours[-1].lineno}" if ours else ""
