"""One request to KooDrive: the question, the transport's troubles as failures, the answer handed to ``answers``."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from itertools import count

import aiohttp
from yarl import URL

from etl.errors import ConfigurationError
from etl.koodrive.answers import MAX_DETAIL_CHARACTERS, Reply, interpret
from etl.koodrive.credentials import Credentials, load_credentials
from etl.settings import ApiSettings
from etl.tasks import FailureReason, FetchFailure, Outcome, PendingTask, is_valid_task_id

TASK_PATH = "/koodrive/ose/v1/task/"
MAX_BODY_BYTES = 1 << 20
"""After decompression; a documented answer has about 250."""
TRACE_ID_DIGITS = 26
"""With the 32 of a run ID, the 58 characters that X-Traceid has."""

Clock = Callable[[], datetime]


class BodyTooLargeError(Exception):
    """A body is longer than any answer could be."""


class KooDrive:
    """The API, as one run sees it."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        credentials: Credentials,
        *,
        base_url: str,
        language: str,
        run_id: str,
        clock: Clock,
    ) -> None:
        self._session = session
        self._credentials = credentials
        self._base_url = base_url
        self._base_path = URL(base_url).raw_path.rstrip("/")
        self._headers = {"language": language, "Accept": "application/json"}
        # A trace ID leads from a dead letter to the server's log and back to the run.
        self._trace_prefix = run_id.replace("-", "")
        self._numbers = count(1)
        self._clock = clock

    async def ask(self, task: PendingTask) -> Outcome:
        """Ask about one task, once.

        Raises:
            CredentialsRefusedError: the API refuses us.
            ConfigurationError: we ask in the wrong place, or its certificate is not to be trusted.
        """
        if not is_valid_task_id(task.task_id):
            raise ValueError(f"{task.task_id!r} must not meet a URL")
        trace_id = f"{self._trace_prefix}{next(self._numbers):0{TRACE_ID_DIGITS}d}"
        try:
            reply = await self._get(f"{TASK_PATH}{task.task_id}", trace_id)
        except (aiohttp.ClientError, TimeoutError, OSError, BodyTooLargeError) as error:
            outcome: Outcome = self._transport_failure(error, task, trace_id)
        else:
            outcome = interpret(reply, task, now=self._clock())
        if isinstance(outcome, FetchFailure):
            return replace(outcome, detail=self._credentials.redact(outcome.detail))
        return outcome

    async def _get(self, path: str, trace_id: str) -> Reply:
        signed_path = self._base_path + path
        headers = {
            **self._headers,
            "X-Traceid": trace_id,
            **self._credentials.headers(signed_path, self._clock()),
        }
        # The URL is made of a checked ID and sent as it was signed. A redirect would carry the credentials elsewhere.
        url = URL(f"{self._base_url}{path}", encoded=True)
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            return Reply(
                status=response.status,
                content_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
                body=await _bounded_body(response),
                trace_id=trace_id,
            )

    def _transport_failure(self, error: Exception, task: PendingTask, trace_id: str) -> FetchFailure:
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
            raise ConfigurationError(
                f"The API's certificate is not to be trusted: {error}.",
                remedy="Check api.base_url and this machine's certificates.",
            ) from None
        return FetchFailure(
            task=task,
            reason=_transport_reason(error),
            failed_at=self._clock(),
            detail=f"{type(error).__name__}: {error}"[:MAX_DETAIL_CHARACTERS],
            trace_id=trace_id,
        )


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
        connector=aiohttp.TCPConnector(limit=settings.concurrency, ttl_dns_cache=300),
        # Nothing the API sets may travel with later requests.
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=settings.timeout_seconds),
    ) as session:
        yield KooDrive(
            session,
            credentials,
            base_url=settings.base_url,
            language=settings.language,
            run_id=run_id,
            clock=clock,
        )


def host_header(base_url: str) -> str:
    """Name the host as the Host header does: with its port where that is not the scheme's own."""
    url = URL(base_url)
    return url.host_port_subcomponent or ""


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLargeError(f"the body is longer than {MAX_BODY_BYTES} bytes")
    return bytes(body)


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
