"""Ways to renew an access token: a command that prints it, or the API's own session calls.

Source: KooDrive's API reference, "Refreshing a Session", and the carrier edition's "RefreshToken".
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from pydantic import SecretStr

from etl.error_codes import Code
from etl.errors import CredentialsRefusedError
from etl.koodrive.token_command import TokenCommand
from etl.koodrive.transport import HttpSession, transport_errors
from etl.redaction import remember

Renew = Callable[[SecretStr], Awaitable[SecretStr]]
"""Returns the token that replaces a refused one."""

SESSION_PATH = "/koodrive/ose/v1/session/refresh"
CARRIER_PATH = "/koodrive/ose/v1/auth/refreshToken"

API_TOKEN = re.compile(r"(?:[A-Za-z0-9_-]+ )?[A-Za-z0-9._~+/:=-]{16,8192}")
"""A token as the API issues them, with or without a scheme. Every text that holds such a token can be masked: a shorter
one would match ordinary words, and a longer one costs memory."""

MAX_TOKEN_CHARACTERS = 8_192
"""Servers refuse longer headers."""

REFUSED_REMEDY = "Log in again, then run again."


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionApi:
    """The API's session calls."""

    session: HttpSession
    base_url: str
    note_request: Callable[[], None]
    """Is called before each request."""


class Refreshed(msgspec.Struct, frozen=True, rename="camel"):
    """The tokens in an answer; the reference's table and its example differ in how deep they stand."""

    access_token: str | None = None
    refresh_token: str | None = None
    session_info: "Refreshed | None" = None
    data: "Refreshed | None" = None


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
        return _api_token(answer.access_token, "The session refresh")

    return renew


def refresh_carrier_token(api: SessionApi, refresh_token: SecretStr) -> Renew:
    """Renew a token of the carrier edition, which may also replace the refresh token."""
    current = refresh_token.get_secret_value()

    async def renew(token: SecretStr) -> SecretStr:
        nonlocal current
        headers = {"Authorization": token.get_secret_value()}
        answer = await _post(api, CARRIER_PATH, headers=headers, body={"refreshToken": current})
        data = answer.data or Refreshed()
        info = data.session_info or data
        if info.refresh_token and info.refresh_token != current:
            current = _api_token(info.refresh_token, "The token refresh").get_secret_value()
            remember(current)
        return _api_token(info.access_token, "The token refresh")

    return renew


async def _post(api: SessionApi, path: str, *, headers: dict[str, str], body: object = None) -> Refreshed:
    api.note_request()
    try:
        status, answer = await api.session.post_json(api.base_url + path, headers=headers, body=body)
        if status == HTTPStatus.OK:
            return msgspec.json.decode(answer, type=Refreshed)
        problem = f"HTTP {status}"
    except msgspec.MsgspecError as error:
        problem = type(error).__name__
    except transport_errors() as error:
        problem = type(error).__name__
    raise CredentialsRefusedError(
        f"The access token cannot be renewed: {problem}.", code=Code.TOKEN_NOT_RENEWED, remedy=REFUSED_REMEDY
    )


def _api_token(text: str | None, origin: str) -> SecretStr:
    """Return a token that the API has issued.

    Raises:
        CredentialsRefusedError: the text is not a token.
    """
    if API_TOKEN.fullmatch(text or ""):
        return SecretStr(text or "")
    raise CredentialsRefusedError(
        f"{origin} gave no access token of 16 to {MAX_TOKEN_CHARACTERS:,} characters.",
        code=Code.TOKEN_NOT_RENEWED,
        remedy=REFUSED_REMEDY,
    )


def _token(text: str, origin: str) -> SecretStr:
    token = text.strip()
    if token and len(token) <= MAX_TOKEN_CHARACTERS and token.isascii() and token.isprintable():
        return SecretStr(token)
    raise CredentialsRefusedError(
        f"{origin} gave no access token on one line.", code=Code.TOKEN_NOT_RENEWED, remedy=REFUSED_REMEDY
    )
