"""The clerk: does in a database what the corridor asks for, in a thread, and once more where the database stumbled.

A deadlock, a serialization failure or a restarted server undoes a transaction and is over in seconds. So what was asked
is done again as a whole; whatever is asked of a clerk must bear that, also when it was done already and only its answer
was lost.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from etl.errors import TaskAuditError, TransientError
from etl.shutdown import Shutdown

TRIES = 10
"""With the pauses between them 40 seconds on average: enough for a server that restarts or fails over."""

TRIES_WHEN_STOPPING = 3
"""Without pauses: enough for a deadlock; for anything longer, whoever ordered the stop does not wait."""

MAX_PAUSE_SECONDS = 15.0

T = TypeVar("T")

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class DatabaseRetry:
    """Does things in databases on behalf of one run."""

    def __init__(self, stop: Shutdown) -> None:
        """Begin.

        Args:
            stop: where an error that stays is told; no pause outlasts its order.
        """
        self._stop = stop
        self._trying = AsyncRetrying(
            retry=retry_if_exception_type(TransientError),
            wait=wait_random_exponential(multiplier=0.2, max=MAX_PAUSE_SECONDS),
            stop=self._is_enough,
            sleep=stop.sleep,
            before_sleep=_note,
            reraise=True,
        )

    async def call(self, action: Callable[..., T], *arguments: object) -> T | None:
        """Do something in a thread; an error that stays ends the run, and gives None."""
        try:
            # A copy each, since several errands are under way at once.
            return await self._trying.copy()(asyncio.to_thread, action, *arguments)
        except TaskAuditError as error:
            self._stop.request(error)
            return None

    async def run(self, action: Callable[..., object], *arguments: object) -> bool:
        """Do something that has no answer; returns whether it was done."""
        return await self.call(_doing, action, *arguments) is not None

    def _is_enough(self, state: RetryCallState) -> bool:
        return state.attempt_number >= (TRIES_WHEN_STOPPING if self._stop.is_requested else TRIES)


def _doing(action: Callable[..., object], *arguments: object) -> bool:
    action(*arguments)
    return True


def _note(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("database_stumbled", attempt=state.attempt_number, said=str(error))
