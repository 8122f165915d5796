"""Collects tasks from KooDrive's list into the job's own pending table, page by page.

Each page is added at once. If the reading ends early, the added tasks stay, and the next reading adds the rest. The
order of the list is not documented, so the job reads all of it and compares the dates itself. A task that may be wanted
is added: one too many costs one request, and one too few is lost.
"""

from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy import Engine
from uuid_utils.compat import uuid7

from etl.database.clock import clock_of
from etl.error_codes import Code
from etl.errors import UnavailableError
from etl.fetch.budget import RetryBudget
from etl.fetch.pages import AGAIN_REMEDY, PageReader
from etl.fetch.pool import Traffic
from etl.fetch.retry import RetryPolicy
from etl.jobs.gates import open_gate
from etl.jobs.opening import open_queue
from etl.koodrive.client import KooDrive, open_koodrive
from etl.koodrive.listing import PAGE_SIZE, ListedTask, TaskPage
from etl.run.database_retry import DatabaseRetry
from etl.runs import RunRequest
from etl.settings.load import Settings
from etl.shutdown import Shutdown
from etl.source.enqueue import Enqueued, enqueue
from etl.source.tables import FIRST_YEAR, LAST_YEAR
from etl.source.task_files import PendingRow
from etl.tasks import is_valid_task_id, time_in_id
from etl.tasks.detail import TaskStatus

MAX_REMEMBERED_TASKS = 100 * PAGE_SIZE
"""The tasks in which repetitions are found: the list may repeat tasks where one page ends and the next begins."""

MAX_TASKS = 1_000_000
"""The tasks that a reading without a limit of its own collects: a list that invents tasks fills no database."""

MAX_REPETITIONS = 10
"""The pages in a row that only repeat others. After so many, the list has no end."""

Add = Callable[[Sequence[PendingRow]], Awaitable[Enqueued]]
"""Adds tasks to the pending table."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The tasks of the list to collect."""

    statuses: frozenset[TaskStatus] = frozenset()
    """The statuses to collect. Empty: all."""
    since: datetime | None = None
    """The earliest instant of submission, included."""
    until: datetime | None = None
    """The latest instant of submission, not included."""
    tasks: int | None = None
    """The tasks to collect, at most. None: all."""

    @property
    def readings(self) -> Sequence[TaskStatus | None]:
        """The statuses to ask for, one at a time; None is any.

        They come in the order in which a task goes through them, so that a task that changes meanwhile is read twice
        and not missed.
        """
        return [None] if self.statuses in (frozenset(), frozenset(TaskStatus)) else sorted(self.statuses)

    def holds(self, listed: ListedTask) -> bool:
        """Return whether a task is wanted, by its fields in the list."""
        if self.statuses and listed.status is not None and listed.status not in self.statuses:
            return False
        submitted_at = _submitted_at(listed)
        if submitted_at is None and is_valid_task_id(listed.task_id):
            submitted_at = time_in_id(listed.task_id)
        is_early = self.since is not None and submitted_at is not None and submitted_at < self.since
        is_late = self.until is not None and submitted_at is not None and submitted_at >= self.until
        return not (is_early or is_late)

    def remaining(self, given: int) -> int | None:
        """Return how many more tasks to collect after so many; None: all."""
        return None if self.tasks is None else self.tasks - given


@dataclass(slots=True)
class Collected:
    """The counts of a reading."""

    pages: int = 0
    listed: int = 0
    """The tasks on these pages."""
    repeated: int = 0
    """The listed tasks that the list had shown before."""
    given: int = 0
    """The listed tasks that were wanted, without the repeated ones."""
    new: int = 0
    """The wanted tasks that were not in the pending table yet."""
    settled: Counter[str] = field(default_factory=Counter)
    """The wanted tasks that were there and that no run asks about, by state."""
    is_complete: bool = False
    """Whether the list was read to its end, or to the wanted number of tasks."""


class Repetitions:
    """Finds the tasks that the list has shown lately."""

    def __init__(self) -> None:
        self._order: deque[str] = deque()
        self._known: set[str] = set()
        self._pages = 0

    def without(self, page: TaskPage) -> list[ListedTask]:
        """Return the tasks of a page that were not listed before.

        Raises:
            UnavailableError: many pages in a row only repeated others.
        """
        first_seen = {task.task_id: task for task in page.tasks if task.task_id not in self._known}
        self._order.extend(first_seen)
        self._known.update(first_seen)
        while len(self._order) > MAX_REMEMBERED_TASKS:
            self._known.remove(self._order.popleft())
        # An empty page repeats nothing, and the list may have many of them before its end.
        self._pages = self._pages + 1 if page.tasks and not first_seen else 0
        if self._pages >= MAX_REPETITIONS:
            raise UnavailableError(
                f"The list goes in circles: {self._pages} pages in a row have only repeated others.",
                code=Code.API_LIST_UNENDING,
                remedy=AGAIN_REMEDY,
            )
        return list(first_seen.values())


async def collect(
    settings: Settings,
    wanted: Wanted,
    *,
    shutdown: Shutdown,
    collected: Collected,
    traffic: Traffic,
) -> None:
    """Read the list, and add the wanted tasks to the pending table.

    Args:
        settings: the configuration.
        wanted: the tasks to add.
        shutdown: ends the reading early.
        collected: counts the pages and their tasks.
        traffic: counts the requests.

    Raises:
        TaskAuditError: the list could not be read to its end; the tasks that were added before stay.
    """
    with open_queue(settings.source) as (engine, table):
        async with _open_api(settings, engine, shutdown=shutdown, traffic=traffic) as (api, reader):
            add = partial(
                _add, retry=DatabaseRetry(shutdown), shutdown=shutdown, enqueue_rows=partial(enqueue, engine, table)
            )
            try:
                await _collect(api, reader, wanted=wanted, collected=collected, add=add)
                collected.is_complete = True
            finally:
                log.info("list_read", requests=traffic.requests, throttled=traffic.throttled, **asdict(collected))


@asynccontextmanager
async def _open_api(
    settings: Settings, engine: Engine, *, shutdown: Shutdown, traffic: Traffic
) -> AsyncIterator[tuple[KooDrive, PageReader]]:
    """Open the API as a run does, at the rate that all runs on the pending table share."""
    run_id, clock = str(uuid7()), clock_of(engine)
    koodrive = open_koodrive(
        settings.api, run_id=run_id, clock=clock, note_refresh=traffic.note_refresh, shutdown=shutdown
    )
    async with (
        koodrive as api,
        open_gate(settings, RunRequest(), engine=engine, run_id=run_id, shutdown=shutdown) as gate,
    ):
        policy = RetryPolicy(attempts=settings.api.attempts)
        yield api, PageReader(gate=gate, policy=policy, budget=RetryBudget(), shutdown=shutdown, traffic=traffic)


async def _collect(api: KooDrive, reader: PageReader, *, wanted: Wanted, collected: Collected, add: Add) -> None:
    for status in wanted.readings:
        repetitions = Repetitions()
        async with aclosing(reader.read(partial(api.list_tasks, status=status))) as pages:
            async for page in pages:
                fresh = repetitions.without(page)
                rows = [_row(task) for task in fresh if wanted.holds(task)][: wanted.remaining(collected.given)]
                added = await add(rows)
                collected.new += added.new
                collected.settled += added.settled
                collected.given += len(rows)
                collected.pages += 1
                collected.listed += len(page.tasks)
                collected.repeated += len(page.tasks) - len(fresh)
                if wanted.remaining(collected.given) == 0:
                    return
                if wanted.tasks is None and collected.given > MAX_TASKS:
                    raise UnavailableError(
                        f"The list has more than {MAX_TASKS:,} tasks.",
                        code=Code.API_LIST_UNENDING,
                        remedy="Those that were read are kept. If that is right, say with --limit how many to take.",
                    )


async def _add(
    rows: Sequence[PendingRow],
    *,
    retry: DatabaseRetry,
    shutdown: Shutdown,
    enqueue_rows: Callable[[Sequence[PendingRow]], Enqueued],
) -> Enqueued:
    """Add tasks to the pending table."""
    if not rows:
        return Enqueued(given=0, new=0)
    added = await retry.call(enqueue_rows, rows)
    if added is None:
        assert shutdown.reason is not None  # noqa: S101 - for the type checker: the failed call has requested the shutdown
        raise shutdown.reason
    return added


def _row(listed: ListedTask) -> PendingRow:
    return listed.task_id, _submitted_at(listed)


def _submitted_at(listed: ListedTask) -> datetime | None:
    """Return when a task was submitted; None if not every database could store the time."""
    created_at = listed.created_at
    return created_at if created_at and FIRST_YEAR <= created_at.year <= LAST_YEAR else None
