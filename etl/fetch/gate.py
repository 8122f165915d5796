"""The gate in front of the API admits requests one at a time, at the limited rate; after a pause it admits one probe.

Throttling, an outage and refused credentials concern every request alike. All three close the gate for the whole pool,
since a request about another task would fail in the same way. A response that KooDrive may not have sent closes the
gate, too, until a probe shows whether other requests are answered.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import structlog

from etl.error_codes import Code
from etl.errors import CredentialsRefusedError, OutageError, StoppedError, TaskAuditError, UnavailableError
from etl.fetch.breaker import Breaker
from etl.rate.limiter import RateLimiter
from etl.rate.share import RateShare
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure
from etl.tasks.failure_reasons import FailureReason, Recovery

FIRST_THROTTLED_SECONDS = 2.0
"""The longest first pause if the API throttles without naming a time; it doubles with each repetition."""

MIN_THROTTLED_SECONDS = 1.0
"""The shortest pause without a named time: within the same second, the API would throttle the next request, too."""

MAX_THROTTLED_SECONDS = 60.0
"""The longest pause without a named time: flow control of the gateway counts in seconds or minutes."""

UNANSWERED_PATIENCE_SECONDS = 60.0
"""How long the gate stays closed, at most, if no request was ever answered and the responses show a wrong setting."""

JITTER = 0.1
"""The largest share of a named pause that is added at random: other clients got the same time."""

TASK_RECOVERIES = frozenset({Recovery.RETRY_ONCE, Recovery.DEAD_LETTER})
"""Recoveries from failures that concern one task, and show that the API itself works."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Gate:
    """Admits requests to the API."""

    def __init__(
        self,
        limiter: RateLimiter,
        *,
        shutdown: Shutdown,
        patience_seconds: float,
        rate_share: RateShare | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        """Create an open gate.

        Args:
            limiter: decides when the next request may be sent.
            shutdown: is requested when the gate stays closed for too long.
            patience_seconds: how long the gate may stay closed before the run ends.
            rate_share: this run's part of a rate that several runs share; None if the rate is not shared.
            clock: returns the seconds of a monotonic clock.
            sleep: sleeps for some seconds, or less if the run stops.
        """
        self._limiter = limiter
        self._shutdown = shutdown
        self._patience = patience_seconds
        self._rate_share = rate_share
        self._clock = clock
        self._sleep = sleep or shutdown.sleep
        self._chance = random.SystemRandom()
        self._breaker = Breaker()
        # Only the first request in line waits for its time. The others wait for the first, which keeps their order.
        self._line = asyncio.Lock()
        self._closed_at: float | None = None
        self._opens_at = 0.0
        self._is_failing = False
        self.in_doubt = False
        """Whether the next probe shows if an unrecognized response concerns every request."""
        self._was_answered = False
        self._pause_is_logged = False
        self._throttled = 0
        self._probe_sent = False
        self._probe_answered = asyncio.Event()

    @property
    def ceiling(self) -> float | None:
        """The rate that turned out to be too high, or that the API named as its limit, in requests per second."""
        return self._limiter.ceiling

    async def wait(self, *, patiently: bool = True) -> bool | None:
        """Wait until one more request may be sent.

        Args:
            patiently: whether to wait even while the API is down.

        Returns:
            Whether the request is a probe, whose outcome opens or closes the gate; None if it must not be sent.
        """
        async with self._line:
            while not self._shutdown.is_requested and (patiently or not self._is_failing):
                if self._probe_sent:
                    await self._probe_answered.wait()
                elif (seconds := self._seconds_left()) > 0:
                    await self._sleep(seconds)
                elif self._rate_share is not None and not self._rate_share.grants_one():
                    await self._rate_share.next_turn()
                else:
                    self._limiter.take()
                    return self._is_probe()
        return None

    def record(self, outcome: object, *, probe: bool) -> None:
        """Record the outcome of an admitted request: a ``FetchFailure``, or any other value for an answer."""
        if probe:
            self.release_probe()
        if not isinstance(outcome, FetchFailure) or outcome.recovery in TASK_RECOVERIES:
            self._breaker.record(failed=False)
            self._was_answered = True
            if probe:
                self._open()
            return
        if outcome.is_unrecognized:
            self._doubt(outcome, probe=probe)
            return
        # A request that was in flight when the gate closed fails for the same cause, which is known already.
        is_news = probe or self._closed_at is None
        match outcome.reason:
            case FailureReason.THROTTLED:
                self._slow_down(outcome)
                if is_news or outcome.wait_seconds is not None:
                    seconds = self._throttled_seconds(outcome, is_news=is_news)
                    self._close(seconds, outcome)
                    if self._rate_share is not None:
                        self._rate_share.pause(seconds)
            case FailureReason.UNAUTHORIZED:
                if is_news:
                    self._close(0.0, outcome)
            case _:
                self._fail(outcome, probe=probe, is_news=is_news)

    def _doubt(self, failure: FetchFailure, *, probe: bool) -> None:
        self.in_doubt = True
        if probe:
            self._is_failing = True
            self._close(self._breaker.next_pause_seconds(), failure)
        elif self._closed_at is None:
            # The probe follows at once, and only its failure makes a pause.
            self._closed_at = self._opens_at = self._clock()

    def _fail(self, failure: FetchFailure, *, probe: bool, is_news: bool) -> None:
        breaks = self._breaker.record(failed=True)
        if (breaks and is_news) or (probe and (self._is_failing or self.in_doubt)):
            self._is_failing = True
            self._close(self._breaker.next_pause_seconds(), failure)
        elif probe:
            # The probe was not throttled, so the new rate is acceptable.
            self._open()

    def release_probe(self) -> None:
        """Let another request be the probe, after the last probe ended with or without an outcome."""
        self._probe_sent = False
        self._probe_answered.set()

    def _seconds_left(self) -> float:
        left = self._limiter.seconds_left()
        return left if self._closed_at is None else max(left, self._opens_at - self._clock())

    def _is_probe(self) -> bool:
        if self._closed_at is None:
            return False
        self._probe_sent = True
        self._probe_answered.clear()
        return True

    def _open(self) -> None:
        if self._is_failing:
            self._breaker.close()
        self._closed_at = None
        self._is_failing = self.in_doubt = False
        self._throttled = 0
        if self._pause_is_logged:
            log.info("resumed", rate=round(self._limiter.rate, 2))
        self._pause_is_logged = False

    def _slow_down(self, failure: FetchFailure) -> None:
        named = failure.allowed_rate is not None and self._limiter.limit(failure.allowed_rate)
        if named or self._limiter.slow_down():
            log.info("rate_changed", rate=round(self._limiter.rate, 2), named_by_api=named)

    def _throttled_seconds(self, failure: FetchFailure, *, is_news: bool) -> float:
        own = 0.0
        if is_news:
            longest = min(MAX_THROTTLED_SECONDS, FIRST_THROTTLED_SECONDS * 2.0**self._throttled)
            own = self._chance.uniform(MIN_THROTTLED_SECONDS, longest)
            self._throttled += 1
        ordered = failure.wait_seconds or 0.0
        return max(own, ordered) * (1 + self._chance.uniform(0, JITTER if ordered else 0))

    def _close(self, seconds: float, failure: FetchFailure) -> None:
        now = self._clock()
        if self._closed_at is None:
            self._closed_at, self._opens_at = now, now
        left = self._closed_at + self._patience_with(failure) - now
        if left <= 0 or (failure.wait_seconds or 0.0) > left:
            self._shutdown.request(self._out_of_patience(failure, seconds=now - self._closed_at))
            return
        is_news = self._opens_at <= now
        self._opens_at = max(self._opens_at, now + min(seconds, left))
        if is_news:
            self._pause_is_logged = True
            seconds = round(self._opens_at - now, 1)
            trace_id, reason = failure.trace_id, str(failure.reason)
            log.warning("paused", seconds=seconds, reason=reason, trace_id=trace_id, said=failure.detail)

    def _patience_with(self, failure: FetchFailure) -> float:
        ending = failure.ending
        if self._was_answered or ending is None or issubclass(ending.error, UnavailableError):
            return self._patience
        return min(self._patience, UNANSWERED_PATIENCE_SECONDS)

    def _out_of_patience(self, failure: FetchFailure, *, seconds: float) -> TaskAuditError:
        if failure.ending is None or (self._was_answered and failure.ending.error is not CredentialsRefusedError):
            return _out_of_patience(failure, seconds=seconds)
        return failure.ending.because(
            f"No response was KooDrive's for {seconds:,.0f} s, most recently: {failure.summary}.", quote=failure.detail
        )


def _out_of_patience(failure: FetchFailure, *, seconds: float) -> TaskAuditError:
    remedy = "The tasks that were not audited are still pending: run again later, or raise api.patience_seconds."
    if failure.reason is not FailureReason.THROTTLED:
        return OutageError(
            f"The API has failed for {seconds:,.0f} s, most recently: {failure.summary}.",
            code=Code.API_UNAVAILABLE,
            remedy=remedy,
            quote=failure.detail,
        )
    if failure.wait_seconds is None:
        return StoppedError(
            f"The API has throttled every request for {seconds:,.0f} s.", code=Code.API_THROTTLED, remedy=remedy
        )
    return StoppedError(
        f"The API asks to wait for {failure.wait_seconds:,.0f} s, which is too long.",
        code=Code.API_THROTTLED,
        remedy=remedy,
    )
