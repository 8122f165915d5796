"""Snapshots of a warehouse, beyond what an export of one shows."""

import polars as pl
import pytest
from pydantic import SecretStr
from sqlalchemy import column, func, select

from etl.database.connections import open_engine
from etl.errors import UnavailableError
from etl.warehouse.read.snapshots import duckdb as duckdb_snapshot
from etl.warehouse.read.snapshots import open_snapshot


@pytest.fixture
def snapshot(tmp_path):
    """A snapshot of an empty DuckDB file."""
    engine = open_engine(SecretStr(f"duckdb:///{tmp_path}/w.duckdb"), name="the warehouse", create=True)
    engine.connect().close()
    with open_snapshot(engine) as snapshot:
        yield snapshot
    engine.dispose()


def settings_of(snapshot):
    names = "'memory_limit', 'threads'"
    query = f"SELECT name, value FROM duckdb_settings() WHERE name IN ({names})"
    return dict(snapshot.connection.exec_driver_sql(query).fetchall())


def numbers(rows):
    number = column("range")
    return select(number, func.hash(number).label("b")).select_from(func.range(rows)).order_by("b")


SCHEMA = pl.Schema({"range": pl.Int64, "b": pl.UInt64})


def test_a_query_that_does_not_fit_into_the_memory_of_duckdb_is_no_bug(snapshot):
    snapshot.connection.exec_driver_sql("SET memory_limit = '4MB'")
    with pytest.raises(UnavailableError, match=r"The warehouse says: Out of Memory Error: .* more memory"):
        list(snapshot.frames(numbers(1_000_000), SCHEMA, rows=1))


def test_a_large_result_has_more_memory_one_thread_and_a_table_for_as_long_as_it_is_read(snapshot, monkeypatch):
    monkeypatch.setattr(duckdb_snapshot, "MAX_ROWS", 400)
    before = settings_of(snapshot)
    frames = snapshot.frames(numbers(1_000), SCHEMA, rows=1_000)
    first = next(frames)
    assert settings_of(snapshot) == {"memory_limit": "183.1 MiB", "threads": "1"}
    frame = pl.concat([first, *frames])
    assert settings_of(snapshot) == before
    assert before["memory_limit"] == "61.0 MiB"
    assert frame["b"].is_sorted()
    assert set(frame["range"]) == set(range(1_000))


def test_many_large_results_take_the_memory_of_one(snapshot):
    """DuckDB keeps a dropped table until the end of the transaction, in memory or in the temporary folder."""
    for _ in range(3):
        for frame in snapshot.frames(numbers(1_000_000), SCHEMA, rows=1_000_000):
            assert frame.height == duckdb_snapshot.MAX_ROWS
        query = "SELECT sum(memory_usage_bytes), sum(temporary_storage_bytes) FROM duckdb_memory()"
        assert sum(snapshot.connection.exec_driver_sql(query).one()) < 10_000_000
