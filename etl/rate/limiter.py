"""The pace of requests: at most ``max_rate`` in any one second, evenly spread, and slower where the API says so.

Spread by GCRA, the generic cell rate algorithm (ITU-T I.371): each request has a theoretical arrival time, one interval
after the one before. Who is late may catch up by a few milliseconds only, so that a stall is never followed by a burst.
Of the limiters measured, those of libraries either let a full burst through first or use only a part of a high rate.

Adapted by AIMD, additive increase and multiplicative decrease, as TCP does: too fast, and the rate falls by a factor;
then it climbs back, quickly to just below the rate that was too fast, slowly past it. Pure: no sleeping here.
"""

import time
from collections import deque
from collections.abc import Callable

from etl.rate.values import HEADROOM

CATCH_UP_SECONDS = 0.01
"""How much of a late wake-up is made good. With half of it a busy machine loses 1 % of the rate; more eats the room."""

DECREASE = 0.7
"""What is left of a rate that was too fast, as in AWS's adaptive mode."""

SECONDS_BETWEEN_DECREASES = 1.0
"""Refusals come in a volley; one volley counts once."""

CLIMB = 0.01
"""Of ``max_rate``, per second, while the rate is well below the one that was too fast."""

PROBING_CLIMB = 0.001
"""Of ``max_rate``, per second, near the rate that was too fast and beyond it; half of that after each confirmation."""

CONFIRMED = 0.9
"""Of the rate that was too fast: a refusal from there on confirms it."""

TELLING = 10
"""Requests in less than a second that tell how fast we were, where nothing better is known."""

MAX_STEP_SECONDS = 1.0
"""Of climbing between two requests."""

NEAR = 0.95
"""Of the rate that was too fast: how far the quick climb goes."""

DISPROVED = 1.05
"""Of the rate that was too fast: passed without a refusal, it was not too fast after all."""

MIN_RATE = 1 / 60
"""Requests per second that are always tried."""


class RateLimiter:
    """When the next request may go."""

    def __init__(self, max_rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Set the pace.

        Args:
            max_rate: requests per second, at most.
            clock: seconds of a clock that never goes back.
        """
        self._max_rate = self._top = max_rate
        self._rate = max_rate
        self._interval = 1 / (max_rate * HEADROOM)
        self._clock = clock
        self._next = clock()
        self._climbed_at = self._decreased_at = float("-inf")
        self._started_at = self._next
        self._probing_climb = PROBING_CLIMB
        self._sent_at: deque[float] = deque()
        """When the requests of the last second went."""
        self._is_alone = True
        self.ceiling: float | None = None
        """Requests per second that were found to be too many, or that the API named as its limit."""

    @property
    def rate(self) -> float:
        """Requests per second at the moment."""
        return self._rate

    def seconds_left(self) -> float:
        """Say in how many seconds the next request may go; 0 or less means now."""
        return self._next - self._clock()

    def take(self) -> None:
        """Let one request go, now."""
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
        """Learn that this was too fast; returns whether the rate falls, which it does once in a second at most."""
        now = self._clock()
        if now - self._decreased_at < SECONDS_BETWEEN_DECREASES:
            return False
        self._decreased_at = self._climbed_at = now
        found = self._rate_until(now)
        is_confirmed = self.ceiling is not None and found >= CONFIRMED * self.ceiling
        self._probing_climb = self._probing_climb / 2 if is_confirmed else PROBING_CLIMB
        self.ceiling = found
        self._set(max(MIN_RATE, DECREASE * self.ceiling))
        return True

    def limit(self, rate: float) -> bool:
        """Learn from the API itself how many requests a second it takes; returns whether that is news."""
        rate = max(MIN_RATE, rate)
        if rate >= self._top:
            return False
        self._top = self.ceiling = rate
        self._set(min(self._rate, rate))
        return True

    def resume(self) -> None:
        """Go on after a time in which others sent: it has shown nothing of this pace."""
        self._climbed_at = self._clock()

    def agree(self, rate: float | None, ceiling: float | None, *, is_alone: bool) -> float:
        """Go on at the rate that all runs together have found to be right.

        Args:
            rate: requests per second; None is what is allowed.
            ceiling: requests per second that were found to be too many.
            is_alone: whether this run is the only one that sends.

        Returns:
            The rate that it goes on at.
        """
        self._is_alone = is_alone
        self.ceiling = ceiling
        self._set(min(self._top, rate or self._top))
        return self._rate

    def _rate_until(self, now: float) -> float:
        """Say how fast we were. What was really sent counts, once it tells anything: a rate may never be reached."""
        if not self._is_alone:
            # The API has counted the requests of all runs.
            return self._rate
        sent = sum(1 for moment in self._sent_at if moment > now - 1.0)
        is_telling = now - self._started_at >= 1.0 or (self.ceiling is None and sent >= TELLING)
        return min(self._rate, sent) if is_telling and sent else self._rate

    def _climb(self, now: float) -> None:
        # A pause has shown nothing: only time in which requests went counts.
        seconds, self._climbed_at = min(now - self._climbed_at, MAX_STEP_SECONDS), now
        if self.ceiling is not None and self._rate > DISPROVED * self.ceiling:
            self.ceiling = None
        near = NEAR * (self.ceiling or self._top)
        climb = CLIMB if self._rate < near else self._probing_climb
        self._set(min(self._top, self._rate + climb * self._max_rate * seconds))

    def _set(self, rate: float) -> None:
        self._rate = rate
        self._interval = 1 / (rate * HEADROOM)
