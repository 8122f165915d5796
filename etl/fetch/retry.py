"""Whether a failure is tried again, and after how long. Pure."""

import random
from dataclasses import dataclass, field

from etl.failure_reasons import FailureReason, Recovery
from etl.tasks import FetchFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter: a random time up to ``base · 2^n``, capped.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """

    attempts: int
    """Requests for one task, at most."""
    base_seconds: float = 0.5
    cap_seconds: float = 30.0
    chance: random.Random = field(default_factory=random.SystemRandom)

    def allows_another(self, failure: FetchFailure, *, attempt: int) -> bool:
        """Say whether a task may be asked about again after its ``attempt``-th request failed."""
        match failure.recovery:
            case Recovery.DEAD_LETTER:
                return False
            case Recovery.RETRY_ONCE:
                return failure.sightings == 1 and attempt < self.attempts
            case Recovery.RETRY:
                return attempt < self.attempts
            case Recovery.AGAIN:
                return True

    def delay_seconds(self, *, attempt: int) -> float:
        """Choose how long to wait before the next request."""
        return self.chance.uniform(0.0, min(self.cap_seconds, self.base_seconds * 2 ** (attempt - 1)))

    def cost(self, failure: FetchFailure) -> int:
        """Say what another request costs the retry budget; one that may hang again costs double."""
        return 2 if failure.reason is FailureReason.TIMEOUT else 1
