"""The retry budget: retries stay a small share of all requests, so that a bad hour is not made worse by asking thrice.

Pure, but for the clock that is passed in. Source: Google's SRE book, chapter 21, "Handling Overload"
(https://sre.google/sre-book/handling-overload/): a client retries only while retries are under 10 % of its requests.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

SHARE = 0.1
"""Of the requests, how many may be retries."""

FLOOR = 10
"""Retries that are always granted, so that a short run can retry at all."""

WINDOW_SECONDS = 120
"""How far back requests count."""


@dataclass(slots=True)
class _Second:
    number: int
    requests: int = 0
    retries: int = 0


class RetryBudget:
    """Counts requests and retries of the last two minutes."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._now = _Second(int(clock()))
        self._past: deque[_Second] = deque()
        self._requests = self._retries = 0

    def note_request(self) -> None:
        """Count a request, be it a first one or a retry."""
        self._turn_to_now()
        self._now.requests += 1
        self._requests += 1

    def grants(self, cost: int = 1) -> bool:
        """Take a retry out of the budget, if there is room for one of this cost."""
        self._turn_to_now()
        if self._retries + cost > max(FLOOR, SHARE * self._requests):
            return False
        self._now.retries += cost
        self._retries += cost
        return True

    def _turn_to_now(self) -> None:
        second = int(self._clock())
        if second == self._now.number:
            return
        self._past.append(self._now)
        self._now = _Second(second)
        while self._past and self._past[0].number <= second - WINDOW_SECONDS:
            forgotten = self._past.popleft()
            self._requests -= forgotten.requests
            self._retries -= forgotten.retries
