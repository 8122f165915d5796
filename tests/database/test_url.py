"""URLs of databases in the spellings that hosting services and libpq use."""

import socket
from urllib.parse import quote

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from etl.database.connections import open_engine
from etl.database.url import parse_database_url, render_url


@pytest.mark.parametrize(
    ("url", "driver_gets"),
    [
        ("postgres://u:p@h/d", {"host": "h", "dbname": "d", "user": "u", "password": "p"}),
        (
            "postgresql://u:p@a:5432,b:5433/d?target_session_attrs=read-write",
            {"host": "a,b", "port": "5432,5433", "dbname": "d", "target_session_attrs": "read-write"},
        ),
        ("postgresql+psycopg://u@10.0.0.1,10.0.0.2:6000/d", {"host": "10.0.0.1,10.0.0.2", "port": "5432,6000"}),
        ("postgres://u@[::1]:5433,b/d", {"host": "::1,b", "port": "5433,5432", "dbname": "d"}),
        ("postgresql://a,b", {"host": "a,b", "port": "5432,5432"}),
        ("postgresql://u@/d?host=a:5432&host=b:5433", {"host": "a,b", "port": "5432,5433"}),
    ],
)
def test_what_the_driver_gets(url, driver_gets):
    parsed = parse_database_url(SecretStr(url))
    _, arguments = PGDialect_psycopg().create_connect_args(parsed)

    assert arguments | driver_gets == arguments
    assert parsed.drivername == "postgresql+psycopg"
    assert ":p@" not in render_url(parsed)


@pytest.fixture
def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_host_that_is_down_is_passed_over(postgres_url, unused_port):
    with psycopg.connect(postgres_url) as connection:
        folder, user, database = connection.info.host, connection.info.user, connection.info.dbname
    hosts = f"127.0.0.1:{unused_port},{quote(folder, safe='')}"
    url = f"postgres://{user}@{hosts}/{database}?target_session_attrs=read-write"
    engine = open_engine(SecretStr(url), name="the warehouse")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()
