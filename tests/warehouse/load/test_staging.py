"""Faults while a batch is copied to the staging table."""

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from etl.database.connections import open_engine
from etl.database.engines.duckdb import DUCKDB
from etl.database.engines.postgresql import POSTGRESQL
from etl.errors import UnavailableError
from etl.normalize import COLUMNS
from etl.warehouse.temporary_tables import stage_facts

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def fateful_rows(engine, backend, end):
    """Make rows, the first of which ends the statement, or the connection, that writes it."""
    with engine.begin() as other:
        other.execute(text(f"SELECT {end}(:backend)"), {"backend": backend})
    yield [NOON if name.endswith("_at") else 1 for name in COLUMNS]


@pytest.mark.parametrize(
    ("end", "words"),
    [("pg_cancel_backend", "canceling statement"), ("pg_terminate_backend", "terminating connection")],
)
def test_a_copy_that_the_server_ends_is_a_database_that_is_unavailable(postgres_url, end, words):
    engine = open_engine(SecretStr(postgres_url), name="the warehouse")

    def load():
        with engine.begin() as connection:
            backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with POSTGRESQL.staged(connection, fateful_rows(engine, backend, end), stage_facts):
                pytest.fail("the rows cannot have arrived")

    with pytest.raises(UnavailableError, match=f"says: {words}"):
        load()
    engine.dispose()


def test_duckdb_holds_the_batch_and_a_rollback_drops_it(tmp_path):
    url = SecretStr(f"duckdb:///{tmp_path}/warehouse.duckdb")
    engine = open_engine(url, name="the warehouse", create=True)
    rows = [[task_id, *([None] * (len(COLUMNS) - 2)), NOON] for task_id in ("1", "2")]
    tables = text("SELECT table_name FROM duckdb_tables() WHERE temporary")
    with engine.begin() as connection:
        with DUCKDB.staged(connection, rows, stage_facts):
            assert connection.scalars(tables).all() == ["stage_facts"]
            assert connection.scalars(text("SELECT task_id FROM stage_facts WHERE task_id >= '2'")).all() == ["2"]
        assert connection.scalars(tables).all() == []
    with pytest.raises(ArithmeticError), engine.begin() as connection, DUCKDB.staged(connection, rows, stage_facts):
        raise ArithmeticError
    with engine.begin() as connection, DUCKDB.staged(connection, rows, stage_facts):
        assert connection.scalars(tables).all() == ["stage_facts"]
    engine.dispose()
