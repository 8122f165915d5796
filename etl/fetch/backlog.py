"""Claimed tasks that wait for a worker: refilled when they run low, so that workers never wait for the database."""

import asyncio
from collections import deque
from collections.abc import Iterable

from etl.tasks import PendingTask


class Backlog:
    """A queue that says when it runs low, and can be closed with tasks still in it."""

    def __init__(self, *, low: int) -> None:
        self._low = low
        self._tasks: deque[PendingTask] = deque()
        self._filled = asyncio.Event()
        self._running_low = asyncio.Event()
        self._running_low.set()
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Say whether no more tasks will come."""
        return self._closed

    def fill(self, tasks: Iterable[PendingTask]) -> None:
        """Add tasks; once closed, they are left to whoever holds the claims."""
        if self._closed:
            return
        self._tasks.extend(tasks)
        if len(self._tasks) > self._low:
            self._running_low.clear()
        if self._tasks:
            self._filled.set()

    async def runs_low(self) -> None:
        """Wait until there is room for more tasks, or none will be wanted any more."""
        await self._running_low.wait()

    async def take(self) -> PendingTask | None:
        """Take the oldest task, waiting for one; None means that there will be no more."""
        while not self._tasks:
            if self._closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        task = self._tasks.popleft()
        if len(self._tasks) <= self._low:
            self._running_low.set()
        return task

    def end(self) -> None:
        """Say that no more tasks will come; those here are still to be taken."""
        self._closed = True
        self._filled.set()

    def close(self) -> None:
        """Say that no more tasks are wanted, not even those here."""
        self._tasks.clear()
        self.end()
        self._running_low.set()
