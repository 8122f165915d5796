"""Every ready-made question, on every engine, with its answer written out.

The history is small and made by hand: it is the morning of 3 November, 07:00 UTC.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr

from etl.cli.parameters import read_parameters
from etl.database.engine import open_engine
from etl.resources import resource
from etl.warehouse.questions import ask, questions
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.tables import METADATA
from tests.conftest import MYSQL

NEW, EXECUTING, SUCCESS, FAILED = range(4)


def at(day, hour=0, minute=0):
    """An instant of November."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


NOW = at(3, 7)
OCTOBER = datetime(2026, 10, 19, 8, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 7, tzinfo=UTC)
THE_NIGHT_BEFORE, LAST_NIGHT = at(2, 3), at(3, 3)

# task, type, tenant, submitted; then each change that was seen: when, status, code, run
HISTORY = [
    ("1", 0, "ant", OCTOBER, [(OCTOBER + timedelta(hours=30), SUCCESS, None, "run-0")]),
    ("2", 0, "ant", OCTOBER, [(OCTOBER + timedelta(hours=20), FAILED, "100", "run-0")]),
    ("3", 0, "ant", at(1, 12), [(THE_NIGHT_BEFORE, FAILED, "100", "run-1")]),
    ("4", 0, "bee", at(1, 13), [(THE_NIGHT_BEFORE, NEW, None, "run-1"), (LAST_NIGHT, FAILED, "100", "run-2")]),
    ("5", 0, "bee", at(2, 13), [(LAST_NIGHT, FAILED, "200", "run-2")]),
    ("6", 0, "bee", at(2, 14), [(LAST_NIGHT, FAILED, "200", "run-2")]),
    ("7", 9, None, at(2, 15), [(LAST_NIGHT, FAILED, None, "run-2")]),
    ("8", 0, "ant", at(2, 16, 30), [(LAST_NIGHT, SUCCESS, None, "run-2")]),
    ("9", None, "ant", at(2, 17), [(LAST_NIGHT, EXECUTING, None, "run-2"), (at(3, 13), SUCCESS, None, "run-4")]),
    ("13", 0, "ant", LONG_AGO, [(at(3, 14), NEW, None, "run-4")]),
]
LETTERS = [
    {"task_id": "50", "reason": "not_found", "first_failed_at": at(1, 3), "last_failed_at": at(3, 3)},
    {"task_id": "51", "reason": "not_found", "first_failed_at": at(3, 3), "last_failed_at": at(3, 3)},
    {"task_id": "52", "reason": "exhausted", "first_failed_at": OCTOBER, "last_failed_at": OCTOBER},
    {
        "task_id": "1",
        "reason": "bad_payload",
        "first_failed_at": OCTOBER + timedelta(hours=2),
        "last_failed_at": OCTOBER + timedelta(hours=4),
        "resolved_at": OCTOBER + timedelta(hours=30),
    },
]
WHOLE = {"claimed": 2, "audited": 1, "changed": 1, "dead_lettered": 1}
RUNS = [
    {"run_id": "run-0", "started_at": OCTOBER, "finished_at": OCTOBER, "outcome": "stopped", "exit_code": 75},
    {"run_id": "run-1", "started_at": at(2, 2), "finished_at": at(2, 4), "outcome": "dead_letters", "exit_code": 65}
    | WHOLE,
    {"run_id": "run-2", "started_at": at(3, 2), "finished_at": at(3, 4), "outcome": "stopped", "exit_code": 75}
    | WHOLE
    | {"claimed": 4, "released": 2, "error": "The deadline came."},
    {"run_id": "run-3", "started_at": at(3, 5), "finished_at": None, "outcome": "running", "exit_code": None},
    {"run_id": "run-4", "started_at": at(3, 6), "finished_at": at(3, 6), "outcome": "succeeded", "exit_code": 0},
]
QUEUE = {
    "1": "done",
    "2": "done",
    "3": "done",
    "4": "pending",
    "5": "done",
    "6": "done",
    "7": "done",
    "9": "pending",
    "10": "done",
    "11": "pending",
    "12": "dead",
    "13": "pending",
    "50": "dead",
    "51": "pending",
}
COUNTERS = [column.name for column in METADATA.tables["audit_run"].columns if str(column.type) == "BIGINT"]


def history_rows():
    changes, facts = [], []
    for task_id, task_type, tenant_id, submitted_at, seen in HISTORY:
        status, code = None, None
        for observed_at, new_status, new_code, run_id in seen:
            changes.append(
                {
                    "task_id": task_id,
                    "observed_at": observed_at,
                    "previous_status": status,
                    "status": new_status,
                    "previous_result_code": code,
                    "result_code": new_code,
                    "run_id": run_id,
                }
            )
            status, code = new_status, new_code
        facts.append(
            {
                "task_id": task_id,
                "task_name": f"task {task_id}",
                "task_type": task_type,
                "tenant_id": tenant_id,
                "status": status,
                "result_code": code,
                "submitted_at": submitted_at,
                "submitted_at_source": "queue",
                "first_seen_at": seen[0][0],
                "status_changed_at": seen[-1][0],
                "last_checked_at": seen[-1][0],
                "run_id": seen[-1][3],
            }
        )
    return {"fact_task_status": facts, "fact_task_status_change": changes}


def all_rows():
    yield from history_rows().items()
    yield "dim_task_type", [{"task_type": 9, "task_type_name": "UNKNOWN(9)"}]
    yield (
        "dim_result_code",
        [
            {"result_code": "100", "title": "Disk full", "action": "Make room.", "is_documented": True}
            | {"first_seen_at": OCTOBER + timedelta(hours=20)},
            {"result_code": "200", "title": None, "action": None, "is_documented": False, "first_seen_at": LAST_NIGHT},
        ],
    )
    letter = {"detail": "HTTP 404", "attempts": 1, "run_id": "run-1", "resolved_at": None}
    yield "dead_letter", [letter | row for row in LETTERS]
    run = dict.fromkeys(COUNTERS, 0) | {"max_rate": 50, "version": "1", "host": "host", "error": None}
    yield "audit_run", [run | row for row in RUNS]
    counted = [("http_status", "200", 9), ("http_status", "503", 1), ("drift", "unknown field ownerName", 2)]
    yield (
        "audit_run_counter",
        [{"run_id": "run-1", "counter": counter, "name": name, "number": n} for counter, name, n in counted],
    )


@pytest.fixture(scope="session", params=["duckdb", "sqlite", "postgresql", *MYSQL])
def morning(request, tmp_path_factory):
    """An engine on the warehouse; nobody writes to it."""
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
        for table, rows in all_rows():
            connection.execute(METADATA.tables[table].insert(), rows)
    yield engine
    engine.dispose()


@pytest.fixture
def answer(morning):
    """Ask a question on that morning; rows come as dictionaries without what has no value."""

    def answer_to(name, *given, queue=None):
        question = questions(morning.dialect.name)[name]
        found = ask(morning, question, read_parameters(question, given, now=NOW), queue=queue)
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        return [{name: value for name, value in row.items() if value is not None} for row in rows]

    return answer_to


def test_why_last_nights_failures_rose(answer):
    disk_full = {"result_code": "100", "title": "Disk full", "action": "Make room."}
    assert answer("last_nights_failures") == [
        {"result_code": "200", "tenant_id": "bee", "tasks": 2, "tasks_before": 0},
        disk_full | {"tenant_id": "bee", "tasks": 1, "tasks_before": 0},
        {"result_code": "none", "tasks": 1, "tasks_before": 0},
        disk_full | {"tenant_id": "ant", "tasks": 0, "tasks_before": 1},
    ]


def test_the_failures_of_another_night(answer):
    rows = answer("last_nights_failures", "since=2026-11-02", "until=2026-11-02")
    assert [(row["result_code"], row["tenant_id"], row["tasks"]) for row in rows] == [("100", "ant", 1)]


def test_new_result_codes(answer):
    assert answer("new_result_codes") == [
        {
            "result_code": "200",
            "is_documented": False,
            "first_seen_at": LAST_NIGHT,
            "tasks": 2,
            "tenants": 1,
            "first_task_id": "5",
        }
    ]


def test_unexplained_codes(answer):
    assert answer("unexplained_codes") == [
        {"dimension": "result_code", "code": "200", "tasks": 2},
        {"dimension": "task_type", "code": "9", "tasks": 1},
    ]


def test_stuck_tasks(answer):
    """By the engine's own clock."""
    (row,) = answer("stuck_tasks")
    hours = (datetime.now(UTC) - LONG_AGO) / timedelta(hours=1)
    assert row.pop("hours_since_submitted") == pytest.approx(hours, abs=0.1)
    assert row == {
        "task_id": "13",
        "task_name": "task 13",
        "tenant_id": "ant",
        "status_name": "NEW",
        "submitted_at": LONG_AGO,
    }
    assert len(answer("stuck_tasks", f"hours={hours - 1}")) == 1
    assert answer("stuck_tasks", f"hours={hours + 1}") == []


def test_success_rate_by_week(answer):
    old = {"week_begins_on": date(2020, 1, 6), "tasks": 1, "succeeded": 0, "failed": 0, "still_open": 1}
    week = {"week_begins_on": date(2026, 10, 19), "tasks": 2, "succeeded": 1, "failed": 1, "still_open": 0}
    sunday = {"week_begins_on": date(2026, 10, 26), "tasks": 2, "succeeded": 0, "failed": 2, "still_open": 0}
    monday = {"week_begins_on": date(2026, 11, 2), "tasks": 5, "succeeded": 2, "failed": 3, "still_open": 0}
    assert answer("success_rate_by_week") == [
        old,
        week | {"success_percent": 50.0},
        sunday | {"success_percent": 0.0},
        monday | {"success_percent": 40.0},
    ]


def test_time_to_end(answer):
    def hours(shortest, median, p95, longest):
        names = ("shortest_hours", "median_hours", "p95_hours", "longest_hours")
        return dict(zip(names, (shortest, median, p95, longest), strict=True))

    assert answer("time_to_end", "since=2026-11-01") == [
        {"task_type_name": "HAND_OVER", "status_name": "FAILED", "tasks": 4} | hours(13.0, 14.0, 38.0, 38.0),
        {"task_type_name": "HAND_OVER", "status_name": "SUCCESS", "tasks": 1} | hours(10.5, 10.5, 10.5, 10.5),
        {"task_type_name": "UNKNOWN(9)", "status_name": "FAILED", "tasks": 1} | hours(12.0, 12.0, 12.0, 12.0),
    ]


def test_what_changed(answer):
    rows = answer("what_changed")
    assert [row["task_id"] for row in rows] == ["4", "5", "6", "7", "8", "9"]
    assert rows[0] == {
        "observed_at": LAST_NIGHT,
        "task_id": "4",
        "task_name": "task 4",
        "tenant_id": "bee",
        "previous_status_name": "NEW",
        "status_name": "FAILED",
        "result_code": "100",
    }


def test_the_story_of_a_task(answer):
    def after(hours, event, **more):
        return {"happened_at": OCTOBER + timedelta(hours=hours), "event": event, **more}

    assert answer("task_story", "task_id=1") == [
        after(0, "submitted", detail="task 1"),
        after(2, "first failure to audit it"),
        after(4, "dead letter", detail="bad_payload", run_id="run-1"),
        after(30, "seen", status_name="SUCCESS", run_id="run-0"),
        after(30, "dead letter resolved"),
        after(30, "last checked"),
    ]
    seen = [row for row in answer("task_story", "task_id=4") if row["event"] == "seen"]
    assert seen == [
        {"happened_at": THE_NIGHT_BEFORE, "event": "seen", "status_name": "NEW", "run_id": "run-1"},
        {"happened_at": LAST_NIGHT, "event": "seen", "status_name": "FAILED", "run_id": "run-2"}
        | {"result_code": "100", "detail": "Disk full"},
    ]
    assert answer("task_story", "task_id=' OR ''='") == []


def test_dead_letters_by_age(answer):
    assert answer("dead_letters_by_age") == [
        {"reason": "not_found", "tasks": 2, "under_a_day": 1, "under_a_week": 1, "under_a_month": 0, "older": 0}
        | {"oldest_failed_at": at(1, 3)},
        {"reason": "exhausted", "tasks": 1, "under_a_day": 0, "under_a_week": 0, "under_a_month": 1, "older": 0}
        | {"oldest_failed_at": OCTOBER},
    ]


def test_incomplete_runs(answer):
    rows = answer("incomplete_runs")
    assert [(row["run_id"], row["outcome"], row["is_balanced"]) for row in rows] == [
        ("run-3", "running", True),
        ("run-2", "stopped", True),
        ("run-0", "stopped", True),
    ]
    assert rows[1]["error"] == "The deadline came."
    assert len(answer("incomplete_runs", "since=2026-11-03T03:00Z")) == 1


def test_reconciliation(answer):
    queue = pl.DataFrame(list(QUEUE.items()), schema=["task_id", "state"], orient="row")
    assert answer("reconciliation", queue=queue) == [
        {"finding": "pending, but its fact is finished", "tasks": 2, "first_task_id": "4"},
        {"finding": "a dead letter, but not in the queue", "tasks": 1, "first_task_id": "52"},
        {"finding": "a fact, but not in the queue", "tasks": 1, "first_task_id": "8"},
        {"finding": "dead, but without an open dead letter", "tasks": 1, "first_task_id": "12"},
        {"finding": "done, but without a finished fact", "tasks": 1, "first_task_id": "10"},
        {"finding": "pending again after a dead letter", "tasks": 1, "first_task_id": "51"},
        {"finding": "agreed", "tasks": 9, "first_task_id": "1"},
    ]


def test_reconciliation_can_be_repeated(answer):
    queue = pl.DataFrame({"task_id": ["1"], "state": ["done"]})
    assert answer("reconciliation", queue=queue) == answer("reconciliation", queue=queue)


def test_how_a_task_stood_on_3_november_at_noon(answer):
    (row,) = answer("as_of", "at=2026-11-03T12:00", "task_id=9")
    assert row == {
        "task_id": "9",
        "task_name": "task 9",
        "tenant_id": "ant",
        "submitted_at": at(2, 17),
        "status_name": "EXECUTING",
        "valid_from": LAST_NIGHT,
        "valid_until": at(3, 13),
    }


@pytest.mark.parametrize(
    ("instant", "stood"),
    [
        ("2026-10-01", {}),
        ("2026-11-02", {"1": "SUCCESS", "2": "FAILED"}),
        ("2026-11-02T02:59:59.999999Z", {"1": "SUCCESS", "2": "FAILED"}),
        ("2026-11-02T03:00:00Z", {"1": "SUCCESS", "2": "FAILED", "3": "FAILED", "4": "NEW"}),
        ("2026-11-02T04:00:00+01:00", {"1": "SUCCESS", "2": "FAILED", "3": "FAILED", "4": "NEW"}),
    ],
)
def test_how_all_tasks_stood(answer, instant, stood):
    assert {row["task_id"]: row["status_name"] for row in answer("as_of", f"at={instant}")} == stood


def test_the_questions_without_parameters(answer):
    assert [row["task_id"] for row in answer("open_dead_letters")] == ["50", "51", "52"]
    assert [row["difference"] for row in answer("drift")] == ["unknown field ownerName"]
    assert [(row["http_status"], row["answers"]) for row in answer("answers_of_runs")] == [("200", 9), ("503", 1)]
    assert answer("daily_outcomes")[1] == {
        "submitted_on": date(2026, 10, 19),
        "tasks": 2,
        "succeeded": 1,
        "failed": 1,
        "still_open": 0,
        "failed_percent": 50.0,
    }
    failures = [(row["result_code"], row["tasks"]) for row in answer("failures_by_result_code")]
    assert failures == [("100", 3), ("200", 2), ("none", 1)]


def test_the_last_runs(answer):
    assert [row["outcome"] for row in answer("last_runs", "number=2")] == ["succeeded", "running"]
    assert len(answer("last_runs")) == 5


def test_no_question_is_without_a_test():
    names = {file.stem for file in resource("sql", "queries").glob("*.sql")}
    source = Path(__file__).read_text(encoding="utf-8")
    assert {name for name in names if f'"{name}"' not in source} == set()
