"""What an error response means. Pure: a response in, a failure out.

A response is an answer only if it is an HTTP 200 in JSON whose ``code`` is 0. Only KooDrive's own words about a task
decide about that task: an error with one of its codes, or a body that names the task. Any server on the way may send
another response, and such a response is ``unrecognized``.
"""

import re
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec

from etl.koodrive.drift import MALFORMED, read_strictly
from etl.koodrive.rate_limit_headers import Advice, advice
from etl.koodrive.response import Response
from etl.koodrive.response_codes import (
    DECISIVE_STATUSES,
    FATAL_GATEWAY_CODES,
    FATAL_STATUSES,
    GATEWAY_CODE,
    GATEWAY_FAILURES,
    SERVICE_CODE,
    SERVICE_FAILURES,
    SUCCESS_CODES,
    THROTTLED_CODE_SUFFIX,
    WAIT_STATUSES,
    status_ending,
    status_reason,
)
from etl.tasks import FetchFailure, PendingTask, summary_of
from etl.tasks.failure_reasons import FailureReason

OK = HTTPStatus.OK.value
"""Looked up once: every response is compared with it, and an enumeration is slower than a number."""

ADVISED_STATUSES = WAIT_STATUSES | {HTTPStatus.TOO_MANY_REQUESTS}
"""Statuses whose headers and message may name a time to wait."""

NO_ADVICE = Advice()

TASK_ID_FIELD = b'"taskId"'
"""A body that names its task in this field is KooDrive's, even if the rest of it cannot be read."""

TITLE = re.compile(r"<title>\s*([^<]+?)\s*</title>", re.IGNORECASE)

MAX_PAGE_BYTES = 4096
"""The beginning of a page, which has its title."""

MAX_PAGE_WORDS = 120
"""The title or the first line of a page is enough to find the server that sent it."""


class ErrorBody(msgspec.Struct, frozen=True):
    """Every documented form of an error: KooDrive's ``code`` and ``msg``, and the gateway's ``error_code``.

    A field of an unexpected type does not keep the others from being read.
    """

    code: Any = None
    msg: Any = None
    error_code: Any = None
    error_msg: Any = None


_error_bodies = msgspec.json.Decoder(ErrorBody)


def status_failure(response: Response, task: PendingTask, *, now: datetime) -> FetchFailure | None:
    """Return the failure that a response's status or type shows; None if its body may be an answer.

    Raises:
        TaskAuditError: the error concerns every request.
    """
    if response.status != OK:
        return error_failure(response, task, now=now)
    if not _may_be_json(response.content_type):
        detail = f"200 with {response.content_type}, not JSON{_quoted(_page_words(response))}"
        return unrecognized(detail, response, task=task, now=now)
    return None


def malformed_failure(
    response: Response, task: PendingTask, *, error: Exception, now: datetime, is_own: bool
) -> FetchFailure:
    """Classify a 200 whose body could not be read: an error with the wrong status, a bad payload, or unrecognized.

    Args:
        response: the response.
        task: the task that was asked about.
        error: says why the body could not be read.
        now: the time.
        is_own: whether the body shows that KooDrive sent it.

    Raises:
        TaskAuditError: the error concerns every request.
    """
    if (failure := _error_in_success(response, task, now=now)) is not None:
        return failure
    refuse = bad_payload if is_own else unrecognized
    return refuse(str(error), response, task=task, now=now)


def error_failure(response: Response, task: PendingTask, *, now: datetime) -> FetchFailure:
    """Classify the error that a response's body names.

    Raises:
        TaskAuditError: the error concerns every request.
    """
    return _classify(response, _error_body(response.body), task=task, now=now)


def bad_payload(detail: str, response: Response, *, task: PendingTask, now: datetime) -> FetchFailure:
    """Reject a response that looks like an answer and cannot be believed."""
    return _failure(FailureReason.BAD_PAYLOAD, detail, response=response, task=task, now=now)


def unrecognized(
    detail: str, response: Response, *, task: PendingTask, now: datetime, error_code: str | None = None
) -> FetchFailure:
    """Doubt that KooDrive sent a response, since it says nothing about the task in KooDrive's form."""
    failure = _failure(FailureReason.UNRECOGNIZED, detail, response=response, task=task, now=now, error_code=error_code)
    own_reason = FailureReason.BAD_PAYLOAD if response.status == OK else status_reason(response.status)
    return replace(failure, own_reason=own_reason, ending=status_ending(response.status))


def names_task(body: bytes, task: PendingTask) -> bool:
    """Return whether a body names its task, as only KooDrive's answers do, however much of the rest is wrong."""
    return TASK_ID_FIELD in body and task.task_id.encode() in body


def _error_in_success(response: Response, task: PendingTask, *, now: datetime) -> FetchFailure | None:
    """Read the body of a 200 as an error; None if it names none."""
    try:
        read_strictly(response.body)
    except MALFORMED:
        return None
    body = _error_body(response.body)
    if _text(body.error_code) or _text(body.code) not in SUCCESS_CODES:
        return _classify(response, body, task=task, now=now)
    return None


def _classify(response: Response, body: ErrorBody, *, task: PendingTask, now: datetime) -> FetchFailure:
    error_code, service_code = _text(body.error_code) or "", _text(body.code) or ""
    gateway_code = found[1] if (found := GATEWAY_CODE.fullmatch(error_code)) else ""
    code = error_code or ("" if service_code in SUCCESS_CODES else service_code)
    message = _text(body.error_msg) or _text(body.msg) or ""
    if fatal := FATAL_GATEWAY_CODES.get(gateway_code) or FATAL_STATUSES.get(response.status):
        named = summary_of(response.status, code)
        raise fatal.because(f"KooDrive refuses the request: {named}.", quote=message or _page_words(response))
    may_be_throttled = response.status in ADVISED_STATUSES or code.endswith(THROTTLED_CODE_SUFFIX)
    advised = advice(response.headers, message, now=now) if may_be_throttled else NO_ADVICE
    reason = (
        FailureReason.THROTTLED
        if _is_throttled(response.status, code, advised=advised)
        else DECISIVE_STATUSES.get(response.status)
        or GATEWAY_FAILURES.get(gateway_code)
        or SERVICE_FAILURES.get(code)
        or status_reason(response.status)
    )
    detail = _detail(response, message, ignored=advised.ignored)
    if reason.recovery.is_lasting and not SERVICE_CODE.fullmatch(code):
        return unrecognized(detail, response, task=task, now=now, error_code=code or None)
    return _failure(reason, detail, response=response, task=task, now=now, error_code=code or None, advised=advised)


def _is_throttled(status: int, code: str, *, advised: Advice) -> bool:
    must_wait = status in WAIT_STATUSES and advised.wait_seconds is not None
    return must_wait or code.endswith(THROTTLED_CODE_SUFFIX)


def _detail(response: Response, message: str, *, ignored: str | None) -> str:
    status = response.status
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"HTTP {status}, a redirect{_target(response.headers.get('Location', ''))}, was refused"
    text = message or f"HTTP {status}{_quoted(_page_words(response))}"
    return f"{text}; {ignored} makes no sense" if ignored else text


def _target(location: str) -> str:
    """Name the server that a redirect leads to; the rest of the address may repeat what was sent."""
    try:
        address = urlsplit(location)
        port = f":{address.port}" if address.port else ""
    except ValueError:
        return ""
    if not address.hostname:
        return " to the same server" if address.path else ""
    return f" to {address.scheme or 'http'}://{address.hostname}{port}"


def _page_words(response: Response) -> str:
    """Return the title of a page, or its first line."""
    text = response.body[:MAX_PAGE_BYTES].decode(errors="replace")
    found = TITLE.search(text)
    words = found[1] if found else text.lstrip().partition("\n")[0].strip()
    return words[:MAX_PAGE_WORDS]


def _quoted(words: str) -> str:
    return f": {words}" if words else ""


def _failure(
    reason: FailureReason,
    detail: str,
    *,
    response: Response,
    task: PendingTask,
    now: datetime,
    error_code: str | None = None,
    advised: Advice = NO_ADVICE,
) -> FetchFailure:
    is_throttled = reason is FailureReason.THROTTLED
    may_be_outage = is_throttled and response.status == HTTPStatus.SERVICE_UNAVAILABLE
    return FetchFailure(
        task=task,
        reason=reason,
        failed_at=now,
        detail=detail,
        http_status=response.status,
        error_code=error_code,
        trace_id=response.trace_id,
        wait_seconds=advised.wait_seconds if is_throttled else None,
        may_be_outage=may_be_outage and not (error_code or "").endswith(THROTTLED_CODE_SUFFIX),
        allowed_rate=advised.allowed_rate if is_throttled else None,
    )


def _error_body(body: bytes) -> ErrorBody:
    try:
        return _error_bodies.decode(body)
    except MALFORMED:
        return ErrorBody()


def _may_be_json(content_type: str) -> bool:
    # A response without a type is read, too: its body must still be JSON.
    return content_type.endswith("json") or content_type in {"", "application/octet-stream"}


def _text(value: object) -> str | None:
    """Return a number as text; None if the value is neither a number nor text."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
