"""Databases that are files: what each error of one means to a run."""

import sqlite3
import stat
from contextlib import closing
from threading import Timer

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from etl.database.connections import open_engine
from etl.errors import ConfigurationError, StoppedError, UnavailableError
from tests.database.refusals import refused


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_a_file_that_is_no_database(tmp_path, engine):
    file = tmp_path / "database"
    file.write_bytes(b"no database at all " * 100)

    # DuckDB does not tell a foreign file from a damaged one.
    fault = ConfigurationError if engine == "sqlite" else UnavailableError
    for create in (False, True):
        assert str(file) in refused(f"{engine}:///{file}", fault=fault, create=create)


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_a_folder_is_no_file(tmp_path, engine):
    assert str(tmp_path) in refused(f"{engine}:///{tmp_path}", fault=UnavailableError)


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_a_folder_that_is_missing(tmp_path, engine):
    refused(f"{engine}:///{tmp_path}/missing/database", fault=UnavailableError, create=True)


def test_a_file_that_may_only_be_read(tmp_path):
    file = tmp_path / "pending.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE x (y)")

    url = f"sqlite:///file:{file}?mode=ro&uri=true"
    message = refused(url, fault=UnavailableError, statement="INSERT INTO x VALUES (1)")

    assert "readonly" in message
    assert file.stat().st_mode & stat.S_IWUSR


def test_a_locked_file(tmp_path, monkeypatch):
    monkeypatch.setattr("etl.database.engines.sqlite.LOCK_WAIT_SECONDS", 0.01)
    file = tmp_path / "pending.sqlite"

    with closing(sqlite3.connect(file)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert "locked" in refused(f"sqlite:///{file}", fault=StoppedError)


def test_a_new_file_that_another_process_writes_to(tmp_path):
    """SQLite refuses to change the mode of such a file at once: of several `init`s, one ended with an error."""
    file = tmp_path / "pending.sqlite"

    with closing(sqlite3.connect(file, check_same_thread=False)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        Timer(0.2, holder.commit).start()
        engine = open_engine(SecretStr(f"sqlite:///{file}"), name="the pending database", create=True)
        with engine.connect() as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        engine.dispose()


def test_a_new_file_that_another_process_keeps_locked(tmp_path, monkeypatch):
    monkeypatch.setattr("etl.database.engines.sqlite.LOCK_WAIT_SECONDS", 0.2)
    file = tmp_path / "pending.sqlite"

    with closing(sqlite3.connect(file)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert "locked" in refused(f"sqlite:///{file}", fault=StoppedError, create=True)


def test_a_full_disk(tmp_path):
    engine = open_engine(SecretStr(f"sqlite:///{tmp_path}/full.sqlite"), name="the pending database", create=True)
    fill = text("CREATE TABLE x AS SELECT randomblob(100000) AS y")

    with engine.begin() as connection:
        connection.execute(text("PRAGMA max_page_count = 2"))
        with pytest.raises(UnavailableError, match="full"):
            connection.execute(fill)
    engine.dispose()
