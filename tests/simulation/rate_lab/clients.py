"""The clients of the rate lab: the job's own limiter and gate, and botocore's adaptive mode, driven as they are."""

import asyncio
from datetime import UTC, datetime

from botocore.exceptions import CapacityNotAvailableError
from botocore.retries.adaptive import ClientRateLimiter, RateClocker
from botocore.retries.bucket import TokenBucket
from botocore.retries.throttling import CubicCalculator

from etl.fetch.gate import Gate
from etl.rate.limiter import RateLimiter
from etl.rate.values import HEADROOM
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure, PendingTask
from etl.tasks.failure_reasons import FailureReason

TASK = PendingTask(task_id="1")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Product:
    """The limiter and the gate as a run has them, without the waiting."""

    def __init__(self, clock, case, rng, *, found=None):
        self.limiter = RateLimiter(case.max_rate, clock=clock)
        self.limiter.adopt(found)
        self.gate = Gate(
            self.limiter, shutdown=Shutdown(), patience_seconds=3600, clock=clock, sleep=asyncio.sleep, chance=rng
        )
        self.named = case.server.limit if case.names_limit else None
        self.admit = self.gate.admit

    def accepted(self, permit):
        self.gate.record(None, permit)

    def refused(self, permit, ordered):
        failure = FetchFailure(
            task=TASK,
            reason=FailureReason.THROTTLED,
            failed_at=NOW,
            detail="",
            wait_seconds=ordered,
            allowed_rate=self.named,
        )
        self.gate.record(failure, permit)


class IsThrottling:
    def is_throttling_error(self, *, throttled):
        return throttled


class BotocoreClock:
    def __init__(self, clock):
        self.current_time = clock


class Botocore:
    """botocore's adaptive mode, which neither pauses nor obeys Retry-After; ``max_rate`` holds for it, too."""

    def __init__(self, clock, case, rng):
        self.clock, self.rng = clock, rng
        shown = BotocoreClock(clock)
        self.bucket = TokenBucket(max_rate=1, clock=shown)
        self.limiter = ClientRateLimiter(
            rate_adjustor=CubicCalculator(starting_max_rate=0, start_time=0.0),
            rate_clocker=RateClocker(shown),
            token_bucket=self.bucket,
            throttling_detector=IsThrottling(),
            clock=shown,
        )
        self.interval, self.next = 1 / (case.max_rate * HEADROOM), 0.0
        self.is_enabled = False

    def admit(self):
        now = self.clock()
        if self.next > now:
            return self.next - now
        if self.is_enabled:
            try:
                self.bucket.acquire(block=False)
            except CapacityNotAvailableError:
                return max(1e-4, (1 - self.bucket.available_capacity) / self.bucket.max_rate)
        self.next = max(self.next, now - 0.01) + self.interval
        return ()

    def accepted(self, permit):
        self.limiter.on_receiving_response(throttled=False)

    def refused(self, permit, ordered):
        self.is_enabled = True
        self.limiter.on_receiving_response(throttled=True)
