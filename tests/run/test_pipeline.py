"""The pipeline between a source, a pool and a warehouse that hold their state in memory."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.error_codes import Code
from etl.errors import StoppedError
from etl.observe.logs import configure_logs
from etl.tasks import FetchFailure, PendingTask
from etl.tasks.failure_reasons import FailureReason
from tests.run.memory import NOW, MemorySource, MemoryWarehouse, run_to_end, succeed


def test_tasks_that_another_run_has_taken_over_are_not_written():
    source, warehouse = MemorySource(20), MemoryWarehouse()

    async def succeed_and_lose(task):
        if task.task_id == "7":
            del source.held["3"], source.held["7"]
        return await succeed(task)

    run = run_to_end(source, warehouse, succeed_and_lose, shares_database=True)

    assert sorted(warehouse.facts) == sorted(source.settled)
    assert (run.claimed, run.audited, run.released, run.exit_code) == (20, 18, 2, 75)
    assert run.error.startswith("[leases-lost] 2 tasks were taken over by another run")
    assert source.held == {}


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_run_that_another_one_has_taken_tasks_from_asks_about_a_task_that_was_claimed_too_often(is_lost):
    source, warehouse = MemorySource(20), MemoryWarehouse(unfinished=5)
    source.suspects = [PendingTask(task_id="30", attempts=6)]

    async def succeed_and_lose(task):
        if is_lost and task.task_id == "7":
            del source.held["7"]
        return await succeed(task)

    run = run_to_end(source, warehouse, succeed_and_lose, shares_database=True)

    assert ("30" in warehouse.facts, run.dead_lettered) == (is_lost, not is_lost)


@pytest.mark.parametrize("shares_database", [False, True])
def test_every_task_becomes_a_fact_and_is_acknowledged(shares_database):
    source, warehouse = MemorySource(53), MemoryWarehouse()

    run = run_to_end(source, warehouse, shares_database=shares_database)

    assert (run.exit_code, run.claimed, run.audited) == (0, 53, 53)
    assert sorted(warehouse.facts) == sorted(source.settled)
    assert source.held == {}
    assert warehouse.loads == 6


def test_nothing_pending_is_a_success():
    assert run_to_end(MemorySource(0), MemoryWarehouse()).exit_code == 0


def test_a_warehouse_that_goes_down_keeps_the_loaded_tasks_and_the_run_releases_the_rest():
    source, warehouse = MemorySource(53), MemoryWarehouse(fails_at_load=3)

    run = run_to_end(source, warehouse)

    assert (run.exit_code, run.audited, warehouse.loads) == (69, 20, 3)
    assert len(source.settled) == 20
    assert source.held == {}
    assert run.claimed == 20 + len(source.released)


def test_a_pending_database_that_goes_down_after_a_commit_loses_no_fact():
    source, warehouse = MemorySource(53), MemoryWarehouse()
    source.fails = {"settle", "release"}

    run = run_to_end(source, warehouse)

    assert run.exit_code == 69
    assert len(warehouse.facts) == run.audited > 0


def test_a_run_whose_row_cannot_be_written_does_not_succeed():
    warehouse = MemoryWarehouse(fails_at_finish=True)

    run = run_to_end(MemorySource(5), warehouse)

    assert (run.exit_code, run.outcome, run.audited) == (69, "unavailable", 5)
    assert warehouse.runs[run.run_id].outcome == "running"


def test_a_claim_that_fails_ends_the_run():
    source = MemorySource(5)
    source.fails = {"claim"}

    assert run_to_end(source, MemoryWarehouse()).exit_code == 69


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_bug_ends_with_70_and_releases_every_claim(capfd, log_format):
    async def stumble(task):
        secret = "CANARY-" + "in-a-variable"
        raise ZeroDivisionError(len(secret))

    configure_logs(log_format, verbose=False)
    source = MemorySource(53)

    run = run_to_end(source, MemoryWarehouse(), stumble)

    assert (run.exit_code, run.outcome) == (70, "bug")
    assert run.released == run.claimed == len(source.released) > 0
    logged = capfd.readouterr().err
    assert "ZeroDivisionError" in logged
    assert "CANARY-in-a-variable" not in logged


@pytest.mark.parametrize("unfinished", [4, 5])
def test_a_task_is_asked_about_unless_its_claims_can_be_those_of_killed_runs(unfinished):
    """Two runs whose clocks differ claimed a task in turns, and both had ended before a third one looked at it."""
    source, asked = MemorySource(2), []
    source.waiting[0] = PendingTask(task_id="1", attempts=6)

    async def ask(task):
        asked.append(task.task_id)
        return await succeed(task)

    run = run_to_end(source, MemoryWarehouse(unfinished=unfinished), ask)

    gives_up = unfinished == 5
    assert (run.exit_code, run.dead_lettered, asked) == ((65, 1, ["2"]) if gives_up else (0, 0, ["1", "2"]))


@pytest.mark.parametrize("shares_database", [False, True])
def test_tasks_that_a_killed_run_has_loaded_are_acknowledged_and_not_asked_about_again(shares_database):
    source, warehouse = MemorySource(3), MemoryWarehouse()
    source.waiting = [msgspec.structs.replace(task, attempts=int(task.task_id)) for task in source.waiting]
    warehouse.audited_before = {"1", "2"}

    run = run_to_end(source, warehouse, shares_database=shares_database)

    # In one database, one transaction wrote both. A task that is claimed for the first time was in no earlier run.
    expected = ["1", "2", "3"] if shares_database else ["1", "3"]
    assert sorted(warehouse.facts) == expected
    assert (run.exit_code, run.claimed, len(source.settled)) == (0, len(expected), 3)


def test_tasks_that_may_have_killed_their_runs_are_asked_about_one_by_one_at_the_end():
    source, warehouse, asked = MemorySource(20), MemoryWarehouse(), []
    source.suspects = [PendingTask(task_id=str(each), attempts=5) for each in (30, 31, 32)]

    async def ask(task):
        asked.append(task.task_id)
        if task.attempts > 1:
            # A loaded task may still wait for its acknowledgement.
            assert source.held.keys() - set(warehouse.facts) == {task.task_id}
        return await succeed(task)

    run = run_to_end(source, warehouse, ask)

    assert (run.exit_code, run.audited) == (0, 23)
    assert asked[20:] == warehouse.facts[20:] == ["30", "31", "32"]


@settings(max_examples=25)
@given(refused=st.integers(0, 120), good=st.integers(0, 60), answered_first=st.integers(0, 40))
def test_refused_tasks_in_front_take_half_of_the_requests_and_a_few_claims(refused, good, answered_first):
    """A run claims tasks 7 at a time, and begins with those of the lowest number."""
    source, asked = MemorySource(answered_first + refused + good), []

    async def ask(task):
        asked.append(int(task.task_id))
        if answered_first < asked[-1] <= answered_first + refused:
            return FetchFailure(task=task, reason=FailureReason.NOT_FOUND, failed_at=NOW, detail="unknown")
        return await succeed(task)

    run_to_end(source, MemoryWarehouse(), ask)

    assert sorted(asked) == list(range(1, answered_first + refused + good + 1))
    is_good = [number <= answered_first or number > answered_first + refused for number in asked]
    of_good = [place for place, each in enumerate(is_good) if each]
    assert len(asked[: of_good[-1] + 1 if good and of_good else 0]) <= 2 * (answered_first + good) + 4 * 7


def test_a_run_that_is_mostly_answered_claims_the_oldest_first():
    asked = []

    async def ask(task):
        asked.append(int(task.task_id))
        if asked[-1] % 3 == 0:
            return FetchFailure(task=task, reason=FailureReason.NOT_FOUND, failed_at=NOW, detail="unknown")
        return await succeed(task)

    run_to_end(MemorySource(53), MemoryWarehouse(), ask)

    assert asked == list(range(1, 54))


def test_a_run_with_passing_failures_only_releases_its_tasks_and_ends_with_69():
    async def fail(task):
        return FetchFailure(task=task, reason=FailureReason.UNREACHABLE, failed_at=NOW, detail="refused")

    source = MemorySource(5)

    run = run_to_end(source, MemoryWarehouse(), fail)

    assert (run.exit_code, run.released) == (69, 5)
    assert run.error.startswith("[tasks-unanswered] 5 tasks have no answer yet. They are still pending")
    assert set(source.settled.values()) == {None}


def test_a_request_to_stop_before_the_first_claim_claims_nothing():
    source = MemorySource(53)

    run = run_to_end(
        source,
        MemoryWarehouse(),
        prepare=lambda shutdown: shutdown.request(StoppedError("Now.", code=Code.STOPPED_BY_SIGNAL, remedy="Go on.")),
    )

    assert (run.exit_code, run.claimed, len(source.waiting)) == (75, 0, 53)
