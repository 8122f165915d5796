"""Checks of single values in the settings. A ValueError's text continues the name of the key: "is not a URL ..."."""

import ipaddress
import re
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from zoneinfo import available_timezones

import yarl
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticCustomError
from sqlalchemy.exc import ArgumentError

from etl.database.engines import ENGINES, engine_of
from etl.database.url import parse_database_url
from etl.times import UnreadableTimeError, zone_of_name

SOURCE_ENGINES = tuple(engine.name for engine in ENGINES if engine.holds_queue)

WAREHOUSE_ENGINES = tuple(engine.name for engine in ENGINES)

BASE_URL_EXAMPLE = "https://cn.myhuaweicloud-koodrive.com"

TARGET_URL_EXAMPLE = "http://pushgateway:9091"

PROXY_URL_EXAMPLE = "http://proxy.internal:3128"

PAGE_URL_EXAMPLE = "https://wiki.example/task-audit/runbook/"

WEBHOOK_URL_EXAMPLE = "https://hooks.slack.com/services/..."

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
"""PostgreSQL cuts a longer name to 63 characters."""

MIN_HMAC_KEY_LENGTH = 32
"""Characters. As hexadecimal digits they hold 128 bits."""

BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/|\Z)")


def check_source_url(url: SecretStr) -> SecretStr:
    """Check that a URL names a database that can hold the pending table."""
    return _check_engine(url, SOURCE_ENGINES)


def check_warehouse_url(url: SecretStr) -> SecretStr:
    """Check that a URL names a database that can be a warehouse."""
    return _check_engine(url, WAREHOUSE_ENGINES)


def _check_engine(url: SecretStr, engines: tuple[str, ...]) -> SecretStr:
    try:
        parsed = parse_database_url(url)
    except ArgumentError:
        raise ValueError("is not an SQLAlchemy URL such as postgresql://user@host/database") from None
    name = parsed.get_backend_name()
    if name not in engines:
        raise ValueError(f"names the engine {name!r}; supported here: {', '.join(engines)}")
    engine = engine_of(parsed)
    if parsed.drivername != engine.driver:
        raise ValueError(f"names the driver {parsed.get_driver_name()!r}; supported here: {engine.driver}")
    if engine.is_file and parsed.database in {None, "", ":memory:"}:
        raise ValueError("names no file; a database in memory would be lost with the run")
    if engine.url_names_database and not parsed.database:
        raise ValueError(f"names no database, as in {name}://user@host/database")
    if refusal := engine.refusal_of(parsed):
        raise ValueError(f"cannot be used: {refusal}")
    if not engine.is_file and url.get_secret_value().count("@") > 1:
        # SQLAlchemy would read the rest of such a password as the host, and a log would show it.
        raise ValueError("contains more than one @; write an @ in a password as %40, and a / as %2F")
    return url


def check_identifier(name: str) -> str:
    """Check that SQL needs no quotes around a name."""
    if not IDENTIFIER.fullmatch(name):
        raise ValueError("is not a plain SQL name (letters, digits and _, at most 63)")
    return name


def check_table_name(name: str) -> str:
    """Check that a name is a table's, with or without a schema."""
    parts = name.split(".")
    if len(parts) > 2 or not all(IDENTIFIER.fullmatch(part) for part in parts):  # noqa: PLR2004 - schema.table
        raise ValueError("is not a table name, plain or as schema.table")
    return name


def check_time_zone(name: str) -> str:
    """Check that this machine knows a zone; names such as localtime and right/UTC belong to one machine."""
    if name[:1].isupper():
        with suppress(UnreadableTimeError):
            return zone_of_name(name).key
    near = get_close_matches(name.title(), available_timezones(), n=1)
    hint = f"; did you mean {near[0]}?" if near else " such as Asia/Shanghai"
    raise ValueError(f"is no IANA name of a time zone that this machine knows{hint}")


def check_base_url(value: str) -> str:
    """Check the address of a server that receives credentials, and drop a slash at its end."""
    url = _parse_http_url(value, example=BASE_URL_EXAMPLE)
    _require_plain_address(url, hint="; credentials have settings of their own")
    if url.scheme == "http" and not is_loopback(url):
        raise ValueError("must be https: credentials would cross the network in clear text")
    return value.strip().rstrip("/")


def check_target_url(value: str) -> str:
    """Check the address of a server that receives no secret of the settings, and drop a slash at its end."""
    _require_plain_address(_parse_http_url(value, example=TARGET_URL_EXAMPLE))
    return value.strip().rstrip("/")


def check_page_url(value: str) -> str:
    """Check the address of a page that people open, and return it as a link needs it."""
    url = _parse_http_url(value, example=PAGE_URL_EXAMPLE)
    if url.user or url.password or url.fragment:
        raise ValueError("holds a user, a password or a #section; the job adds the section")
    return str(url)


def check_webhook_url(secret: SecretStr) -> SecretStr:
    """Check the address of a webhook, which is a secret."""
    url = _parse_http_url(secret.get_secret_value(), example=WEBHOOK_URL_EXAMPLE)
    if url.scheme == "http" and not is_loopback(url):
        raise ValueError("must be https: the address is a secret")
    return SecretStr(str(url))


def check_proxy_url(secret: SecretStr) -> SecretStr:
    """Check the address of an HTTP proxy, which may hold a user and a password."""
    parse_proxy_url(secret.get_secret_value())
    return secret


def parse_proxy_url(value: str) -> yarl.URL:
    """Read the address of an HTTP proxy; no error contains a part of it.

    Raises:
        ValueError: it is no such address.
    """
    if value.strip().lower().startswith("socks"):
        raise ValueError(f"names a SOCKS proxy; the job uses HTTP proxies only, such as {PROXY_URL_EXAMPLE}")
    try:
        url = yarl.URL(value.strip())
        is_address = url.scheme in {"http", "https"} and url.host and url.port
    except ValueError:
        is_address = False
    if not is_address:
        raise ValueError(f"is not the URL of an HTTP proxy, such as {PROXY_URL_EXAMPLE}")
    if url.path.strip("/") or url.query_string or url.fragment:
        raise ValueError("holds more than scheme, user, password, host and port; write a / in a password as %2F")
    return url


def _parse_http_url(value: str, *, example: str) -> yarl.URL:
    try:
        url = yarl.URL(value.strip())
    except ValueError:
        raise ValueError(f"is not a URL such as {example}") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(f"is not a URL such as {example}")
    return url


def _require_plain_address(url: yarl.URL, *, hint: str = "") -> None:
    if url.user or url.password or url.query_string or url.fragment:
        raise ValueError(f"holds more than scheme, host, port and path{hint}")


def is_loopback(url: yarl.URL) -> bool:
    """Return whether a URL names this machine."""
    host = url.host or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_textfile(file: Path) -> Path:
    """Check that node_exporter would read a file of this name."""
    if file.suffix != ".prom":
        raise ValueError("does not end in .prom, and node_exporter reads no other file")
    return file


def check_file_name(file: Path) -> Path:
    """Check that a value names a file, and not a folder."""
    if not file.name or file.is_dir():
        raise ValueError("names a folder, not a file")
    return file


def check_location(value: str) -> str:
    """Check that a value names a folder or a bucket, and exactly one."""
    scheme, separator, rest = value.partition("://")
    if not separator:
        if not value.strip():
            raise ValueError("is empty")
    elif scheme != "s3" or not BUCKET_NAME.match(rest):
        raise ValueError("is neither a folder nor a bucket such as s3://bucket/folder")
    if "*" in value or "?" in value or "[" in value:
        raise ValueError("contains a wildcard")
    return value


def check_variable_name(name: str) -> str:
    """Check that a value is the name of an environment variable, not an assignment to one."""
    if not name or "=" in name or not name.isprintable():
        raise ValueError("is not the name of an environment variable, such as VAULT_ADDR")
    return name


def check_header_value(value: str) -> str:
    """Check that a value can be sent in an HTTP header."""
    if not value.isascii() or not value.isprintable() or not value.strip():
        raise ValueError("must be printable ASCII, since an HTTP header carries it")
    return value


def check_secret_header(secret: SecretStr) -> SecretStr:
    """Check that a secret can be sent in an HTTP header."""
    check_header_value(secret.get_secret_value().strip())
    return secret


def check_secret(secret: SecretStr) -> SecretStr:
    """Check that a secret is not blank: an empty variable usually means a secret that was not filled in."""
    if not secret.get_secret_value().strip():
        raise ValueError("is empty")
    return secret


def check_hmac_key(secret: SecretStr) -> SecretStr:
    """Check that a key is too long to be guessed."""
    if len(secret.get_secret_value().strip()) < MIN_HMAC_KEY_LENGTH:
        raise ValueError(f"holds fewer than {MIN_HMAC_KEY_LENGTH} characters; `openssl rand -hex 32` prints a good key")
    return secret


def require_at_most_one(section: BaseModel, *names: str) -> None:
    """Check that only one of several keys for the same secret is set."""
    given = [name for name in names if getattr(section, name) is not None]
    if len(given) > 1:
        raise wrong_keys(f"{' and '.join(given)} are both set; keep one", keys=given)


def wrong_keys(problem: str, *, keys: Iterable[str]) -> PydanticCustomError:
    """Make the error of a section whose keys do not fit together; the error names the origin of each key."""
    return PydanticCustomError("wrong_keys", "{problem}", {"problem": problem, "keys": tuple(keys)})
