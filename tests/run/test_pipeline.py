"""The pipeline between a source, a pool and a warehouse that hold their state in memory."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.error_codes import Code
from etl.errors import LeaseLostError, StoppedError, UnavailableError
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.pool import Pool
from etl.fetch.retry import RetryPolicy
from etl.observe.logs import configure_logs
from etl.rate.limiter import RateLimiter
from etl.run.context import RunContext
from etl.run.database_retry import DatabaseRetry
from etl.run.limits import Limits
from etl.run.pipeline import Pipeline
from etl.runs import begin_run
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure, Observation, PendingTask, Selection
from etl.tasks.detail import TaskDetail
from etl.tasks.failure_reasons import FailureReason

NOW = datetime(2026, 11, 1, tzinfo=UTC)


class MemorySource:
    def __init__(self, number):
        self.waiting = [PendingTask(task_id=str(each)) for each in range(1, number + 1)]
        self.suspects = []
        self.held, self.settled, self.released = {}, {}, []
        self.fails = set()

    def claim(self, limit, *, in_turns=False):
        self._maybe_fail("claim")
        if in_turns:
            self.waiting.reverse()
        tasks, self.waiting = self.waiting[:limit], self.waiting[limit:]
        if in_turns:
            self.waiting.reverse()
        return self._hold(tasks)

    def claim_suspect(self):
        tasks, self.suspects = self.suspects[:1], self.suspects[1:]
        return self._hold(tasks)

    def _hold(self, tasks):
        self.held.update({task.task_id: task for task in tasks})
        return tasks

    def count(self):
        return len(self.waiting)

    def sample(self):
        return self.waiting[-1:]

    def can_claim(self):
        return True

    def count_held(self):
        return 0

    def count_leased(self):
        return 0

    def count_waiting(self):
        return None

    def renew(self, held):
        return {task.task_id for task in held} - self.held.keys()

    def settle(self, settlements, *, within=None):
        self._maybe_fail("settle")
        if {settlement.task.task_id for settlement in settlements} - self.held.keys():
            raise LeaseLostError
        for settlement in settlements:
            del self.held[settlement.task.task_id]
            self.settled[settlement.task.task_id] = settlement.state

    def release(self, held):
        self._maybe_fail("release")
        self.released += [self.held.pop(task.task_id).task_id for task in held]

    def _maybe_fail(self, what):
        if what in self.fails:
            raise UnavailableError(f"{what} failed.", code=Code.DATABASE_UNAVAILABLE, remedy="Wait.")


class MemoryWarehouse:
    def __init__(self, *, fails_at_load=None, fails_at_finish=False):
        self.fails_at_finish = fails_at_finish
        self.runs, self.facts, self.loads = {}, [], 0
        self.fails_at_load = fails_at_load
        self.audited_before = set()

    def start(self, run):
        self.runs[run.run_id] = run

    def load(self, batch, run, *, within=None):
        self.loads += 1
        if self.loads == self.fails_at_load:
            raise UnavailableError("The warehouse is down.", code=Code.DATABASE_UNAVAILABLE, remedy="Wait.")
        if within is not None:
            within(None)
        self.facts += batch.facts["task_id"].to_list()
        loaded = replace(
            run,
            audited=run.audited + batch.audited,
            changed=run.changed + batch.audited,
            dead_lettered=run.dead_lettered + len(batch.dead_letters),
            released=run.released + batch.released,
        )
        self.runs[run.run_id] = loaded
        return loaded

    def audited_by_dead_runs(self, task_ids):
        return self.audited_before & set(task_ids)

    def finish(self, run, counters, *, within=None):
        if self.fails_at_finish:
            raise UnavailableError("The warehouse is down.", code=Code.DATABASE_UNAVAILABLE, remedy="Wait.")
        self.runs[run.run_id] = run
        self.counters = counters


async def succeed(task):
    return Observation(task=task, detail=TaskDetail(task_id=task.task_id, status=2), observed_at=NOW)


def run_to_end(source, warehouse, ask=succeed, *, batch_size=10, shares_database=False, prepare=None, note_record=None):
    async def run():
        shutdown = Shutdown()
        gate = Gate(RateLimiter(1_000_000), shutdown=shutdown, patience_seconds=0)
        pool = Pool(
            ask, gate=gate, policy=RetryPolicy(attempts=1), budget=RetryBudget(), concurrency=4, shutdown=shutdown
        )
        context = RunContext(
            source=source,
            warehouse=warehouse,
            shares_database=shares_database,
            retry=DatabaseRetry(shutdown),
            limits=Limits(batch_size=batch_size, claim_size=7, lease_seconds=300, dead_letter_after=5),
            shutdown=shutdown,
            clock=lambda: NOW,
        )
        if prepare is not None:
            prepare(shutdown)
        pipeline = Pipeline(context, pool, run=begin_run(Selection(), max_rate=1, now=NOW))
        if note_record is not None:
            note_record(pipeline.record)
        return await pipeline.run()

    finished = asyncio.run(run())
    assert finished.is_balanced
    assert warehouse.fails_at_finish or warehouse.runs == {finished.run_id: finished}
    return finished


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


def test_a_task_that_killed_several_runs_is_not_asked_about():
    source, asked = MemorySource(2), []
    source.waiting[0] = PendingTask(task_id="1", attempts=6)

    async def ask(task):
        asked.append(task.task_id)
        return await succeed(task)

    run = run_to_end(source, MemoryWarehouse(), ask)

    assert (run.exit_code, run.dead_lettered, asked) == (65, 1, ["2"])


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
