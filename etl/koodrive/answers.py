"""What an answer of KooDrive means. Pure: a reply in, an observation or a failure out.

A fact is made only from an HTTP 200 in JSON whose ``code`` is 0 and whose ``taskId`` is the one that was asked for. How
the task fares is said by its ``status`` alone: a failed task comes with a ``code`` and a message of success.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import msgspec

from etl.errors import ConfigurationError, CredentialsRefusedError, TaskAuditError, UnavailableError
from etl.tasks import FailureReason, FetchFailure, Observation, Outcome, PendingTask, TaskDetail

MAX_DETAIL_CHARACTERS = 300
WHOLE_NUMBER = re.compile(r"\s*-?[0-9]{1,18}\s*", re.ASCII)
INT64 = range(-(2**63), 2**63)
SUCCESS_CODES = frozenset({None, "", "0"})
"""A missing code is accepted where the fields of a task are there."""

HTTP_FAILURES: dict[int, FailureReason] = {
    400: FailureReason.REJECTED,
    403: FailureReason.FORBIDDEN,
    404: FailureReason.NOT_FOUND,
    408: FailureReason.TIMEOUT,
    409: FailureReason.SERVER_ERROR,
    410: FailureReason.NOT_FOUND,
    421: FailureReason.SERVER_ERROR,
    423: FailureReason.SERVER_ERROR,
    425: FailureReason.SERVER_ERROR,
    429: FailureReason.THROTTLED,
    501: FailureReason.REJECTED,
    505: FailureReason.REJECTED,
}
"""Statuses that do not follow their class; any other 5xx is a server error, any other 3xx and 4xx rejected."""

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
"""KooDrive's own codes, whatever HTTP status they come with; any other is rejected."""

GATEWAY_FAILURES: dict[str, FailureReason] = {"0308": FailureReason.THROTTLED}
"""Codes of Huawei's API gateway (APIG.nnnn, APIGW.nnnn) whose meaning is not that of their HTTP status."""

GATEWAY_REFUSALS: dict[str, tuple[type[TaskAuditError], str]] = {
    **dict.fromkeys(
        ("0301", "0302", "0303", "0304", "0305", "0306", "0307", "0310", "0311", "0401", "0402"),
        (
            CredentialsRefusedError,
            "Check the token or the AppId and AppSecret, their rights, and this machine's clock.",
        ),
    ),
    **dict.fromkeys(("0101", "0607", "0801", "0802"), (ConfigurationError, "Check api.base_url.")),
    **dict.fromkeys(("0501", "0502"), (UnavailableError, "The app's quota or balance is used up.")),
}
"""Gateway codes that concern every request alike, so that they end the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP reply, read to its end."""

    status: int
    content_type: str
    body: bytes
    trace_id: str


class Answer(TaskDetail, frozen=True, kw_only=True):
    """A task's detail that may be an error in disguise."""

    error_code: str | None = msgspec.field(default=None, name="error_code")

    @property
    def code(self) -> int | str | None:
        """The response's own code, by the name that errors have for it."""
        return self.response_code


class ErrorBody(msgspec.Struct, frozen=True):
    """Every documented shape of an error: KooDrive's ``code`` and ``msg``, the gateway's ``error_code``."""

    code: int | str | None = None
    msg: str | None = None
    error_code: str | None = None
    error_msg: str | None = None


_answers = msgspec.json.Decoder(Answer)
_error_bodies = msgspec.json.Decoder(ErrorBody)


def interpret(reply: Reply, task: PendingTask, *, now: datetime) -> Outcome:
    """Say what a reply to the question about a task means.

    Raises:
        CredentialsRefusedError: the API refuses us, whatever the task.
        ConfigurationError: we ask in the wrong place.
        UnavailableError: the app may not ask any more.
    """
    if reply.status != HTTPStatus.OK:
        return _error(reply, task, now)
    if not _may_be_json(reply.content_type):
        return _failure(FailureReason.SERVER_ERROR, f"200 with {reply.content_type}, not JSON", reply, task, now)
    answer, flaw = _decode(reply.body, task)
    if answer.error_code or _text(answer.code) not in SUCCESS_CODES:
        return _error(reply, task, now)
    if flaw is None and isinstance(answer, Answer):
        return Observation(task=task, detail=answer, observed_at=now)
    return _failure(FailureReason.BAD_PAYLOAD, flaw or "not a task", reply, task, now)


def _decode(body: bytes, task: PendingTask) -> tuple[Answer | ErrorBody, str | None]:
    """Read the body of a 200, and say why it cannot be believed, if so."""
    try:
        answer = _answers.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # Perhaps an error that came with a 200.
        return _error_body(body), str(error)
    return answer, _flaw(answer, task)


def _flaw(answer: Answer, task: PendingTask) -> str | None:
    """Say why an answer that looks like a task's detail cannot be believed."""
    if _text(answer.task_id) != task.task_id:
        return "the answer is about another task"
    if not _is_whole_number(answer.status):
        return "status is not a whole number"
    if answer.task_type is not None and not _is_whole_number(answer.task_type):
        return "taskType is not a whole number"
    return None


def _error(reply: Reply, task: PendingTask, now: datetime) -> FetchFailure:
    body = _error_body(reply.body)
    gateway_code = (body.error_code or "").rpartition(".")[2]
    service_code = _text(body.code)
    message = body.error_msg or body.msg or ""
    if gateway_code in GATEWAY_REFUSALS or reply.status == HTTPStatus.UNAUTHORIZED:
        error, remedy = GATEWAY_REFUSALS.get(gateway_code, GATEWAY_REFUSALS["0301"])
        said = " ".join(filter(None, (f"HTTP {reply.status}", body.error_code or service_code, message)))
        raise error(f"KooDrive refuses the request: {said[:MAX_DETAIL_CHARACTERS]}.", remedy=remedy)
    reason = (
        GATEWAY_FAILURES.get(gateway_code) or SERVICE_FAILURES.get(service_code or "") or _http_failure(reply.status)
    )
    code = body.error_code or (None if service_code in SUCCESS_CODES else service_code)
    return _failure(reason, message or f"HTTP {reply.status}", reply, task, now, error_code=code)


def _http_failure(status: int) -> FailureReason:
    return HTTP_FAILURES.get(
        status,
        FailureReason.SERVER_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else FailureReason.REJECTED,
    )


def _failure(
    reason: FailureReason, detail: str, reply: Reply, task: PendingTask, now: datetime, *, error_code: str | None = None
) -> FetchFailure:
    return FetchFailure(
        task=task,
        reason=reason,
        failed_at=now,
        detail=detail[:MAX_DETAIL_CHARACTERS],
        http_status=reply.status,
        error_code=error_code,
        trace_id=reply.trace_id,
    )


def _error_body(body: bytes) -> ErrorBody:
    try:
        return _error_bodies.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ErrorBody()


def _may_be_json(content_type: str) -> bool:
    # A missing type is given the benefit of the doubt: the body must still be JSON.
    return content_type.endswith("json") or content_type in {"", "application/octet-stream"}


def _is_whole_number(value: int | str) -> bool:
    return value in INT64 if isinstance(value, int) else WHOLE_NUMBER.fullmatch(value) is not None


def _text(value: int | str | None) -> str | None:
    return str(value) if isinstance(value, int) else value
