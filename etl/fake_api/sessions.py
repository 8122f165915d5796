"""The lifetime of a token, and the two documented calls that renew it.

``admission`` checks every other request against the token that is accepted now.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

import msgspec
from aiohttp import web

from etl.fake_api.admission import REJECTION_RESPONSES, Rejection, find_rejection, is_same
from etl.fake_api.behaviour import Behaviour
from etl.fake_api.responses import json_response, service_error
from etl.fake_api.stats import Stats
from etl.koodrive.signature import ALGORITHM

SESSION_PATH = "/koodrive/ose/v1/session/refresh"
"""The call of the normal edition."""

CARRIER_PATH = "/koodrive/ose/v1/auth/refreshToken"
"""The call of the carrier edition."""

CARRIER_LIFETIME_SECONDS = 1800
"""The lifetime that the carrier edition reports for every token, however long the token is good for here."""

TOKEN_DIGITS = 48

SUCCESS = {"code": 0, "msg": "success"}


class CarrierCall(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of the carrier edition's call."""

    refresh_token: str


class Sessions:
    """The accepted token. A former token may still renew it, since two clients may both find theirs expired."""

    def __init__(self, behaviour: Behaviour, stats: Stats) -> None:
        self._stats = stats
        self._accepted = behaviour
        self._known_tokens = {behaviour.token}
        self._uses_left = behaviour.token_uses
        self._renewals = 0
        self._secrets = {SESSION_PATH: behaviour.session_id, CARRIER_PATH: behaviour.refresh_token}

    def find_rejection(
        self, method: str, raw_path: str, *, headers: Mapping[str, str], now: datetime
    ) -> Rejection | None:
        """Return why a request is rejected; None admits it. ``renew`` checks the calls that renew the token."""
        if self.renews(method, raw_path):
            return None
        rejection = find_rejection(method, raw_path, headers=headers, behaviour=self._accepted, now=now)
        if rejection is not None or self._uses_left is None or headers["Authorization"].startswith(ALGORITHM):
            return rejection
        if self._uses_left == 0:
            return Rejection.TOKEN_EXPIRED
        self._uses_left -= 1
        return None

    def renews(self, method: str, raw_path: str) -> bool:
        """Return whether a request is a call to renew the token."""
        return method == "POST" and bool(self._secrets.get(raw_path))

    async def renew(self, request: web.BaseRequest, now: datetime) -> web.Response:
        """Respond to a call that renews the token."""
        path = request.raw_path
        try:
            given_secret = await _given_secret(request)
        except msgspec.MsgspecError as error:
            return service_error(13000102, f"Parameter check failed: {error}")
        rejection = self._refused_renewal(request.headers.get("Authorization"), given_secret, path=path)
        if rejection is not None:
            self._stats.rejected[rejection] += 1
            return REJECTION_RESPONSES[rejection]()
        self._stats.refreshes += 1
        if path == SESSION_PATH:
            return json_response({"accessToken": self._next_token("Bearer"), **SUCCESS})
        return json_response(
            {"data": {"sessionInfo": _session_info(self._next_token("AT"), given_secret, now=now)}, **SUCCESS}
        )

    def _refused_renewal(self, authorization: str | None, given_secret: str, *, path: str) -> Rejection | None:
        if not authorization:
            return Rejection.NO_AUTHORIZATION
        # Without a configured token, any token may be renewed.
        if None not in self._known_tokens and authorization not in self._known_tokens:
            return Rejection.WRONG_TOKEN
        return None if is_same(given_secret, self._secrets[path] or "") else Rejection.WRONG_SESSION

    def _next_token(self, prefix: str) -> str:
        """Make the next token from the seed and the number of renewals, and accept no other from now on."""
        self._renewals += 1
        digits = sha256(f"{self._accepted.seed}:{self._renewals}".encode()).hexdigest()[:TOKEN_DIGITS]
        token = f"{prefix} {digits}"
        self._accepted = replace(self._accepted, token=token)
        self._known_tokens.add(token)
        self._uses_left = self._accepted.token_uses
        return token


async def _given_secret(request: web.BaseRequest) -> str:
    """Read the client's secret: a header in the normal edition, the body in the carrier edition."""
    if request.raw_path == SESSION_PATH:
        return request.headers.get("x-session-id", "")
    return msgspec.json.decode(await request.read(), type=CarrierCall).refresh_token


def _session_info(token: str, refresh_token: str, *, now: datetime) -> dict[str, object]:
    """Describe a session as the carrier edition does, in the JSON types of the documented example."""
    return {
        "accessToken": token,
        "expiresIn": CARRIER_LIFETIME_SECONDS,
        "issuedAt": str(int(now.timestamp() * 1000)),
        "refreshToken": refresh_token,
    }
