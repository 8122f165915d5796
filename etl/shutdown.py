"""Ends a run early: a request to stop wakes every part of the run that sleeps."""

import asyncio

from etl.errors import TaskAuditError


class Shutdown:
    """A request to stop, with its reason; the first request counts."""

    def __init__(self) -> None:
        self._requested = asyncio.Event()
        self.reason: TaskAuditError | None = None

    @property
    def is_requested(self) -> bool:
        """Whether a stop is requested."""
        return self.reason is not None

    def request(self, reason: TaskAuditError) -> None:
        """Request a clean end of the run, for this reason; a later request changes nothing."""
        if self.reason is None:
            self.reason = reason
            self._requested.set()

    async def wait(self) -> None:
        """Wait for the request."""
        await self._requested.wait()

    async def sleep(self, seconds: float) -> None:
        """Sleep until the time is over or a stop is requested."""
        try:
            async with asyncio.timeout(seconds):
                await self._requested.wait()
        except TimeoutError:
            pass
