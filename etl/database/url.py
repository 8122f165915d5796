"""Database URLs: which driver one names, and how to show it without its secrets."""

import re
from pathlib import Path
from urllib.parse import quote, unquote

from pydantic import SecretStr
from sqlalchemy import URL, make_url

from etl.database.engines import ENGINES, engine_of

DRIVERS = {alias: engine.driver for engine in ENGINES for alias in engine.aliases}
"""The driver that a URL means by another name, or by that of the engine alone."""

POSTGRESQL_KEYS = ("application_name", "target_session_attrs", "sslmode", "sslrootcert", "sslcert", "sslkey")

MYSQL_KEYS = ("unix_socket", "charset", "ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_check_hostname")

HARMLESS_QUERY_KEYS = frozenset({"host", "port", "connect_timeout", *POSTGRESQL_KEYS, *MYSQL_KEYS})
"""The arguments of a URL that are no secrets: places, names of files, and switches."""


SEVERAL_HOSTS = re.compile(
    r"(?P<start>postgres[^:]*://(?:[^@/?]*@)?)(?P<hosts>[^@/?]+,[^@/?]*)(?P<path>/[^?]*)?(?P<query>[?].*)?"
)
"""A URL in the form of libpq, which SQLAlchemy reads with the hosts in the query only."""


HOST_AND_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[0-9]*))?")

DEFAULT_PORT = "5432"


def parse_database_url(url: SecretStr) -> URL:
    """Read an SQLAlchemy URL, and name the driver if the URL does not; PostgreSQL's may list several hosts."""
    parsed = make_url(_with_hosts_in_query(url.get_secret_value()))
    return parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))


def file_of(url: URL) -> Path | None:
    """Return the file of an embedded database; SQLite's own file: URIs are left to SQLite."""
    is_plain = engine_of(url).is_file and "uri" not in url.query
    return Path(url.database or "") if is_plain else None


def render_url(url: URL) -> str:
    """Show a database URL without its password, and without query values, which may be secrets too."""
    query = {name: value if name in HARMLESS_QUERY_KEYS else "..." for name, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


def _with_hosts_in_query(url: str) -> str:
    found = SEVERAL_HOSTS.fullmatch(url)
    if found is None:
        return url
    pairs = [HOST_AND_PORT.fullmatch(host) for host in found["hosts"].split(",")]
    hosts = ",".join(unquote(pair["host"]).strip("[]") if pair else "" for pair in pairs)
    ports = ",".join(pair["port"] or DEFAULT_PORT if pair else "" for pair in pairs)
    rest = f"&{found['query'][1:]}" if found["query"] else ""
    return f"{found['start']}{found['path'] or '/'}?host={quote(hosts)}&port={quote(ports)}{rest}"
