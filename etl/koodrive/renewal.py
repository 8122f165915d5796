"""Ways to renew an access token: a command that prints it, or the API's own session calls.

Source: KooDrive's API reference, "Refreshing a Session", and the carrier edition's "RefreshToken".
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from pydantic import SecretStr

from etl.error_codes import Code
from etl.errors import CredentialsRefusedError
from etl.koodrive.token_command import TokenCommand
from etl.koodrive.transport import TRANSPORT_ERRORS, HttpSession
from etl.redaction import remember

Renew = Callable[[SecretStr], Awaitable[SecretStr]]
"""Returns the token that replaces a refused one."""

SESSION_PATH = "/koodrive/ose/v1/session/refresh"
CARRIER_PATH = "/koodrive/ose/v1/auth/refreshToken"

REFUSED_REMEDY = "Log in again, then run again."


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionApi:
    """The API's session calls."""

    session: HttpSession
    base_url: str
    note_request: Callable[[], None]
    """Is called before each request."""


async def token_from(command: TokenCommand) -> SecretStr:
    """Run a command that prints a token.

    Raises:
        CredentialsRefusedError: the command fails or prints no token.
        TaskAuditError: the reason of a shutdown that is requested before the command ends.
    """
    return _token(await command.output(), "api.token_command")


def renew_by_command(command: TokenCommand) -> Renew:
    """Renew a token with the command that prints it."""

    async def renew(_token: SecretStr) -> SecretStr:
        return await token_from(command)

    return renew


def refresh_session(api: SessionApi, session_id: SecretStr) -> Renew:
    """Renew a token through its session."""

    async def renew(token: SecretStr) -> SecretStr:
        headers = {"Authorization": token.get_secret_value(), "x-session-id": session_id.get_secret_value()}
        answer = await _post(api, SESSION_PATH, headers=headers)
        return _token(answer.get("accessToken"), "The session refresh")

    return renew


def refresh_carrier_token(api: SessionApi, refresh_token: SecretStr) -> Renew:
    """Renew a token of the carrier edition, which may also replace the refresh token."""
    current = refresh_token.get_secret_value()

    async def renew(token: SecretStr) -> SecretStr:
        nonlocal current
        headers = {"Authorization": token.get_secret_value()}
        answer = await _post(api, CARRIER_PATH, headers=headers, body={"refreshToken": current})
        data = answer.get("data")
        # The table of the reference puts the session into data, and its example puts it one level deeper.
        info = data.get("sessionInfo", data) if isinstance(data, dict) else {}
        current = info.get("refreshToken") or current
        remember(current)
        return _token(info.get("accessToken"), "The token refresh")

    return renew


async def _post(api: SessionApi, path: str, *, headers: dict[str, str], body: object = None) -> dict[str, Any]:
    api.note_request()
    try:
        status, answer = await api.session.post_json(api.base_url + path, headers=headers, body=body)
        if status == HTTPStatus.OK:
            return msgspec.json.decode(answer, type=dict[str, Any])
        problem = f"HTTP {status}"
    except (*TRANSPORT_ERRORS, msgspec.MsgspecError) as error:
        problem = type(error).__name__
    raise CredentialsRefusedError(
        f"The access token cannot be renewed: {problem}.", code=Code.TOKEN_NOT_RENEWED, remedy=REFUSED_REMEDY
    )


def _token(text: object, origin: str) -> SecretStr:
    if isinstance(text, str) and (token := text.strip()) and token.isascii() and token.isprintable():
        return SecretStr(token)
    raise CredentialsRefusedError(
        f"{origin} gave no access token on one line.", code=Code.TOKEN_NOT_RENEWED, remedy=REFUSED_REMEDY
    )
