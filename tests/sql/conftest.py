"""A small warehouse made by hand, on every engine, for the questions that analysts ask."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import BigInteger

from etl.database.connections import open_engine
from etl.jobs.parameters import read_parameters
from etl.times.night import night_of
from etl.warehouse.read.questions import ask as ask_warehouse
from etl.warehouse.read.questions import questions
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.tables import METADATA
from tests.conftest import MYSQL
from tests.sql import morning as history

DAY = datetime(2026, 11, 1, tzinfo=UTC)
JUST_BEFORE_MIDNIGHT = DAY + timedelta(days=1) - timedelta(microseconds=1)
SUMMER, WINTER = datetime(2024, 7, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)

# task, status, result code, tenant, submitted, status changed
FACTS = [
    ("1", 2, None, "a", DAY, DAY + timedelta(hours=1)),
    ("2", 3, "18000205", "a", JUST_BEFORE_MIDNIGHT, DAY + timedelta(days=1)),
    ("3", 3, None, "a", DAY + timedelta(days=1), DAY + timedelta(days=2)),
    ("4", 1, None, "b", DAY + timedelta(days=1, hours=12), DAY + timedelta(days=2)),
    ("5", 7, None, "b", DAY + timedelta(days=2), DAY + timedelta(days=2)),
    ("6", 3, "18000205", "b", DAY + timedelta(hours=5), DAY + timedelta(days=3)),
    ("7", 0, None, "b", SUMMER, SUMMER + timedelta(hours=12)),
    ("8", 0, None, "b", WINTER, WINTER + timedelta(hours=12)),
]

# task, observed, previous status, status, previous code, code, run
CHANGES = [
    ("2", DAY, None, 0, None, None, "run-1"),
    ("2", DAY + timedelta(hours=6), 0, 1, None, None, "run-2"),
    ("2", DAY + timedelta(days=1), 1, 3, None, "18000205", "run-3"),
    ("5", DAY + timedelta(days=2), None, 7, None, None, "run-3"),
]

COUNTERS = [column.name for column in METADATA.tables["audit_run"].columns if isinstance(column.type, BigInteger)]
ZERO = dict.fromkeys(COUNTERS, 0)
WHOLE = {"claimed": 9, "audited": 6, "changed": 5, "unchanged": 1, "dead_lettered": 1, "released": 2}
RUNS = [
    {"run_id": "run-1", "finished_at": DAY + timedelta(seconds=90.25), "outcome": "stopped", "exit_code": 75, **WHOLE},
    {"run_id": "run-2", "finished_at": DAY + timedelta(days=1), "outcome": "bug", "exit_code": 70, "claimed": 1},
    {"run_id": "run-3", "finished_at": None, "outcome": "running", "exit_code": None, "claimed": 5},
    {"run_id": "run-4", "finished_at": DAY, "outcome": "bug", "exit_code": 70, "claimed": 1, "audited": 1},
]


def rows_of_tables():
    yield (
        "fact_task_status",
        [
            {
                "task_id": task_id,
                "task_name": f"task {task_id}",
                "task_type": {"1": 0, "2": 9}.get(task_id),
                "tenant_id": tenant,
                "status": status,
                "result_code": code,
                "submitted_at": submitted_at,
                "submitted_at_source": "queue",
                "first_seen_at": changed_at,
                "status_changed_at": changed_at,
                "last_checked_at": changed_at,
                "run_id": "run-3",
            }
            for task_id, status, code, tenant, submitted_at, changed_at in FACTS
        ],
    )
    changes = METADATA.tables["fact_task_status_change"].columns.keys()
    names = ["task_id", "observed_at", "previous_status", "status", "previous_result_code", "result_code", "run_id"]
    assert changes == names
    yield "fact_task_status_change", [dict(zip(names, change, strict=True)) for change in CHANGES]
    yield "dim_task_status", [{"status": 7, "status_name": "UNKNOWN(7)", "is_terminal": False}]
    yield "dim_task_type", [{"task_type": 9, "task_type_name": "UNKNOWN(9)"}]
    yield (
        "dim_result_code",
        [
            {"result_code": "18000205", "title": "Disk full", "category": "capacity", "action": "Make room."}
            | {"is_documented": True, "first_seen_at": DAY}
        ],
    )
    yield "dim_tenant", [{"tenant_id": "a", "tenant_name": "Ant Ltd."}, {"tenant_id": "b", "tenant_name": None}]
    letter = {"reason": "not_found", "detail": "HTTP 404", "attempts": 1, "first_failed_at": DAY, "run_id": "run-1"}
    yield (
        "dead_letter",
        [
            {"task_id": "90", "last_failed_at": DAY, "resolved_at": None, **letter},
            {"task_id": "91", "last_failed_at": DAY + timedelta(hours=1), "resolved_at": None, **letter},
            {"task_id": "92", "last_failed_at": DAY, "resolved_at": DAY + timedelta(hours=1), **letter},
        ],
    )
    started = {"max_rate": 50, "version": "1", "host": "host"}
    yield (
        "audit_run",
        [{**ZERO, "started_at": DAY + timedelta(minutes=n), **started, **run} for n, run in enumerate(RUNS)],
    )
    counted = [("http_status", "200", 9), ("http_status", "503", 1), ("drift", "unknown field ownerName", 2)]
    yield (
        "audit_run_counter",
        [{"run_id": "run-1", "counter": counter, "name": name, "number": n} for counter, name, n in counted],
    )


@pytest.fixture(scope="session", params=["duckdb", "sqlite", "postgresql", *MYSQL])
def analyst(request, tmp_path_factory):
    """An engine on the warehouse, which no test writes to."""
    name = request.param
    url = f"{name}:///{tmp_path_factory.mktemp('analyst')}/warehouse.{name}"
    if name == "postgresql":
        url = request.getfixturevalue("postgres_server").get_uri()
    if name == "mysql":
        url = request.getfixturevalue("lasting_mysql")("analyst")
    schema = None if name in {"sqlite", "mysql"} else "analyst"
    engine = open_engine(SecretStr(url), name="the warehouse", schema=schema, create=True)
    upgrade_warehouse(engine, schema=schema)
    with engine.begin() as connection:
        for table, rows in rows_of_tables():
            connection.execute(METADATA.tables[table].insert(), rows)
    yield engine
    engine.dispose()


@pytest.fixture
def ask(analyst):
    """Ask a question; rows come as dictionaries."""

    def answer(question):
        with analyst.connect() as connection:
            return [dict(row) for row in connection.exec_driver_sql(question).mappings()]

    return answer


@pytest.fixture(scope="session", params=["duckdb", "sqlite", "postgresql", *MYSQL])
def morning(request, tmp_path_factory):
    """An engine on the warehouse, which no test writes to."""
    name = request.param
    url = f"{name}:///{tmp_path_factory.mktemp('morning')}/warehouse.{name}"
    if name == "postgresql":
        url = request.getfixturevalue("postgres_server").get_uri()
    if name == "mysql":
        url = request.getfixturevalue("lasting_mysql")("morning")
    schema = None if name in {"sqlite", "mysql"} else "morning"
    engine = open_engine(SecretStr(url), name="the warehouse", schema=schema, create=True)
    upgrade_warehouse(engine, schema=schema)
    with engine.begin() as connection:
        for table, rows in history.all_rows():
            connection.execute(METADATA.tables[table].insert(), rows)
    yield engine
    engine.dispose()


@pytest.fixture
def answer(morning):
    """Ask a question on that morning; rows come as dictionaries without what has no value."""

    def answer_to(name, *given, queue=None):
        question = questions(morning.dialect.name)[name]
        found = ask_warehouse(
            morning,
            question,
            read_parameters(
                question, dict(each.split("=", 1) for each in given), now=history.NOW, last_night=night_of(history.NOW)
            ),
            queue=queue,
        )
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        return [{name: value for name, value in row.items() if value is not None} for row in rows]

    return answer_to
