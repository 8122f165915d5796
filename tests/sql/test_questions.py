"""Every ready-made question, on every engine, with its answer written out."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from etl.resources import resource
from tests.sql.morning import LAST_NIGHT, LONG_AGO, OCTOBER, QUEUE, THE_NIGHT_BEFORE, at

ANT = {"tenant_id": "ant", "tenant_name": "Ant Ltd."}


def test_why_last_nights_failures_rose(answer):
    disk_full = {"result_code": "100", "title": "Disk full", "action": "Make room."}
    assert answer("last_nights_failures") == [
        {"result_code": "200", "tenant_id": "bee", "tasks": 2, "tasks_before": 0},
        disk_full | {"tenant_id": "bee", "tasks": 1, "tasks_before": 0},
        {"result_code": "none", "tasks": 1, "tasks_before": 0},
        disk_full | ANT | {"tasks": 0, "tasks_before": 1},
    ]


def test_failures_by_tenant(answer):
    rows = answer("failures_by_tenant")
    names = ("tenant_id", "tasks", "ended", "failed_percent_of_ended", "result_codes")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("bee", 3, 3, 100.0, 2),
        ("ant", 2, 5, 40.0, 1),
        ("none", 1, 1, 100.0, 1),
    ]
    assert rows[1] | ANT | {"last_failed_at": THE_NIGHT_BEFORE} == rows[1]


def test_the_tasks_behind_each_number(answer):
    name = "tasks_behind_a_number"
    assert answer(name, "result_code=100", "tenant=Ant Ltd.", "until=2026-11-02") == [
        {"task_id": "3", "task_name": "task 3", **ANT, "status_name": "FAILED", "result_code": "100"}
        | {"title": "Disk full", "submitted_at": at(1, 12), "observed_at": THE_NIGHT_BEFORE},
        {"task_id": "2", "task_name": "task 2", **ANT, "status_name": "FAILED", "result_code": "100"}
        | {"title": "Disk full", "submitted_at": OCTOBER, "observed_at": OCTOBER + timedelta(hours=20)},
    ]
    night = "since=2026-11-02T07:00", "until=2026-11-03T07:00"
    for row in answer("last_nights_failures"):
        key = f"result_code={row['result_code']}", f"tenant={row.get('tenant_id', 'none')}"
        assert len(answer(name, *key, *night)) == row["tasks"]
    for row in answer("failures_by_tenant"):
        assert len(answer(name, f"tenant={row['tenant_id']}")) == row["tasks"]
    for row in answer("daily_outcomes"):
        days = [f"submitted_{end}={row['submitted_on']}" for end in ("since", "until")]
        assert len(answer(name, "status_name=", *days)) == row["tasks"]
        assert len(answer(name, "status_name=SUCCESS", *days)) == row["succeeded"]
    assert [row["task_id"] for row in answer(name, "status_name=NEW")] == ["13"]


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
        **ANT,
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
        *(
            row | {"success_percent_of_ended": share, "success_percent": share}
            for row, share in ((week, 50.0), (sunday, 0.0), (monday, 40.0))
        ),
    ]


def test_outcomes_of_every_day(answer):
    rows = answer("outcomes_of_every_day", "since=2026-10-31", "until=2026-11-02")
    nothing = {"tasks": 0, "succeeded": 0, "failed": 0, "still_open": 0}
    assert rows[0] == nothing | {
        "submitted_on": date(2026, 10, 31),
        "weekday_name": "Saturday",
        "iso_week": "2026-W44",
        "month": "2026-10",
    }
    assert [(row["weekday_name"], row["tasks"], row.get("failed_percent")) for row in rows] == [
        ("Saturday", 0, None),
        ("Sunday", 2, 100.0),
        ("Monday", 5, 60.0),
    ]
    assert [row["submitted_on"].day for row in answer("outcomes_of_every_day")] == [*range(7, 32), 1, 2, 3]


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
    assert answer("reconciliation", queue=list(QUEUE.items())) == [
        {"finding": "pending, but its fact is finished", "tasks": 2, "first_task_id": "4"},
        {"finding": "a dead letter, but not in the queue", "tasks": 1, "first_task_id": "52"},
        {"finding": "a fact, but not in the queue", "tasks": 1, "first_task_id": "13"},
        {"finding": "dead, but without a dead letter", "tasks": 1, "first_task_id": "12"},
        {"finding": "done, but without a finished fact", "tasks": 1, "first_task_id": "10"},
        {"finding": "pending again after a dead letter", "tasks": 1, "first_task_id": "51"},
        {"finding": "agreed", "tasks": 9, "first_task_id": "1"},
    ]


def test_reconciliation_can_be_repeated(answer):
    queue = [("1", "done")]
    assert answer("reconciliation", queue=queue) == answer("reconciliation", queue=queue)


def test_how_a_task_stood_on_3_november_at_noon(answer):
    (row,) = answer("as_of", "at=2026-11-03T12:00", "task_id=9")
    assert row == {
        "task_id": "9",
        "task_name": "task 9",
        **ANT,
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
