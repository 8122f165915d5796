"""An API that answers about each task from a script, and a pool that asks it."""

import asyncio
from datetime import UTC, datetime
from functools import partial

from etl.fetch.backlog import Backlog
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.pool import Pool
from etl.fetch.retry import RetryPolicy
from etl.rate.limiter import RateLimiter
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure, Observation, PendingTask
from etl.tasks.detail import TaskDetail
from etl.tasks.failure_reasons import FailureReason
from tests.fetch.virtual_time import run_virtually

NOW = datetime(2026, 11, 7, tzinfo=UTC)


TASK = PendingTask(task_id="17")


def outcome_of(task, response):
    if isinstance(response, FailureReason):
        return FetchFailure(task=task, reason=response, failed_at=NOW, detail=response.value)
    return Observation(task=task, detail=TaskDetail(task_id=task.task_id, status=response), observed_at=NOW)


class Api:
    """Returns the scripted responses of each task in order and repeats the last one; an exception is raised."""

    def __init__(self, **script):
        self.script = {name.removeprefix("t"): list(responses) for name, responses in script.items()}
        self.asked = []
        self.in_flight = self.most_in_flight = 0
        self.answer = asyncio.Event()
        self.answer.set()

    async def ask(self, task):
        self.asked.append(task.task_id)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.answer.wait()
            await asyncio.sleep(0)
        finally:
            self.in_flight -= 1
        responses = self.script.get(task.task_id, [2])
        response = responses.pop(0) if len(responses) > 1 else responses[0]
        if isinstance(response, Exception):
            raise response
        return outcome_of(task, response)


class NoDelay(RetryPolicy):
    def delay_seconds(self, *, attempt):
        return 0.0


def pool_of(api, *, attempts=4, concurrency=4, shutdown=None, max_rate=1e6, policy=None, elsewhere=(), find_seconds=0):
    shutdown = shutdown or Shutdown()
    loop = asyncio.get_running_loop()
    return Pool(
        api.ask,
        gate=Gate(RateLimiter(max_rate, clock=loop.time), shutdown=shutdown, patience_seconds=900, clock=loop.time),
        policy=policy or NoDelay(attempts=attempts),
        budget=RetryBudget(clock=loop.time),
        concurrency=concurrency,
        shutdown=shutdown,
        find_probes=partial(asyncio.sleep, find_seconds, [PendingTask(task_id=task_id) for task_id in elsewhere]),
    )


async def worked(pool, tasks, *, backlog=None):
    """Let the pool fetch the tasks; returns the delivered outcomes."""
    delivered = []

    async def deliver(outcome):
        delivered.append(outcome)

    backlog = backlog or Backlog(low=0, rest_seconds=60)
    backlog.fill(tasks)
    backlog.end()
    await pool.work(backlog, deliver)
    return delivered


def outcomes_of(api, tasks, **options):
    """Fetch tasks on virtual time; returns the outcomes, the pool and the shutdown."""

    async def scenario():
        shutdown = Shutdown()
        pool = pool_of(api, shutdown=shutdown, **options)
        return await worked(pool, tasks), pool, shutdown

    return run_virtually(scenario())
