"""Renews the leases of a run's tasks while it runs, and releases those that are left at its end."""

import asyncio

import structlog

from etl.run.context import RunContext
from etl.run.leases import Leases

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class LeaseKeeper:
    """Keeps the leases in the source as long as the run needs them."""

    def __init__(self, context: RunContext, leases: Leases) -> None:
        self._context = context
        self._leases = leases

    async def keep(self) -> None:
        """Renew the leases until the task is cancelled, three times in the duration of a lease."""
        while True:
            await asyncio.sleep(self._context.limits.lease_seconds / 3)
            await self.renew()

    async def renew(self) -> int:
        """Renew all leases, and drop the tasks that this run has lost; returns how many."""
        await self._context.retry.call(self._context.renew_clock)
        asked_at, held = self._context.clock(), self._leases.held
        lost = await self._context.retry.call(self._context.source.renew, held)
        if lost is None:
            return 0
        if number := self._leases.note_renewal(asked_at, [task for task in held if task.task_id in lost]):
            log.warning("leases_lost", tasks=number)
        return number

    async def release_all(self) -> int:
        """Release all tasks that are still held; returns the claimed tasks that this run gives back or has lost."""
        held = self._leases.held
        if held and not await self._context.retry.run(self._context.source.release, held):
            log.warning("leases_left_to_expire", tasks=len(held), seconds=self._context.limits.lease_seconds)
        return len(held) + self._leases.lost
