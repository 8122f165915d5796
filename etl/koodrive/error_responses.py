"""What an error response means. Pure: a response in, a failure out.

A response is an answer only if it is an HTTP 200 in JSON whose ``code`` is 0.
"""

from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec

from etl.koodrive.drift import MALFORMED, read_strictly
from etl.koodrive.error_codes import (
    DECISIVE_STATUSES,
    FATAL_GATEWAY_CODES,
    FATAL_STATUSES,
    GATEWAY_CODE,
    GATEWAY_FAILURES,
    SERVICE_FAILURES,
    STATUS_FAILURES,
    SUCCESS_CODES,
    THROTTLED_CODE_SUFFIX,
    WAIT_STATUSES,
)
from etl.koodrive.rate_limit_headers import Advice, advice
from etl.koodrive.response import Response
from etl.tasks import FetchFailure, PendingTask
from etl.tasks.failure_reasons import FailureReason

OK = HTTPStatus.OK.value
"""Looked up once: every response is compared with it, and an enumeration is slower than a number."""

ADVISED_STATUSES = WAIT_STATUSES | {HTTPStatus.TOO_MANY_REQUESTS}
"""Statuses whose headers and message may name a time to wait."""

NO_ADVICE = Advice()


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
        detail = f"200 with {response.content_type}, not JSON"
        return _failure(FailureReason.SERVER_ERROR, detail, response=response, task=task, now=now)
    return None


def malformed_failure(response: Response, task: PendingTask, *, error: Exception, now: datetime) -> FetchFailure:
    """Classify a 200 whose body could not be read: it is an error with the wrong status, or a bad payload.

    Raises:
        TaskAuditError: the error concerns every request.
    """
    return _error_in_success(response, task, now=now) or bad_payload(str(error), response, task=task, now=now)


def error_failure(response: Response, task: PendingTask, *, now: datetime) -> FetchFailure:
    """Classify the error that a response's body names.

    Raises:
        TaskAuditError: the error concerns every request.
    """
    return _classify(response, _error_body(response.body), task=task, now=now)


def bad_payload(detail: str, response: Response, *, task: PendingTask, now: datetime) -> FetchFailure:
    """Reject a response that looks like an answer and cannot be believed."""
    return _failure(FailureReason.BAD_PAYLOAD, detail, response=response, task=task, now=now)


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
        quote = " ".join(filter(None, (f"HTTP {response.status}", code, message)))
        raise fatal.error(f"KooDrive refuses the request: {quote}.", code=fatal.code, remedy=fatal.remedy)
    may_be_throttled = response.status in ADVISED_STATUSES or code.endswith(THROTTLED_CODE_SUFFIX)
    advised = advice(response.headers, message, now=now) if may_be_throttled else NO_ADVICE
    reason = (
        FailureReason.THROTTLED
        if _is_throttled(response.status, code, advised=advised)
        else DECISIVE_STATUSES.get(response.status)
        or GATEWAY_FAILURES.get(gateway_code)
        or SERVICE_FAILURES.get(service_code)
        or _status_reason(response.status)
    )
    detail = _detail(response.status, message, ignored=advised.ignored)
    return _failure(reason, detail, response=response, task=task, now=now, error_code=code or None, advised=advised)


def _is_throttled(status: int, code: str, *, advised: Advice) -> bool:
    must_wait = status in WAIT_STATUSES and advised.wait_seconds is not None
    return must_wait or code.endswith(THROTTLED_CODE_SUFFIX)


def _status_reason(status: int) -> FailureReason:
    by_class = FailureReason.SERVER_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else FailureReason.REJECTED
    return STATUS_FAILURES.get(status, by_class)


def _detail(status: int, message: str, *, ignored: str | None) -> str:
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        # The target stays out of the detail: an address may repeat what was sent.
        return f"HTTP {status}, a redirect, was refused"
    text = message or f"HTTP {status}"
    return f"{text}; {ignored} makes no sense" if ignored else text


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
    return FetchFailure(
        task=task,
        reason=reason,
        failed_at=now,
        detail=detail,
        http_status=response.status,
        error_code=error_code,
        trace_id=response.trace_id,
        wait_seconds=advised.wait_seconds if is_throttled else None,
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
