"""The workers: each takes a task, asks when the gate lets it, and hands the outcome on or puts the task back."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from etl.crash_points import crash_point
from etl.errors import TaskAuditError
from etl.failure_reasons import FailureReason, Recovery
from etl.fetch.backlog import Attempt, Backlog
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.quarantine import Quarantine
from etl.fetch.retry import RetryPolicy
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure, Outcome, PendingTask

Ask = Callable[[PendingTask], Awaitable[Outcome]]
Give = Callable[[Outcome], Awaitable[None]]

MAX_DRIFT_NAMES = 50
"""Kinds of drift that are told apart in one run; what is beyond them is counted together."""

OTHER_DRIFT = "anything else"


@dataclass(slots=True)
class Traffic:
    """What the pool has sent, and what came back."""

    requests: int = 0
    retries: int = 0
    """Requests about a task that had been asked about in this run before."""
    throttled: int = 0
    """Answers that said: too fast."""
    observations: int = 0
    """Answers that became facts."""
    failures: Counter[str] = field(default_factory=Counter)
    """All other answers by HTTP status, or by reason where there was none."""
    drift: Counter[str] = field(default_factory=Counter)
    """Answers that differ from the documentation, by what differs."""
    refreshes: int = 0
    """Requests that refreshed the session; they are among the ``requests`` as well."""

    def note_refresh(self) -> None:
        """Count a request that refreshes the session."""
        self.requests += 1
        self.refreshes += 1

    def count(self, outcome: Outcome) -> None:
        """Count what came back."""
        if isinstance(outcome, FetchFailure):
            self.failures[str(outcome.http_status or outcome.reason)] += 1
            self.throttled += outcome.reason is FailureReason.THROTTLED
            return
        self.observations += 1
        for name in outcome.drift:
            is_known = name in self.drift or len(self.drift) < MAX_DRIFT_NAMES
            self.drift[name if is_known else OTHER_DRIFT] += 1


class Pool:
    """Asks about tasks, many at once."""

    def __init__(
        self,
        ask: Ask,
        *,
        gate: Gate,
        policy: RetryPolicy,
        budget: RetryBudget,
        concurrency: int,
        shutdown: Shutdown,
        traffic: Traffic | None = None,
    ) -> None:
        self._ask = ask
        self._gate = gate
        self._policy = policy
        self._budget = budget
        self._concurrency = concurrency
        self._shutdown = shutdown
        self._doubt = Quarantine()
        self.traffic = traffic or Traffic()

    @property
    def ceiling(self) -> float | None:
        """Requests per second that were found to be too many, if any were."""
        return self._gate.ceiling

    async def work(self, backlog: Backlog, give: Give) -> None:
        """Ask about every task of the backlog, until it ends or the run is to stop."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._concurrency):
                workers.create_task(self._work(backlog, give))
        if not self._shutdown.is_requested:
            for outcome in self._doubt.release():
                await give(outcome)

    async def _work(self, backlog: Backlog, give: Give) -> None:
        while (attempt := await backlog.take()) is not None:
            try:
                outcome = await self._request(attempt)
                if outcome is None:
                    return
                if (standing := self._standing(outcome, attempt, backlog)) is not None:
                    for believed in self._doubt.admit(standing):
                        await give(believed)
            except TaskAuditError as error:
                self._shutdown.request(error)

    async def _request(self, attempt: Attempt) -> Outcome | None:
        """Ask once; None means that the run stopped before."""
        # What has failed before and rested is not worth waiting for, should the API fail again.
        probe = await self._gate.wait(patiently=not attempt.is_deferred)
        if probe is None:
            return None if self._shutdown.is_requested else attempt.failure
        self.traffic.requests += 1
        self.traffic.retries += attempt.was_sent
        attempt.was_sent = True
        self._budget.note_request()
        crash_point("asking", attempt.task.task_id)
        try:
            outcome = await self._ask(attempt.task)
        except TaskAuditError:
            if probe:
                self._gate.lose_probe()
            raise
        self.traffic.count(outcome)
        self._gate.learn(outcome, probe=probe)
        return outcome

    def _standing(self, outcome: Outcome, attempt: Attempt, backlog: Backlog) -> Outcome | None:
        """Return the outcome that stands; None means that the task is to be asked about again, and was put back."""
        if isinstance(outcome, FetchFailure):
            if outcome.recovery is Recovery.AGAIN:
                backlog.again(attempt)
                return None
            outcome = seen_again(outcome, attempt.failure)
            if self._put_back(attempt, outcome, backlog):
                return None
        backlog.drop()
        return outcome

    def _put_back(self, attempt: Attempt, failure: FetchFailure, backlog: Backlog) -> bool:
        """Let a task be asked about again, soon where the budget grants it, else at the end of the run.

        Returns:
            Whether it will be; where not, the failure stands.
        """
        if not self._policy.allows_another(failure, attempt=attempt.number):
            return False
        delay = self._policy.delay_seconds(attempt=attempt.number)
        attempt.number += 1
        attempt.failure = failure
        if self._budget.grants(self._policy.cost(failure)):
            backlog.later(attempt, seconds=delay)
            return True
        return not attempt.is_deferred and backlog.defer(attempt)


def seen_again(failure: FetchFailure, before: FetchFailure | None) -> FetchFailure:
    """Count how often a failure that is believed at its second sighting was seen."""
    if failure.recovery is Recovery.RETRY_ONCE and before is not None and before.recovery is Recovery.RETRY_ONCE:
        return replace(failure, sightings=before.sightings + 1)
    return failure
