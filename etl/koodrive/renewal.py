"""How an access token is got anew: from its file, from a command, or by the API's own session calls.

Source: KooDrive's API reference, "Refreshing a Session", and the carrier edition's "RefreshToken".
"""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
from pydantic import SecretStr

from etl.errors import Code, CredentialsRefusedError
from etl.redaction import remember

Renew = Callable[[SecretStr], Awaitable[SecretStr]]
"""From the token that was refused to the one to use now."""

SESSION_PATH = "/koodrive/ose/v1/session/refresh"
CARRIER_PATH = "/koodrive/ose/v1/auth/refreshToken"

COMMAND_SECONDS = 30.0

MAX_ANSWER_BYTES = 1 << 16

REFUSED_REMEDY = "Log in anew, then run again."


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionApi:
    """Where sessions are refreshed."""

    session: aiohttp.ClientSession
    base_url: str
    note_request: Callable[[], None]
    """Counts a request that is about to be sent."""


async def run_token_command(command: tuple[str, ...]) -> SecretStr:
    """Run a command that prints a token.

    Raises:
        CredentialsRefusedError: it cannot be run, fails, takes too long, or prints no token.
    """
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    except OSError as error:
        raise _command_failed(f"cannot be run: {error.strerror}") from None
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise _command_failed(f"takes longer than {COMMAND_SECONDS:.0f} s") from None
    if process.returncode:
        raise _command_failed(f"ended with {process.returncode}")
    return _token(output.decode("ascii", errors="replace"), "api.token_command")


def run_again(command: tuple[str, ...]) -> Renew:
    """Renew a token by the command that prints it."""

    async def renew(_token: SecretStr) -> SecretStr:
        return await run_token_command(command)

    return renew


def refresh_session(api: SessionApi, session_id: SecretStr) -> Renew:
    """Renew a token by the session it belongs to."""

    async def renew(token: SecretStr) -> SecretStr:
        headers = {"Authorization": token.get_secret_value(), "x-session-id": session_id.get_secret_value()}
        answer = await _post(api, SESSION_PATH, headers, None)
        return _token(answer.get("accessToken"), "The session refresh")

    return renew


def refresh_carrier_token(api: SessionApi, refresh_token: SecretStr) -> Renew:
    """Renew a token of the carrier edition, whose refresh token may change as well."""
    current = refresh_token.get_secret_value()

    async def renew(token: SecretStr) -> SecretStr:
        nonlocal current
        headers = {"Authorization": token.get_secret_value()}
        answer = await _post(api, CARRIER_PATH, headers, {"refreshToken": current})
        data = answer.get("data")
        # The reference's table has the session in data, its example one level further down.
        info = data.get("sessionInfo", data) if isinstance(data, dict) else {}
        current = info.get("refreshToken") or current
        remember(current)
        return _token(info.get("accessToken"), "The token refresh")

    return renew


async def _post(api: SessionApi, path: str, headers: dict[str, str], body: object) -> dict[str, Any]:
    api.note_request()
    try:
        # A redirect would carry the credentials elsewhere.
        async with api.session.post(api.base_url + path, headers=headers, json=body, allow_redirects=False) as response:
            answer = await response.content.read(MAX_ANSWER_BYTES)
            if response.status == 200:  # noqa: PLR2004 - any other answer is none
                return msgspec.json.decode(answer, type=dict[str, Any])
            said = f"HTTP {response.status}"
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as error:
        said = type(error).__name__
    raise CredentialsRefusedError(
        f"The access token cannot be renewed: {said}.", code=Code.TOKEN_NOT_RENEWED, remedy=REFUSED_REMEDY
    )


def _token(text: object, origin: str) -> SecretStr:
    if isinstance(text, str) and (token := text.strip()) and token.isascii() and token.isprintable():
        return SecretStr(token)
    raise CredentialsRefusedError(
        f"{origin} gave no access token on one line.", code=Code.TOKEN_NOT_RENEWED, remedy=REFUSED_REMEDY
    )


def _command_failed(how: str) -> CredentialsRefusedError:
    return CredentialsRefusedError(
        f"api.token_command {how}.", code=Code.TOKEN_NOT_RENEWED, remedy="Run it by hand to see why."
    )
