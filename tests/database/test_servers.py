"""A server of another product, an older version or another encoding is refused when the job first connects."""

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from etl.database.connections import open_engine
from etl.database.engines import mysql_servers, postgresql_servers
from etl.error_codes import Code
from etl.errors import ConfigurationError


@pytest.mark.parametrize(
    "version",
    [
        "(openGauss 5.0.0 build a07d57c3) compiled at 2023-03-29 03:07:56 commit 0 on x86_64-unknown-linux-gnu",
        "gaussdb (GaussDB Kernel 505.1.0 build 44f4fa53) compiled at 2023-12-29 on aarch64-unknown-linux-gnu",
        "PostgreSQL 9.2.4 (GaussDB 8.1.3 build 39137c2d) compiled at 2022-04-01 15:43:11",
        "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017, Redshift 1.0.38698",
        "CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built 2023/09/27, go1.19.10)",
        "PostgreSQL 15.2-YB-2.25.0.0-b0 on x86_64-pc-linux-gnu, compiled by clang version 17.0.6, 64-bit",
        "PostgreSQL 13.18 on x86_64-pc-linux-gnu, compiled by gcc (GCC) 12.2.0, 64-bit",
        "",
    ],
)
def test_another_product_or_an_older_version_is_refused(version):
    refusal = postgresql_servers.refusal_of_server(version, encoding="UTF8", server="postgresql://u@h/d")

    assert isinstance(refusal, ConfigurationError)
    assert refusal.code is Code.DATABASE_UNSUPPORTED
    assert version[:100] in refusal.message


@pytest.mark.parametrize(
    "version",
    [
        "PostgreSQL 14.0 on x86_64-pc-linux-gnu, compiled by gcc (GCC) 12.2.0, 64-bit",
        "PostgreSQL 16.4 (Debian 16.4-1.pgdg120+1) on x86_64-pc-linux-gnu",
        "PostgreSQL 19beta1 on x86_64-pc-linux-gnu",
        "EnterpriseDB 14.5.0 on x86_64-pc-linux-gnu",
    ],
)
def test_a_supported_version_is_accepted(version):
    assert postgresql_servers.refusal_of_server(version, encoding="UTF8", server="postgresql://u@h/d") is None


def test_a_server_that_calls_itself_otherwise_is_refused_by_every_command(postgres_url, task_audit, configure):
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE AS "
            "$$SELECT '(openGauss 5.0.0 build a07d57c3) compiled at 2023-03-29'$$"
        )
    configure(source__url=postgres_url, warehouse__url=postgres_url, api__user_id="1", api__token="t")

    for command in ("init", "run", "status", "doctor"):
        ended = task_audit(command)
        assert ended.exit_code == 78, ended
        assert "openGauss" in ended.stdout + ended.stderr
        assert "database-unsupported" in ended.stdout + ended.stderr


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_text_is_refused(postgres_url, encoding, task_audit, configure):
    name = f"other_{encoding.lower()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        url = postgres_url.replace(connection.info.dbname, name)
        configure(source__url=url, warehouse__url=url, api__user_id="1", api__token="t")
        try:
            for command in ("init", "doctor"):
                ended = task_audit(command)
                assert ended.exit_code == 78
                assert f"stores text as {encoding}" in ended.stdout + ended.stderr
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_dates_of_a_role_and_a_database_do_not_matter(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET DateStyle = 'German'")
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET client_encoding = 'LATIN1'")
    engine = open_engine(SecretStr(postgres_url), name="the warehouse")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT CAST('2026-11-01T00:00:00Z' AS timestamptz)")).isoformat() == (
            "2026-11-01T00:00:00+00:00"
        )
        assert connection.scalar(text("SELECT '张伟'")) == "张伟"
    engine.dispose()


def test_a_connection_that_idled_for_too_long_is_replaced(postgres_url, monkeypatch):
    monkeypatch.setattr("etl.database.idle_connections.MAX_IDLE_SECONDS", 0)
    engine = open_engine(SecretStr(postgres_url), name="the warehouse")
    pid = text("SELECT pg_backend_pid()")
    with engine.connect() as connection:
        first = connection.scalar(pid)
    with psycopg.connect(postgres_url) as administration:
        administration.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
    with engine.connect() as connection:
        assert connection.scalar(pid) != first
    engine.dispose()


@pytest.mark.parametrize("option", ["prepare_threshold=0", "prepare_threshold=None", "autocommit=1"])
def test_an_option_that_the_job_sets_itself_is_refused(option, task_audit, configure):
    configure(source__url=f"postgresql://h/d?{option}")
    ended = task_audit("status")

    assert ended.exit_code == 78
    assert f"the job sets {option.partition('=')[0]} itself" in ended.stderr


@pytest.mark.parametrize(
    "version",
    ["5.7.44", "8.0.22", "5.5.5-10.5.23-MariaDB-0+deb11u1", "8.0.11-TiDB-v7.5.0", "5.7.25-OceanBase_CE-v4.2.1.0", ""],
)
def test_another_product_or_an_older_version_of_mysql_is_refused(version):
    refusal = mysql_servers.refusal_of_server(version, packet_bytes=1 << 26, server="mysql://u@h/d")

    assert refusal.code is Code.DATABASE_UNSUPPORTED
    assert version in refusal.message


@pytest.mark.parametrize(("version", "is_named"), [("8.0.22", True), ("8.0.22-2.0.69.250900", True), ("8.0.21", False)])
def test_the_remedy_names_taurusdb_for_the_version_that_it_gives(version, is_named):
    refusal = mysql_servers.refusal_of_server(version, packet_bytes=1 << 26, server="mysql://u@h/d")

    assert refusal.code is Code.DATABASE_UNSUPPORTED
    assert ("if this is TaurusDB, RDS for MySQL" in refusal.remedy) is is_named


@pytest.mark.parametrize(
    "version", ["8.0.23", "8.0.36-28", "8.4.0-cloud", "10.6.0-MariaDB", "5.5.5-10.11.6-MariaDB-0+deb12u1"]
)
def test_a_supported_version_of_mysql_is_accepted(version):
    assert mysql_servers.refusal_of_server(version, packet_bytes=1 << 26, server="mysql://u@h/d") is None
