"""The circuit breaker: when half of the recent answers have failed, nobody asks until a single probe has succeeded.

Pure: it is told of answers, and says when to pause and for how long.
"""

from collections import deque

RECENT = 30
"""Answers that are looked at."""

MIN_ANSWERS_TO_JUDGE = 20
"""Answers that must be there before anything is concluded from them."""

FAILING = 0.5
"""The share of failures at which the breaker opens."""

FIRST_PAUSE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 300.0


class Breaker:
    """Watches whether the API answers at all."""

    def __init__(self) -> None:
        self._failed: deque[bool] = deque(maxlen=RECENT)
        self._failures = 0
        self._pauses = 0

    def note(self, *, failed: bool) -> bool:
        """Count an answer; returns whether so many have failed that the breaker opens."""
        if len(self._failed) == RECENT:
            self._failures -= self._failed[0]
        self._failed.append(failed)
        self._failures += failed
        return failed and len(self._failed) >= MIN_ANSWERS_TO_JUDGE and self._failures >= FAILING * len(self._failed)

    def next_pause_seconds(self) -> float:
        """Say how long to pause before the next probe: twice as long each time, up to a bound."""
        seconds = min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**self._pauses)
        self._pauses += 1
        return seconds

    def close(self) -> None:
        """Learn that a probe has succeeded: what came before counts no more."""
        self._failed.clear()
        self._failures = self._pauses = 0
