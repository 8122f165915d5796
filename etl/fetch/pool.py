"""The workers: each takes a task, sends a request when the gate admits it, and delivers or retries the outcome."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from etl.crash_points import crash_point
from etl.errors import TaskAuditError
from etl.fetch.backlog import Attempt, Backlog
from etl.fetch.budget import RetryBudget
from etl.fetch.gate import TASK_RECOVERIES, Gate
from etl.fetch.probes import FindTasks, Probes
from etl.fetch.quarantine import Quarantine
from etl.fetch.retry import RetryPolicy, count_sighting
from etl.rate.values import Permit
from etl.runs import MAX_DRIFT_NAMES
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure, Outcome, PendingTask
from etl.tasks.failure_reasons import FailureReason, Recovery

Fetch = Callable[[PendingTask], Awaitable[Outcome]]
"""Sends one request about a task."""

Deliver = Callable[[Outcome], Awaitable[None]]
"""Receives the final outcome of a task."""

OTHER_DRIFT = "anything else"

REQUESTS_PER_LOOK = 2
"""A task with an unrecognized response is asked about again at once, which is enough after a short interruption."""

LOOKS = 3
"""An unrecognized response is the task's own after as many looks, with a rest between them and other tasks answered."""

MAX_PROBES = 5
"""Other tasks that a run asks about, at most, before it believes that the API refuses every task."""


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
    refusals: int = 0
    """Responses that concern the task alone, or may do so, and tell nothing about it."""
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
            self.refusals += outcome.recovery in TASK_RECOVERIES or outcome.is_unrecognized
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
        find_probes: FindTasks | None = None,
    ) -> None:
        """Create a pool.

        Args:
            fetch: sends one request.
            gate: admits requests.
            policy: decides about retries.
            budget: bounds the retries.
            concurrency: the number of workers.
            shutdown: ends the work early.
            traffic: counts requests and responses.
            find_probes: finds tasks to probe with before the first answer.
        """
        self._fetch = fetch
        self._gate = gate
        self._policy = policy
        self._budget = budget
        self._concurrency = concurrency
        self._shutdown = shutdown
        self._quarantine = Quarantine()
        self._probes = Probes(find_probes)
        self._probe_failed = False
        """Whether the last probe was about another task and failed, so that the next is about the task in line."""
        self._suspicion_line = asyncio.Lock()
        """Held while one worker finds out for all whether other tasks are answered."""
        self._answers = 0
        self._newest_answered = 0
        """The number of the newest request that was answered; the answer to an older one may precede an outage."""
        self.traffic = traffic or Traffic()

    @property
    def ceiling(self) -> float | None:
        """The rate that turned out to be too high, in requests per second; None if there was none."""
        return self._gate.ceiling

    @property
    def quarantined(self) -> int:
        """The number of outcomes that wait for a good answer about any task before they are delivered."""
        return self._quarantine.held

    def release_quarantined(self) -> list[Outcome]:
        """Return these outcomes; none if the run stops, or if another task must be answered first."""
        is_suspicious = self._quarantine.suspicion() is not None
        return [] if self._shutdown.is_requested or is_suspicious else self._quarantine.release()

    async def work(self, backlog: Backlog, deliver: Deliver) -> None:
        """Send requests about the tasks of the backlog until it ends or the run stops."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._concurrency):
                workers.create_task(self._work(backlog, deliver))
        for outcome in self.release_quarantined():
            await deliver(outcome)

    async def _work(self, backlog: Backlog, deliver: Deliver) -> None:
        while (attempt := await backlog.take()) is not None:
            try:
                outcome = await self._request(attempt)
                if outcome is None:
                    return
                if (final := self._final_outcome(outcome, attempt, backlog=backlog)) is not None:
                    if isinstance(final, FetchFailure) and not final.is_lasting:
                        final = await self._without_outage(final, attempt)
                    trusted = self._quarantine.admit(final)
                    if self._quarantine.suspicion() is not None:
                        trusted = [*trusted, *await self._cleared()]
                    for each in trusted:
                        await deliver(each)
            except TaskAuditError as error:
                self._shutdown.request(error)

    async def _request(self, attempt: Attempt) -> Outcome | None:
        """Send one request; None means that the run stopped before it."""
        # A deferred task is not worth another wait if the API is down again.
        patiently = not attempt.is_deferred or attempt.is_doubtful
        while (permit := await self._gate.wait(patiently=patiently)) is not None:
            if permit.is_probe and self._gate.in_doubt and await self._probes.look():
                # The time of the permit is over, and a late request would come too close to the next one.
                self._gate.release(permit)
                continue
            if permit.is_probe and (other := await self._task_to_probe_with()) is not None:
                self._probe_failed = not await self._is_answered(other, permit)
                continue
            self.traffic.retries += attempt.was_sent
            attempt.was_sent = True
            crash_point("asking", attempt.task.task_id)
            return await self._send(attempt.task, permit)
        return None if self._shutdown.is_requested else attempt.failure

    async def _task_to_probe_with(self) -> PendingTask | None:
        """Return another task to probe with if the gate is in doubt; every second probe is about the task in line."""
        if not self._gate.in_doubt or self._probe_failed:
            self._probe_failed = False
            return None
        return await self._probes.task()

    async def _is_answered(self, task: PendingTask, permit: Permit) -> bool:
        """Send a request about a task whose answer nothing waits for; returns whether it was answered."""
        is_answered = not isinstance(await self._send(task, permit), FetchFailure)
        if not is_answered:
            self._probes.note_failure(task)
        return is_answered

    async def _cleared(self) -> list[Outcome]:
        """Return the outcomes of the quarantine that can be trusted after all, once other tasks are answered.

        Raises:
            TaskAuditError: the API refuses many tasks, and other tasks as well.
        """
        async with self._suspicion_line:
            suspicion = self._quarantine.suspicion()
            if suspicion is None:
                return []
            if not await self._others_are_answered():
                raise suspicion
            return self._quarantine.trust()

    async def _others_are_answered(self) -> bool:
        asked: set[str] = set()
        while len(asked) < MAX_PROBES and (task := await self._probes.task()) and task.task_id not in asked:
            asked.add(task.task_id)
            permit = await self._gate.wait(patiently=False)
            if permit is None:
                return False
            if await self._is_answered(task, permit):
                return True
        return False

    async def _without_outage(self, failure: FetchFailure, attempt: Attempt) -> FetchFailure:
        """Count no attempt for a passing failure if nothing shows that other tasks are answered meanwhile."""
        before = attempt.requests_at_failure
        if not failure.is_unrecognized and before is not None:
            other = None if self._newest_answered > before else await self._probes.task()
            if other is not None and (permit := await self._gate.wait(patiently=False)) is not None:
                await self._is_answered(other, permit)
            if self._newest_answered > before:
                return failure
        return replace(failure, counts_attempt=False)

    async def _send(self, task: PendingTask, permit: Permit) -> Outcome:
        self.traffic.requests += 1
        number = self.traffic.requests
        self._budget.record_request()
        try:
            outcome = await self._fetch(task)
        except BaseException:
            self._gate.release(permit)
            raise
        self.traffic.count(outcome)
        self._gate.record(outcome, permit)
        if not isinstance(outcome, FetchFailure):
            self._probes.note_answer(task)
        elif outcome.is_unrecognized:
            self._probes.note_doubt(task)
        if not isinstance(outcome, FetchFailure) or outcome.recovery in TASK_RECOVERIES:
            self._answers += 1
            self._newest_answered = max(self._newest_answered, number)
        return outcome

    def _final_outcome(self, outcome: Outcome, attempt: Attempt, *, backlog: Backlog) -> Outcome | None:
        """Return the final outcome of a task; None means that the task was put back for a retry."""
        if isinstance(outcome, FetchFailure):
            if outcome.recovery is Recovery.REQUEUE:
                backlog.requeue(attempt)
                return None
            if outcome.is_unrecognized:
                return self._own_outcome(outcome, attempt, backlog=backlog)
            if attempt.requests_at_failure is None:
                attempt.requests_at_failure = self.traffic.requests
            outcome = count_sighting(outcome, attempt.failure)
            if self._retry(attempt, outcome, backlog=backlog):
                return None
        backlog.finish()
        return outcome

    def _own_outcome(self, failure: FetchFailure, attempt: Attempt, *, backlog: Backlog) -> Outcome | None:
        """Return the task's own outcome if an unrecognized response lasts; None means that the task was put back."""
        before = attempt.failure if attempt.is_doubtful else None
        sightings = 1 if before is None else before.sightings + (self._answers > attempt.answers_before)
        attempt.failure = failure = replace(failure, sightings=sightings)
        attempt.answers_before = self._answers
        is_repeated = before is not None and sightings > before.sightings
        if not is_repeated or sightings % REQUESTS_PER_LOOK:
            backlog.requeue(attempt)
            return None
        if sightings < LOOKS * REQUESTS_PER_LOOK and backlog.defer(attempt):
            return None
        backlog.finish()
        return failure if sightings < LOOKS * REQUESTS_PER_LOOK else failure.as_own()

    def _retry(self, attempt: Attempt, failure: FetchFailure, *, backlog: Backlog) -> bool:
        """Put a task back for a retry: after a delay if the budget allows it, otherwise at the end of the run.

        Returns:
            Whether there will be a retry; without one, the failure is final.
        """
        if not self._policy.allows_another(failure, attempt=attempt.number):
            return False
        if backlog.is_drained and not self._policy.may_delay_end(failure, before=attempt.failure):
            return False
        delay = self._policy.delay_seconds(attempt=attempt.number)
        attempt.number += 1
        attempt.failure = failure
        if self._budget.grants(self._policy.cost(failure)):
            backlog.retry_later(attempt, seconds=delay)
            return True
        return not attempt.is_deferred and self._policy.may_delay_end(failure) and backlog.defer(attempt)
