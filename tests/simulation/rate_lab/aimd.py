"""Plain AIMD, which the job used before: the reference for the search of a hidden limit.

Additive increase by 1 % of ``max_rate`` a second, multiplicative decrease by 0.7, pauses of 1 to 2 s that double.
"""

from collections import deque

from etl.rate.values import HEADROOM

CATCH_UP_SECONDS, DECREASE, CLIMB, PROBING_CLIMB = 0.01, 0.7, 0.01, 0.001
CONFIRMED, NEAR, DISPROVED, MIN_RATE = 0.9, 0.95, 1.05, 1 / 60
MIN_REQUESTS_TO_MEASURE = 10


class Aimd:
    """One client: a limiter by AIMD, and the gate's rules of pauses as they were."""

    def __init__(self, clock, case, rng):
        self.clock, self.rng, self.names_limit = clock, rng, case.names_limit
        self.server = case.server
        self.max_rate = self.top = self.rate = case.max_rate
        self.next = self.started_at = 0.0
        self.climbed_at = self.decreased_at = float("-inf")
        self.probing_climb, self.sent_at, self.ceiling = PROBING_CLIMB, deque(), None
        self.closed, self.probe_sent, self.opens_at, self.throttled = False, False, 0.0, 0

    def admit(self):
        now = self.clock()
        if self.probe_sent:
            return float("inf")
        if (seconds := max(self.next, self.opens_at) - now) > 0:
            return seconds
        if self.rate < self.top:
            if self.ceiling is not None and self.rate > DISPROVED * self.ceiling:
                self.ceiling = None
            climb = CLIMB if self.rate < NEAR * (self.ceiling or self.top) else self.probing_climb
            self.rate = min(self.top, self.rate + climb * self.max_rate * min(now - self.climbed_at, 1.0))
        self.climbed_at = now
        while self.sent_at and self.sent_at[0] <= now - 1.0:
            self.sent_at.popleft()
        if not self.sent_at:
            self.started_at = now
        self.sent_at.append(now)
        self.next = max(self.next, now - CATCH_UP_SECONDS) + 1 / (self.rate * HEADROOM)
        self.probe_sent = self.closed
        return (self.closed,)

    def accepted(self, permit):
        if permit[0]:
            self.probe_sent = self.closed = False
            self.throttled = 0

    def refused(self, permit, ordered):
        is_news = permit[0] or not self.closed
        if permit[0]:
            self.probe_sent = False
        if self.names_limit and self.server.limit < self.top:
            self.top = self.ceiling = self.server.limit
            self.rate = min(self.rate, self.top)
        else:
            self._slow_down(self.clock())
        if is_news or ordered:
            own = self.rng.uniform(1.0, min(60.0, 2.0 * 2.0**self.throttled)) if is_news else 0.0
            self.throttled += is_news
            self.closed = True
            seconds = max(own, ordered or 0.0) * (1 + (self.rng.uniform(0, 0.1) if ordered else 0))
            self.opens_at = max(self.opens_at, self.clock() + seconds)

    def _slow_down(self, now):
        if now - self.decreased_at < 1.0:
            return
        self.decreased_at = self.climbed_at = now
        sent = sum(1 for moment in self.sent_at if moment > now - 1.0)
        is_enough = now - self.started_at >= 1.0 or (self.ceiling is None and sent >= MIN_REQUESTS_TO_MEASURE)
        found = min(self.rate, sent) if is_enough and sent else self.rate
        is_confirmed = self.ceiling is not None and found >= CONFIRMED * self.ceiling
        self.probing_climb = self.probing_climb / 2 if is_confirmed else PROBING_CLIMB
        self.ceiling, self.rate = found, max(MIN_RATE, DECREASE * found)
