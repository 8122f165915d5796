"""Who we are to KooDrive: a bearer token, or an app that signs each request. Pure, but for reading a secret's file."""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import SecretStr

from etl.errors import ConfigurationError
from etl.koodrive.signature import format_x_date, sign
from etl.settings import ApiSettings

CLOCK_MARGIN = timedelta(seconds=5)
"""X-Date must never be in the server's future, and may be 15 minutes in its past: so it is set a little back."""

MASK = "********"

SIGNATURE = re.compile(r"(?<=Signature=)[0-9a-f]+")
"""Good for a quarter of an hour to whoever reads it."""

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
        scheme, _, self._token = token.get_secret_value().strip().rpartition(" ")
        # The API hands tokens out with their scheme in front; a bare one gets the documented scheme.
        self._authorization = f"{scheme or 'Bearer'} {self._token}"
        self._user = {"X-User-Id": user_id} if user_id else {}

    def headers(self, path: str, now: datetime) -> dict[str, str]:  # noqa: ARG002 - a token is the same for every path
        """Make the headers that authorize one request."""
        return {"Authorization": self._authorization, "X-Date": _x_date(now), **self._user}

    def redact(self, text: str) -> str:
        """Take the token out of a text."""
        return text.replace(self._token, MASK)


class AppCredentials:
    """An AppId and its AppSecret."""

    def __init__(self, app_id: str, app_secret: SecretStr, *, user_id: str, host: str) -> None:
        self._app_id = app_id
        self._app_secret = app_secret.get_secret_value().strip()
        self._user_id = user_id
        self._host = host

    def headers(self, path: str, now: datetime) -> dict[str, str]:
        """Make the headers that authorize one request, signed together with the host it goes to."""
        named = {"X-Date": _x_date(now), "X-User-Id": self._user_id}
        signed = {"Host": self._host, **named}
        authorization = sign("GET", path, (), signed, b"", app_id=self._app_id, app_secret=self._app_secret)
        return {"Authorization": authorization, **named}

    def redact(self, text: str) -> str:
        """Take the secret and signatures made with it out of a text."""
        return SIGNATURE.sub(MASK, text.replace(self._app_secret, MASK))


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


def _x_date(now: datetime) -> str:
    return _x_date_of_second((now - CLOCK_MARGIN).replace(microsecond=0))


@lru_cache(maxsize=1)
def _x_date_of_second(second: datetime) -> str:
    """Write an X-Date once for all requests of a second."""
    return format_x_date(second)


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
