"""What a run, a plan and the status say about open tasks, and when a run asks about them again."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from etl.fake_api import Behaviour
from tests.conftest import each_engine
from tests.nights import OPEN, TOKEN, task_ids

TASKS = task_ids(60)


@pytest.fixture
def night(night_of, databases):
    with night_of(source_url=databases[0], warehouse_url=databases[1], run__recheck_seconds=600) as night:
        night.enqueue(*TASKS)
        yield night


def open_of(night):
    return sorted(task_id for task_id, (status, _) in night.facts().items() if status in OPEN)


def instant(text):
    return datetime.fromisoformat(text)


@each_engine
def test_open_tasks_wait_and_the_summary_the_plan_and_the_status_say_until_when(night):
    began_at = datetime.now(UTC)
    first = night.run("run", "--json", "--log-format", "json")
    row = json.loads(first.stdout)
    waiting = row["waiting"]
    assert (first.exit_code, waiting["tasks"], row["still_open"]) == (0, len(open_of(night)), waiting["tasks"])
    assert waiting["tasks"] > 2
    wait = timedelta(seconds=600)
    assert began_at + wait <= instant(waiting["next_at"]) <= instant(waiting["last_at"]) <= datetime.now(UTC) + wait
    (finished,) = [json.loads(line) for line in first.stderr.splitlines() if '"run_finished"' in line]
    assert (finished["waiting"], finished["next_check_at"][:16]) == (waiting["tasks"], waiting["next_at"][:16])

    again = night.run("run", "--json")
    assert (again.exit_code, json.loads(again.stdout)["claimed"]) == (0, 0)
    assert "Everything due was audited." in again.stderr
    assert f"{waiting['tasks']} open tasks, " in again.stderr
    assert json.loads(again.stdout)["waiting"] == waiting

    plan = json.loads(night.run("plan", "--json").stdout)
    assert (plan["waiting"], plan["at_allowed_rate"]["tasks"]) == (waiting, 0)
    assert f"{waiting['tasks']} open tasks, " in night.run("plan").stdout
    assert json.loads(night.run("status", "--json").stdout)["waiting"] == waiting
    assert f"Due later: {waiting['tasks']} open tasks, " in night.run("status").stdout
    assert night.api.stats.requests == len(TASKS)


@each_engine
def test_a_recheck_asks_about_all_open_tasks_at_once_and_doubles_their_wait(night):
    night.run("run")
    still_open = open_of(night)
    assert json.loads(night.run("plan", "--recheck", "--json").stdout)["at_allowed_rate"]["tasks"] == len(still_open)
    assert json.loads(night.run("run", "--dry-run", "--json").stdout)["audited"] == 0
    assert json.loads(night.run("run", "--recheck", "--dry-run", "--json").stdout)["audited"] == len(still_open)
    row = json.loads(night.run("run", "--recheck", "--json").stdout)
    assert (row["claimed"], row["audited"]) == (len(still_open), len(still_open))
    waits = [
        round((instant(f"{due_at}") - instant(f"{checked_at}")).total_seconds())
        for due_at, checked_at in night.rows(
            "SELECT next_check_at, last_checked_at FROM pending_task WHERE state = 'pending'", "source"
        )
    ]
    assert set(waits) == {1200}


@pytest.mark.parametrize("databases", ["sqlite+duckdb", "one sqlite"], indirect=True)
def test_what_koodrive_says_replaces_what_a_run_wrote_while_the_clock_of_the_machine_was_ahead(
    night_of, databases, monkeypatch
):
    ahead = timedelta(days=3)
    with night_of(Behaviour(token=TOKEN, progress=True), *databases, run__recheck_seconds=600) as night:
        night.enqueue(*TASKS)
        with monkeypatch.context() as patch:
            patch.setattr("etl.database.clock.system_clock", lambda: datetime.now(UTC) + ahead)
            assert night.run("run").exit_code == 0
        for _ in range(2):
            assert night.run("run", "--recheck").exit_code == 0
        assert (set(night.states().values()), open_of(night)) == ({"done"}, [])
        repaired = night.run("run", "--refetch", "--log-format", "json")
        assert '"times_corrected"' in repaired.stderr
        for table, column in (("fact_task_status", "last_checked_at"), ("fact_task_status_change", "observed_at")):
            ((latest,),) = night.rows(f"SELECT MAX({column}) FROM {table}")
            assert instant(f"{latest}").replace(tzinfo=UTC) <= datetime.now(UTC)


def test_a_bounded_run_asks_about_new_tasks_first(night_of):
    with night_of() as night:
        night.enqueue(*TASKS)
        night.run("run")
        new = task_ids(80)[60:]
        night.enqueue(*new)
        assert night.run("run", "--limit", "20").exit_code == 0
        assert set(new) <= night.facts().keys()
        assert night.api.stats.requests == 80


@pytest.mark.slow
def test_three_workers_that_start_four_seconds_apart_send_as_many_requests_as_there_are_tasks(night_of):
    with night_of(run__recheck_seconds=600, api__max_rate=40, run__batch_size=40) as night:
        ids = task_ids(360)
        night.enqueue(*ids)
        workers = []
        for _ in range(3):
            workers.append(night.start("run"))
            time.sleep(4)
        assert [worker.wait(60) for worker in workers] == [0, 0, 0]
        assert night.api.stats.requests == len(ids) == len(night.facts())
