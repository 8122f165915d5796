"""Claimed tasks that wait to be asked about: new ones, those to be asked again, and those left for the end.

It is refilled when it runs low, so that workers never wait for the database, and a task that waits for its next attempt
waits here, so that it keeps no worker from its work.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from etl.tasks import FetchFailure, PendingTask

MAX_DEFERRED = 10_000
"""Tasks left for the end of the run, at most: memory must not grow with the number of pending tasks."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(slots=True)
class Attempt:
    """A task's turn to be asked about."""

    task: PendingTask
    number: int = 1
    """Counts the requests about the task that said something of it, this one included."""
    was_sent: bool = False
    """Whether there was a request before, whatever became of it."""
    failure: FetchFailure | None = None
    """What the attempt before ended with."""
    is_deferred: bool = False
    """Whether it was left for the end of the run."""


class Backlog:
    """A queue that says when it runs low, and ends when nothing in it or taken from it may still come back."""

    def __init__(self, *, low: int, rest_seconds: float) -> None:
        """Set the backlog up, empty.

        Args:
            low: with so many tasks left, it is time for more.
            rest_seconds: how long tasks rest that are left for the end of the run.
        """
        self._low = low
        self._rest_seconds = rest_seconds
        self._ready: deque[Attempt] = deque()
        self._deferred: list[Attempt] = []
        self._out = 0
        """Attempts that workers hold, or that rest: they may come back."""
        self._stirred = asyncio.Event()
        self._running_low = asyncio.Event()
        self._running_low.set()
        self._ended = False
        self._closed = False

    def fill(self, tasks: Iterable[PendingTask]) -> None:
        """Add tasks; once closed, they are left to whoever holds the claims."""
        if self._closed:
            return
        self._ready.extend(map(Attempt, tasks))
        if len(self._ready) > self._low:
            self._running_low.clear()
        self._stirred.set()

    async def runs_low(self) -> None:
        """Wait until there is room for more tasks, or none will be wanted any more."""
        await self._running_low.wait()

    @property
    def deferred(self) -> int:
        """Tasks that were left for the end of the run."""
        return len(self._deferred)

    async def take(self) -> Attempt | None:
        """Take the oldest attempt, waiting for one; None means that there will be no more.

        Whoever takes one says what becomes of it: ``drop``, ``again``, ``later`` or ``defer``.
        """
        while self._closed or not self._ready:
            if self._closed or (self._ended and not self._out):
                return None
            self._stirred.clear()
            await self._stirred.wait()
        attempt = self._ready.popleft()
        self._out += 1
        if len(self._ready) <= self._low:
            self._running_low.set()
        return attempt

    def drop(self) -> None:
        """Say that an attempt that was taken does not come back."""
        self._out -= 1
        self._turn_to_deferred()

    def again(self, attempt: Attempt) -> None:
        """Put an attempt back behind all others: what keeps it from its answer may be the task itself."""
        self._out -= 1
        self._ready.append(attempt)
        self._stirred.set()

    def later(self, attempt: Attempt, *, seconds: float) -> None:
        """Put an attempt back after so many seconds, in front of all others."""
        asyncio.get_running_loop().call_later(seconds, self._come_back, attempt)

    def _come_back(self, attempt: Attempt) -> None:
        self._out -= 1
        self._ready.appendleft(attempt)
        self._stirred.set()

    def defer(self, attempt: Attempt) -> bool:
        """Leave an attempt for the end of the run; returns whether there is room for it."""
        if len(self._deferred) >= MAX_DEFERRED:
            return False
        attempt.is_deferred = True
        self._deferred.append(attempt)
        self._turn_to_deferred()
        return True

    def end(self) -> None:
        """Say that no more tasks will come; those here are still to be taken."""
        self._ended = True
        self._turn_to_deferred()

    def close(self) -> None:
        """Say that no more tasks are wanted, not even those here."""
        self._ready.clear()
        self._closed = True
        self._stirred.set()
        self._running_low.set()

    def _turn_to_deferred(self) -> None:
        """When all that is left are tasks that were left for the end, bring them back after a rest."""
        if not self._ended or self._ready or self._out > len(self._deferred):
            return
        if self._deferred:
            log.info("deferred_pass", tasks=len(self._deferred), seconds=self._rest_seconds)
        for attempt in self._deferred:
            self.later(attempt, seconds=self._rest_seconds)
        self._deferred = []
        self._stirred.set()
