"""Empty databases for tests: on servers of PostgreSQL and of MariaDB or MySQL, and in files of DuckDB and SQLite."""

import tempfile
from contextlib import ExitStack, contextmanager
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine

from etl.database.engines import ENGINES
from etl.database.url import parse_database_url
from tests import mysql_server, postgresql_server
from tests.mysql_server import MYSQL

SERVERS = {"postgresql": "postgres_url", "mysql": "mysql_url"}
"""The fixture that makes an empty database, for engines that are servers."""

WAREHOUSES = [engine.name for engine in ENGINES if engine.name != "mysql" or MYSQL]
"""The engines on this machine that can be a warehouse."""

QUEUES = [engine.name for engine in ENGINES if engine.holds_queue and engine.name in WAREHOUSES]
"""The engines on this machine that can hold the pending table."""


@pytest.fixture(scope="session")
def postgres_server():
    """A server of this session's own."""
    with postgresql_server.running() as server:
        yield server


@contextmanager
def _postgres_database(postgres_server):
    name = f"test_{uuid4().hex}"
    administration = create_engine(
        postgres_server.get_uri().replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with administration.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield postgres_server.get_uri().replace("/postgres?", f"/{name}?")
    with administration.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    administration.dispose()


@pytest.fixture
def postgres_url(postgres_server):
    """An empty database of its own for one test."""
    with _postgres_database(postgres_server) as url:
        yield url


@pytest.fixture
def other_postgres_url(postgres_server):
    """A second one, on the same server."""
    with _postgres_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def mysql_server_url():
    """A server of this session's own, where one is installed; in a short path, as its socket needs."""
    with tempfile.TemporaryDirectory(prefix="my-") as folder, mysql_server.running(folder) as socket:
        # A socket needs no encryption; to be ready for it, the driver reads all certificates of the machine each time.
        yield f"mysql://root@localhost/mysql?unix_socket={socket}&ssl_disabled=1"


@contextmanager
def _mysql_database(server_url, name):
    administration = create_engine(parse_database_url(SecretStr(server_url)), isolation_level="AUTOCOMMIT")
    with administration.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield server_url.replace("/mysql?", f"/{name}?")
    with administration.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")
    administration.dispose()


@pytest.fixture(scope="session")
def lasting_mysql(mysql_server_url):
    """Make databases that last as long as the session: ``lasting_mysql("queue")``."""
    with ExitStack() as databases:
        yield lambda name: databases.enter_context(_mysql_database(mysql_server_url, name))


@pytest.fixture
def mysql_url(mysql_server_url):
    """An empty database of its own for one test."""
    with _mysql_database(mysql_server_url, f"test_{uuid4().hex}") as url:
        yield url


@pytest.fixture
def server_urls(request):
    """Empty databases, one on every engine that is a server."""
    return [request.getfixturevalue(SERVERS[engine]) for engine in ("postgresql", *MYSQL)]


def _url(engine, request, tmp_path, purpose):
    if engine in SERVERS:
        return SecretStr(request.getfixturevalue(SERVERS[engine]))
    return SecretStr(f"{engine}:///{tmp_path / purpose}.{engine}")


@pytest.fixture(params=QUEUES)
def queue_url(request, tmp_path):
    """The URL of an empty database for the pending table, on every engine that may hold it."""
    return _url(request.param, request, tmp_path, "pending")


@pytest.fixture(params=WAREHOUSES)
def warehouse_url(request, tmp_path):
    """The URL of an empty warehouse, on every engine."""
    return _url(request.param, request, tmp_path, "warehouse")


@pytest.fixture(
    params=[
        "sqlite+duckdb",
        "sqlite+sqlite",
        "postgresql+duckdb",
        "one sqlite",
        *(f"one {engine}" for engine in ("postgresql", *MYSQL)),
    ]
)
def databases(request, two_places):
    """Where the pending table and the warehouse are: apart, or one database."""
    return two_places(request.param)


@pytest.fixture
def two_places(request, tmp_path):
    """Make the URLs of two empty databases, or of one twice: ``two_places("one sqlite")``."""

    def make(names):
        kind, _, engine = names.partition(" ")
        if kind == "one":
            url = _url(engine, request, tmp_path, "all")
            return url, url
        source, warehouse = names.split("+")
        if source == warehouse == "postgresql":
            return tuple(SecretStr(request.getfixturevalue(each)) for each in ("postgres_url", "other_postgres_url"))
        return _url(source, request, tmp_path, "pending"), _url(warehouse, request, tmp_path, "warehouse")

    return make
