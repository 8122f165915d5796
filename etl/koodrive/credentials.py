"""Who we are to KooDrive: a bearer token, or an app that signs each request. Pure, but for reading a secret's file."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import SecretStr

from etl.errors import ConfigurationError
from etl.koodrive.signature import format_x_date, sign
from etl.settings import ApiSettings

CLOCK_MARGIN = timedelta(seconds=5)
"""X-Date must never be in the server's future, and may be 15 minutes in its past: so it is set a little back."""

MASK = "********"

T = TypeVar("T")


class Credentials(Protocol):
    """What makes a request ours."""

    def headers(self, path: str, now: datetime) -> dict[str, str]:
        """Make the headers that authorize one GET of ``path``, sent at ``now``."""
        ...

    def redact(self, text: str) -> str:
        """Take the secret out of a text."""
        ...


class TokenCredentials:
    """A bearer token."""

    def __init__(self, token: SecretStr, *, user_id: str | None) -> None:
        self._token = token
        value = token.get_secret_value()
        # The API hands tokens out with their scheme in front; a bare one gets the documented scheme.
        self._authorization = value if " " in value else f"Bearer {value}"
        self._user = {"X-User-Id": user_id} if user_id else {}

    def headers(self, path: str, now: datetime) -> dict[str, str]:  # noqa: ARG002 - a token is the same for every path
        """Make the headers that authorize one request."""
        return {"Authorization": self._authorization, "X-Date": format_x_date(now - CLOCK_MARGIN), **self._user}

    def redact(self, text: str) -> str:
        """Take the token out of a text."""
        return text.replace(self._token.get_secret_value().rpartition(" ")[2], MASK)


class AppCredentials:
    """An AppId and its AppSecret."""

    def __init__(self, app_id: str, app_secret: SecretStr, *, user_id: str, host: str) -> None:
        self._app_id = app_id
        self._app_secret = app_secret
        self._user_id = user_id
        self._host = host

    def headers(self, path: str, now: datetime) -> dict[str, str]:
        """Make the headers that authorize one request, signed together with the host it goes to."""
        named = {"X-Date": format_x_date(now - CLOCK_MARGIN), "X-User-Id": self._user_id}
        secret = self._app_secret.get_secret_value()
        signed = {"Host": self._host, **named}
        authorization = sign("GET", path, (), signed, b"", app_id=self._app_id, app_secret=secret)
        return {"Authorization": authorization, **named}

    def redact(self, text: str) -> str:
        """Take the secret out of a text."""
        return text.replace(self._app_secret.get_secret_value(), MASK)


def load_credentials(settings: ApiSettings, *, host: str) -> Credentials:
    """Make credentials from the settings.

    Args:
        settings: the API's settings.
        host: the Host header as it is sent, with a port that is not the scheme's own.

    Raises:
        ConfigurationError: something is missing, or a secret's file cannot be read.
    """
    if settings.auth == "token":
        token = settings.token or _from_file(settings.token_file, "api.token_file")
        return TokenCredentials(_required(token, "api.token or api.token_file"), user_id=settings.user_id)
    secret = settings.app_secret or _from_file(settings.app_secret_file, "api.app_secret_file")
    return AppCredentials(
        _required(settings.app_id, "api.app_id"),
        _required(secret, "api.app_secret or api.app_secret_file"),
        user_id=_required(settings.user_id, "api.user_id"),
        host=host,
    )


def _required(value: T | None, name: str) -> T:
    if value is None:
        raise ConfigurationError(f"{name} is not set.", remedy="Set it in the configuration file or the environment.")
    return value


def _from_file(path: Path | None, name: str) -> SecretStr | None:
    if path is None:
        return None
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"{name} {path} cannot be read: {reason}.", remedy="Check the path.") from None
    if not secret or not secret.isascii() or not secret.isprintable():
        raise ConfigurationError(f"{name} {path} holds no secret on one line.", remedy="Write the secret there, alone.")
    return SecretStr(secret)
