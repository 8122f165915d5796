"""Reads a list page by page, as fast as the gate admits requests: each page names the next one.

The reader does not know the content of a page. A page that cannot be read ends the reading, since only that page names
the next one. A list that leads back to a former page or never ends stops the reading, too.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from etl.error_codes import Code
from etl.errors import ConfigurationError, CredentialsRefusedError, TaskAuditError, UnavailableError
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.pool import Traffic
from etl.fetch.retry import RetryPolicy, count_sighting
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure
from etl.tasks.failure_reasons import FailureReason, Recovery

MAX_PAGES = 200_000
"""A list of ten million tasks has half as many pages."""

AGAIN_REMEDY = "The tasks that were read so far are kept; run the command again later."

WRONG_ADDRESS_REASONS = frozenset(
    {FailureReason.NOT_FOUND, FailureReason.REJECTED, FailureReason.BAD_PAYLOAD, FailureReason.TOO_LARGE}
)
"""Failures of the first page that indicate a wrong address."""


class Page(Protocol):
    """A page of a list."""

    @property
    def next_cursor(self) -> str | None:
        """Requests the next page; None on the last page."""
        ...


AnyPage = TypeVar("AnyPage", bound=Page)

FetchPage = Callable[[str | None], Awaitable[AnyPage | FetchFailure]]
"""Requests one page by the cursor of the page before; None stands for the first page."""


class PageReader:
    """Requests the pages of a list."""

    def __init__(
        self,
        *,
        gate: Gate,
        policy: RetryPolicy,
        budget: RetryBudget,
        shutdown: Shutdown,
        traffic: Traffic,
        max_pages: int = MAX_PAGES,
    ) -> None:
        self._gate = gate
        self._policy = policy
        self._budget = budget
        self._shutdown = shutdown
        self._traffic = traffic
        self._max_pages = max_pages

    async def read(self, fetch_page: FetchPage[AnyPage]) -> AsyncGenerator[AnyPage, None]:
        """Yield the pages in their order.

        Raises:
            TaskAuditError: a page cannot be read, the list does not end, or a shutdown is requested.
        """
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(self._max_pages):
            page = await self._page(fetch_page, cursor)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return
            if cursor in seen:
                raise UnavailableError(
                    "The list leads back to a page that was read before.",
                    code=Code.API_LIST_UNENDING,
                    remedy=AGAIN_REMEDY,
                )
            seen.add(cursor)
        raise UnavailableError(
            f"The list has not ended after {self._max_pages:,} pages.",
            code=Code.API_LIST_UNENDING,
            remedy=AGAIN_REMEDY,
        )

    async def _page(self, fetch_page: FetchPage[AnyPage], cursor: str | None) -> AnyPage:
        """Request a page, with as many retries as are allowed."""
        attempt, failure = 1, None
        while True:
            outcome = await self._request(fetch_page, cursor)
            if not isinstance(outcome, FetchFailure):
                return outcome
            if outcome.recovery is Recovery.REQUEUE:
                continue
            failure = count_sighting(outcome, failure)
            may_retry = self._policy.allows_another(failure, attempt=attempt)
            if not (may_retry and self._budget.grants(self._policy.cost(failure))):
                raise _error(failure, is_first=cursor is None)
            await self._shutdown.sleep(self._policy.delay_seconds(attempt=attempt))
            attempt += 1

    async def _request(self, fetch_page: FetchPage[AnyPage], cursor: str | None) -> AnyPage | FetchFailure:
        permit = await self._gate.wait()
        if permit is None:
            raise self._shutdown_reason()
        self._traffic.requests += 1
        self._budget.record_request()
        try:
            outcome = await self._until_shutdown(fetch_page(cursor))
        except BaseException:
            self._gate.release(permit)
            raise
        if isinstance(outcome, FetchFailure):
            self._traffic.count(outcome)
            if outcome.is_unrecognized:
                # The reader asks about one page only, so another request cannot show whether KooDrive is reachable.
                self._gate.record(outcome.as_own(), permit)
                return outcome
        self._gate.record(outcome, permit)
        return outcome

    async def _until_shutdown(self, answer: Awaitable[AnyPage | FetchFailure]) -> AnyPage | FetchFailure:
        """Wait for a response, but not beyond a request to stop: a page that was not read costs nothing."""
        response, stopping = asyncio.ensure_future(answer), asyncio.ensure_future(self._shutdown.wait())
        await asyncio.wait({response, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if response.done():
            return response.result()
        response.cancel()
        with suppress(asyncio.CancelledError):
            await response
        raise self._shutdown_reason()

    def _shutdown_reason(self) -> TaskAuditError:
        assert self._shutdown.reason is not None  # noqa: S101 - for the type checker: the shutdown is requested
        return self._shutdown.reason


def _error(failure: FetchFailure, *, is_first: bool) -> TaskAuditError:
    if is_first and failure.ending is not None:
        return failure.ending.because(f"The API does not return the list. {failure.detail.rstrip('.')}.")
    if failure.is_unrecognized:
        failure = failure.as_own()
    cause = f"{failure.reason}: {failure.detail}".rstrip(".") + "."
    if failure.reason is FailureReason.FORBIDDEN:
        return CredentialsRefusedError(
            f"The API forbids us to read the list. {cause}", code=Code.API_FORBIDDEN, remedy="Grant the user the right."
        )
    if is_first:
        is_wrong_address = failure.reason in WRONG_ADDRESS_REASONS
        return (ConfigurationError if is_wrong_address else UnavailableError)(
            f"The API does not return the list. {cause}",
            code=Code.API_ADDRESS_WRONG if is_wrong_address else Code.API_UNAVAILABLE,
            remedy="Check api.base_url, api.user_id and the network.",
        )
    return UnavailableError(
        f"A page of the list cannot be read. {cause}", code=Code.API_UNAVAILABLE, remedy=AGAIN_REMEDY
    )
