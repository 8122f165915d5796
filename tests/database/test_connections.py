"""A database opens only if its file and its driver exist, and every session has the same settings."""

import builtins
import sqlite3

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from etl.database.connections import open_engine, same_database
from etl.errors import ConfigurationError
from tests.conftest import MYSQL


def ask(engine, query):
    with engine.connect() as connection:
        return connection.scalar(text(query))


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_a_file_is_created_only_if_allowed(tmp_path, engine):
    file = tmp_path / "database"

    with pytest.raises(ConfigurationError, match=f"The warehouse {file} does not exist.*task-audit init"):
        open_engine(SecretStr(f"{engine}:///{file}"), name="the warehouse")
    assert not file.exists()

    made = open_engine(SecretStr(f"{engine}:///{file}"), name="the warehouse", create=True)
    assert ask(made, "SELECT 1") == 1
    made.dispose()
    assert file.exists()


def test_a_driver_that_is_not_installed(monkeypatch):
    installed = builtins.__import__

    def without_psycopg(name, *rest, **words):
        if name.partition(".")[0] == "psycopg":
            raise ModuleNotFoundError("No module named 'psycopg'")
        return installed(name, *rest, **words)

    monkeypatch.setattr(builtins, "__import__", without_psycopg)

    with pytest.raises(
        ConfigurationError, match=r"No module named 'psycopg'.*koodrive-task-audit\[postgresql\]"
    ) as error:
        open_engine(SecretStr("postgresql://u:CANARY@h/d"), name="the warehouse")
    assert "CANARY" not in str(error.value)


def test_every_connection_keeps_utc(warehouse_url):
    engine = open_engine(warehouse_url, name="the warehouse", create=True)
    zones = {
        "duckdb": "SELECT current_setting('TimeZone')",
        "postgresql": "SELECT current_setting('TimeZone')",
        "mysql": "SELECT IF(@@time_zone = '+00:00', 'UTC', @@time_zone)",
    }
    # A file engine without zones, such as SQLite, has nothing to set.
    assert ask(engine, zones.get(engine.dialect.name, "SELECT 'UTC'")) == "UTC"
    engine.dispose()


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York"])
def test_the_zone_of_the_role_does_not_matter(postgres_url, zone):
    engine = open_engine(SecretStr(f"{postgres_url}&options=-cTimeZone%3D{zone}"), name="the warehouse")

    assert ask(engine, "SELECT current_setting('TimeZone')") == "UTC"
    engine.dispose()


def test_a_schema_is_found_first_and_the_others_after_it(postgres_url):
    engine = open_engine(SecretStr(postgres_url), name="the warehouse", schema="Audit")
    with engine.begin() as connection:
        connection.execute(text('CREATE SCHEMA "Audit"'))
        connection.execute(text("CREATE TABLE x AS SELECT 1 AS y"))
        connection.execute(text("CREATE TABLE public.z AS SELECT 2 AS y"))

    assert ask(engine, 'SELECT y FROM "Audit".x') == 1
    assert ask(engine, "SELECT y FROM z") == 2
    engine.dispose()


def test_the_program_has_a_name_on_the_server(postgres_url):
    named = open_engine(SecretStr(postgres_url), name="the warehouse")
    renamed = open_engine(SecretStr(f"{postgres_url}&application_name=nightly"), name="the warehouse")

    assert ask(named, "SELECT current_setting('application_name')") == "task-audit"
    assert ask(renamed, "SELECT current_setting('application_name')") == "nightly"
    named.dispose()
    renamed.dispose()


def test_sqlite_is_made_to_survive_a_power_cut_and_to_be_read_meanwhile(tmp_path):
    file = tmp_path / "pending.sqlite"
    made = open_engine(SecretStr(f"sqlite:///{file}"), name="the pending database", create=True)
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE x (y)"))
    opened = open_engine(SecretStr(f"sqlite:///{file}"), name="the pending database")

    assert ask(opened, "PRAGMA journal_mode") == "wal"
    assert ask(opened, "PRAGMA synchronous") == 2
    with made.begin() as connection:
        connection.execute(text("INSERT INTO x VALUES (1)"))
        with opened.execution_options(read_only=True).connect() as reader:
            assert reader.scalar(text("SELECT COUNT(*) FROM x")) == 0
    made.dispose()
    opened.dispose()


def test_a_writer_of_sqlite_locks_at_the_start(tmp_path):
    file = tmp_path / "pending.sqlite"
    engine = open_engine(SecretStr(f"sqlite:///{file}"), name="the pending database", create=True)

    with engine.begin():
        other = sqlite3.connect(file, timeout=0.01)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
    engine.dispose()


@pytest.mark.parametrize("queue_url", MYSQL, indirect=True)
def test_a_session_of_mysql_is_strict_and_reads_what_is_committed(queue_url):
    # A URL may ask for another character set; text would be lost.
    url = SecretStr(f"{queue_url.get_secret_value()}&charset=latin1")
    engine = open_engine(url, name="the warehouse")

    assert "STRICT_ALL_TABLES" in ask(engine, "SELECT @@sql_mode")
    with engine.connect() as connection:
        assert connection.get_isolation_level() == "READ COMMITTED"
    assert ask(engine, "SELECT '🙂' = '🙃' OR 'a' = 'A' OR 'a' = 'a '") == 0
    assert ask(engine, "SELECT '🙂'") == "🙂"
    engine.dispose()


SERVER = "postgresql://auditor:pw@db.example.com:5432/audit"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (SERVER, SERVER, True),
        (SERVER, SERVER.replace("pw", "other"), True),
        (SERVER, SERVER.replace("postgresql:", "postgresql+psycopg:"), True),
        (SERVER, SERVER.replace("auditor", "analyst"), False),
        (SERVER, SERVER.replace("5432", "5433"), False),
        (SERVER, SERVER.replace("db.", "db2."), False),
        (SERVER, SERVER.replace("/audit", "/other"), False),
        ("postgresql:///audit?host=/run/one", "postgresql:///audit?host=/run/two", False),
        ("postgresql:///audit?host=/run&port=5432", "postgresql:///audit?host=/run&port=5433", False),
        (SERVER, f"{SERVER}?dbname=other", False),
        ("mysql://u@h/d", "mariadb+pymysql://u:pw@h/d", True),
        ("mysql://u@h/d", "mysql://u@h/other", False),
        ("mysql://u@localhost/d?unix_socket=/a", "mysql://u@localhost/d?unix_socket=/b", False),
        ("sqlite:///one.sqlite", "sqlite:///./one.sqlite", True),
        ("sqlite:///one.sqlite", "sqlite:///two.sqlite", False),
        ("sqlite:///one.sqlite", "duckdb:///one.sqlite", False),
        ("sqlite:///one.sqlite", SERVER, False),
    ],
)
def test_whether_two_urls_are_one_database(one, other, same):
    assert same_database(SecretStr(one), SecretStr(other)) is same
    assert same_database(SecretStr(other), SecretStr(one)) is same


def test_a_link_leads_to_the_same_file(tmp_path):
    (tmp_path / "one.sqlite").touch()
    (tmp_path / "link.sqlite").symlink_to("one.sqlite")

    urls = [SecretStr(f"sqlite:///{tmp_path}/{name}.sqlite") for name in ("one", "link")]

    assert same_database(*urls)
