"""The rate limiter: at most ``max_rate`` requests in any second, evenly spread, and fewer if the API refuses them.

The limiter spreads requests by GCRA, the generic cell rate algorithm (ITU-T I.371): each request has a theoretical
arrival time, one interval after the one before. A late request catches up by some milliseconds only, so that a burst
never follows a stall. It also waits until one second has passed since the request that is ``max_rate`` requests before
it. The libraries that were measured allow a full burst at first, or use only a part of a high rate.

``LimitSearch`` decides about the rate. Several runs share it, and each sends at its part. It never sleeps.
"""

import math
import time
from collections import deque
from collections.abc import Callable

from etl.rate.search import MIN_RATE, Decision, LimitSearch
from etl.rate.values import HEADROOM, FoundLimit, Permit

CATCH_UP_SECONDS = 0.008
"""The lateness that is caught up at least: as much as HEADROOM allows, so that even runs that follow on each other send
no more requests than the rate in any second."""

MAX_CATCH_UP_SECONDS = 0.03
"""The lateness that is caught up at most: a busy machine is often late by more than 8 ms. If another run has the next
share, one second may have 3 % more requests than the rate."""

MIN_RATE_TO_CATCH_UP = 34.0
"""The requests per second from which on 3 % are one request."""

CLOCK_READING_SECONDS = 1e-5
"""The error of the ends of shares, which databases keep in microseconds."""

BURST_PART = 1 / 6
"""The part of the API's burst that is caught up, at most. The smallest burst is one request, which leaves nothing."""


class RateLimiter:
    """Says when the next request may be sent."""

    def __init__(self, max_rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start at the full rate.

        Args:
            max_rate: the requests per second of all runs, at most.
            clock: returns the seconds of a monotonic clock.
        """
        self._top = max_rate
        self._search = LimitSearch(max_rate * HEADROOM)
        self._part = 1.0
        self._number = 0.0
        self._clock = clock
        self._next = clock()
        self._last_second: deque[float] = deque()
        """When the requests of the last second were sent."""
        self._named: float | None = None

    @property
    def rate(self) -> float:
        """The current requests per second of all runs that share the rate, with ``HEADROOM``."""
        return self._search.found.rate / HEADROOM

    @property
    def ceiling(self) -> float | None:
        """The requests per second that were too fast, or that the API named as its limit; None if none were."""
        found = self._search.found
        return self._named or (found.high or found.low or None if found.rate < self._top * HEADROOM else None)

    @property
    def found(self) -> FoundLimit | None:
        """What this run and the others know about the limit; None if the API has refused no request."""
        return self._search.found if self._search.found.serial else None

    @property
    def max_in_flight(self) -> float:
        """The requests that this run may have in flight."""
        found = self._search.found.max_in_flight
        return math.inf if found is None else max(1, int(found * self._part))

    def seconds_left(self) -> float:
        """Return in how many seconds the next request may be sent; 0 or less means now."""
        now, recent = self._clock(), self._last_second
        number = math.ceil(self._top)
        seconds = number / self._top
        while recent and recent[0] <= now - seconds:
            recent.popleft()
        return max(self._next, recent[0] + seconds if len(recent) >= number else self._next) - now

    def fits(self, ends_at: float, *, requests: int = 1) -> bool:
        """Return whether so many requests from now on can be sent before a time, with an interval after each."""
        now = self._clock()
        begin = max(self._next, now - CATCH_UP_SECONDS)
        return now < ends_at and begin + requests * self._interval <= ends_at + CLOCK_READING_SECONDS

    def take(self, *, in_flight: int = 1, is_probe: bool = False) -> Permit:
        """Admit a request that is sent now.

        Args:
            in_flight: the requests of this run without an answer, with this one.
            is_probe: whether its outcome opens or closes the gate.
        """
        now = self._clock()
        found = self._search.found
        interval = self._interval
        if found.burst is not None:
            room = self._top / found.rate - 1
            catch_up = min(MAX_CATCH_UP_SECONDS, max(0.0, room), BURST_PART * max(0.0, found.burst[0] - 1) * interval)
        elif self._part == 1 and found.rate >= MIN_RATE_TO_CATCH_UP:
            catch_up = MAX_CATCH_UP_SECONDS
        else:
            catch_up = CATCH_UP_SECONDS
        self._next = (now if is_probe else max(self._next, now - catch_up)) + interval
        self._last_second.append(now)
        self._number += 1 / self._part
        permit = Permit(self._number, now, math.ceil(in_flight / self._part), is_probe, self._part)
        self._search.sent(permit)
        return permit

    def accepted(self, permit: Permit) -> Decision | None:
        """Note that the API admitted a request; returns what that changes."""
        if permit.is_probe:
            # The requests that waited for this answer are not late.
            self._next = max(self._next, self._clock())
        return self._search.accepted(permit, self._clock())

    def refused(self, permit: Permit) -> Decision | None:
        """Note that the API refused a request as too fast; returns what that changes."""
        return self._search.refused(permit, self._clock())

    def interrupt(self) -> None:
        """Note that the API's refusals alone do not explain how long the pause is."""
        self._search.interrupt()

    def limit(self, rate: float) -> bool:
        """Adopt the limit that the API named; returns whether it is lower than before."""
        rate = max(MIN_RATE, rate)
        if rate >= self._top:
            return False
        self._top = self._named = rate
        self._last_second.clear()
        self._search.adopt_named(rate * HEADROOM)
        return True

    @property
    def _interval(self) -> float:
        return 1 / (self._search.found.rate * self._part)

    def begin_share(
        self, part: float, *, starts_at: float | None, is_shared: bool = False, seconds_of_others: float = 0.0
    ) -> None:
        """Send at a part of the rate from now on.

        Args:
            part: the part, above 0 and at most 1.
            starts_at: when the share began; None if it follows on the last one, so that the limiter continues.
            is_shared: whether other runs hold shares, too.
            seconds_of_others: how long other runs have had the whole rate since the last share.
        """
        self._part = part
        self._search.is_shared = is_shared
        self._number += seconds_of_others * self._search.found.rate
        if starts_at is not None:
            self._next = max(self._next, starts_at)

    def adopt(self, found: FoundLimit | None) -> None:
        """Adopt what all runs together have found, unless this run has found something newer."""
        if found is not None and found != self.found and found.serial >= self._search.found.serial:
            self._search.adopt(found, self._clock())
