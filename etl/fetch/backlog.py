"""The claimed tasks that wait for a request: new ones, retries, and those that are deferred to the end of the run.

The backlog is refilled when it runs low, so that workers never wait for the database. A task waits here for its next
attempt, so that it occupies no worker.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from etl.tasks import FetchFailure, PendingTask

MAX_DEFERRED = 10_000
"""Deferred tasks, at most: memory must not grow with the number of pending tasks."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(slots=True)
class Attempt:
    """An attempt at a task."""

    task: PendingTask
    number: int = 1
    """Counts the requests whose outcome concerned the task, including this one."""
    was_sent: bool = False
    """Whether a request about the task was sent before, with any outcome."""
    failure: FetchFailure | None = None
    """The failure of the last attempt."""
    is_deferred: bool = False
    """Whether the task was deferred to the end of the run."""
    requests_at_failure: int | None = None
    """The number of requests about any task before the first failure of this one; None before a failure."""
    answers_before: int = 0
    """The number of answers about any task before the last unrecognized response."""

    @property
    def is_doubtful(self) -> bool:
        """Whether the last response about the task was unrecognized."""
        return self.failure is not None and self.failure.is_unrecognized


class Backlog:
    """A queue of attempts that signals when it runs low, and ends when no attempt can come back."""

    def __init__(self, *, low: int, rest_seconds: float) -> None:
        """Create an empty backlog.

        Args:
            low: the number of tasks at which the backlog runs low.
            rest_seconds: how long deferred tasks rest before their last attempts.
        """
        self._low = low
        self._rest_seconds = rest_seconds
        self._ready: deque[Attempt] = deque()
        self._deferred: list[Attempt] = []
        self._in_flight = 0
        """Attempts that workers hold or that rest; they may come back."""
        self._changed = asyncio.Event()
        self._running_low = asyncio.Event()
        self._running_low.set()
        self._ended = False
        self._closed = False

    def fill(self, tasks: Iterable[PendingTask]) -> None:
        """Add tasks. A closed backlog ignores them; their claims are released elsewhere."""
        if self._closed:
            return
        self._ready.extend(map(Attempt, tasks))
        if len(self._ready) > self._low:
            self._running_low.clear()
        self._changed.set()

    async def runs_low(self) -> None:
        """Wait until the backlog needs more tasks, or is closed."""
        await self._running_low.wait()

    @property
    def deferred(self) -> int:
        """The number of deferred tasks."""
        return len(self._deferred)

    @property
    def is_drained(self) -> bool:
        """Whether all tasks of the run were taken, and none waits to be taken again."""
        return self._ended and not self._ready

    async def take(self) -> Attempt | None:
        """Wait for an attempt and take it; None means that no more will come.

        The caller must end each attempt with ``finish``, ``requeue``, ``retry_later`` or ``defer``.
        """
        while self._closed or not self._ready:
            if self._closed or (self._ended and not self._in_flight):
                return None
            self._changed.clear()
            await self._changed.wait()
        attempt = self._ready.popleft()
        self._in_flight += 1
        if len(self._ready) <= self._low:
            self._running_low.set()
        return attempt

    def finish(self) -> None:
        """End an attempt that does not come back."""
        self._in_flight -= 1
        self._bring_back_at_end()

    def requeue(self, attempt: Attempt) -> None:
        """Put an attempt back behind all others: the task itself may be the cause of its failure."""
        self._in_flight -= 1
        self._ready.append(attempt)
        self._changed.set()

    def retry_later(self, attempt: Attempt, *, seconds: float) -> None:
        """Put an attempt back after a delay, in front of all others."""
        asyncio.get_running_loop().call_later(seconds, self._come_back, attempt)

    def _come_back(self, attempt: Attempt) -> None:
        self._in_flight -= 1
        self._ready.appendleft(attempt)
        self._changed.set()

    def defer(self, attempt: Attempt) -> bool:
        """Defer an attempt to the end of the run; returns whether there was space for it."""
        if len(self._deferred) >= MAX_DEFERRED:
            return False
        attempt.is_deferred = True
        self._deferred.append(attempt)
        self._bring_back_at_end()
        return True

    def end(self) -> None:
        """Announce that no more tasks will come; the tasks in the backlog can still be taken."""
        self._ended = True
        self._bring_back_at_end()

    def close(self) -> None:
        """Drop all tasks and accept no more."""
        self._ready.clear()
        self._closed = True
        self._changed.set()
        self._running_low.set()

    def _bring_back_at_end(self) -> None:
        if self._ended:
            self.bring_back_deferred()

    def bring_back_deferred(self) -> None:
        """Bring the deferred tasks back after a rest, unless others are left."""
        if self._ready or self._in_flight > len(self._deferred):
            return
        if self._deferred:
            log.info("deferred_pass", tasks=len(self._deferred), seconds=self._rest_seconds)
        for attempt in self._deferred:
            self.retry_later(attempt, seconds=self._rest_seconds)
        self._deferred = []
        self._changed.set()
