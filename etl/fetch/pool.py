"""The workers: each takes a task, sends a request when the gate admits it, and delivers or retries the outcome."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from etl.crash_points import crash_point
from etl.errors import TaskAuditError
from etl.fetch.backlog import Attempt, Backlog
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import Gate
from etl.fetch.quarantine import Quarantine
from etl.fetch.retry import RetryPolicy
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure, Outcome, PendingTask
from etl.tasks.failure_reasons import FailureReason, Recovery

Fetch = Callable[[PendingTask], Awaitable[Outcome]]
"""Sends one request about a task."""

Deliver = Callable[[Outcome], Awaitable[None]]
"""Receives the final outcome of a task."""

MAX_DRIFT_NAMES = 50
"""Kinds of drift that one run counts separately; all others are counted together."""

OTHER_DRIFT = "anything else"


@dataclass(slots=True)
class Traffic:
    """Counts of requests and responses."""

    requests: int = 0
    retries: int = 0
    """Requests about a task after the first one in this run."""
    throttled: int = 0
    """Responses that throttle."""
    observations: int = 0
    """Responses that became facts."""
    failures: Counter[str] = field(default_factory=Counter)
    """All other responses by HTTP status, or by reason if there was no response."""
    drift: Counter[str] = field(default_factory=Counter)
    """Responses that differ from the documentation, by the difference."""
    refreshes: int = 0
    """Requests that refreshed the session; ``requests`` includes them."""

    def note_refresh(self) -> None:
        """Count a request that refreshes the session."""
        self.requests += 1
        self.refreshes += 1

    def count(self, outcome: Outcome) -> None:
        """Count an outcome."""
        if isinstance(outcome, FetchFailure):
            self.failures[str(outcome.http_status or outcome.reason)] += 1
            self.throttled += outcome.reason is FailureReason.THROTTLED
            return
        self.observations += 1
        for name in outcome.drift:
            is_known = name in self.drift or len(self.drift) < MAX_DRIFT_NAMES
            self.drift[name if is_known else OTHER_DRIFT] += 1


class Pool:
    """Sends requests about many tasks at once."""

    def __init__(
        self,
        fetch: Fetch,
        *,
        gate: Gate,
        policy: RetryPolicy,
        budget: RetryBudget,
        concurrency: int,
        shutdown: Shutdown,
        traffic: Traffic | None = None,
    ) -> None:
        self._fetch = fetch
        self._gate = gate
        self._policy = policy
        self._budget = budget
        self._concurrency = concurrency
        self._shutdown = shutdown
        self._quarantine = Quarantine()
        self.traffic = traffic or Traffic()

    @property
    def ceiling(self) -> float | None:
        """The rate that turned out to be too high, in requests per second; None if there was none."""
        return self._gate.ceiling

    async def work(self, backlog: Backlog, deliver: Deliver) -> None:
        """Send requests about the tasks of the backlog until it ends or the run stops."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._concurrency):
                workers.create_task(self._work(backlog, deliver))
        if not self._shutdown.is_requested:
            for outcome in self._quarantine.release():
                await deliver(outcome)

    async def _work(self, backlog: Backlog, deliver: Deliver) -> None:
        while (attempt := await backlog.take()) is not None:
            try:
                outcome = await self._request(attempt)
                if outcome is None:
                    return
                if (final := self._final_outcome(outcome, attempt, backlog=backlog)) is not None:
                    for trusted in self._quarantine.admit(final):
                        await deliver(trusted)
            except TaskAuditError as error:
                self._shutdown.request(error)

    async def _request(self, attempt: Attempt) -> Outcome | None:
        """Send one request; None means that the run stopped before it."""
        # A deferred task is not worth another wait if the API is down again.
        probe = await self._gate.wait(patiently=not attempt.is_deferred)
        if probe is None:
            return None if self._shutdown.is_requested else attempt.failure
        self.traffic.requests += 1
        self.traffic.retries += attempt.was_sent
        attempt.was_sent = True
        self._budget.record_request()
        crash_point("asking", attempt.task.task_id)
        try:
            outcome = await self._fetch(attempt.task)
        except TaskAuditError:
            if probe:
                self._gate.release_probe()
            raise
        self.traffic.count(outcome)
        self._gate.record(outcome, probe=probe)
        return outcome

    def _final_outcome(self, outcome: Outcome, attempt: Attempt, *, backlog: Backlog) -> Outcome | None:
        """Return the final outcome of a task; None means that the task was put back for a retry."""
        if isinstance(outcome, FetchFailure):
            if outcome.recovery is Recovery.REQUEUE:
                backlog.requeue(attempt)
                return None
            outcome = count_sighting(outcome, attempt.failure)
            if self._retry(attempt, outcome, backlog=backlog):
                return None
        backlog.finish()
        return outcome

    def _retry(self, attempt: Attempt, failure: FetchFailure, *, backlog: Backlog) -> bool:
        """Put a task back for a retry: after a delay if the budget allows it, otherwise at the end of the run.

        Returns:
            Whether there will be a retry; without one, the failure is final.
        """
        if not self._policy.allows_another(failure, attempt=attempt.number):
            return False
        delay = self._policy.delay_seconds(attempt=attempt.number)
        attempt.number += 1
        attempt.failure = failure
        if self._budget.grants(self._policy.cost(failure)):
            backlog.retry_later(attempt, seconds=delay)
            return True
        return not attempt.is_deferred and backlog.defer(attempt)


def count_sighting(failure: FetchFailure, before: FetchFailure | None) -> FetchFailure:
    """Count the sightings of a failure that becomes final at its second sighting."""
    if failure.recovery is Recovery.RETRY_ONCE and before is not None and before.recovery is Recovery.RETRY_ONCE:
        return replace(failure, sightings=before.sightings + 1)
    return failure
