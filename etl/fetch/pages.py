"""Reads a list page by page, as fast as the gate lets it: each page names the one after it.

It knows nothing of what stands on a page. A page that cannot be had ends the reading, since nobody can know what comes
after it; a list that leads back to where it was, or never ends, does so too.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from etl.errors import (
    Code,
    ConfigurationError,
    CredentialsRefusedError,
    TaskAuditError,
    UnavailableError,
)
from etl.failure_reasons import FailureReason, Recovery
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.pool import Traffic, seen_again
from etl.fetch.retry import RetryPolicy
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure

MAX_PAGES = 200_000
"""Twice what a list of ten million tasks has."""

AGAIN_REMEDY = "What was read before stands; run it again later."

OUR_FAULT = frozenset(
    {FailureReason.NOT_FOUND, FailureReason.REJECTED, FailureReason.BAD_PAYLOAD, FailureReason.TOO_LARGE}
)
"""Failures of the first page that say that we ask in the wrong place."""


class Page(Protocol):
    """What is to be known of a page."""

    @property
    def next_cursor(self) -> str | None:
        """What to ask for the next page with; None: this is the last."""
        ...


AnyPage = TypeVar("AnyPage", bound=Page)

Ask = Callable[[str | None], Awaitable[AnyPage | FetchFailure]]
"""Asks for one page, by the cursor of the page before; None is for the first."""


class Reader:
    """Asks for pages."""

    def __init__(
        self,
        *,
        gate: Gate,
        policy: RetryPolicy,
        budget: RetryBudget,
        shutdown: Shutdown,
        traffic: Traffic,
        most_pages: int = MAX_PAGES,
    ) -> None:
        self._gate = gate
        self._policy = policy
        self._budget = budget
        self._shutdown = shutdown
        self._traffic = traffic
        self._most_pages = most_pages

    async def read(self, ask: Ask[AnyPage]) -> AsyncGenerator[AnyPage, None]:
        """Yield page after page.

        Raises:
            TaskAuditError: a page cannot be had, the list does not end, or the stop was ordered.
        """
        cursor: str | None = None
        met: set[str] = set()
        for _ in range(self._most_pages):
            page = await self._page(ask, cursor)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return
            if cursor in met:
                raise UnavailableError(
                    "The list leads back to a page that was read before.",
                    code=Code.API_LIST_UNENDING,
                    remedy=AGAIN_REMEDY,
                )
            met.add(cursor)
        raise UnavailableError(
            f"The list has not ended after {self._most_pages:,} pages.",
            code=Code.API_LIST_UNENDING,
            remedy=AGAIN_REMEDY,
        )

    async def _page(self, ask: Ask[AnyPage], cursor: str | None) -> AnyPage:
        """Ask for a page, as often as is allowed."""
        attempt, before = 1, None
        while True:
            outcome = await self._request(ask, cursor)
            if not isinstance(outcome, FetchFailure):
                return outcome
            if outcome.recovery is Recovery.AGAIN:
                continue
            before = seen_again(outcome, before)
            may_retry = self._policy.allows_another(before, attempt=attempt)
            if not (may_retry and self._budget.grants(self._policy.cost(before))):
                raise _error(before, is_first=cursor is None)
            await self._shutdown.sleep(self._policy.delay_seconds(attempt=attempt))
            attempt += 1

    async def _request(self, ask: Ask[AnyPage], cursor: str | None) -> AnyPage | FetchFailure:
        probe = await self._gate.wait()
        if probe is None:
            raise self._reason()
        self._traffic.requests += 1
        self._budget.note_request()
        try:
            outcome = await self._unless_stopped(ask(cursor))
        except TaskAuditError:
            if probe:
                self._gate.lose_probe()
            raise
        if isinstance(outcome, FetchFailure):
            self._traffic.count(outcome)
        self._gate.learn(outcome, probe=probe)
        return outcome

    async def _unless_stopped(self, answer: Awaitable[AnyPage | FetchFailure]) -> AnyPage | FetchFailure:
        """Wait for an answer, but not beyond the order to stop: a page that was not read costs nothing."""
        asking, stopping = asyncio.ensure_future(answer), asyncio.ensure_future(self._shutdown.wait())
        await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if asking.done():
            return asking.result()
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        raise self._reason()

    def _reason(self) -> TaskAuditError:
        assert self._shutdown.reason is not None  # noqa: S101 - for the type checker: only then is one asked for
        return self._shutdown.reason


def _error(failure: FetchFailure, *, is_first: bool) -> TaskAuditError:
    said = f"{failure.reason}: {failure.detail}".rstrip(".") + "."
    if failure.reason is FailureReason.FORBIDDEN:
        return CredentialsRefusedError(
            f"The API forbids us to read the list. {said}", code=Code.API_FORBIDDEN, remedy="Grant the user the right."
        )
    if is_first:
        is_ours = failure.reason in OUR_FAULT
        return (ConfigurationError if is_ours else UnavailableError)(
            f"The API does not give the list. {said}",
            code=Code.API_ADDRESS_WRONG if is_ours else Code.API_UNAVAILABLE,
            remedy="Check api.base_url, api.user_id and the network.",
        )
    return UnavailableError(f"A page of the list cannot be had. {said}", code=Code.API_UNAVAILABLE, remedy=AGAIN_REMEDY)
