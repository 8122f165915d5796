"""Checked answers, on every engine."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

DAY = datetime(2026, 11, 1, tzinfo=UTC)
WITH_TIME_ZONES = pytest.mark.parametrize("analyst", ["duckdb", "postgresql"], indirect=True)
"""SQLite's sessions have none."""


def instant(value):
    """Read a time as a driver gives it: text in SQLite."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


@pytest.fixture
def far_from_utc(analyst):
    """A session in a zone that has another date than UTC for part of each day, and summer time."""

    def ask(question):
        with analyst.connect() as connection:
            connection.exec_driver_sql("SET TimeZone = 'America/New_York'")
            try:
                return [dict(row) for row in connection.exec_driver_sql(question).mappings()]
            finally:
                connection.exec_driver_sql("SET TimeZone = 'UTC'")

    return ask


OUTCOMES = [
    (date(2024, 7, 1), 1, 0, 0, 1, None),
    (date(2025, 1, 1), 1, 0, 0, 1, None),
    (date(2026, 11, 1), 3, 1, 2, 0, 66.67),
    (date(2026, 11, 2), 2, 0, 1, 1, 100.0),
    (date(2026, 11, 3), 1, 0, 0, 1, None),
]


def outcomes(rows):
    return [
        (
            date.fromisoformat(str(row["submitted_on"])),
            *(row[name] for name in ("tasks", "succeeded", "failed", "still_open", "failed_percent")),
        )
        for row in rows
    ]


def test_daily_outcomes(ask):
    rows = ask("SELECT * FROM v_daily_outcomes ORDER BY submitted_on")
    assert outcomes(rows) == OUTCOMES
    weeks = [(str(row["week_begins_on"]), row["iso_week"], row["month"], row["weekday_name"]) for row in rows]
    assert weeks[1:3] == [
        ("2024-12-30", "2025-W01", "2025-01", "Wednesday"),
        ("2026-10-26", "2026-W44", "2026-11", "Sunday"),
    ]
    assert {type(row["failed_percent"]) for row in rows} == {float, type(None)}
    assert {type(row[name]) for row in rows for name in ("tasks", "succeeded", "failed", "still_open")} == {int}


@WITH_TIME_ZONES
def test_a_day_is_a_utc_day_whatever_the_session(far_from_utc):
    assert outcomes(far_from_utc("SELECT * FROM v_daily_outcomes ORDER BY submitted_on")) == OUTCOMES


def test_failures_by_result_code(ask):
    rows = ask("SELECT * FROM v_failures_by_result_code ORDER BY tasks DESC, result_code")
    assert [(row["result_code"], row["title"], row["tasks"], row["tenants"]) for row in rows] == [
        ("18000205", "Disk full", 2, 2),
        ("none", None, 1, 1),
    ]
    assert instant(rows[0]["first_failed_at"]) == DAY + timedelta(days=1)
    assert instant(rows[0]["last_failed_at"]) == DAY + timedelta(days=3)


def check_hours(rows):
    now = datetime.now(UTC)
    assert [(row["task_id"], row["status_name"]) for row in rows] == [
        ("4", "EXECUTING"),
        ("5", "UNKNOWN(7)"),
        ("7", "NEW"),
        ("8", "NEW"),
    ]
    for row in rows:
        for hours, since in (("hours_since_submitted", "submitted_at"), ("hours_in_status", "status_changed_at")):
            assert isinstance(row[hours], float)
            assert row[hours] == pytest.approx((now - instant(row[since])) / timedelta(hours=1), abs=0.1)


def test_open_tasks(ask):
    check_hours(ask("SELECT * FROM v_open_tasks ORDER BY task_id"))


def test_the_former_name_of_the_open_tasks(ask):
    check_hours(ask("SELECT * FROM v_stuck_tasks ORDER BY task_id"))


def test_failures_by_tenant(ask):
    rows = ask("SELECT * FROM v_failures_by_tenant ORDER BY tasks DESC, tenant_id")
    names = ("tenant_id", "tenant_name", "tasks", "ended", "failed_percent_of_ended", "result_codes")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("a", "Ant Ltd.", 2, 3, 66.67, 2),
        ("b", None, 1, 1, 100.0, 1),
    ]
    assert {type(row["failed_percent_of_ended"]) for row in rows} == {float}
    assert instant(rows[0]["first_failed_at"]) == DAY + timedelta(days=1)
    assert instant(rows[0]["last_failed_at"]) == DAY + timedelta(days=2)


@WITH_TIME_ZONES
def test_hours_are_hours_over_a_change_to_summer_time(far_from_utc):
    check_hours(far_from_utc("SELECT * FROM v_open_tasks ORDER BY task_id"))


def test_task_status(ask):
    rows = {row["task_id"]: row for row in ask("SELECT * FROM v_task_status")}
    assert len(rows) == 8
    assert [rows[task_id]["task_type_name"] for task_id in "123"] == ["HAND_OVER", "UNKNOWN(9)", "UNKNOWN"]
    assert [rows[task_id]["status_name"] for task_id in "1245"] == ["SUCCESS", "FAILED", "EXECUTING", "UNKNOWN(7)"]
    assert [bool(rows[task_id]["is_terminal"]) for task_id in "1245"] == [True, True, False, False]
    labels = [[rows[task_id][name] for task_id in "23"] for name in ("title", "category", "action")]
    assert labels == [["Disk full", None], ["capacity", None], ["Make room.", None]]
    assert labels == [[rows[each][f"result_{name}"] for each in "23"] for name in ("title", "category", "action")]
    assert [rows[task_id]["tenant_name"] for task_id in "14"] == ["Ant Ltd.", None]
    assert [str(rows[task_id]["submitted_on"]) for task_id in "123"] == ["2026-11-01", "2026-11-01", "2026-11-02"]
    assert [instant(rows[task_id]["ended_at"]) for task_id in "14"] == [DAY + timedelta(hours=1), None]
    assert [rows[task_id]["hours_to_end"] for task_id in "1234"] == [1.0, 0.0, 24.0, None]
    assert {type(row["hours_to_end"]) for row in rows.values()} == {float, type(None)}


def test_history_is_a_chain_of_intervals(ask):
    rows = ask("SELECT * FROM v_task_history ORDER BY task_id, valid_from")
    assert [
        (row["task_id"], row["status_name"], instant(row["valid_from"]), instant(row["valid_until"])) for row in rows
    ] == [
        ("2", "NEW", DAY, DAY + timedelta(hours=6)),
        ("2", "EXECUTING", DAY + timedelta(hours=6), DAY + timedelta(days=1)),
        ("2", "FAILED", DAY + timedelta(days=1), None),
        ("5", "UNKNOWN(7)", DAY + timedelta(days=2), None),
    ]


def test_run_health(ask):
    rows = {row["run_id"]: row for row in ask("SELECT * FROM v_run_health")}
    durations = [rows[f"run-{number}"]["duration_seconds"] for number in (1, 2, 3, 4)]
    assert durations == [90.25, 86_340.0, None, -180.0]
    assert not any(isinstance(duration, Decimal) for duration in durations)
    assert [bool(rows[f"run-{number}"]["is_balanced"]) for number in (1, 2, 3, 4)] == [True, False, False, False]
    assert all(row["is_balanced"] is not None for row in rows.values())


@pytest.mark.parametrize("condition", ["NOT is_balanced", "is_balanced = FALSE", "is_balanced IS FALSE"])
def test_runs_can_be_asked_for_by_their_balance(ask, condition):
    rows = ask(f"SELECT run_id FROM v_run_health WHERE {condition} AND finished_at IS NOT NULL ORDER BY run_id")
    assert [row["run_id"] for row in rows] == ["run-2", "run-4"]
