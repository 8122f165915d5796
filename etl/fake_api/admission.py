"""Decides whether a request is admitted: by its headers, credentials, date and trace ID, and by the rate.

Pure: headers and the time go in, a reason to reject comes out. One table holds the response for each reason.
"""

import hmac
import re
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from urllib.parse import parse_qsl

from aiohttp import web

from etl.fake_api.behaviour import Behaviour
from etl.fake_api.responses import gateway_error, service_error
from etl.koodrive.signature import ALGORITHM, REQUIRED_HEADERS, RequestToSign, format_x_date, sign

SIGNATURE_LIFETIME = timedelta(minutes=15)

TRACE_ID_LENGTH = 58

X_DATE_SYNTAX = re.compile(r"[0-9]{8}T[0-9]{6}Z")

SIGNED_HEADERS_SYNTAX = re.compile(r"SignedHeaders=([^,]*),")


class Rejection(StrEnum):
    """Why a request is rejected."""

    NO_AUTHORIZATION = "no_authorization"
    NO_USER_ID = "no_user_id"
    NO_DATE = "no_date"
    DATE_MALFORMED = "date_malformed"
    DATE_IN_FUTURE = "date_in_future"
    DATE_TOO_OLD = "date_too_old"
    WRONG_TOKEN = "wrong_token"  # noqa: S105  the name of a reason
    TOKEN_EXPIRED = "token_expired"  # noqa: S105  the same
    WRONG_SESSION = "wrong_session"
    UNSIGNED_HEADER = "unsigned_header"
    WRONG_SIGNATURE = "wrong_signature"
    TRACE_ID_LENGTH = "trace_id_length"


def _bad_parameter(msg: str) -> Callable[[], web.Response]:
    return lambda: service_error(13000102, f"Parameter check failed: {msg}")


def _bad_token() -> web.Response:
    return gateway_error("APIGW.0301", "Incorrect IAM authentication information", status=401)


def _expired_token() -> web.Response:
    return gateway_error("APIGW.0307", "The token must be updated", status=401)


def _bad_app(error_msg: str) -> Callable[[], web.Response]:
    return lambda: gateway_error("APIGW.0303", f"Incorrect app authentication information: {error_msg}", status=401)


REJECTION_RESPONSES: Mapping[Rejection, Callable[[], web.Response]] = {
    Rejection.NO_AUTHORIZATION: _bad_token,
    Rejection.NO_USER_ID: _bad_parameter("the header X-User-Id is missing"),
    Rejection.NO_DATE: _bad_parameter("the header X-Date is missing"),
    Rejection.DATE_MALFORMED: _bad_app("X-Date is not YYYYMMDDTHHMMSSZ"),
    Rejection.DATE_IN_FUTURE: _bad_app("X-Date is in the future"),
    Rejection.DATE_TOO_OLD: _bad_app("X-Date is more than 15 minutes old"),
    Rejection.WRONG_TOKEN: _bad_token,
    Rejection.TOKEN_EXPIRED: _expired_token,
    Rejection.WRONG_SESSION: _bad_token,
    Rejection.UNSIGNED_HEADER: _bad_app("a header that must be signed is not"),
    Rejection.WRONG_SIGNATURE: _bad_app("verify signature failed"),
    Rejection.TRACE_ID_LENGTH: _bad_parameter("the header X-Traceid has not 58 characters"),
}


def find_rejection(
    method: str, raw_path: str, *, headers: Mapping[str, str], behaviour: Behaviour, now: datetime
) -> Rejection | None:
    """Return why a request without a body is rejected; None admits it. ``headers`` must ignore case."""
    authorization = headers.get("Authorization")
    if not authorization:
        return Rejection.NO_AUTHORIZATION
    if not headers.get("X-User-Id"):
        return Rejection.NO_USER_ID
    if len(headers.get("X-Traceid", " " * TRACE_ID_LENGTH)) != TRACE_ID_LENGTH:
        return Rejection.TRACE_ID_LENGTH
    return _refused_date(headers.get("X-Date"), now) or _refused_credentials(
        authorization, method, raw_path=raw_path, headers=headers, behaviour=behaviour
    )


def _refused_date(x_date: str | None, now: datetime) -> Rejection | None:
    if not x_date:
        return Rejection.NO_DATE
    if not X_DATE_SYNTAX.fullmatch(x_date):
        return Rejection.DATE_MALFORMED
    oldest, newest = _accepted_dates(now.replace(microsecond=0))
    # Dates in this form sort as text.
    if x_date > newest:
        return Rejection.DATE_IN_FUTURE
    return Rejection.DATE_TOO_OLD if x_date < oldest else None


@lru_cache(maxsize=2)
def _accepted_dates(now: datetime) -> tuple[str, str]:
    """Return the oldest and the newest accepted date, computed once for all requests of a second."""
    return format_x_date(now - SIGNATURE_LIFETIME), format_x_date(now)


def _refused_credentials(
    authorization: str, method: str, *, raw_path: str, headers: Mapping[str, str], behaviour: Behaviour
) -> Rejection | None:
    if behaviour.app_id is not None and (authorization.startswith(ALGORITHM) or behaviour.token is None):
        return _refused_signature(authorization, method, raw_path=raw_path, headers=headers, behaviour=behaviour)
    if behaviour.token is not None and not is_same(authorization, behaviour.token):
        return Rejection.WRONG_TOKEN
    return None


def _refused_signature(
    authorization: str, method: str, *, raw_path: str, headers: Mapping[str, str], behaviour: Behaviour
) -> Rejection | None:
    """Sign the request again over the headers that the client names as signed, and compare the whole value."""
    signed = SIGNED_HEADERS_SYNTAX.search(authorization)
    if signed is None:
        return Rejection.WRONG_SIGNATURE
    headers_to_sign = {name: headers.get(name, "") for name in signed[1].split(";")}
    if REQUIRED_HEADERS.difference(headers_to_sign):
        return Rejection.UNSIGNED_HEADER
    path, _, query = raw_path.partition("?")
    request = RequestToSign(
        method=method, raw_path=path, query=parse_qsl(query, keep_blank_values=True), headers=headers_to_sign
    )
    expected = sign(request, app_id=behaviour.app_id or "", app_secret=behaviour.app_secret or "")
    return None if is_same(authorization, expected) else Rejection.WRONG_SIGNATURE


def is_same(given: str, expected: str) -> bool:
    """Compare two secrets in a time that does not depend on the position of the first difference."""
    return hmac.compare_digest(given.encode(), expected.encode())


class RateWindow:
    """Accepts at most ``limit`` requests in any one second, by an exact log of what it accepted."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._accepted_at: deque[float] = deque(maxlen=limit)

    def admits(self, now: float) -> bool:
        """Return whether a request at ``now``, in monotonic seconds, is accepted; a rejected one does not count."""
        if len(self._accepted_at) == self.limit and self._accepted_at[0] > now - 1.0:
            return False
        self._accepted_at.append(now)
        return True
