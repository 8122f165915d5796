"""A reader of an export gets the rows, types and times of the warehouse, from every engine."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from sqlalchemy import select

from etl.database.connections import open_engine
from etl.jobs.export import TABLES
from etl.warehouse.read.snapshots import duckdb as duckdb_snapshot
from etl.warehouse.tables import (
    METADATA,
    audit_run,
    dead_letter,
    dim_result_code,
    dim_tenant,
    fact_task_status,
    fact_task_status_change,
)
from tests.export.reading import checked, days_of, files_of, in_duckdb, manifest_of
from tests.warehouse.conftest import audit_on  # noqa: F401 - a fixture

AT = datetime(2026, 11, 2, 23, 59, 59, 999_999, tzinfo=UTC)
TEXTS = [
    "",
    "NULL",
    "null",
    '"',
    "a,b",
    "a\nb",
    "a\r\nb",
    "\\.",
    "\\N",
    " x ",
    "\t",
    "交接 é 🙂",
    "it's",
    "0",
    "t",
    None,
]


def fact(number, *, at=AT, **values):
    row = {
        "task_id": f"{number:05}",
        "status": 2,
        "submitted_at": at,
        "submitted_at_source": "queue",
        "first_seen_at": AT,
        "status_changed_at": AT + timedelta(microseconds=1),
        "last_checked_at": AT.replace(microsecond=0),
        "run_id": "run-1",
    }
    return {column.name: row.get(column.name) for column in fact_task_status.c} | row | values


def fill(audit, add):
    """Add what is hard to hand on: odd texts, nulls, large numbers, and times at the ends of days and of years."""
    times = [
        AT,
        AT + timedelta(microseconds=1),
        None,
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2262, 5, 1, tzinfo=UTC),
    ]
    facts = [
        fact(number, at=times[number % 5], task_name=name, user_id=name, task_type=[None, -1, 2**63 - 1][number % 3])
        for number, name in enumerate(TEXTS)
    ]
    add(audit, fact_task_status, *facts)
    change = {"previous_status": None, "status": 7, "previous_result_code": None, "result_code": "0", "run_id": "r"}
    add(audit, fact_task_status_change, *({"task_id": "1", "observed_at": at, **change} for at in times if at))
    add(audit, dim_tenant, *({"tenant_id": f"{n}{text}", "tenant_name": text} for n, text in enumerate(TEXTS)))
    seen = {"is_documented": False, "first_seen_at": AT}
    add(audit, dim_result_code, {"result_code": "007", **seen}, {"result_code": "7", **seen})
    letter = {"reason": "not_found", "detail": "a\nb", "attempts": 1, "last_failed_at": AT, "run_id": "run-1"}
    add(audit, dead_letter, {"task_id": "no ID \u2028", "first_failed_at": AT, **letter})
    run = audit.begin("01a22917-e2dc-7741-bd84-f297465de727", claimed=3)
    with audit.engine.begin() as connection:
        connection.execute(audit_run.update().values(max_rate=0.1, error="über", finished_at=AT))
    return run


def rows_in(url, name):
    engine = open_engine(url, name="the warehouse")
    table = METADATA.tables[name]
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(select(table)).mappings()]
    engine.dispose()
    return rows


def in_order(rows):
    return sorted(rows, key=repr)


@pytest.fixture
def filled(warehouse_url, audit_on, add):  # noqa: F811
    """The URL of a warehouse with odd rows, on every engine."""
    engine = open_engine(warehouse_url, name="the warehouse", create=True)
    fill(audit_on(engine), add)
    engine.dispose()
    return warehouse_url


def test_two_readers_get_the_rows_types_and_times_of_the_warehouse(filled, export, tmp_path):
    export(filled, tmp_path / "out")

    manifest, tables = manifest_of(tmp_path / "out"), checked(tmp_path / "out")
    assert tuple(tables) == TABLES
    for entry in manifest["tables"]:
        expected = in_order(rows_in(filled, entry["name"]))
        assert expected
        assert in_order(tables[entry["name"]].to_dicts()) == expected
        rows, types = in_duckdb(tmp_path / "out", entry)
        assert in_order(rows) == expected
        assert {column["type"]: types[column["name"]] for column in entry["columns"]}.items() <= {
            "int64": "BIGINT",
            "double": "DOUBLE",
            "bool": "BOOLEAN",
            "string": "VARCHAR",
            "date32[day]": "DATE",
            "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE",
        }.items()


def test_every_engine_gives_the_same_bytes(filled, export, tmp_path, audit_on, add):  # noqa: F811
    """The calendar and the labels are those of the migration, so that all tables are equal."""
    from pydantic import SecretStr

    url = SecretStr(f"sqlite:///{tmp_path}/reference.sqlite")
    engine = open_engine(url, name="the warehouse", create=True)
    fill(audit_on(engine), add)
    engine.dispose()
    export(url, tmp_path / "reference")
    export(filled, tmp_path / "out")

    assert days_of(manifest_of(tmp_path / "out")) == days_of(manifest_of(tmp_path / "reference"))


def test_a_day_with_very_many_rows_is_in_several_files(filled, export, tmp_path, monkeypatch, audit_on, add):  # noqa: F811
    monkeypatch.setattr("etl.export.files.MAX_ROWS", 100)
    monkeypatch.setattr(duckdb_snapshot, "MAX_ROWS", 64)
    monkeypatch.setattr(duckdb_snapshot.DuckDBSnapshot, "max_rows_of_query", 64)
    monkeypatch.setattr("etl.warehouse.read.snapshots.base.ROWS_PER_FRAME", 7)
    monkeypatch.setattr("etl.warehouse.read.snapshots.postgresql.ROWS_PER_FRAME", 7)
    engine = open_engine(filled, name="the warehouse")
    busy, days = datetime(2026, 10, 1, tzinfo=UTC), [datetime(2026, 9, day, tzinfo=UTC) for day in range(1, 11)]
    add(audit_on(engine), fact_task_status, *(fact(1_000 + each, at=busy) for each in range(250)))
    add(audit_on(engine), fact_task_status, *(fact(2_000 + each, at=days[each % 10]) for each in range(110)))
    engine.dispose()
    export(filled, tmp_path / "out")

    (entry,) = [each for each in manifest_of(tmp_path / "out")["tables"] if each["name"] == "fact_task_status"]
    assert [part["rows"] for each in entry["partitions"] if each["day"] == "2026-10-01" for part in each["files"]] == [
        100,
        100,
        50,
    ]
    assert len(files_of(entry)) == len(set(files_of(entry))) == 3 + 10 + 5
    facts = checked(tmp_path / "out")["fact_task_status"]
    assert in_order(facts.to_dicts()) == in_order(rows_in(filled, "fact_task_status"))
    assert isinstance(facts, pl.DataFrame)


def test_an_export_reads_one_state_while_others_write(server_urls, export, audit_on, add, tmp_path, monkeypatch):  # noqa: F811
    """The servers let others commit between two queries of an export; DuckDB and SQLite have their own ways."""
    from pydantic import SecretStr

    from etl.jobs.export import content as job

    days_of_table = job.days_of
    for number, url in enumerate(map(SecretStr, server_urls)):
        engine = open_engine(url, name="the warehouse", create=True)
        audit = audit_on(engine)
        add(audit, fact_task_status, fact(1))

        def days_and_then_a_row(snapshot, exported, audit=audit):
            states = days_of_table(snapshot, exported)
            if exported.name == "fact_task_status":
                add(audit, fact_task_status, fact(2), fact(3, at=None))
                add(audit, fact_task_status_change, {"task_id": "1", "observed_at": AT, "status": 2, "run_id": "r"})
            return states

        monkeypatch.setattr(job, "days_of", days_and_then_a_row)
        export(url, tmp_path / str(number))
        monkeypatch.setattr(job, "days_of", days_of_table)

        tables = checked(tmp_path / str(number))
        assert tables["fact_task_status"]["task_id"].to_list() == ["00001"]
        assert tables["fact_task_status_change"].height == 0
        engine.dispose()
