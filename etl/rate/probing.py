"""Decides when the search for a limit probes for a higher one, and how large its steps are. Pure."""

import math

from etl.rate.values import FoundLimit

FIRST_STEP = 1.1
"""The first step of a probe: a limit that has not changed refuses it before the excess of requests is large."""

MAX_STEP = 2.0
"""The largest step, and the first one of a probe from a fallen rate."""

TOLD_STEP = 1.3
"""The ratio of a rate to what the API has admitted from which on the largest step is not taken yet: at twice the limit,
the requests of the burst alone would allow each step at once."""

PROBE_SECONDS, PROBE_REQUESTS, PROBE_COSTS, FIRST_PROBE_SECONDS = 20.0, 500, 100, 100.0
"""The time between probes is at least so many seconds, requests, and multiples of the seconds that a failed one costs;
and the seconds before the first one if another run has found the limit."""

MAX_PROBE_SECONDS = 120.0
"""The time that PROBE_REQUESTS take, at most, below one request a second: at one a minute they would take the whole
night. Above that the most grows with the rate, since each probe may cost a refusal."""

MIN_PAUSE_COST, MAX_PAUSE_SECONDS = 0.6, 20.0
"""The part of a pause that counts at least for the time between probes, since the API admits a burst after it; and the
pause that counts at most."""

FALLEN_SECONDS, FALLEN_COSTS = 10.0, 10
"""The time between probes from a fallen rate is at least so many seconds, and multiples of what a failed one costs."""

GAIN = 1.5
"""The multiple of what the API admitted before a probe from a fallen rate, from which on the probe was of use."""


class Probing:
    """The next probe, and the steps of the current one."""

    def __init__(self) -> None:
        self.due_at = math.inf
        self.step = FIRST_STEP
        self._rate_before = self._best_low = 0.0
        """The rate before the last probe from a fallen one, and the highest rate that was admitted since then."""

    def wait(self, found: FoundLimit, now: float, *, pause: float) -> None:
        """Wait for the next probe from now on; a failed one costs a pause of so many seconds."""
        self.due_at = now + _seconds_between(found, pause)

    def note_refusal(self, before: FoundLimit, found: FoundLimit, now: float, *, pause: float) -> None:
        """Wait after a refusal.

        A fallen rate does not wait anew, since an API that refuses a part of the requests at any rate would never let
        it rise again.

        Args:
            before: what was known before the refusal.
            found: what is known now.
            now: the time of the refusal, in seconds of a monotonic clock.
            pause: the seconds of the pause that it costs.
        """
        self._best_low = max(self._best_low, found.low)
        planned = self.due_at
        self.wait(found, now, pause=pause)
        if before.is_fallen and not before.is_probing:
            self.due_at = min(planned, self.due_at)

    def adopt(self, found: FoundLimit, now: float, *, pause: float) -> None:
        """Wait after another run has found a limit, which that run probes, too."""
        self.step = FIRST_STEP
        self.wait(found, now, pause=pause)
        self.due_at = max(self.due_at, now + FIRST_PROBE_SECONDS)

    def begin(self, found: FoundLimit) -> float:
        """Begin a probe; returns the rate that counts as shown from now on.

        This is half as much if the last probe from a fallen rate gained nothing: the limit is as low as it seems.
        """
        self.step = FIRST_STEP
        if not found.is_fallen:
            return found.shown
        self.step = MAX_STEP
        gained = self._best_low >= GAIN * self._rate_before
        self._rate_before = self._best_low = found.rate
        return found.shown if gained else max(found.low, found.shown / 2)

    def lengthen_step(self) -> float:
        """Return the next step of a probe whose last one was admitted."""
        self.step = min(MAX_STEP, 2 * self.step - 1)
        return self.step


def _seconds_between(found: FoundLimit, pause: float) -> float:
    rate, (requests, seconds) = found.rate, found.burst or (0.0, 0.0)
    pause = min(pause, MAX_PAUSE_SECONDS)
    cost = max(MIN_PAUSE_COST * pause, pause - max(0.0, requests / rate - seconds))
    if found.is_fallen:
        return max(FALLEN_SECONDS, FALLEN_COSTS * cost)
    return max(PROBE_SECONDS, min(PROBE_REQUESTS / rate, MAX_PROBE_SECONDS * max(1.0, rate)), PROBE_COSTS * cost)
