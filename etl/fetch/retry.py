"""Decides whether a failure is retried, and after which delay. Pure."""

import random
from dataclasses import dataclass, field, replace

from etl.tasks import FetchFailure
from etl.tasks.failure_reasons import FailureReason, Recovery


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter: a random delay up to ``base · 2^n``, with a cap.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """

    attempts: int
    """Attempts at one task, at most."""
    base_seconds: float = 0.5
    cap_seconds: float = 30.0
    chance: random.Random = field(default_factory=random.SystemRandom)

    def allows_another(self, failure: FetchFailure, *, attempt: int) -> bool:
        """Return whether a failed attempt may be followed by another; ``attempt`` counts from 1."""
        match failure.recovery:
            case Recovery.DEAD_LETTER:
                return False
            case Recovery.RETRY_ONCE:
                return failure.sightings == 1 and attempt < self.attempts
            case Recovery.RETRY | Recovery.VERIFY:
                return attempt < self.attempts
            case Recovery.REQUEUE:
                return True

    def may_delay_end(self, failure: FetchFailure, *, before: FetchFailure | None = None) -> bool:
        """Return whether a run that has no other task left may wait for another attempt.

        A task that hangs makes the run longer by `api.timeout_seconds`. A repeated time-out is therefore final, and so
        is the first one of a task that failed in an earlier run.

        Args:
            failure: the failure of the last attempt.
            before: the failure of the attempt before it; None if there was none.
        """
        if failure.reason is not FailureReason.TIMEOUT:
            return True
        has_hung = before is not None and before.reason is FailureReason.TIMEOUT
        return failure.task.attempts == 1 and not has_hung

    def delay_seconds(self, *, attempt: int) -> float:
        """Choose the delay before the next attempt."""
        return self.chance.uniform(0.0, min(self.cap_seconds, self.base_seconds * 2 ** (attempt - 1)))

    def cost(self, failure: FetchFailure) -> int:
        """Return what a retry costs the budget; a retry that may hang again costs double."""
        return 2 if failure.reason is FailureReason.TIMEOUT else 1


def count_sighting(failure: FetchFailure, before: FetchFailure | None) -> FetchFailure:
    """Count the sightings of a failure that becomes final at its second sighting."""
    if failure.recovery is Recovery.RETRY_ONCE and before is not None and before.recovery is Recovery.RETRY_ONCE:
        return replace(failure, sightings=before.sightings + 1)
    return failure
