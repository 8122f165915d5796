"""The servers of the rate lab: each admits or refuses a request, and counts what it would have admitted at most."""

import math
from collections import deque


class Server:
    """Admits every request: there is no hidden limit."""

    def __init__(self, limit):
        self.limit = limit

    def admits(self, now):
        return True

    def ends(self, now):
        """Note that the server has finished a request that it admitted."""

    def retry_after(self, now):
        """Return the seconds until the server admits the next request."""
        return 0.0

    def slowdown(self, now):
        """Return the factor by which the service of a request takes longer."""
        return 1.0

    def allowance(self, seconds):
        """Return the requests that the limit stands for in the first ``seconds``."""
        return self.limit * seconds


class TokenBucket(Server):
    """Holds the tokens of ``burst`` seconds, at least one. The limit may change at given times."""

    def __init__(self, limit, burst, *, changes=(), slows_down=False):
        super().__init__(limit)
        self.burst = burst
        self.changes = [(0.0, limit), *changes]
        self.slows_down = slows_down
        self.pending = deque(changes)
        self.tokens, self.at = max(1.0, limit * burst), 0.0

    def refill(self, now):
        while self.pending and self.pending[0][0] <= now:
            at, limit = self.pending.popleft()
            self.refill(at)
            self.limit = limit
        self.tokens = min(max(1.0, self.limit * self.burst), self.tokens + (now - self.at) * self.limit)
        self.at = now

    def admits(self, now):
        self.refill(now)
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True

    def retry_after(self, now):
        return (1.0 - self.tokens) / self.limit

    def slowdown(self, now):
        return 4.0 - 3.0 * self.tokens / max(1.0, self.limit * self.burst) if self.slows_down else 1.0

    def allowance(self, seconds):
        total, ends = 0.0, [at for at, _ in self.changes[1:]] + [math.inf]
        for (at, limit), end in zip(self.changes, ends, strict=True):
            total += limit * max(0.0, min(end, seconds) - at)
        return total


class FixedWindow(Server):
    """Admits the requests of one window together. The windows follow a clock, or begin with the first request."""

    def __init__(self, limit, seconds, *, phase=None):
        super().__init__(limit)
        self.quota, self.seconds = max(1, round(limit * seconds)), seconds
        self.limit = self.quota / seconds
        self.starts_at = None if phase is None else -phase * seconds
        self.follows_clock = phase is not None
        self.used = 0

    def admits(self, now):
        if self.starts_at is None or now >= self.starts_at + self.seconds:
            windows = (now - self.starts_at) // self.seconds if self.follows_clock else 0
            self.starts_at = self.starts_at + windows * self.seconds if self.follows_clock else now
            self.used = 0
        self.used += 1
        return self.used <= self.quota

    def retry_after(self, now):
        return self.starts_at + self.seconds - now


class SlidingWindow(Server):
    """Admits as many requests in any window of so many seconds."""

    def __init__(self, limit, seconds):
        super().__init__(limit)
        self.quota, self.seconds = max(1, round(limit * seconds)), seconds
        self.limit = self.quota / seconds
        self.admitted = deque(maxlen=self.quota)

    def admits(self, now):
        if len(self.admitted) == self.quota and self.admitted[0] > now - self.seconds:
            return False
        self.admitted.append(now)
        return True

    def retry_after(self, now):
        return self.admitted[0] + self.seconds - now


class ConcurrencyLimit(Server):
    """Serves so many requests at a time. The limit stands for what as many clients in a closed loop get."""

    def __init__(self, places, round_trip_seconds):
        super().__init__(places / round_trip_seconds)
        self.places, self.busy = places, 0

    def admits(self, now):
        if self.busy >= self.places:
            return False
        self.busy += 1
        return True

    def ends(self, now):
        self.busy -= 1


class OddRefusals(Server):
    """Refuses a part of the requests at random, whatever their rate, as one sick node of several does."""

    def __init__(self, limit, part, rng, *, starts_at=0.0, ends_at=math.inf):
        super().__init__(limit)
        self.part, self.rng = part, rng
        self.starts_at, self.ends_at = starts_at, ends_at

    def admits(self, now):
        return not (self.starts_at <= now < self.ends_at and self.rng.random() < self.part)
