"""The circuit breaker: it opens when half of the recent responses are failures, until a single probe succeeds.

Pure: it counts responses, and decides when to pause and for how long.
"""

from collections import deque

WINDOW_RESPONSES = 30
"""The number of recent responses that the breaker looks at."""

MIN_RESPONSES_TO_JUDGE = 20
"""The breaker stays closed below this number of responses: too few prove nothing."""

FAILURE_THRESHOLD = 0.5
"""The share of failures at which the breaker opens."""

FIRST_PAUSE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 300.0


class Breaker:
    """Watches the share of failures among the responses."""

    def __init__(self) -> None:
        self._failed: deque[bool] = deque(maxlen=WINDOW_RESPONSES)
        self._failures = 0
        self._pauses = 0

    def record(self, *, failed: bool) -> bool:
        """Count a response; returns whether the breaker opens."""
        if len(self._failed) == WINDOW_RESPONSES:
            self._failures -= self._failed[0]
        self._failed.append(failed)
        self._failures += failed
        return (
            failed
            and len(self._failed) >= MIN_RESPONSES_TO_JUDGE
            and self._failures >= FAILURE_THRESHOLD * len(self._failed)
        )

    def next_pause_seconds(self) -> float:
        """Return how long to pause before the next probe: twice as long each time, up to a bound."""
        seconds = min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**self._pauses)
        self._pauses += 1
        return seconds

    def close(self) -> None:
        """Close the breaker after a successful probe, and forget the responses before it."""
        self._failed.clear()
        self._failures = self._pauses = 0
