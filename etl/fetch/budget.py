"""The retry budget: retries stay a small share of all requests, so that they do not make an overload worse.

Pure, except for the clock that is passed in. Source: Google's SRE book, chapter 21, "Handling Overload"
(https://sre.google/sre-book/handling-overload/): a client retries only while retries are under 10 % of its requests.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

MAX_RETRY_SHARE = 0.1
"""The share of retries among the requests, at most."""

MIN_RETRIES = 10
"""Retries that are always granted, so that a short run can retry at all."""

WINDOW_SECONDS = 120
"""The budget counts the requests of the last two minutes, as in the SRE book."""


@dataclass(slots=True)
class _Second:
    number: int
    requests: int = 0
    retries: int = 0


class RetryBudget:
    """Counts recent requests and retries."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._now = _Second(int(clock()))
        self._past: deque[_Second] = deque()
        self._requests = self._retries = 0

    def record_request(self) -> None:
        """Count a request; a retry is a request, too."""
        self._advance()
        self._now.requests += 1
        self._requests += 1

    def grants(self, cost: int = 1) -> bool:
        """Spend the cost of a retry; returns whether the budget allows it."""
        self._advance()
        if self._retries + cost > max(MIN_RETRIES, MAX_RETRY_SHARE * self._requests):
            return False
        self._now.retries += cost
        self._retries += cost
        return True

    def _advance(self) -> None:
        second = int(self._clock())
        if second == self._now.number:
            return
        self._past.append(self._now)
        self._now = _Second(second)
        while self._past and self._past[0].number <= second - WINDOW_SECONDS:
            expired = self._past.popleft()
            self._requests -= expired.requests
            self._retries -= expired.retries
