"""The plan of a run: counted without a claim, a request or a write, and true of the run that follows."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from etl.exit_codes import ExitCode
from etl.jobs.forecast import forecast
from tests.conftest import each_engine
from tests.nights import FIRST_ID, in_an_hour, task_ids

NOW = datetime(2026, 11, 3, tzinfo=UTC)


def planned(night, *arguments):
    ended = night.run("plan", "--json", *arguments)
    assert ended.exit_code == ExitCode.OK, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture
def night(night_of, databases):
    # A lease that ends in an hour belongs to a run only if a claim may hold for so long.
    settings = {"api__max_rate": 10, "run__lease_seconds": 7_200}
    with night_of(source_url=databases[0], warehouse_url=databases[1], **settings) as night:
        yield night


@each_engine
def test_a_plan_of_no_pending_tasks_is_empty(night):
    assert planned(night)["days"] == []
    assert "Nothing is pending." in night.run("plan").stdout


@each_engine
def test_tasks_are_counted_by_day_and_state(night):
    ids = task_ids(40)
    night.enqueue(*ids)
    day = ids[:7]
    listed = "', '".join(day)
    night.change(f"UPDATE pending_task SET submitted_at = '2026-11-02 23:59:59.999' WHERE task_id IN ('{listed}')")
    night.change(f"UPDATE pending_task SET attempts = 2, last_error = 'timeout' WHERE task_id = '{day[0]}'")
    night.change(f"UPDATE pending_task SET last_checked_at = '2026-11-03 00:00:00' WHERE task_id = '{day[1]}'")
    night.change(
        f"UPDATE pending_task SET lease_owner = 'x', lease_until = '{in_an_hour()}' WHERE task_id = '{day[2]}'"
    )
    night.change(f"UPDATE pending_task SET next_check_at = '{in_an_hour()}' WHERE task_id = '{day[3]}'")
    night.change(f"UPDATE pending_task SET state = 'done' WHERE task_id = '{day[4]}'")
    night.change(f"UPDATE pending_task SET state = 'dead' WHERE task_id = '{day[5]}'")
    night.change("INSERT INTO pending_task (task_id) VALUES ('not-an-id')")
    days = {each["day"]: each for each in planned(night)["days"]}
    made_on = datetime.fromtimestamp(((FIRST_ID >> 23) + 1546272000000) / 1000, UTC).date().isoformat()
    assert list(days) == [None, made_on, "2026-11-02"]
    assert (days[None]["new"], days[made_on]["new"]) == (1, 33)
    assert days["2026-11-02"] == {
        "day": "2026-11-02",
        "new": 1,
        "failed_before": 1,
        "still_open": 1,
        "held": 1,
        "later": 1,
        "again": 0,
        "due": 3,
    }
    again = {each["day"]: each for each in planned(night, "--refetch")["days"]}
    assert (again["2026-11-02"]["again"], again["2026-11-02"]["later"], again["2026-11-02"]["due"]) == (1, 0, 5)
    of_a_day = planned(night, "--since", "2026-11-02", "--until", "2026-11-02")["days"]
    assert [each["day"] for each in of_a_day] == ["2026-11-02"]
    shown = night.run("plan").stdout
    assert "unknown" in shown
    assert "failed before" in shown


@each_engine
def test_a_task_that_waits_is_due_later_although_a_run_holds_it(night):
    task_id, *_ = task_ids(2)
    night.enqueue(*task_ids(2))
    assert planned(night)["waiting"] == {"tasks": 0, "next_at": None, "last_at": None}
    waits = f"last_status = 1, next_check_at = '{in_an_hour()}'"
    night.change(
        f"UPDATE pending_task SET {waits}, lease_owner = 'x', lease_until = '{in_an_hour()}' "
        f"WHERE task_id = '{task_id}'"
    )
    plan = planned(night)
    assert (plan["days"][0]["held"], plan["days"][0]["later"], plan["waiting"]["tasks"]) == (1, 0, 1)
    assert planned(night, "--recheck")["waiting"] is None


@each_engine
def test_a_plan_changes_nothing_and_the_run_keeps_to_it(night):
    night.enqueue(*task_ids(12))
    before = night.rows("SELECT * FROM pending_task ORDER BY task_id", "source")
    plan = planned(night, "--limit", "10", "--max-duration", "1s")
    assert (plan["at_allowed_rate"]["requests"], plan["at_allowed_rate"]["requests_at_most"]) == (10, 21)
    assert plan["at_allowed_rate"]["seconds"] == pytest.approx(1.0, abs=0.05)
    assert plan["facts_at_most"] == 10
    assert plan["fits"] is False
    assert night.rows("SELECT * FROM pending_task ORDER BY task_id", "source") == before
    assert night.rows("SELECT COUNT(*) FROM audit_run") == [(0,)]
    assert night.api.stats.requests == 0
    ran = night.run("run", "--limit", "10", "--log-format", "json")
    line = next(json.loads(each) for each in ran.stderr.splitlines() if "run_planned" in each)
    assert (line["tasks"], line["requests_at_most"]) == (10, 21)
    assert night.api.stats.requests == 10


@each_engine
def test_a_table_of_the_user_s_own_is_counted_by_what_is_not_settled(night, configure):
    ids = task_ids(9)
    night.change("CREATE TABLE mine (id VARCHAR(100))")
    for task_id in ids:
        night.change(f"INSERT INTO mine VALUES ('{task_id}')")
    configure(source__mode="read_only", source__table="mine", source__task_id_column="id")
    assert sum(day["due"] for day in planned(night)["days"]) == 9
    night.run("run")
    still_open = sum(1 for status, _ in night.facts().values() if status in (0, 1))
    assert sum(day["due"] for day in planned(night)["days"]) == still_open
    assert sum(day["due"] for day in planned(night, "--refetch")["days"]) == 9
    assert planned(night, "--shard", "0/1")["at_allowed_rate"]["tasks"] == still_open


def test_the_reached_rate_counts_if_it_is_lower(night_of, configure):
    with night_of(api__max_rate=200) as night:
        night.enqueue(*task_ids(150))
        assert night.run("run").exit_code == ExitCode.OK
        configure(api__max_rate=100_000)
        night.enqueue(*task_ids(300)[150:])
        plan = planned(night)
        assert plan["at_reached_rate"]["rate"] < 200
        assert plan["at_reached_rate"]["seconds"] > plan["at_allowed_rate"]["seconds"]
        assert "as the last healthy runs" in night.run("plan").stdout


@pytest.mark.parametrize("databases", ["one sqlite"], indirect=True)
def test_less_than_a_minute_is_shown_in_seconds(night):
    night.enqueue(*task_ids(40))
    assert "4 s at 10.0/s (as allowed)" in night.run("plan").stdout
    assert "2.0 min after the start: enough" in night.run("plan", "--max-duration", "2m").stdout
    night.enqueue(*task_ids(700))
    shown = night.run("plan", "--max-duration", "30s").stdout
    assert "1.2 min at 10.0/s (as allowed)" in shown
    assert "30 s after the start: not enough" in shown


@each_engine
def test_a_wrong_range_and_a_shard_of_a_queue_are_refused(night):
    assert night.run("plan", "--since", "2026-11-02", "--until", "2026-11-01").exit_code == ExitCode.USAGE
    assert night.run("plan", "--shard", "0/2").exit_code == ExitCode.USAGE


def test_a_forecast_counts_requests_and_time():
    found = forecast(5_000, rate=50, now=NOW)
    assert (found.requests, found.requests_at_most) == (5_000, 5_510)
    assert found.seconds == pytest.approx(100.8, abs=0.1)
    assert found.ends_at - NOW == pytest.approx(timedelta(seconds=100.8), abs=timedelta(seconds=0.1))
    assert forecast(0, rate=50, now=NOW).requests_at_most == 0
