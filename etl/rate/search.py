"""Finds a limit that the API does not name, by binary search in a bracket. Pure: it never sleeps and reads no clock.

A limit of L requests per second with a burst of B admits at most B + L t requests in t seconds. Two stretches of
different length, each from a pause to a refusal, therefore tell both. The search sends at the full rate until the API
refuses a request, which shows mostly the burst. It then tries the geometric middle between the rate that the API has
shown to admit (``low``) and the refused one (``high``). Answers raise ``low`` and refusals lower ``high``, until the
bracket is narrow. From time to time it probes for a higher limit, in steps that double.

A refusal at a rate that the API admitted before means that the limit has changed, or that the API limits the number of
requests in flight instead. In that case the refused requests are those with the most others in flight.

If one of several servers refuses a part of the requests at any rate, refusals tell no limit, and lower the rate again
and again. From a rate that has fallen far below what the API has shown to admit, the search probes sooner, and in
larger steps (``probing``).
"""

import math
from enum import StrEnum
from typing import NamedTuple

import msgspec

from etl.rate.probing import FIRST_STEP, MAX_STEP, TOLD_STEP, Probing
from etl.rate.values import FoundLimit, Permit

NARROW, GUESSED = 1.015, 1.1
"""The step within the bracket below which narrowing it is not worth a pause; and the ratio of a refused rate to ``low``
above which the middle is tried. Below it, the rate falls to ``low``."""

MAX_DECREASE, CHANGED_DECREASE = 0.5, 0.8
"""A refused rate falls to this part at most, since one odd refusal proves little: the second if the limit changed."""

YIELD = 0.995
"""A refused rate always falls at least to this part, so that the search never repeats itself."""

HOLDS_SECONDS, SHARED_RAISE_SECONDS = 10.0, 2.0
"""The time without a refusal after which a rate holds, even if the requests do not tell it yet; and the time between
two raises if several runs send, since until then not all know of a refusal."""

MIN_REQUESTS_TO_TELL = 20
"""The requests beyond the burst from which a stretch tells the limit, within some percent; and those of a window."""

LONGEST_WINDOW_SECONDS = 60.0
"""The seconds of a stretch before any refusal from which on its rate counts as shown: more than a burst or a window."""

LONG_STRETCH, WINDOW_SECONDS = 1.5, 10.0
"""The multiple of the pause before it from which on a stretch is long enough to trust; and the pause from which on the
API seems to admit a number of requests in each window, such as a minute."""

CROWDED = 0.8
"""The part of the most requests in flight from which on a refusal may be due to their number."""

MIN_CROWDED_REFUSALS, MIN_REFUSALS_OF_FEW, FEW = 2, 4, 3
"""The refusals in a row that may be due to the number in flight, from which on it is limited. A few requests in flight
are often nearly the most by chance, which takes more refusals."""

PRESUMED = 0.01
"""The part of the full rate that counts as shown: a lower limit is less likely than refusals that tell none."""

MIN_RATE = 1 / 60
"""The lowest rate: one request per minute is always tried."""


class Decision(StrEnum):
    """Why the rate, or the number of requests in flight, has changed."""

    LOWERED = "lowered"
    """The API refused the rate, and the search goes to the middle of the bracket, or to its lower end."""
    FOUND = "limit_found"
    """The refused stretch was long enough to tell the limit."""
    CHANGED = "limit_changed"
    """The API refused a rate that it had admitted."""
    RAISED = "raised"
    PROBED = "probe"
    """The limit has stood for some time, and the search tries a higher rate."""
    FEWER_IN_FLIGHT = "fewer_in_flight"
    MORE_IN_FLIGHT = "more_in_flight"


class Mark(NamedTuple):
    """The first request of a stretch."""

    number: float
    sent_at: float


class LimitSearch:
    """The search for the limit of one API."""

    def __init__(self, top: float) -> None:
        """Start at the full rate of ``top`` requests per second."""
        self._top = top
        self.found = FoundLimit(rate=top, low=0.0, high=None, shown=PRESUMED * top)
        self._probing = Probing()
        self._since_pause: Mark | None = None
        self._since_change: Mark | None = None
        """The first request at the current rate."""
        self.is_shared = False
        """Whether other runs send, too, which learn of a change later."""
        self._last_number = 0.0
        self._refused_at: float | None = None
        """When the last refused request was sent."""
        self._blocked_at = -math.inf
        """When the request was sent whose refusal began the pause."""
        self._admitted = (0.0, math.inf)
        """The requests before the pause, and when the first one was sent; infinite: they tell nothing."""
        self._pause, self._blocked = math.inf, 0.0
        """The seconds from a refusal to the first request after the pause: from the last refused probe, or the first
        refused request."""
        self._most_in_flight = 0
        """Of the requests since the pause that were accepted."""
        self._crowded_refusals = 0

    def adopt(self, found: FoundLimit, now: float) -> None:
        """Go on from what another run has found."""
        rate = max(min(MIN_RATE, self._top), min(self._top, found.rate))
        if rate < self.found.rate or self._since_pause is None:
            # The other run was refused, and all pause. What this run has sent before tells the same.
            self._since_pause = self._since_change = None
            self._refused_at = self._blocked_at = now
            self._most_in_flight = 0
            self.interrupt()
        else:
            self._since_change = Mark(self._last_number + 1, now)
        # An older version has kept a limit without what was shown.
        shown = min(self._top, found.shown or PRESUMED * self._top)
        self.found = msgspec.structs.replace(found, rate=rate, shown=shown)
        self._probing.adopt(self.found, now, pause=self._pause_seconds)

    def adopt_named(self, top: float) -> None:
        """Never send faster than the rate that the API names."""
        self._top = top
        rate = min(self.found.rate, top)
        self._change(rate=rate, low=rate, high=None, shown=min(self.found.shown, top))
        self._since_pause = self._since_change = None

    def interrupt(self) -> None:
        """Learn no window from this pause: it has another cause, too, or no request was there at its end."""
        self._admitted = (0.0, math.inf)

    def sent(self, permit: Permit) -> None:
        """Note an admitted request."""
        self._last_number = permit.number
        if self._since_pause is None and not permit.is_probe:
            self._since_pause = self._since_change = Mark(permit.number, permit.sent_at)
            self._pause = permit.sent_at - self._refused_at if self._refused_at is not None else math.inf
            self._blocked = permit.sent_at - self._blocked_at

    def accepted(self, permit: Permit, now: float) -> Decision | None:
        """Note an answer; returns what it changes."""
        found, start = self.found, self._since_change
        if start is None and permit.is_probe and permit.sent_at - self._blocked_at >= WINDOW_SECONDS:
            return self._learn_window(permit)
        if start is None or permit.number < start.number:
            return None
        self._most_in_flight = max(self._most_in_flight, permit.in_flight)
        is_full = found.max_in_flight is not None and self._most_in_flight >= found.max_in_flight
        if is_full and now >= self._probing.due_at:
            return self._raise_in_flight(now)
        return self._raise_if_due(permit, start, now) if found.rate < self._top else None

    def _raise_if_due(self, permit: Permit, start: Mark, now: float) -> Decision | None:
        found, probing, high = self.found, self._probing, self.found.high or 0.0
        if not found.is_probing and now >= probing.due_at:
            shown = probing.begin(found)
            self._raise(probing.step, now, low=found.rate, high=high, shown=shown)
            return Decision.PROBED
        seconds = permit.sent_at - start.sent_at
        # If the number in flight slows the run down, a rate that holds tells nothing.
        may_hold = found.max_in_flight is None and seconds >= HOLDS_SECONDS
        # Where only time tells, as in windows, many steps would take long.
        factor = probing.step if found.is_probing else (high / found.rate) ** (1 / 2 if may_hold else 1 / 3)
        if factor < NARROW or (self.is_shared and seconds < SHARED_RAISE_SECONDS):
            return None
        low, _ = self._least(permit, found.burst)
        if low * (TOLD_STEP if factor >= MAX_STEP else factor) < found.rate and not may_hold:
            return None
        if found.is_probing:
            factor = probing.lengthen_step()
        self._raise(factor, now, low=low, high=None if found.is_probing else high, shown=found.shown)
        return Decision.RAISED

    def refused(self, permit: Permit, now: float) -> Decision | None:
        """Note a refusal; returns what it changes: nothing if an earlier refusal has told the same."""
        start, found = self._since_pause, self.found
        if start is None:
            # A refused probe shows that the pause was too short, and nothing about the rate.
            self._refused_at = permit.sent_at
            return None
        if permit.number < start.number:
            return None
        has_changed = found.rate <= 1.001 * found.low
        if self._is_crowded(permit, has_changed=has_changed):
            fewest = min(permit.in_flight, found.max_in_flight or permit.in_flight)
            self._probing.step = FIRST_STEP
            self._change(max_in_flight=max(1, fewest - 1), high=None)
            decision = Decision.FEWER_IN_FLIGHT
        else:
            decision = self._narrow(permit, start, has_changed=has_changed)
        self._probing.note_refusal(found, self.found, now, pause=self._pause_seconds)
        self._since_pause = self._since_change = None
        self._admitted = permit.number - start.number, start.sent_at
        self._refused_at = self._blocked_at = permit.sent_at
        self._pause, self._most_in_flight = math.inf, 0
        return decision

    def _learn_window(self, permit: Permit) -> Decision | None:
        """Learn the limit from a pause that shows a window: it admitted as many requests from its begin to its end."""
        requests, begin = self._admitted
        self.interrupt()
        if begin == math.inf or requests < MIN_REQUESTS_TO_TELL:
            return None
        rate = min(self._top, max(MIN_RATE, YIELD * requests / (permit.sent_at - begin)))
        self._change(rate=rate, low=rate, high=rate, shown=max(self.found.shown, rate))
        return Decision.FOUND

    def _is_crowded(self, permit: Permit, *, has_changed: bool) -> bool:
        """Decide whether the number in flight is to blame, and forget its limit if a smaller number was refused."""
        most = self.found.max_in_flight
        is_at_limit = most is not None and permit.in_flight >= most
        own = permit.in_flight * permit.part
        is_single = own < 2  # noqa: PLR2004
        if has_changed or is_at_limit:
            is_suspect = not is_single and permit.in_flight >= CROWDED * self._most_in_flight
            self._crowded_refusals = self._crowded_refusals + 1 if is_suspect else 0
        if most is not None and (is_single or not is_at_limit):
            self._crowded_refusals = 0
            self._change(max_in_flight=None)
        needed = MIN_CROWDED_REFUSALS if own > FEW else MIN_REFUSALS_OF_FEW
        is_proved = has_changed and self._crowded_refusals >= needed
        return not is_single and (is_at_limit or is_proved)

    def _narrow(self, permit: Permit, start: Mark, *, has_changed: bool) -> Decision:
        """Narrow the bracket after a refusal."""
        found, requests, seconds = self.found, permit.number - start.number, permit.sent_at - start.sent_at
        # What was believed is wrong, and the burst may be, too, unless a long stretch tells less by it.
        is_wrong = has_changed and (
            seconds < LONG_STRETCH * self._pause or self._least(permit, found.burst)[0] >= YIELD * found.rate
        )
        burst = None if is_wrong else found.burst
        is_first, is_clean = self._refused_at is None and burst is None, self._since_change == start
        # The first stretch tells mostly the burst, so that its rate is a guess for the middle only.
        least, telling = (requests / (seconds + 1.0), 0) if is_first else self._least(permit, burst)
        low = min(found.rate, max(least, 0.0 if has_changed else found.low))
        # The rate may not fall below MIN_RATE, but no answer has shown that the API admits it.
        guess = max(low, min(MIN_RATE, found.rate))
        if not is_first:
            guess = max(guess, (CHANGED_DECREASE if has_changed else MAX_DECREASE) ** 2 * found.rate)
        # A refusal of the first request shows that other runs had not paused yet.
        if is_clean and requests > 0 and (burst is None or requests <= burst[0] or seconds <= burst[1]):
            burst = (requests, seconds)
        known_low = found.low if is_first else low
        is_shown = not is_first or seconds >= LONGEST_WINDOW_SECONDS
        proved = {"low": known_low, "shown": max(found.shown, low if is_shown else 0.0), "burst": burst}
        if is_clean and telling >= MIN_REQUESTS_TO_TELL:
            self._change(rate=guess, high=min(found.rate, guess * (1 + 3 / telling)), **proved)
            return Decision.FOUND
        # If the first step of a probe is refused, what was refused before is still too fast.
        high = min(found.rate, found.high or math.inf)
        rate = math.sqrt(guess * high) if high > GUESSED * guess else min(guess, YIELD * found.rate)
        self._change(rate=max(min(MIN_RATE, self._top), rate), high=high, **proved)
        return Decision.CHANGED if has_changed else Decision.LOWERED

    def _least(self, permit: Permit, burst: tuple[float, float] | None) -> tuple[float, float]:
        """Return what the limit is at least, and the number of requests that tell it.

        A bucket or a window that was empty before the pause has admitted these requests. Without the burst, they tell
        the limit itself.
        """
        least, telling = 0.0, 0.0
        for mark in filter(None, (self._since_pause, self._since_change)):
            requests, seconds = permit.number - mark.number, permit.sent_at - mark.sent_at
            if mark == self._since_pause and seconds + self._pause > 0:
                least = max(least, requests / (seconds + self._pause))
            if burst is not None and requests > burst[0] + 1 and seconds > 2 * burst[1]:
                beyond = requests - burst[0]
                if (rate := (beyond - 1) / (seconds - burst[1])) > least:
                    least, telling = rate, beyond
        return min(least, self.found.rate), telling

    def _raise(self, factor: float, now: float, *, low: float, high: float | None, shown: float) -> None:
        rate = min(self._top, factor * self.found.rate)
        self._change(rate=rate, low=max(self.found.low, low), high=high, shown=shown)
        self._since_change = Mark(self._last_number + 1, now)

    def _raise_in_flight(self, now: float) -> Decision:
        self._change(max_in_flight=(self.found.max_in_flight or 0) + 1)
        self._probing.wait(self.found, now, pause=self._pause_seconds)
        return Decision.MORE_IN_FLIGHT

    def _change(self, **changes: object) -> None:
        self.found = msgspec.structs.replace(self.found, serial=self.found.serial + 1, **changes)

    @property
    def _pause_seconds(self) -> float:
        return 1.0 if self._pause == math.inf else max(self._pause, self._blocked)
