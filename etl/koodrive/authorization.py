"""Authorizes the requests of one run: with its credentials, renewed after a refusal, and at the API's time.

Many requests are under way when credentials expire. They are renewed once for all of them: each request remembers the
epoch of its credentials, and a renewal begins the next epoch.
"""

import asyncio
from datetime import datetime, timedelta

import structlog

from etl.database.clock import Clock
from etl.error_codes import Code
from etl.errors import CredentialsRefusedError
from etl.koodrive.credentials import CLOCK_MARGIN, Credentials, Query
from etl.koodrive.http_date import http_date
from etl.koodrive.response import Response
from etl.koodrive.sanitizer import Sanitizer
from etl.tasks import FetchFailure

MAX_CLOCK_OFFSET = timedelta(days=7)
"""A clock that is further ahead or behind is not the API's, but an invented header."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Authorization:
    """The credentials of a run, and how far the API's clock is ahead."""

    def __init__(self, credentials: Credentials, *, clock: Clock, sanitizer: Sanitizer) -> None:
        self.epoch = 0
        """Counts the renewals of the credentials."""
        self._credentials = credentials
        self._clock = clock
        self._sanitizer = sanitizer
        self._clock_offset = timedelta()
        """How far the API's clock is ahead of ours, once a refusal has shown it."""
        self._may_renew = True
        """Renewed credentials must be accepted once before they may be renewed again."""
        self._renewing = asyncio.Lock()

    def headers(self, path: str, now: datetime, *, query: Query) -> dict[str, str]:
        """Make the headers that authorize one request."""
        return self._credentials.headers(path, now + self._clock_offset, query=query)

    def accept(self, epoch: int) -> None:
        """Note that the API has accepted the credentials of an epoch."""
        self._may_renew |= epoch == self.epoch

    async def renew(self, epoch: int, refusal: FetchFailure, *, response: Response) -> None:
        """Renew the credentials once for all requests that were refused with them.

        Raises:
            CredentialsRefusedError: renewed credentials are refused as well, or the renewal fails.
        """
        async with self._renewing:
            if epoch != self.epoch:
                return
            if not self._may_renew:
                raise CredentialsRefusedError(
                    f"KooDrive refuses the credentials: {refusal.summary}.",
                    code=Code.CREDENTIALS_REFUSED,
                    remedy="Check the token or the AppId and AppSecret, their rights, and this machine's clock.",
                    quote=refusal.detail,
                )
            self._correct_clock(response)
            await self._credentials.renew()
            # Requests that were sent meanwhile carry the old credentials.
            self.epoch += 1
            self._may_renew = False
            quote = self._sanitizer.quote(refusal.detail)
            log.warning("credentials_refused", renewals=self.epoch, trace_id=response.trace_id, said=quote)

    def _correct_clock(self, response: Response) -> None:
        """Adopt the API's time, once in a run, if it differs from ours: the API compares X-Date with its own clock."""
        api_time = http_date(response.headers.get("Date"))
        if api_time is None or self._clock_offset:
            return
        offset = api_time - self._clock()
        if CLOCK_MARGIN < abs(offset) <= MAX_CLOCK_OFFSET:
            self._clock_offset = offset
            log.warning("clock_corrected", seconds=round(offset.total_seconds()))
