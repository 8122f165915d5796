"""Whether a failure is tried again, and after how long. Pure."""

import random
from dataclasses import dataclass, field

from etl.tasks import FailureReason, FetchFailure, Recovery


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter: a random time up to ``base · 2^n``, capped.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """

    attempts: int
    """Requests for one task, at most."""
    base_seconds: float = 0.5
    throttled_base_seconds: float = 2.0
    throttled_floor_seconds: float = 1.0
    """Flow control counts by the second: within it, the next request would meet the same answer."""
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

    def delay_seconds(self, failure: FetchFailure, *, attempt: int) -> float:
        """Choose how long to wait before the next request."""
        throttled = failure.reason is FailureReason.THROTTLED
        base = self.throttled_base_seconds if throttled else self.base_seconds
        floor = self.throttled_floor_seconds if throttled else 0.0
        return self.chance.uniform(floor, min(self.cap_seconds, base * 2 ** (attempt - 1)))
