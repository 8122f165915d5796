"""Collects outcomes into batches: a batch is taken when it is full, or when it has waited long enough."""

import asyncio
from contextlib import suppress

from etl.tasks import Observation, Outcome

MAX_BYTES = 4 << 20
"""The answers in one batch, roughly: a batch of that size is full, however few its tasks are. 5,000 documented answers
have a third of it. In memory, text may take four times its bytes, and a load makes some copies."""


class BatchBuffer:
    """Collects outcomes, and makes the workers wait while a full batch is not taken."""

    def __init__(self, *, size: int, seconds: float) -> None:
        """Set the bounds.

        Args:
            size: the outcomes in one batch, at most.
            seconds: the time that an outcome may wait for its batch to fill.
        """
        self._size = size
        self._seconds = seconds
        self._outcomes: list[Outcome] = []
        self._bytes = 0
        self._not_empty = asyncio.Event()
        self._full = asyncio.Event()
        self._not_full = asyncio.Event()
        self._is_full = self._ended = False
        self.received = 0
        """The outcomes that were added until now."""

    async def put(self, outcome: Outcome) -> None:
        """Add an outcome, after a full batch is taken."""
        while self._is_full:
            await self._not_full.wait()
        self._outcomes.append(outcome)
        self.received += 1
        if isinstance(outcome, Observation):
            self._bytes += outcome.size
        self._not_empty.set()
        if len(self._outcomes) >= self._size or self._bytes >= MAX_BYTES:
            self._is_full = True
            self._not_full.clear()
            self._full.set()

    def hurry(self) -> None:
        """Hand over the current batch and all later ones without waiting for them to fill."""
        self._seconds = 0.0
        self._full.set()

    def flush(self) -> None:
        """Hand over the current batch without waiting for it to fill."""
        if self._outcomes:
            self._full.set()

    def end(self) -> None:
        """Note that no more outcomes will be added."""
        self._ended = True
        self._not_empty.set()
        self._full.set()

    async def batch(self) -> list[Outcome]:
        """Wait for a batch that is full, old enough or the last; an empty batch means that there are no more."""
        await self._not_empty.wait()
        # The loader waits once for the whole batch: waking for every outcome would cost more than the outcome itself.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                await self._full.wait()
        batch, self._outcomes, self._bytes = self._outcomes, [], 0
        self._is_full = False
        self._not_full.set()
        if not self._ended:
            self._not_empty.clear()
            self._full.clear()
        return batch
