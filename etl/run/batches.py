"""Outcomes that wait to be loaded: handed over when they fill a batch, or when the oldest has waited long enough."""

import asyncio
from contextlib import suppress

from etl.tasks import Observation, Outcome

MAX_BYTES = 64 << 20
"""Of kept answers in one batch, about: a batch is full when it has so many, however few its tasks are."""


class BatchBuffer:
    """Gathers outcomes into batches, and makes the workers wait while a full one is not taken."""

    def __init__(self, *, size: int, seconds: float) -> None:
        """Set the bounds.

        Args:
            size: outcomes in one batch, at most.
            seconds: how long an outcome may wait for its batch to fill.
        """
        self._size = size
        self._seconds = seconds
        self._outcomes: list[Outcome] = []
        self._bytes = 0
        self._any = asyncio.Event()
        self._full = asyncio.Event()
        self._room = asyncio.Event()
        self._ended = False

    async def put(self, outcome: Outcome) -> None:
        """Add an outcome, once there is room."""
        while self._is_full:
            await self._room.wait()
        self._outcomes.append(outcome)
        if isinstance(outcome, Observation) and outcome.answer is not None:
            self._bytes += len(outcome.answer.body)
        self._any.set()
        if self._is_full:
            self._room.clear()
            self._full.set()

    def hurry(self) -> None:
        """Let no outcome wait any more for its batch to fill."""
        self._seconds = 0.0
        self._full.set()

    def end(self) -> None:
        """Say that no more outcomes will come."""
        self._ended = True
        self._any.set()
        self._full.set()

    async def batch(self) -> list[Outcome]:
        """Wait for a batch that is full, or old, or the last; an empty one says that there will be no more."""
        await self._any.wait()
        # One wait for the whole batch: waking for every outcome would cost more than the outcome itself.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                await self._full.wait()
        batch, self._outcomes, self._bytes = self._outcomes, [], 0
        self._room.set()
        if not self._ended:
            self._any.clear()
            self._full.clear()
        return batch

    @property
    def _is_full(self) -> bool:
        return len(self._outcomes) >= self._size or self._bytes >= MAX_BYTES
