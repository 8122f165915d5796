"""Nights behind the gate on virtual time, with APIs whose behaviour depends on the time."""

import asyncio
from datetime import UTC, datetime
from functools import partial

from etl.error_codes import Code
from etl.errors import StoppedError
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
LATENCY = 0.05


class World:
    """An API whose responses depend on the time and on the requests before."""

    def __init__(self):
        self.sent_at = []
        self.answers = []

    async def ask(self, task):
        now = asyncio.get_running_loop().time() - 1000
        self.sent_at.append(now)
        response = self.outcome(now, task)
        await asyncio.sleep(LATENCY)
        self.answers.append(response)
        if isinstance(response, Exception):
            raise response
        if isinstance(response, FetchFailure):
            return response
        return Observation(task=task, detail=TaskDetail(task_id=task.task_id, status=2), observed_at=NOW)

    def share_of(self, reason):
        refused = sum(isinstance(response, FetchFailure) and response.reason is reason for response in self.answers)
        return refused / len(self.answers)


def failure(task, reason, **more):
    return FetchFailure(task=task, reason=reason, failed_at=NOW, detail="no", **more)


def new_task(number):
    return PendingTask(task_id=str(number))


def night(world, *, tasks=1000, max_rate=200, concurrency=64, patience_seconds=900, stop_after=None, elsewhere=()):
    """Fetch tasks, or a number of them, from the world; returns the outcomes, the pool, the reason and the seconds."""

    async def scenario():
        loop, shutdown, delivered = asyncio.get_running_loop(), Shutdown(), []
        backlog = Backlog(low=0, rest_seconds=60)

        async def deliver(outcome):
            delivered.append(outcome)

        async def close():
            await shutdown.wait()
            backlog.close()

        pool = Pool(
            world.ask,
            gate=Gate(
                RateLimiter(max_rate, clock=loop.time),
                shutdown=shutdown,
                patience_seconds=patience_seconds,
                clock=loop.time,
            ),
            policy=RetryPolicy(attempts=4),
            budget=RetryBudget(clock=loop.time),
            concurrency=concurrency,
            shutdown=shutdown,
            find_probes=partial(asyncio.sleep, 0, elsewhere),
        )
        backlog.fill(map(new_task, range(tasks)) if isinstance(tasks, int) else tasks)
        backlog.end()
        if stop_after is not None:
            loop.call_later(
                stop_after,
                shutdown.request,
                StoppedError("The time is up.", code=Code.STOPPED_BY_SIGNAL, remedy="Go on."),
            )
        closing = asyncio.create_task(close())
        await pool.work(backlog, deliver)
        closing.cancel()
        return delivered, pool, shutdown.reason, loop.time() - 1000

    return run_virtually(scenario())


def observed(delivered):
    return sum(isinstance(outcome, Observation) for outcome in delivered)


class Down(World):
    def outcome(self, now, task):
        return failure(task, FailureReason.SERVER_ERROR)
