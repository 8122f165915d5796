"""The credentials for KooDrive: a bearer token, or an app that signs each request."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import SecretStr

from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.koodrive.renewal import (
    Renew,
    SessionApi,
    refresh_carrier_token,
    refresh_session,
    renew_by_command,
    token_from,
)
from etl.koodrive.signature import RequestToSign, format_x_date, sign
from etl.koodrive.token_command import TokenCommand
from etl.redaction import Secrets, remember
from etl.settings.model import ApiSettings
from etl.settings.secret_files import load_secret
from etl.shutdown import Shutdown

CLOCK_MARGIN = timedelta(seconds=5)
"""X-Date is set back by this much: the API refuses a date in its future, and accepts the past 15 minutes."""

ONE_SECOND = timedelta(seconds=1)

NEVER = datetime.min.replace(tzinfo=UTC)

Query = Sequence[tuple[str, str]]
"""The decoded names and values of a URL's query."""

T = TypeVar("T")


class Credentials(Protocol):
    """Authorizes requests."""

    secrets: Secrets
    """The secrets that the API receives, and that its responses might repeat."""

    def headers(self, path: str, now: datetime, *, query: Query = ()) -> dict[str, str]:
        """Make the headers that authorize one GET of ``path`` with the decoded ``query``, sent at ``now``."""
        ...

    async def renew(self) -> None:
        """Replace the credentials, if possible, after the API has refused them.

        Raises:
            CredentialsRefusedError: the renewal fails.
        """
        ...


class TokenCredentials:
    """A bearer token."""

    def __init__(self, token: SecretStr, *, user_id: str | None, renew: Renew | None = None) -> None:
        self._user = {"X-User-Id": user_id} if user_id else {}
        self._renew = renew
        self.secrets = Secrets()
        self._headers: dict[str, str] = {}
        self._headers_at = NEVER
        """The second that the headers were made for; all requests of a second share them."""
        self._use(token)

    def headers(self, path: str, now: datetime, *, query: Query = ()) -> dict[str, str]:  # noqa: ARG002 - a token is the same for every path
        """Make the headers that authorize one request."""
        if not self._headers_at <= now < self._headers_at + ONE_SECOND:
            self._headers_at = now.replace(microsecond=0)
            self._headers = {"Authorization": self._authorization, "X-Date": _x_date(now), **self._user}
        return self._headers

    async def renew(self) -> None:
        """Get a new token."""
        if self._renew is not None:
            self._use(await self._renew(SecretStr(self._authorization)))

    def _use(self, token: SecretStr) -> None:
        scheme, _, secret = token.get_secret_value().strip().rpartition(" ")
        # The API issues tokens with a scheme in front; a token without one gets the documented scheme.
        self._authorization = f"{scheme or 'Bearer'} {secret}"
        self._headers_at = NEVER
        # The former tokens stay secret, since they may still be valid.
        self.secrets.remember(secret)
        remember(secret)


class AppCredentials:
    """An AppId and its AppSecret."""

    def __init__(self, app_id: str, app_secret: SecretStr, *, user_id: str, host: str) -> None:
        self._app_id = app_id
        self._app_secret = app_secret.get_secret_value()
        self._user_id = user_id
        self._host = host
        self.secrets = Secrets()
        self.secrets.remember(self._app_secret)

    def headers(self, path: str, now: datetime, *, query: Query = ()) -> dict[str, str]:
        """Make the headers that authorize one request; the signature covers the host as well."""
        named = {"X-Date": _x_date(now), "X-User-Id": self._user_id}
        signed = {"Host": self._host, **named}
        request = RequestToSign(raw_path=path, query=query, headers=signed)
        authorization = sign(request, app_id=self._app_id, app_secret=self._app_secret)
        return {"Authorization": authorization, **named}

    async def renew(self) -> None:
        """Change nothing: an AppSecret cannot be renewed."""


async def load_credentials(
    settings: ApiSettings, *, host: str, session_api: SessionApi, shutdown: Shutdown
) -> Credentials:
    """Make credentials from the settings.

    Args:
        settings: the API's settings.
        host: the Host header of every request.
        session_api: the calls that renew a token.
        shutdown: ends the command that prints the token early.

    Raises:
        ConfigurationError: a setting is missing, or a secret's file cannot be read.
        CredentialsRefusedError: the command that prints the token fails.
        TaskAuditError: the reason of a shutdown that is requested before that command ends.
    """
    if settings.auth == "token":
        return await _load_token(settings, session_api, shutdown)
    secret = load_secret(settings.app_secret, settings.app_secret_file, setting="api.app_secret")
    return AppCredentials(
        _required(settings.app_id, "api.app_id"),
        _required(secret, "api.app_secret or api.app_secret_file"),
        user_id=_required(settings.user_id, "api.user_id"),
        host=host,
    )


async def _load_token(settings: ApiSettings, session_api: SessionApi, shutdown: Shutdown) -> TokenCredentials:
    command = _token_command(settings, shutdown)
    if command is not None:
        token = await token_from(command)
    else:
        given = load_secret(settings.token, settings.token_file, setting="api.token")
        token = _required(given, "api.token, api.token_file or api.token_command")
    session_id = load_secret(settings.session_id, settings.session_id_file, setting="api.session_id")
    refresh_token = load_secret(settings.refresh_token, settings.refresh_token_file, setting="api.refresh_token")
    renew = _renewal(settings, session_api, command, session_id=session_id, refresh_token=refresh_token)
    credentials = TokenCredentials(token, user_id=settings.user_id, renew=renew)
    credentials.secrets.remember(*(each.get_secret_value() for each in (session_id, refresh_token) if each))
    return credentials


def _token_command(settings: ApiSettings, shutdown: Shutdown) -> TokenCommand | None:
    if settings.token_command is None:
        return None
    return TokenCommand(words=settings.token_command, variables=settings.token_command_environment, shutdown=shutdown)


def _renewal(
    settings: ApiSettings,
    session_api: SessionApi,
    command: TokenCommand | None,
    *,
    session_id: SecretStr | None,
    refresh_token: SecretStr | None,
) -> Renew | None:
    """Choose how to renew a token; None if the settings offer no way."""
    if session_id is not None:
        return refresh_session(session_api, session_id)
    if refresh_token is not None:
        return refresh_carrier_token(session_api, refresh_token)
    if command is not None:
        return renew_by_command(command)
    return _read_again(settings.token_file) if settings.token_file is not None else None


def _read_again(path: Path) -> Renew:
    async def renew(token: SecretStr) -> SecretStr:
        return load_secret(None, path, setting="api.token") or token

    return renew


def _x_date(now: datetime) -> str:
    return _x_date_of_second((now - CLOCK_MARGIN).replace(microsecond=0))


@lru_cache(maxsize=1)
def _x_date_of_second(second: datetime) -> str:
    """Format the date once for all requests of a second."""
    return format_x_date(second)


def _required(value: T | None, name: str) -> T:
    if value is None:
        raise ConfigurationError(
            f"{name} is not set.",
            code=Code.SETTING_MISSING,
            remedy="Set it in the configuration file or the environment.",
        )
    return value
