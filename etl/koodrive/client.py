"""One request to KooDrive: the question, the transport's troubles as failures, the answer handed to ``answers``."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import TypeVar

import aiohttp
import msgspec
import structlog
from yarl import URL

from etl.errors import Code, ConfigurationError, CredentialsRefusedError, TaskAuditError
from etl.koodrive.answers import Reply, interpret
from etl.koodrive.credentials import CLOCK_MARGIN, Credentials, Query, load_credentials
from etl.koodrive.drift import read_answer
from etl.koodrive.http_date import http_date
from etl.koodrive.listing import LIST, TaskPage, list_query, read_page
from etl.koodrive.renewal import SessionApi
from etl.koodrive.signature import canonical_query
from etl.redaction import Secrets
from etl.settings.model import ApiSettings
from etl.tasks import FailureReason, FetchFailure, Observation, Outcome, PendingTask, RawAnswer, is_valid_task_id

TASK_PATH = "/koodrive/ose/v1/task/"
MAX_BODY_BYTES = 1 << 20
"""After decompression; a documented answer has about 250."""
MAX_QUOTE_CHARACTERS = 300
"""Of what a failure or an error quotes from outside."""
MAX_EXCERPT_CHARACTERS = 500
"""Of a body that cannot be believed, for whoever has to find out why."""

ANY_ZLIB_FORMAT = zlib.MAX_WBITS | 32
"""With a header of gzip or of zlib."""

TRACE_ID_DIGITS = 26
"""With the 32 of a run ID, the 58 characters that X-Traceid has."""

Clock = Callable[[], datetime]

Answer = TypeVar("Answer", Observation, TaskPage)
"""What a good reply is read as."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class BodyTooLargeError(Exception):
    """A body is longer than any answer could be."""


class ConnectionLostError(Exception):
    """A connection broke before the answer came."""


TRANSPORT_ERRORS = (aiohttp.ClientError, OSError, zlib.error, BodyTooLargeError, ConnectionLostError)


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
        keeps_answers: bool = False,
    ) -> None:
        self._session = session
        self._credentials = credentials
        self._base_url = URL(base_url)
        self._task_path = self._base_url.raw_path.rstrip("/") + TASK_PATH
        # A trace ID leads from a dead letter to the server's log and back to the run.
        self._trace_prefix = run_id.replace("-", "")
        self._numbers = count(1)
        self._clock = clock
        self._keeps_answers = keeps_answers
        self._clock_offset = timedelta()
        """How far the API's clock is ahead of ours, once that was found to matter."""
        self._epoch = 0
        """Counts the renewals of the credentials."""
        self._credentials_work = True
        """Until they are refused; and what was renewed must be accepted before it may be renewed again."""
        self._renewing = asyncio.Lock()
        self.last_reply: Reply | None = None
        """As it came; None before the first."""

    @property
    def secrets(self) -> Secrets:
        """What no answer may bring into a table."""
        return self._credentials.secrets

    async def ask(self, task: PendingTask) -> Outcome:
        """Ask about one task, once.

        Raises:
            CredentialsRefusedError: the API refuses us.
            ConfigurationError: we ask in the wrong place, or its certificate is not to be trusted.
            UnavailableError: the API answers nobody like us for now.
        """
        if not is_valid_task_id(task.task_id):
            raise ValueError(f"{task.task_id!r} must not meet a URL")
        return await self._ask(task, self._read_outcome)

    async def list_tasks(self, cursor: str | None, *, status: int | None = None) -> TaskPage | FetchFailure:
        """Ask for one page of the list of tasks, once.

        Args:
            cursor: of the page before; None asks for the first.
            status: of the tasks that are wanted; None is any.

        Raises:
            TaskAuditError: as ``ask``.
        """
        return await self._ask(LIST, self._read_page, list_query(status=status, cursor=cursor))

    def _read_outcome(self, reply: Reply, task: PendingTask) -> Outcome:
        outcome = interpret(reply, task, now=self._clock())
        if isinstance(outcome, Observation) and (outcome.drift or self._keeps_answers):
            return self._fit_to_keep(outcome, reply)
        return outcome

    def _read_page(self, reply: Reply, _list: PendingTask) -> TaskPage | FetchFailure:
        return read_page(reply, now=self._clock())

    async def _ask(
        self, task: PendingTask, read: Callable[[Reply, PendingTask], Answer | FetchFailure], query: Query = ()
    ) -> Answer | FetchFailure:
        """Ask once; what a failure or an error quotes is fit to print."""
        epoch, trace_id = self._epoch, f"{self._trace_prefix}{next(self._numbers):0{TRACE_ID_DIGITS}d}"
        try:
            reply = await self._get(self._task_path + task.task_id, trace_id, query)
        except TRANSPORT_ERRORS as error:
            return self._fit_to_print(self._transport_failure(error, task, trace_id))
        try:
            answer = read(reply, task)
            if isinstance(answer, FetchFailure):
                return await self._failed(answer, reply, epoch)
        except TaskAuditError as error:
            raise type(error)(self._quotable(error.message), code=error.code, remedy=error.remedy) from None
        self._credentials_work |= epoch == self._epoch
        return answer

    async def _failed(self, failure: FetchFailure, reply: Reply, epoch: int) -> FetchFailure:
        if failure.reason is FailureReason.UNAUTHORIZED:
            await self._renew_credentials(epoch, failure, reply)
        return self._fit_to_print(failure, reply)

    async def _get(self, path: str, trace_id: str, query: Query = ()) -> Reply:
        asked_at = self._clock()
        headers = {"X-Traceid": trace_id, **self._credentials.headers(path, asked_at + self._clock_offset, query)}
        # The path is made of a checked ID and sent as it was signed.
        url = self._base_url.with_path(path, encoded=True)
        if query:
            url = URL(f"{url}?{canonical_query(query)}", encoded=True)
        # A redirect would carry the credentials elsewhere.
        response = await self._session.get(url, headers=headers, allow_redirects=False)
        try:
            reply = self.last_reply = Reply(
                status=response.status,
                content_type=response.content_type,
                headers=response.headers,
                body=await _bounded_body(response),
                trace_id=trace_id,
                asked_at=asked_at,
            )
        finally:
            # A connection whose body was read to its end has gone back to the pool by now; any other is of no use.
            response.close()
        return reply

    async def _renew_credentials(self, epoch: int, refusal: FetchFailure, reply: Reply) -> None:
        """Renew the credentials once for all requests that were refused with them.

        Raises:
            CredentialsRefusedError: those that were renewed are refused as well, or they cannot be renewed.
        """
        async with self._renewing:
            if epoch != self._epoch:
                return
            if not self._credentials_work:
                said = " ".join(filter(None, (f"HTTP {reply.status}", refusal.error_code, refusal.detail)))
                raise CredentialsRefusedError(
                    f"KooDrive refuses the credentials: {said}.",
                    code=Code.CREDENTIALS_REFUSED,
                    remedy="Check the token or the AppId and AppSecret, their rights, and this machine's clock.",
                )
            self._correct_clock(reply)
            await self._credentials.renew()
            # What was sent meanwhile was sent with the old ones.
            self._epoch += 1
            self._credentials_work = False
            said = self._quotable(refusal.detail)
            log.warning("credentials_refused", renewals=self._epoch, trace_id=reply.trace_id, said=said)

    def _correct_clock(self, reply: Reply) -> None:
        """Believe the API's clock where it differs from ours, once in a run: X-Date is judged by it."""
        api_time = http_date(reply.headers.get("Date"))
        if api_time is None or self._clock_offset:
            return
        offset = api_time - self._clock()
        if abs(offset) > CLOCK_MARGIN:
            self._clock_offset = offset
            log.warning("clock_corrected", seconds=round(offset.total_seconds()))

    def _transport_failure(self, error: Exception, task: PendingTask, trace_id: str) -> FetchFailure:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            raise ConfigurationError(
                f"The API's certificate is not to be trusted: {self._quotable(str(error))}.",
                code=Code.API_CERTIFICATE_UNTRUSTED,
                remedy="Check api.base_url and this machine's certificates.",
            ) from None
        return FetchFailure(
            task=task,
            reason=_transport_reason(error),
            failed_at=self._clock(),
            detail=f"{type(error).__name__}: {error}",
            trace_id=trace_id,
        )

    def _fit_to_print(self, failure: FetchFailure, reply: Reply | None = None) -> FetchFailure:
        """Make a failure fit for log lines and databases, with evidence of a body that cannot be believed."""
        detail = self._quotable(failure.detail)
        if reply is not None and failure.reason is FailureReason.BAD_PAYLOAD:
            begin = self._quotable(reply.body.decode(errors="replace"), MAX_EXCERPT_CHARACTERS)
            detail += f" ({len(reply.body)} bytes, SHA-256 {sha256(reply.body).hexdigest()}: {begin})"
        code = failure.error_code and self._quotable(failure.error_code)
        return replace(failure, detail=detail, error_code=code)

    def _fit_to_keep(self, observation: Observation, reply: Reply) -> Observation:
        """Read an answer that repeats our secret as if it did not: names of fields are counted, and bodies archived."""
        body = self._without_secrets(reply.body)
        drift = read_answer(body)[1] if body != reply.body else observation.drift
        answer = None
        if self._keeps_answers:
            answer = RawAnswer(
                body=body, http_status=reply.status, content_type=reply.content_type, trace_id=reply.trace_id
            )
        return msgspec.structs.replace(observation, drift=drift, answer=answer)

    def _without_secrets(self, body: bytes) -> bytes:
        text = body.decode(errors="surrogateescape")
        if "\\" in text:
            # Behind escapes a secret would hide from us, and not from whoever reads the JSON.
            value = msgspec.json.decode(body)
            if (redacted := self.secrets.redact_all(value)) != value:
                return msgspec.json.encode(redacted)
        return self.secrets.redact(text).encode(errors="surrogateescape")

    def _quotable(self, text: str, most: int = MAX_QUOTE_CHARACTERS) -> str:
        """Make words from outside fit for a log line and a database: without our secrets, bounded, printable."""
        quote = self.secrets.redact(text)[:most]
        return quote if quote.isprintable() else "".join(sign if sign.isprintable() else " " for sign in quote)


@asynccontextmanager
async def open_koodrive(
    settings: ApiSettings,
    *,
    run_id: str,
    clock: Clock,
    keeps_answers: bool = False,
    note_refresh: Callable[[], None] = lambda: None,
) -> AsyncIterator[KooDrive]:
    """Open the API with one session for the whole run.

    Args:
        settings: the API's settings.
        run_id: marks the trace IDs.
        clock: tells the time, aware and in UTC.
        keeps_answers: whether observations hold the answers they were made of.
        note_refresh: told of each request that refreshes the session, which is sent beside those about tasks.

    Raises:
        ConfigurationError: the address or the credentials are missing.
        CredentialsRefusedError: the command that prints the token fails.
    """
    if settings.base_url is None:
        raise ConfigurationError(
            "api.base_url is not set.",
            code=Code.SETTING_MISSING,
            remedy="Set it, for example to https://cn.myhuaweicloud-koodrive.com.",
        )
    async with aiohttp.ClientSession(
        # An answer is too short to be worth compressing, and a compressed one may be of any length.
        headers={
            "Host": host_header(settings.base_url),
            "User-Agent": aiohttp.http.SERVER_SOFTWARE,
            "language": settings.language,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        },
        auto_decompress=False,
        connector=aiohttp.TCPConnector(limit=settings.concurrency, ttl_dns_cache=300),
        # Nothing the API sets may travel with later requests.
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(send_once,),
        timeout=aiohttp.ClientTimeout(total=settings.timeout_seconds),
    ) as session:
        session_api = SessionApi(session=session, base_url=settings.base_url, note_request=note_refresh)
        yield KooDrive(
            session,
            await load_credentials(settings, host=host_header(settings.base_url), session_api=session_api),
            base_url=settings.base_url,
            run_id=run_id,
            clock=clock,
            keeps_answers=keeps_answers,
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


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes:
    """Read a body to its end, or until it is longer than any answer; what comes compressed is expanded to there."""
    inflate = _inflater(response.headers.get("Content-Encoding"))
    content, body = response.content, b""
    while True:
        # As good as always, an answer comes in one piece.
        piece = await content.readany()
        body += piece if inflate is None else inflate.decompress(piece, MAX_BODY_BYTES + 1 - len(body))
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLargeError(f"the body is longer than {MAX_BODY_BYTES} bytes")
        if content.at_eof():
            return body


def _inflater(encoding: str | None) -> "zlib._Decompress | None":
    """Expand what we have not asked for, where it is of a kind that the standard library can stop in the middle."""
    return zlib.decompressobj(ANY_ZLIB_FORMAT) if encoding in {"gzip", "deflate"} else None


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
