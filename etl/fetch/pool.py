"""The workers: each takes a task, asks at the common pace, tries again where that helps, and hands on the outcome."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from etl.errors import TaskAuditError
from etl.fetch.backlog import Backlog
from etl.fetch.pace import Pace
from etl.fetch.retry import RetryPolicy
from etl.fetch.stop import Stop
from etl.tasks import FailureReason, FetchFailure, Outcome, PendingTask, Recovery

Ask = Callable[[PendingTask], Awaitable[Outcome]]
Give = Callable[[Outcome], Awaitable[None]]


@dataclass(slots=True)
class Traffic:
    """What the pool has sent."""

    requests: int = 0
    retries: int = 0
    """Requests about a task that had been asked about in this run before."""
    throttled: int = 0
    """Answers that said: too fast."""


class Pool:
    """Asks about tasks, many at once."""

    def __init__(self, ask: Ask, *, pace: Pace, policy: RetryPolicy, concurrency: int, stop: Stop) -> None:
        self._ask = ask
        self._pace = pace
        self._policy = policy
        self._concurrency = concurrency
        self._stop = stop
        self.traffic = Traffic()

    async def work(self, backlog: Backlog, give: Give) -> None:
        """Ask about every task of the backlog, until it ends or the run is to stop."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._concurrency):
                workers.create_task(self._work(backlog, give))

    async def _work(self, backlog: Backlog, give: Give) -> None:
        while (task := await backlog.take()) is not None:
            try:
                outcome = await self.fetch(task)
            except TaskAuditError as error:
                self._stop.order(error)
            else:
                if outcome is not None:
                    await give(outcome)

    async def fetch(self, task: PendingTask) -> Outcome | None:
        """Ask about one task until the answer stands; None means that the run stopped before it did.

        Raises:
            TaskAuditError: the answer concerns every task alike.
        """
        failure: FetchFailure | None = None
        for attempt in range(1, self._policy.attempts + 1):
            await self._pace.wait()
            if self._stop.is_ordered:
                return None
            outcome = await self._request(task, attempt)
            if not isinstance(outcome, FetchFailure):
                return outcome
            failure = _seen_again(outcome, failure)
            if not self._policy.allows_another(failure, attempt=attempt):
                return failure
            await self._stop.sleep(self._policy.delay_seconds(failure, attempt=attempt))
        return failure

    async def _request(self, task: PendingTask, attempt: int) -> Outcome:
        self.traffic.requests += 1
        self.traffic.retries += attempt > 1
        outcome = await self._ask(task)
        if isinstance(outcome, FetchFailure) and outcome.reason is FailureReason.THROTTLED:
            self.traffic.throttled += 1
        return outcome


def _seen_again(failure: FetchFailure, before: FetchFailure | None) -> FetchFailure:
    """Count how often a failure that is believed at its second sighting was seen."""
    if failure.recovery is Recovery.RETRY_ONCE and before is not None and before.recovery is Recovery.RETRY_ONCE:
        return replace(failure, sightings=before.sightings + 1)
    return failure
