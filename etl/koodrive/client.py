"""One request to KooDrive: the question, the transport's troubles as failures, the answer handed to ``answers``."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from itertools import count

import aiohttp
from yarl import URL

from etl.errors import ConfigurationError, TaskAuditError
from etl.koodrive.answers import Reply, interpret
from etl.koodrive.credentials import Credentials, load_credentials
from etl.settings import ApiSettings
from etl.tasks import FailureReason, FetchFailure, Outcome, PendingTask, is_valid_task_id

TASK_PATH = "/koodrive/ose/v1/task/"
MAX_BODY_BYTES = 1 << 20
"""After decompression; a documented answer has about 250."""
MAX_QUOTE_CHARACTERS = 300
"""Of what a failure or an error quotes from outside."""
TRACE_ID_DIGITS = 26
"""With the 32 of a run ID, the 58 characters that X-Traceid has."""

Clock = Callable[[], datetime]


class BodyTooLargeError(Exception):
    """A body is longer than any answer could be."""


class ConnectionLostError(Exception):
    """A connection broke before the answer came."""


class KooDrive:
    """The API, as one run sees it."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        credentials: Credentials,
        *,
        base_url: str,
        run_id: str,
        clock: Clock,
    ) -> None:
        self._session = session
        self._credentials = credentials
        self._base_url = URL(base_url)
        self._task_path = self._base_url.raw_path.rstrip("/") + TASK_PATH
        # A trace ID leads from a dead letter to the server's log and back to the run.
        self._trace_prefix = run_id.replace("-", "")
        self._numbers = count(1)
        self._clock = clock

    async def ask(self, task: PendingTask) -> Outcome:
        """Ask about one task, once.

        Raises:
            CredentialsRefusedError: the API refuses us.
            ConfigurationError: we ask in the wrong place, or its certificate is not to be trusted.
            UnavailableError: the API answers nobody like us for now.
        """
        if not is_valid_task_id(task.task_id):
            raise ValueError(f"{task.task_id!r} must not meet a URL")
        trace_id = f"{self._trace_prefix}{next(self._numbers):0{TRACE_ID_DIGITS}d}"
        try:
            outcome = await self._ask(task, trace_id)
        except TaskAuditError as error:
            raise type(error)(self._quotable(error.message), remedy=error.remedy) from None
        if isinstance(outcome, FetchFailure):
            code = outcome.error_code and self._quotable(outcome.error_code)
            return replace(outcome, detail=self._quotable(outcome.detail), error_code=code)
        return outcome

    async def _ask(self, task: PendingTask, trace_id: str) -> Outcome:
        try:
            reply = await self._get(self._task_path + task.task_id, trace_id)
        except (aiohttp.ClientError, TimeoutError, OSError, BodyTooLargeError, ConnectionLostError) as error:
            return self._transport_failure(error, task, trace_id)
        return interpret(reply, task, now=self._clock())

    async def _get(self, path: str, trace_id: str) -> Reply:
        headers = {"X-Traceid": trace_id, **self._credentials.headers(path, self._clock())}
        # The path is made of a checked ID and sent as it was signed.
        url = self._base_url.with_path(path, encoded=True)
        # A redirect would carry the credentials elsewhere.
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            return Reply(
                status=response.status,
                content_type=response.content_type,
                body=await _bounded_body(response.content),
                trace_id=trace_id,
                retry_after=response.headers.get("Retry-After"),
            )

    def _transport_failure(self, error: Exception, task: PendingTask, trace_id: str) -> FetchFailure:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            raise ConfigurationError(
                f"The API's certificate is not to be trusted: {error}.",
                remedy="Check api.base_url and this machine's certificates.",
            ) from None
        return FetchFailure(
            task=task,
            reason=_transport_reason(error),
            failed_at=self._clock(),
            detail=f"{type(error).__name__}: {error}",
            trace_id=trace_id,
        )

    def _quotable(self, text: str) -> str:
        """Make words from outside fit for a log line and a database: without our secret, bounded, printable."""
        quote = self._credentials.redact(text)[:MAX_QUOTE_CHARACTERS]
        return quote if quote.isprintable() else "".join(sign if sign.isprintable() else " " for sign in quote)


@asynccontextmanager
async def open_koodrive(settings: ApiSettings, *, run_id: str, clock: Clock) -> AsyncIterator[KooDrive]:
    """Open the API with one session for the whole run.

    Raises:
        ConfigurationError: the address or the credentials are missing.
    """
    if settings.base_url is None:
        raise ConfigurationError(
            "api.base_url is not set.", remedy="Set it, for example to https://cn.myhuaweicloud-koodrive.com."
        )
    credentials = load_credentials(settings, host=host_header(settings.base_url))
    async with aiohttp.ClientSession(
        headers={"language": settings.language, "Accept": "application/json"},
        connector=aiohttp.TCPConnector(limit=settings.concurrency, ttl_dns_cache=300),
        # Nothing the API sets may travel with later requests.
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(send_once,),
        timeout=aiohttp.ClientTimeout(total=settings.timeout_seconds),
    ) as session:
        yield KooDrive(
            session,
            credentials,
            base_url=settings.base_url,
            run_id=run_id,
            clock=clock,
        )


def host_header(base_url: str) -> str:
    """Name the host as the Host header does: with its port where that is not the scheme's own."""
    url = URL(base_url)
    return url.host_port_subcomponent or ""


async def send_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a GET again on its own, which no pace and no counter would see.

    It does so where a connection breaks, and knows such an end by its own exceptions.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        # Nothing was sent; aiohttp leaves it at that.
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise ConnectionLostError(str(error)) from error


async def _bounded_body(content: aiohttp.StreamReader) -> bytes:
    body = b""
    while True:
        # As good as always, an answer comes in one piece.
        body += await content.readany()
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLargeError(f"the body is longer than {MAX_BODY_BYTES} bytes")
        if content.at_eof():
            return body


def _transport_reason(error: Exception) -> FailureReason:
    match error:
        case BodyTooLargeError():
            return FailureReason.TOO_LARGE
        case TimeoutError():
            return FailureReason.TIMEOUT
        case aiohttp.ClientResponseError() | aiohttp.ContentTypeError():
            return FailureReason.SERVER_ERROR
        case _:
            return FailureReason.UNREACHABLE
