"""What an answer of KooDrive means. Pure: a reply in, an observation or a failure out.

A fact is made only from an HTTP 200 in JSON whose ``code`` is 0 and whose ``taskId`` is the one that was asked for. How
the task fares is said by its ``status`` alone: a failed task comes with a ``code`` and a message of success.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec

from etl.errors import Code, ConfigurationError, CredentialsRefusedError, TaskAuditError, UnavailableError
from etl.koodrive.drift import MALFORMED, read_answer, read_strictly
from etl.koodrive.rate_limit_headers import Advice, advice
from etl.tasks import FailureReason, FetchFailure, Observation, Outcome, PendingTask

OK = HTTPStatus.OK.value
"""Looked up once: every answer is asked, and an enumeration takes its time."""

SUCCESS_CODES = frozenset({None, "", 0, "0"})
"""A missing code is accepted where the fields of a task are there."""

DECISIVE_STATUSES: dict[int, FailureReason] = {
    401: FailureReason.UNAUTHORIZED,
    429: FailureReason.THROTTLED,
}
"""Statuses that mean the same whatever failure the body names."""

HTTP_FAILURES: dict[int, FailureReason] = {
    204: FailureReason.BAD_PAYLOAD,
    205: FailureReason.BAD_PAYLOAD,
    400: FailureReason.REJECTED,
    403: FailureReason.FORBIDDEN,
    404: FailureReason.NOT_FOUND,
    408: FailureReason.TIMEOUT,
    409: FailureReason.SERVER_ERROR,
    410: FailureReason.NOT_FOUND,
    421: FailureReason.SERVER_ERROR,
    423: FailureReason.SERVER_ERROR,
    425: FailureReason.SERVER_ERROR,
    501: FailureReason.REJECTED,
    505: FailureReason.REJECTED,
}
"""Statuses that do not follow their class; any other 5xx is a server error, the rest is rejected."""

SERVICE_FAILURES: dict[str, FailureReason] = {
    "13000201": FailureReason.SERVER_ERROR,  # an inner call failed
    "13000304": FailureReason.SERVER_ERROR,  # "try again"
    "13000308": FailureReason.SERVER_ERROR,  # "try again"
    "13000309": FailureReason.NOT_FOUND,  # no such resource
    "13000402": FailureReason.SERVER_ERROR,  # "try again"
    "13000403": FailureReason.SERVER_ERROR,  # "try again"
    "13000407": FailureReason.SERVER_ERROR,  # "try again"
    "13000408": FailureReason.SERVER_ERROR,  # "try again"
    "13000409": FailureReason.SERVER_ERROR,  # "try again"
    "13000410": FailureReason.FORBIDDEN,  # the user may not
}
"""KooDrive's own codes, whatever HTTP status they come with; any other means what its HTTP status means."""

GATEWAY_CODE = re.compile(r"APIGW?\.([0-9]{4})")
"""A code of Huawei's API gateway, shared or dedicated."""

GATEWAY_FAILURES: dict[str, FailureReason] = {
    **dict.fromkeys(
        (
            "0103",
            "0104",
            "0105",
            "0404",
            "0601",
            "0605",
            "0606",
            "0608",
            "0609",
            "0610",
            "0611",
            "0612",
            "0613",
            "0705",
        ),
        FailureReason.SERVER_ERROR,
    ),
    **dict.fromkeys(("0301", "0303", "0305", "0307", "0311"), FailureReason.UNAUTHORIZED),
}
"""Gateway codes that say more than their HTTP status: some troubles of the server come as a 400, 403 or 404."""

Refusal = tuple[type[TaskAuditError], Code, str]
"""The error that ends the run, its code, and the remedy."""

GATEWAY_REFUSALS: dict[str, Refusal] = {
    **dict.fromkeys(
        ("0302", "0304", "0306", "0310", "0401", "0402"),
        (
            CredentialsRefusedError,
            Code.API_FORBIDDEN,
            "Check the rights of the token or the app, and from which addresses it may ask.",
        ),
    ),
    **dict.fromkeys(
        ("0101", "0607", "0801", "0802"), (ConfigurationError, Code.API_ADDRESS_WRONG, "Check api.base_url.")
    ),
    **dict.fromkeys(
        ("0501", "0502"),
        (UnavailableError, Code.API_QUOTA_USED_UP, "Have the app's quota or balance renewed, then run again."),
    ),
}
"""Gateway codes that concern every request alike, so that they end the run."""

HTTP_REFUSALS: dict[int, Refusal] = {
    511: (
        UnavailableError,
        Code.NETWORK_LOGIN_NEEDED,
        "Log this machine in to its network: a portal answers in the API's place.",
    ),
}
"""HTTP statuses that concern every request alike, where no gateway code says more."""

THROTTLED_CODE_END = ".0308"
"""Of the code of any of Huawei's gateways, whatever HTTP status it comes with."""

WAIT_STATUSES = frozenset({403, 413, 503})
"""Statuses that mean "too fast" where they come with a time to wait."""

ADVISED_STATUSES = WAIT_STATUSES | {HTTPStatus.TOO_MANY_REQUESTS}
"""Statuses whose headers and message may say when to come back."""

NO_ADVICE = Advice()


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP reply, read to its end."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes
    trace_id: str
    asked_at: datetime
    """When the request was sent: what the reply says may be as old as that, however late it is read."""


class ErrorBody(msgspec.Struct, frozen=True):
    """Every documented shape of an error: KooDrive's ``code`` and ``msg``, the gateway's ``error_code``.

    Whatever stands in one field, the others are still read.
    """

    code: Any = None
    msg: Any = None
    error_code: Any = None
    error_msg: Any = None


_error_bodies = msgspec.json.Decoder(ErrorBody)


def interpret(reply: Reply, task: PendingTask, *, now: datetime) -> Outcome:
    """Say what a reply to the question about a task means.

    What a failure or an error quotes from the reply is as it came: of any length, perhaps with our own secret in it.

    Raises:
        CredentialsRefusedError: the API refuses us, whatever the task.
        ConfigurationError: we ask in the wrong place.
        UnavailableError: the app may not ask any more.
    """
    if (failure := refusal(reply, task, now=now)) is not None:
        return failure
    try:
        answer, drift = read_answer(reply.body)
    except MALFORMED as error:
        return nonsense(reply, task, error, now=now)
    if answer.error_code or answer.response_code not in SUCCESS_CODES:
        return said_error(reply, task, now=now)
    if answer.task_id != task.task_id and str(answer.task_id) != task.task_id:
        return _failure(FailureReason.BAD_PAYLOAD, "the answer is about another task", reply, task, now)
    return Observation(task=task, detail=answer, observed_at=reply.asked_at, drift=drift)


def refusal(reply: Reply, task: PendingTask, *, now: datetime) -> FetchFailure | None:
    """Say why a reply is no answer, whatever was asked; None: it is one, if its body holds what it should.

    Raises:
        TaskAuditError: as ``interpret``.
    """
    if reply.status != OK:
        return said_error(reply, task, now=now)
    if not _may_be_json(reply.content_type):
        return _failure(FailureReason.SERVER_ERROR, f"200 with {reply.content_type}, not JSON", reply, task, now)
    return None


def nonsense(reply: Reply, task: PendingTask, error: Exception, *, now: datetime) -> FetchFailure:
    """Say what a 200 is whose body does not hold what it should: an error in disguise, or nothing to be believed.

    Raises:
        TaskAuditError: as ``interpret``.
    """
    return _disguised_error(reply, task, now) or _failure(FailureReason.BAD_PAYLOAD, str(error), reply, task, now)


def said_error(reply: Reply, task: PendingTask, *, now: datetime) -> FetchFailure:
    """Say what the error means that a reply's body names.

    Raises:
        TaskAuditError: as ``interpret``.
    """
    return _error(reply, _error_body(reply.body), task, now)


def _disguised_error(reply: Reply, task: PendingTask, now: datetime) -> FetchFailure | None:
    """Read the body of a 200 that is no task's detail as an error, if it is one."""
    try:
        read_strictly(reply.body)
    except MALFORMED:
        return None
    body = _error_body(reply.body)
    if _text(body.error_code) or _text(body.code) not in SUCCESS_CODES:
        return _error(reply, body, task, now)
    return None


def _error(reply: Reply, body: ErrorBody, task: PendingTask, now: datetime) -> FetchFailure:
    error_code, service_code = _text(body.error_code) or "", _text(body.code) or ""
    gateway_code = found[1] if (found := GATEWAY_CODE.fullmatch(error_code)) else ""
    code = error_code or ("" if service_code in SUCCESS_CODES else service_code)
    message = _text(body.error_msg) or _text(body.msg) or ""
    if refusal := GATEWAY_REFUSALS.get(gateway_code) or HTTP_REFUSALS.get(reply.status):
        error, kind, remedy = refusal
        said = " ".join(filter(None, (f"HTTP {reply.status}", code, message)))
        raise error(f"KooDrive refuses the request: {said}.", code=kind, remedy=remedy)
    may_be_throttled = reply.status in ADVISED_STATUSES or code.endswith(THROTTLED_CODE_END)
    advised = advice(reply.headers, message, now=now) if may_be_throttled else NO_ADVICE
    reason = (
        FailureReason.THROTTLED
        if _is_throttled(reply.status, code, advised)
        else DECISIVE_STATUSES.get(reply.status)
        or GATEWAY_FAILURES.get(gateway_code)
        or SERVICE_FAILURES.get(service_code)
        or _http_failure(reply.status)
    )
    detail = _detail(reply.status, message, advised.ignored)
    return _failure(reason, detail, reply, task, now, error_code=code or None, advised=advised)


def _is_throttled(status: int, code: str, advised: Advice) -> bool:
    is_told_to_wait = status in WAIT_STATUSES and advised.wait_seconds is not None
    return is_told_to_wait or code.endswith(THROTTLED_CODE_END)


def _http_failure(status: int) -> FailureReason:
    by_class = FailureReason.SERVER_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else FailureReason.REJECTED
    return HTTP_FAILURES.get(status, by_class)


def _detail(status: int, message: str, ignored: str | None) -> str:
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        # Where it leads is not told: an address may repeat what was sent.
        return f"HTTP {status}, a redirect, was refused"
    said = message or f"HTTP {status}"
    return f"{said}; {ignored} makes no sense" if ignored else said


def _failure(
    reason: FailureReason,
    detail: str,
    reply: Reply,
    task: PendingTask,
    now: datetime,
    *,
    error_code: str | None = None,
    advised: Advice = NO_ADVICE,
) -> FetchFailure:
    is_throttled = reason is FailureReason.THROTTLED
    return FetchFailure(
        task=task,
        reason=reason,
        failed_at=now,
        detail=detail,
        http_status=reply.status,
        error_code=error_code,
        trace_id=reply.trace_id,
        wait_seconds=advised.wait_seconds if is_throttled else None,
        allowed_rate=advised.allowed_rate if is_throttled else None,
    )


def _error_body(body: bytes) -> ErrorBody:
    try:
        return _error_bodies.decode(body)
    except MALFORMED:
        return ErrorBody()


def _may_be_json(content_type: str) -> bool:
    # A missing type is given the benefit of the doubt: the body must still be JSON.
    return content_type.endswith("json") or content_type in {"", "application/octet-stream"}


def _text(value: object) -> str | None:
    """Write a number as text; what is neither number nor text says nothing."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
