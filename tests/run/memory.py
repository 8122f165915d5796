"""A queue and a warehouse in memory, and a run between them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from etl.error_codes import Code
from etl.errors import LeaseLostError, UnavailableError
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.pool import Pool
from etl.fetch.retry import RetryPolicy
from etl.normalize import TASK_ID
from etl.rate.limiter import RateLimiter
from etl.run.context import RunContext
from etl.run.database_retry import DatabaseRetry
from etl.run.limits import Limits
from etl.run.pipeline import Pipeline
from etl.runs import begin_run
from etl.shutdown import Shutdown
from etl.tasks import Observation, PendingTask, Selection
from etl.tasks.detail import TaskDetail
from tests.fetch.virtual_time import VirtualTimeLoop

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

    def count_others(self):
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
    def __init__(self, *, fails_at_load=None, fails_at_finish=False, unfinished=0):
        self.fails_at_finish = fails_at_finish
        self.runs, self.facts, self.loads = {}, [], 0
        self.fails_at_load = fails_at_load
        self.audited_before = set()
        self.unfinished = unfinished

    def start(self, run):
        self.runs[run.run_id] = run

    def load(self, batch, run, *, within=None):
        self.loads += 1
        if self.loads == self.fails_at_load:
            raise UnavailableError("The warehouse is down.", code=Code.DATABASE_UNAVAILABLE, remedy="Wait.")
        if within is not None:
            within(None)
        self.facts += [row[TASK_ID] for row in batch.facts]
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

    def count_unfinished(self, *, but):
        return self.unfinished

    def finish(self, run, counters, *, within=None):
        if self.fails_at_finish:
            raise UnavailableError("The warehouse is down.", code=Code.DATABASE_UNAVAILABLE, remedy="Wait.")
        self.runs[run.run_id] = run
        self.counters = counters


async def succeed(task):
    return Observation(task=task, detail=TaskDetail(task_id=task.task_id, status=2), observed_at=NOW)


class InlineLoop(VirtualTimeLoop):
    """Makes each call of a database at once, and no thread for it, so that virtual time passes only in waits."""

    def run_in_executor(self, _executor, func, *arguments):
        future = self.create_future()
        try:
            future.set_result(func(*arguments))
        except Exception as error:  # noqa: BLE001 - it travels to the caller
            future.set_exception(error)
        return future


def run_virtually_to_end(*arguments, **options):
    """Run to the end, without waiting for minutes that pass."""
    with asyncio.Runner(loop_factory=InlineLoop) as runner:
        return run_to_end(*arguments, **options, run_loop=runner.run)


def run_to_end(
    source,
    warehouse,
    ask=succeed,
    *,
    batch_size=10,
    shares_database=False,
    prepare=None,
    note_record=None,
    run_loop=asyncio.run,
):
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

    finished = run_loop(run())
    assert finished.is_balanced
    assert warehouse.fails_at_finish or warehouse.runs == {finished.run_id: finished}
    return finished
