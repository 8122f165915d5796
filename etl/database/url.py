"""Database URLs: which driver one names, and how to show it without its secrets."""

from pydantic import SecretStr
from sqlalchemy import URL, make_url

DRIVERS = {
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
    "mysql": "mysql+pymysql",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "sqlite+pysqlite": "sqlite",
}
"""The driver to take where a URL names only the engine, or in another way."""

DRIVER_NAMES = {
    "sqlite": "sqlite",
    "duckdb": "duckdb",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
}
"""The driver of each engine, as a URL names it."""

FILES = frozenset({"sqlite", "duckdb"})
"""Engines that keep a database in a file."""

HARMLESS_QUERY_KEYS = frozenset({"host", "port", "sslmode", "application_name", "unix_socket"})


def parse_database_url(url: SecretStr) -> URL:
    """Read an SQLAlchemy URL, naming the driver where the URL leaves it out."""
    parsed = make_url(url.get_secret_value())
    return parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))


def render_url(url: URL) -> str:
    """Show a database URL without its password, and without query values, which may be secrets too."""
    query = {name: value if name in HARMLESS_QUERY_KEYS else "..." for name, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)
