"""The gate in front of the API admits requests one at a time, at the limited rate; after a pause it admits one probe.

Throttling, an outage and refused credentials concern every request alike. All three close the gate for the whole pool,
since a request about another task would fail in the same way. A response that KooDrive may not have sent closes the
gate, too, until a probe shows whether other requests are answered.
"""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable

import structlog

from etl.error_codes import Code
from etl.errors import CredentialsRefusedError, OutageError, StoppedError, TaskAuditError, UnavailableError
from etl.fetch.breaker import Breaker
from etl.rate.limiter import RateLimiter
from etl.rate.share import RateShare
from etl.rate.values import Permit
from etl.shutdown import Shutdown
from etl.tasks import FetchFailure
from etl.tasks.failure_reasons import FailureReason, Recovery

FIRST_THROTTLED_SECONDS = 0.25
"""The first pause if the API throttles without naming a time, at least; it doubles with each repetition."""

MAX_THROTTLED_SECONDS = 30.0
"""The longest such pause, at least: flow control of the gateway counts in seconds or minutes."""

MAX_LATE_PROBE_SECONDS = 1.0
"""The lateness of a probe, beyond an interval of the rate, from which on the run waited for something else, too."""

THROTTLED_JITTER = 0.5
"""The largest share of such a pause that is added at random."""

WINDOW_SECONDS = 60.25
"""A quota of a minute is full again so long after its first request was sent; the quarter allows for the network."""

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
        chance: random.Random | None = None,
    ) -> None:
        """Create an open gate.

        Args:
            limiter: decides when the next request may be sent.
            shutdown: is requested when the gate stays closed for too long.
            patience_seconds: how long the gate may stay closed before the run ends.
            rate_share: this run's part of a rate that several runs share; None if the rate is not shared.
            clock: returns the seconds of a monotonic clock.
            sleep: sleeps for some seconds, or less if the run stops.
            chance: draws the lengths of pauses; a test passes one with a seed.
        """
        self._limiter, self._rate_share = limiter, rate_share
        self._shutdown, self._patience = shutdown, patience_seconds
        self._clock, self._sleep = clock, sleep or shutdown.sleep
        self._chance = chance or random.SystemRandom()
        self._breaker = Breaker()
        # Only the first request in line waits for its time. The others wait for the first, which keeps their order.
        self._line = asyncio.Lock()
        self._closed_at: float | None = None
        self._opens_at = 0.0
        self._is_failing = False
        self.in_doubt = False
        """Whether the next probe shows if an unrecognized response concerns every request."""
        self._was_answered = self._pause_is_logged = False
        self._throttled = self._in_flight = 0
        self._probe_sent = False
        self._first_sent_at = self._admitted_since = -math.inf
        """When the first request was sent that the API admitted after a pause, or at all."""
        self._answered = asyncio.Event()

    @property
    def ceiling(self) -> float | None:
        """The rate that turned out to be too high, or that the API named as its limit, in requests per second."""
        return self._limiter.ceiling

    async def wait(self, *, patiently: bool = True) -> Permit | None:
        """Wait until one more request may be sent.

        Args:
            patiently: whether to wait even while the API is down.

        Returns:
            The permit, which goes to ``record`` or ``release``; None if the request must not be sent.
        """
        async with self._line:
            while not self._shutdown.is_requested and (patiently or not self._is_failing):
                match self.admit():
                    case Permit() as permit:
                        return permit
                    case math.inf:
                        self._answered.clear()
                        await self._answered.wait()
                    case 0.0 if self._rate_share is not None:
                        await self._rate_share.next_turn()
                    case seconds:
                        await self._sleep(seconds)
        return None

    def admit(self) -> Permit | float:
        """Admit a request now, or return after how many seconds to try again.

        0 means that the run's share of the rate is used up, and infinity that an answer must come first.
        """
        if self._probe_sent or self._in_flight >= self._limiter.max_in_flight:
            return math.inf
        if (seconds := self._seconds_left()) > 0:
            return seconds
        if self._rate_share is not None and not self._rate_share.grants_one():
            return 0.0
        self._in_flight += 1
        self._probe_sent = self._closed_at is not None
        if self._probe_sent and self._clock() - self._opens_at > MAX_LATE_PROBE_SECONDS + 1 / self._limiter.rate:
            self._limiter.interrupt()
        if self._probe_sent or (self._in_flight == 1 and self._admitted_since == -math.inf):
            self._first_sent_at = self._clock()
        return self._limiter.take(in_flight=self._in_flight, is_probe=self._probe_sent)

    def record(self, outcome: object, permit: Permit) -> None:
        """Record the outcome of an admitted request: a ``FetchFailure``, or any other value for an answer."""
        probe = permit.is_probe
        self.release(permit)
        if not isinstance(outcome, FetchFailure) or outcome.recovery in TASK_RECOVERIES:
            self._breaker.record(failed=False)
            self._was_answered = True
            self._log_change(self._limiter.accepted(permit))
            if probe or self._admitted_since == -math.inf:
                self._admitted_since = self._first_sent_at
            if probe:
                self._open()
        else:
            self._record_failure(outcome, permit)
            if outcome.reason is not FailureReason.THROTTLED or outcome.may_be_outage:
                self._limiter.interrupt()

    def _record_failure(self, outcome: FetchFailure, permit: Permit) -> None:
        probe = permit.is_probe
        if outcome.is_unrecognized:
            self._doubt(outcome, probe=probe)
            return
        # A request that was in flight when the gate closed fails for the same cause, which is known already.
        is_news = probe or self._closed_at is None
        match outcome.reason:
            case FailureReason.THROTTLED:
                self._slow_down(outcome, permit)
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
        if not self._is_failing:
            # The patience begins with the first probe that fails, which follows at once or after a rest of the run.
            self._closed_at = self._clock()
            self._opens_at = max(self._opens_at, self._closed_at)
        if probe:
            self._is_failing = True
            self._close(self._breaker.next_pause_seconds(), failure)

    def _fail(self, failure: FetchFailure, *, probe: bool, is_news: bool) -> None:
        breaks = self._breaker.record(failed=True)
        if (breaks and is_news) or (probe and (self._is_failing or self.in_doubt)):
            self._is_failing = True
            self._close(self._breaker.next_pause_seconds(), failure)
        elif probe:
            # The probe was not throttled, so the new rate is acceptable.
            self._open()

    def release(self, permit: Permit) -> None:
        """Take a permit back: its request has ended, with or without an outcome."""
        self._in_flight -= 1
        if permit.is_probe:
            self._probe_sent = False
        self._answered.set()

    def _seconds_left(self) -> float:
        left = self._limiter.seconds_left()
        return left if self._closed_at is None else max(left, self._opens_at - self._clock())

    def _open(self) -> None:
        if self._is_failing:
            self._breaker.close()
        self._closed_at = None
        self._is_failing = self.in_doubt = False
        self._throttled = 0
        if self._pause_is_logged:
            log.info("resumed", rate=round(self._limiter.rate, 2))
        self._pause_is_logged = False

    def _slow_down(self, failure: FetchFailure, permit: Permit) -> None:
        if failure.allowed_rate is not None and self._limiter.limit(failure.allowed_rate):
            self._log_change("named", named_by_api=True)
        else:
            self._log_change(self._limiter.refused(permit))

    def _log_change(self, decision: str | None, *, named_by_api: bool = False) -> None:
        if decision is None or (found := self._limiter.found) is None:
            return
        rate, low, high = (round(rate, 2) for rate in (self._limiter.rate, found.low, found.high or 0.0))
        log.info(
            "rate_changed",
            rate=rate,
            named_by_api=named_by_api,
            decision=decision,
            low=low,
            high=high or None,
            in_flight=found.max_in_flight,
        )

    def _throttled_seconds(self, failure: FetchFailure, *, is_news: bool) -> float:
        if failure.wait_seconds:
            return failure.wait_seconds * (1 + self._chance.uniform(0, JITTER))
        if not is_news:
            return 0.0
        longest = min(MAX_THROTTLED_SECONDS, FIRST_THROTTLED_SECONDS * 2.0**self._throttled)
        self._throttled += 1
        seconds = longest * (1 + self._chance.uniform(0, THROTTLED_JITTER))
        until_window_ends = self._admitted_since + WINDOW_SECONDS - self._clock()
        return until_window_ends if 0 < until_window_ends < seconds else seconds

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
