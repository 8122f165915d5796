"""Whole runs that end early: an outage, refused credentials, a deadline, a signal, a kill, and lost leases."""

import json
import signal
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from etl.database.url import parse_database_url
from etl.fake_api import Behaviour
from etl.fake_api.faults import Fault
from tests.nights import TOKEN, task_ids


def test_an_api_that_is_down_loses_nothing(night_of, configure):
    with night_of(api__attempts=1) as night:
        night.enqueue(*task_ids(10))
        configure(api__base_url="http://127.0.0.1:9")

        result = night.run("run")

        assert result.exit_code == 69
        assert set(night.states().values()) == {"pending"}


@pytest.mark.parametrize(
    ("invalid", "exhausted", "valid", "exit_code"),
    [(2, 0, 0, 65), (1, 0, 1, 69), (0, 1, 1, 69), (0, 1, 0, 65), (3, 2, 40, 69)],
)
def test_tasks_that_need_no_request_do_not_hide_that_nothing_could_be_audited(
    night_of, configure, *, invalid, exhausted, valid, exit_code
):
    with night_of(api__attempts=1, api__patience_seconds=1) as night:
        ids = task_ids(exhausted + valid)
        night.enqueue(*ids, *(f"not-an-id-{number}" for number in range(invalid)))
        killers = "', '".join(ids[:exhausted])
        night.change(f"UPDATE pending_task SET attempts = 99 WHERE task_id IN ('{killers}')")
        for _ in range(5 if exhausted else 0):
            night.note_killed_run()
        configure(api__base_url="http://127.0.0.1:9")

        assert night.run("run").exit_code == exit_code

        ((outcome, dead_lettered, released),) = night.rows(
            "SELECT outcome, dead_lettered, released FROM audit_run WHERE finished_at IS NOT NULL"
        )
        assert (dead_lettered, released) == (invalid + exhausted, valid)
        assert outcome == {65: "dead_letters", 69: "unavailable"}[exit_code]


def test_a_task_that_never_answers_gets_two_requests_in_its_first_night_and_one_after_it(night_of):
    ids = task_ids(20)
    behaviour = Behaviour(token=TOKEN, faults=(Fault(name="stall", task_ids=frozenset(ids[:1])),))
    with night_of(behaviour, api__timeout_seconds=1) as night:
        night.enqueue(*ids)
        first = night.run("run")
        assert night.api.stats.asks[ids[0]] == 2
        assert night.facts() == night.truth(ids[1:])
        night.run("run")
        assert night.api.stats.asks[ids[0]] == 3

    assert first.exit_code == 75
    assert "Some tasks are still pending: stopped, or no answer for now." in first.stderr


def test_refused_credentials_end_the_run_and_cost_no_attempt(night_of, configure):
    with night_of() as night:
        night.enqueue(*task_ids(500))
        configure(api__token="Bearer CANARY-wrong")

        result = night.run("run")

        assert result.exit_code == 77
        assert night.rows("SELECT DISTINCT state, attempts, lease_owner FROM pending_task", "source") == [
            ("pending", 0, None)
        ]
        assert night.api.stats.requests <= 70
        assert "CANARY" not in result.stdout + result.stderr
        assert night.rows("SELECT outcome, exit_code, claimed = released FROM audit_run") == [
            ("credentials_refused", 77, True)
        ]


def test_a_deadline_ends_the_run_cleanly(night_of):
    with night_of(Behaviour(token=TOKEN, latency_seconds=0.05), api__concurrency=2) as night:
        night.enqueue(*task_ids(400))

        result = night.run("run", "--max-duration", "1s", "--json")

        row = json.loads(result.stdout)
        assert result.exit_code == 75
        assert 0 < row["audited"] < 400
        assert row["claimed"] == row["audited"] + row["released"]
        assert sum(state == "done" for state in night.states().values()) == row["audited"] - row["still_open"]
        assert night.rows(
            "SELECT COUNT(*) FROM pending_task WHERE lease_owner IS NOT NULL OR attempts > 0", "source"
        ) == [(0,)]
        assert set(night.facts()) == set(task_ids(row["audited"]))


@contextmanager
def running(night, *, until_requests):
    """A run in its own process, after so many requests have reached the API."""
    process = night.start("run", "--json")
    try:
        while night.api.stats.requests < until_requests:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)  # another process is at work, on its own clock
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def slow_run(night_of):
    """A run that would take a minute."""
    with night_of(Behaviour(token=TOKEN, latency_seconds=0.1), api__concurrency=4) as night:
        night.enqueue(*task_ids(2_000))
        with running(night, until_requests=20) as process:
            yield night, process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_cleanly_and_no_answer_is_thrown_away(slow_run, number):
    night, process = slow_run

    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=20)

    row = json.loads(stdout)
    assert process.returncode == 75, stderr
    assert row["outcome"] == "stopped"
    assert number.name in row["error"]
    answered = night.api.stats.by_status[200]
    assert row["audited"] == answered == len(night.facts())
    assert night.rows("SELECT COUNT(*) FROM pending_task WHERE lease_owner IS NOT NULL OR attempts > 0", "source") == [
        (0,)
    ]


def test_a_run_after_a_crash_waits_for_the_leases_of_the_crashed_one(night_of, configure):
    behaviour = Behaviour(token=TOKEN, latency_seconds=0.2)
    with night_of(behaviour, api__concurrency=2, run__lease_seconds=3) as night:
        night.enqueue(*task_ids(40))
        with running(night, until_requests=4) as process:
            process.kill()
            process.wait()
        configure(api__concurrency=40)

        result = night.run("run")

        assert result.exit_code == 0
        assert "waiting_for_another_run" in result.stderr
        assert night.facts() == night.truth(task_ids(40))


def freeze(process, source_url):
    """Stop a process while it holds no lock that the next run would wait for."""
    process.send_signal(signal.SIGSTOP)
    while is_locked(source_url):
        process.send_signal(signal.SIGCONT)
        time.sleep(0.02)  # another process is at work, on its own clock
        process.send_signal(signal.SIGSTOP)


def is_locked(url):
    parsed = parse_database_url(url)
    is_file = parsed.get_backend_name() == "sqlite"
    engine = create_engine(parsed, connect_args={"timeout": 0} if is_file else {})
    locks = [f"SELECT * FROM {table} FOR UPDATE NOWAIT" for table in ("pending_task", "pending_task_rate")]
    try:
        with engine.connect() as connection:
            for statement in ["BEGIN IMMEDIATE"] if is_file else locks:
                connection.exec_driver_sql(statement).close()
    except OperationalError:
        return True
    finally:
        engine.dispose()
    return False


def test_a_run_that_has_lost_its_leases_writes_nothing_of_those_tasks(night_of, configure, databases):
    """A suspended laptop or a frozen pod wakes, and another run has taken over its tasks."""
    ids = task_ids(60)
    with night_of(Behaviour(token=TOKEN), *databases, run__lease_seconds=3) as night:
        night.enqueue(*ids)
        # Its unread responses are older than those of the next run when it wakes.
        configure(api__concurrency=60, api__max_rate=30)
        with running(night, until_requests=20) as process:
            freeze(process, databases[0])
            configure(api__max_rate=100_000)
            if not night.warehouse_is_locked:
                heir = night.run("run", "--json")
                assert (heir.exit_code, json.loads(heir.stdout)["audited"]) == (0, 60)
            else:
                night.change("UPDATE pending_task SET lease_owner = 'heir', fence = fence + 1")
            rows = night.rows("SELECT * FROM pending_task ORDER BY task_id", "source")
            process.send_signal(signal.SIGCONT)
            stdout, stderr = process.communicate(timeout=30)

        row = json.loads(stdout)
        assert (process.returncode, row["audited"], row["released"]) == (75, 0, row["claimed"]), stderr
        assert "taken over by another run" in row["error"]
        assert night.rows("SELECT * FROM pending_task ORDER BY task_id", "source") == rows


def test_a_killed_run_costs_only_its_leases(slow_run, configure):
    night, process = slow_run
    process.kill()
    process.wait()
    assert night.rows("SELECT outcome, exit_code, finished_at FROM audit_run") == [("running", None, None)]
    night.change("UPDATE pending_task SET lease_until = '2020-01-01 00:00:00' WHERE lease_until IS NOT NULL")
    configure(api__concurrency=64)

    assert night.run("run").exit_code == 0

    assert night.facts() == night.truth(task_ids(2_000))
