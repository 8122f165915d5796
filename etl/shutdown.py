"""How a run ends early: somebody orders it, and everybody who sleeps wakes up."""

import asyncio

from etl.errors import TaskAuditError


class Shutdown:
    """An order to stop, with its reason; the first order stands."""

    def __init__(self) -> None:
        self._ordered = asyncio.Event()
        self.reason: TaskAuditError | None = None

    @property
    def is_requested(self) -> bool:
        """Say whether the run is to end."""
        return self.reason is not None

    def request(self, reason: TaskAuditError) -> None:
        """End the run cleanly, for this reason."""
        if self.reason is None:
            self.reason = reason
            self._ordered.set()

    async def wait(self) -> None:
        """Wait for the order."""
        await self._ordered.wait()

    async def sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the order."""
        try:
            async with asyncio.timeout(seconds):
                await self._ordered.wait()
        except TimeoutError:
            pass
