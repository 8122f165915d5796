"""Calls the databases in threads, and repeats a call after a passing failure.

A deadlock, a serialization failure or a restarted server undoes a transaction and is over in seconds. The whole
operation is then repeated. An operation must therefore be repeatable, even if it was committed and only its reply was
lost.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from etl.errors import TaskAuditError, TransientError
from etl.shutdown import Shutdown

MAX_ATTEMPTS = 10
"""Ten attempts with their delays take 40 seconds on average: a server restarts or fails over in that time."""

MAX_ATTEMPTS_WHEN_STOPPING = 3
"""There are no delays while the run stops: three attempts outlast a deadlock, and the stop does not wait for more."""

MAX_DELAY_SECONDS = 15.0

T = TypeVar("T")

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class DatabaseRetry:
    """Calls the databases on behalf of one run."""

    def __init__(self, shutdown: Shutdown) -> None:
        """Prepare to call the databases.

        Args:
            shutdown: receives an error that does not pass; a request to stop ends every delay.
        """
        self._shutdown = shutdown
        self._retrying = AsyncRetrying(
            retry=retry_if_exception_type(TransientError),
            wait=wait_random_exponential(multiplier=0.2, max=MAX_DELAY_SECONDS),
            stop=self._is_enough,
            sleep=shutdown.sleep,
            before_sleep=_log_failure,
            reraise=True,
        )

    async def call(self, operation: Callable[..., T], *arguments: object) -> T | None:
        """Run an operation in a thread; an error that does not pass stops the run, and the result is None."""
        try:
            # Each call has a copy, since several operations run at once.
            return await self._retrying.copy()(asyncio.to_thread, operation, *arguments)
        except TaskAuditError as error:
            self._shutdown.request(error)
            return None

    async def run(self, operation: Callable[..., object], *arguments: object) -> bool:
        """Run an operation that has no result; returns whether it succeeded."""
        return await self.call(_returning_true, operation, *arguments) is not None

    def _is_enough(self, state: RetryCallState) -> bool:
        return state.attempt_number >= (MAX_ATTEMPTS_WHEN_STOPPING if self._shutdown.is_requested else MAX_ATTEMPTS)


def _returning_true(operation: Callable[..., object], *arguments: object) -> bool:
    operation(*arguments)
    return True


def _log_failure(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("database_stumbled", attempt=state.attempt_number, said=str(error))
