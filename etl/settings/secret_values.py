"""Finds the secrets in the settings and in the environment variables of libraries, so that no output shows them.

It reads values before they are checked, because an error about a wrong value must not show it either.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args
from urllib.parse import parse_qsl, unquote

from pydantic import BaseModel, SecretStr

from etl.database.url import HARMLESS_QUERY_KEYS

Parts = Callable[[str], Iterator[str]]
"""Yields the secrets in a value."""


def secrets_in(model: type[BaseModel], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets in settings that are not checked yet."""
    for key, value in values.items():
        field = model.model_fields.get(key)
        if field is None:
            continue
        if isinstance(value, Mapping) and isinstance(field.annotation, type):
            yield from secrets_in(field.annotation, value)
        elif isinstance(value, str) and _is_secret(field.annotation):
            yield from secret_parts(key, value.strip())


def secret_parts(key: str, value: str) -> Iterator[str]:
    """Yield the secrets in the value of a secret setting."""
    return PARTS.get(key, _whole)(value)


def secrets_in_variables(variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the secrets in environment variables that libraries read by themselves."""
    for name, parts in VARIABLES.items():
        yield from parts(variables.get(name, ""))


def in_token(value: str) -> Iterator[str]:
    """Yield a token without the scheme that may precede it."""
    yield value.rpartition(" ")[2]


def in_database_url(value: str) -> Iterator[str]:
    """Yield the secrets in a database URL, as written and decoded."""
    account, _, place = value.rpartition("@")
    scheme, _, account = account.partition("://")
    user, _, password = account.partition(":")
    # A password that is also a user, engine or host name is not masked: it would garble every other line.
    if password not in f"{scheme} {user} {place.partition('?')[0]}":
        yield from (password, unquote(password))
    for name, argument in parse_qsl(value.partition("?")[2]):
        if name not in HARMLESS_QUERY_KEYS:
            yield argument


def in_proxy_url(value: str) -> Iterator[str]:
    """Yield the password in the address of a proxy, as written and decoded."""
    account, _, place = value.strip().rpartition("@")
    # Without a scheme the address is wrong, and the error must not show the password either.
    user, _, password = account.rpartition("://")[2].partition(":")
    if password not in f"{user} {place}":
        yield from (password, unquote(password))


def in_webhook_url(value: str) -> Iterator[str]:
    """Yield the address of a webhook, the part after the host, and the user and password before the host."""
    place, _, path = value.partition("://")[2].partition("/")
    yield from (value, path)
    account, _, host = place.rpartition("@")
    for part in account.split(":"):
        if part not in host:
            yield from (part, unquote(part))


def _in_headers(value: str) -> Iterator[str]:
    for header in value.split(","):
        written = header.partition("=")[2].strip()
        yield from (written, unquote(written).rpartition(" ")[2])


def _whole(value: str) -> Iterator[str]:
    yield value


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))


PARTS: dict[str, Parts] = {
    "url": in_database_url,
    "read_url": in_database_url,
    "proxy": in_proxy_url,
    "token": in_token,
    "webhook_url": in_webhook_url,
}
"""The secret settings whose value is not itself the secret, or not only."""

VARIABLES: dict[str, Parts] = {
    "AWS_SECRET_ACCESS_KEY": _whole,
    "AWS_SESSION_TOKEN": _whole,
    "HTTPS_PROXY": in_proxy_url,
    "HTTP_PROXY": in_proxy_url,
    "OPENLINEAGE_API_KEY": _whole,
    "OTEL_EXPORTER_OTLP_HEADERS": _in_headers,
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS": _in_headers,
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": _in_headers,
    "PGPASSWORD": _whole,
    "http_proxy": in_proxy_url,
    "https_proxy": in_proxy_url,
}
