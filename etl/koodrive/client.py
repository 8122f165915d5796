"""The client of KooDrive's task API: one request about a task, or one for a page of the list."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import TypeVar

from yarl import URL

from etl.database.clock import Clock
from etl.error_codes import Code
from etl.errors import ConfigurationError, TaskAuditError
from etl.koodrive.authorization import Authorization
from etl.koodrive.credentials import Credentials, Query, load_credentials
from etl.koodrive.detail import interpret
from etl.koodrive.listing import LIST, TaskPage, list_query, read_page
from etl.koodrive.renewal import SessionApi
from etl.koodrive.response import Response
from etl.koodrive.response_codes import INTERCEPTED
from etl.koodrive.sanitizer import Sanitizer
from etl.koodrive.signature import canonical_query
from etl.koodrive.transport import (
    MAX_BODY_BYTES,
    MAX_PAGE_BYTES,
    HttpSession,
    host_header,
    open_session,
    transport_errors,
)
from etl.settings.model import ApiSettings
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure, Observation, Outcome, PendingTask, is_valid_task_id
from etl.tasks.failure_reasons import FailureReason

TASK_PATH = "/koodrive/ose/v1/task/"

TRACE_ID_DIGITS = 26
"""X-Traceid has 58 characters, 32 of which are the run's ID."""

Result = TypeVar("Result", Observation, TaskPage)
"""What a good response is read as."""


class KooDrive:
    """The API, as one run sees it."""

    def __init__(
        self,
        session: HttpSession,
        credentials: Credentials,
        *,
        base_url: str,
        run_id: str,
        clock: Clock,
        keeps_answers: bool = False,
    ) -> None:
        self._session = session
        self.secrets = credentials.secrets
        """What must not get into a table, even if the API repeats it."""
        self._sanitizer = Sanitizer(self.secrets)
        self._authorization = Authorization(credentials, clock=clock, sanitizer=self._sanitizer)
        self._base_url = URL(base_url)
        self._task_path = self._base_url.raw_path.rstrip("/") + TASK_PATH
        # A trace ID leads from a dead letter to the server's log and back to the run.
        self._trace_prefix = run_id.replace("-", "")
        self._numbers = count(1)
        self._clock = clock
        self._keeps_answers = keeps_answers
        self.last_response: Response | None = None
        """The last response, unchanged; None before the first."""

    async def ask(self, task: PendingTask) -> Outcome:
        """Send one request about a task.

        Raises:
            CredentialsRefusedError: the API refuses us.
            ConfigurationError: the address is wrong, or its certificate cannot be trusted.
            UnavailableError: the app's quota is used up.
        """
        if not is_valid_task_id(task.task_id):
            raise ValueError(f"{task.task_id!r} must not meet a URL")
        return await self._ask(task, self._read_outcome)

    async def list_tasks(self, cursor: str | None, *, status: int | None = None) -> TaskPage | FetchFailure:
        """Send one request for a page of the list of tasks.

        Args:
            cursor: the cursor of the page before; None stands for the first page.
            status: the status of the wanted tasks; None stands for any.

        Raises:
            TaskAuditError: the same as in ``ask``.
        """
        return await self._ask(LIST, self._read_page, query=list_query(status=status, cursor=cursor))

    def _read_outcome(self, response: Response, task: PendingTask) -> Outcome:
        outcome = interpret(response, task, now=self._clock())
        if isinstance(outcome, Observation) and (outcome.drift or self._keeps_answers):
            return self._sanitizer.observation(outcome, response, keeps_answer=self._keeps_answers)
        return outcome

    def _read_page(self, response: Response, _list: PendingTask) -> TaskPage | FetchFailure:
        return read_page(response, now=self._clock())

    async def _ask(
        self, task: PendingTask, read: Callable[[Response, PendingTask], Result | FetchFailure], *, query: Query = ()
    ) -> Result | FetchFailure:
        epoch, trace_id = self._authorization.epoch, f"{self._trace_prefix}{next(self._numbers):0{TRACE_ID_DIGITS}d}"
        try:
            response = self.last_response = await self._get(self._task_path + task.task_id, trace_id, query=query)
        except transport_errors() as error:
            return self._transport_failure(error, task, trace_id=trace_id)
        try:
            result = read(response, task)
            if not isinstance(result, FetchFailure):
                self._authorization.accept(epoch)
                return result
            if result.reason is FailureReason.UNAUTHORIZED:
                await self._authorization.renew(epoch, result, response=response)
            return self._sanitizer.failure(result, response)
        except TaskAuditError as error:
            raise self._sanitizer.error(error) from None

    async def _get(self, path: str, trace_id: str, *, query: Query) -> Response:
        sent_at = self._clock()
        headers = {"X-Traceid": trace_id, **self._authorization.headers(path, sent_at, query=query)}
        # The path consists of a checked ID, and is sent as it was signed.
        url = self._base_url.with_path(path, encoded=True)
        if query:
            url = URL(f"{url}?{canonical_query(query)}", encoded=True)
        max_bytes = MAX_PAGE_BYTES if query else MAX_BODY_BYTES
        return await self._session.get(url, headers=headers, trace_id=trace_id, sent_at=sent_at, max_bytes=max_bytes)

    def _transport_failure(self, error: Exception, task: PendingTask, *, trace_id: str) -> FetchFailure:
        from etl.koodrive import connection_errors as errors  # noqa: PLC0415 - as aiohttp, with the first request

        proxy = self._session.proxy
        if ending := errors.ending_error(error, proxy=proxy, has_answered=self.last_response is not None):
            raise self._sanitizer.error(ending) from None
        reason = errors.transport_reason(error)
        failure = FetchFailure(
            task=task,
            reason=reason,
            failed_at=self._clock(),
            detail=errors.describe(error, proxy),
            http_status=errors.spoken_status(error),
            trace_id=trace_id,
        )
        if reason is FailureReason.TOO_LARGE:
            # A page without end may come from any server on the way.
            failure = replace(
                failure, reason=FailureReason.UNRECOGNIZED, own_reason=FailureReason.TOO_LARGE, ending=INTERCEPTED
            )
        return self._sanitizer.failure(failure)


@asynccontextmanager
async def open_koodrive(
    settings: ApiSettings,
    *,
    run_id: str,
    clock: Clock,
    keeps_answers: bool = False,
    note_refresh: Callable[[], None] = lambda: None,
    shutdown: Shutdown | None = None,
) -> AsyncIterator[KooDrive]:
    """Open the API with one session for the whole run.

    Args:
        settings: the API's settings.
        run_id: the run that the trace IDs name.
        clock: returns the time, aware and in UTC.
        keeps_answers: whether observations keep the answers that they were made of.
        note_refresh: is called before each request that refreshes the session, in addition to requests about tasks.
        shutdown: ends the command that prints the token early.

    Raises:
        ConfigurationError: the address or the credentials are missing.
        CredentialsRefusedError: the command that prints the token fails.
        TaskAuditError: the reason of a shutdown that is requested before that command ends.
    """
    if (base_url := settings.base_url) is None:
        raise ConfigurationError(
            "api.base_url is not set.",
            code=Code.SETTING_MISSING,
            remedy="Set it, for example to https://cn.myhuaweicloud-koodrive.com.",
        )
    host = host_header(base_url)
    async with open_session(settings, base_url=base_url) as session:
        session_api = SessionApi(session=session, base_url=base_url, note_request=note_refresh)
        credentials = await load_credentials(
            settings, host=host, session_api=session_api, shutdown=shutdown or Shutdown()
        )
        yield KooDrive(session, credentials, base_url=base_url, run_id=run_id, clock=clock, keeps_answers=keeps_answers)
