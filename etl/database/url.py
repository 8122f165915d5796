"""Database URLs: which driver one names, and how to show it without its secrets."""

from pydantic import SecretStr
from sqlalchemy import URL, make_url

from etl.database.engines import ENGINES

DRIVERS = {alias: engine.driver for engine in ENGINES for alias in engine.aliases}
"""The driver that a URL means by another name, or by that of the engine alone."""

HARMLESS_QUERY_KEYS = frozenset({"host", "port", "sslmode", "application_name", "unix_socket"})


def parse_database_url(url: SecretStr) -> URL:
    """Read an SQLAlchemy URL, and name the driver if the URL does not."""
    parsed = make_url(url.get_secret_value())
    return parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))


def render_url(url: URL) -> str:
    """Show a database URL without its password, and without query values, which may be secrets too."""
    query = {name: value if name in HARMLESS_QUERY_KEYS else "..." for name, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)
