"""The rate limiter: at most ``max_rate`` requests in any second, evenly spread, and fewer if the API refuses them.

The limiter spreads requests by GCRA, the generic cell rate algorithm (ITU-T I.371): each request has a theoretical
arrival time, one interval after the one before. A late request catches up by a few milliseconds only, so that a burst
never follows a stall. The libraries that were measured allow a full burst at first, or use only a part of a high rate.

The limiter adapts the rate by AIMD, additive increase and multiplicative decrease, as TCP does. A refused rate falls by
a factor. It then climbs back, quickly to just below the refused rate, and slowly past it. Pure: it never sleeps.
"""

import time
from collections import deque
from collections.abc import Callable

from etl.rate.values import HEADROOM

CATCH_UP_SECONDS = 0.007
"""The lateness that is caught up: as much as HEADROOM allows, so that no second has more requests than the rate."""

DECREASE = 0.7
"""The factor by which a refused rate falls, as in the adaptive mode of AWS."""

SECONDS_BETWEEN_DECREASES = 1.0
"""Refusals come in volleys: all refusals within this time count once."""

CLIMB = 0.01
"""The part of ``max_rate`` that the rate gains per second while it is well below the ceiling."""

PROBING_CLIMB = 0.001
"""The part of ``max_rate`` that it gains per second near the ceiling and beyond; each confirmation halves it."""

CONFIRMED = 0.9
"""The part of the ceiling from which on another refusal confirms the ceiling."""

MIN_REQUESTS_TO_MEASURE = 10
"""The requests in less than a second from which the first ceiling is measured."""

MAX_STEP_SECONDS = 1.0
"""The time between two requests that counts for climbing, at most: a pause proves nothing about the rate."""

NEAR = 0.95
"""The part of the ceiling at which the quick climb ends."""

DISPROVED = 1.05
"""The multiple of the ceiling at which a rate without a refusal disproves the ceiling."""

MIN_RATE = 1 / 60
"""The lowest rate: one request per minute is always tried."""


class RateLimiter:
    """Says when the next request may be sent."""

    def __init__(self, max_rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start at the full rate.

        Args:
            max_rate: the requests per second, at most.
            clock: returns the seconds of a monotonic clock.
        """
        self._max_rate = self._top = max_rate
        self._rate = max_rate
        self._part = 1.0
        self._interval = 1 / (max_rate * HEADROOM)
        self._clock = clock
        self._next = clock()
        self._climbed_at = self._decreased_at = float("-inf")
        self._started_at = self._next
        self._probing_climb = PROBING_CLIMB
        self._sent_at: deque[float] = deque()
        """The times of the requests of the last second."""
        self._is_alone = True
        self.ceiling: float | None = None
        """The requests per second that were too fast, or that the API named as its limit; None if none were."""

    @property
    def rate(self) -> float:
        """The current requests per second of all runs that share the rate."""
        return self._rate

    def seconds_left(self) -> float:
        """Return in how many seconds the next request may be sent; 0 or less means now."""
        return self._next - self._clock()

    def take(self) -> None:
        """Count a request that is sent now."""
        now = self._clock()
        if self._rate < self._top:
            self._climb(now)
        sent_at = self._sent_at
        while sent_at and sent_at[0] <= now - 1.0:
            sent_at.popleft()
        if not sent_at:
            self._started_at = now
        sent_at.append(now)
        self._next = max(self._next, now - CATCH_UP_SECONDS) + self._interval

    def slow_down(self) -> bool:
        """Note a refusal; returns whether the rate falls, which it does once a second at most."""
        now = self._clock()
        if now - self._decreased_at < SECONDS_BETWEEN_DECREASES:
            return False
        self._decreased_at = self._climbed_at = now
        found = self._measured_rate(now)
        is_confirmed = self.ceiling is not None and found >= CONFIRMED * self.ceiling
        self._probing_climb = self._probing_climb / 2 if is_confirmed else PROBING_CLIMB
        self.ceiling = found
        self._set(max(MIN_RATE, DECREASE * self.ceiling))
        return True

    def limit(self, rate: float) -> bool:
        """Adopt the limit that the API named; returns whether it is lower than before."""
        rate = max(MIN_RATE, rate)
        if rate >= self._top:
            return False
        self._top = self.ceiling = rate
        self._set(min(self._rate, rate))
        return True

    def begin_share(self, part: float, *, starts_at: float | None) -> None:
        """Send at a part of the rate from now on.

        Args:
            part: the part, above 0 and at most 1.
            starts_at: when the share began; None if it follows on the last one, so that the limiter continues. A time
                in which other runs sent proves nothing about the rate.
        """
        self._part = part
        if starts_at is not None:
            self._next = max(self._next, starts_at)
            self._climbed_at = self._clock()
        self._set(self._rate)

    def agree(self, rate: float | None, ceiling: float | None, *, is_alone: bool) -> float:
        """Adopt the rate that all runs together have found.

        Args:
            rate: the requests per second; None means what is allowed.
            ceiling: the requests per second that were too fast.
            is_alone: whether this run is the only one that sends.

        Returns:
            The new rate.
        """
        self._is_alone = is_alone
        self.ceiling = ceiling
        self._set(min(self._top, rate or self._top))
        return self._rate

    def _measured_rate(self, now: float) -> float:
        """Return the rate that was refused: the requests that were really sent, if they are enough to measure."""
        if not self._is_alone:
            # The API counts the requests of all runs.
            return self._rate
        sent = sum(1 for moment in self._sent_at if moment > now - 1.0)
        is_enough = now - self._started_at >= 1.0 or (self.ceiling is None and sent >= MIN_REQUESTS_TO_MEASURE)
        return min(self._rate, sent) if is_enough and sent else self._rate

    def _climb(self, now: float) -> None:
        seconds, self._climbed_at = min(now - self._climbed_at, MAX_STEP_SECONDS), now
        if self.ceiling is not None and self._rate > DISPROVED * self.ceiling:
            self.ceiling = None
        near = NEAR * (self.ceiling or self._top)
        climb = CLIMB if self._rate < near else self._probing_climb
        self._set(min(self._top, self._rate + climb * self._part * self._max_rate * seconds))

    def _set(self, rate: float) -> None:
        self._rate = rate
        self._interval = 1 / (rate * self._part * HEADROOM)
