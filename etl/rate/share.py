"""This run's share of a rate that several runs keep to together: it sends only in stretches of time leased to it.

The next stretch is asked for as the current one begins, so that no request waits for the database, and whoever has
learnt of a pause stops the others with their next stretch at the latest. A run that is alone leases longer stretches,
each of which follows on the one before; it loses nothing by sharing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from etl.rate.limiter import RateLimiter
from etl.rate.values import RateLease, RateWish
from etl.shutdown import Shutdown

SHARED_SECONDS = 0.25
"""A stretch among several runs: short, so that each has its turn within a second or two."""

ALONE_SECONDS = 1.0
"""A stretch of a run that is alone: as long as a second run may be kept waiting."""

FOLLOWS_ON_SECONDS = 0.001
"""Between two stretches that are one after another; the clocks are not known better."""


class RateShare:
    """What this run may send."""

    def __init__(
        self,
        lease: Callable[[RateWish], Awaitable[RateLease | None]],
        pause: Callable[[float], Awaitable[object]],
        *,
        limiter: RateLimiter,
        max_rate: float,
        shutdown: Shutdown,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        """Begin without a lease.

        Args:
            lease: takes the next stretch; None means that it could not, and that the stop was ordered.
            pause: lets no run send for so many seconds.
            limiter: of this run, within its stretches.
            max_rate: requests per second, at most.
            shutdown: ends the waiting.
            clock: seconds of the clock that leases are timed by.
            sleep: waits for so many seconds, or for less when the run stops.
        """
        self._lease = lease
        self._pause = pause
        self._limiter = limiter
        self._max_rate = max_rate
        self._shutdown = shutdown
        self._clock = clock
        self._sleep = sleep or shutdown.sleep
        self._seconds = SHARED_SECONDS
        self._left = 0
        self._ends_at = float("-inf")
        self._paused_until = float("-inf")
        self._agreed_rate = limiter.rate
        self._ahead: asyncio.Task[RateLease | None] | None = None
        self._pausing: set[asyncio.Task[object]] = set()

    def grants_one(self) -> bool:
        """Say whether one more request may go now; if so, it is counted."""
        if self._left <= 0 or self._clock() >= self._ends_at:
            return False
        self._left -= 1
        return True

    async def next_turn(self) -> None:
        """Wait until the next stretch begins, or the run is to stop."""
        while not self._shutdown.is_requested:
            lease = await (self._ahead or self._ask())
            self._ahead = None
            if lease is None:
                return
            if lease.starts_at >= self._paused_until and lease.ends_at > self._clock():
                await self._begin(lease)
                return

    def pause(self, seconds: float) -> None:
        """Let no run send for so long: the API has told this one."""
        self._left = 0
        self._paused_until = max(self._paused_until, self._clock() + seconds)
        pausing = asyncio.ensure_future(self._pause(seconds))
        self._pausing.add(pausing)
        pausing.add_done_callback(self._pausing.discard)

    async def end(self) -> None:
        """Wait for what is still under way in the database."""
        await asyncio.gather(*self._pausing, *filter(None, [self._ahead]))

    async def _begin(self, lease: RateLease) -> None:
        follows_on = abs(lease.starts_at - self._ends_at) < FOLLOWS_ON_SECONDS
        if not follows_on:
            self._limiter.resume()
        self._left = lease.requests + (self._left if follows_on else 0)
        self._ends_at = lease.ends_at
        if (seconds := lease.starts_at - self._clock()) > 0:
            await self._sleep(seconds)
        self._ahead = asyncio.ensure_future(self._ask())

    async def _ask(self) -> RateLease | None:
        """Ask for the next stretch, and take in what the others have learnt."""
        rate = self._limiter.rate
        wish = RateWish(
            seconds=self._seconds,
            max_rate=self._max_rate,
            rate=rate,
            climbed=rate - self._agreed_rate,
            ceiling=self._limiter.ceiling,
        )
        lease = await self._lease(wish)
        if lease is None:
            return None
        self._agreed_rate = lease.rate or self._max_rate
        if self._limiter.rate >= rate:
            # Otherwise it was found too fast while this was under way; the others learn of it the next time.
            self._agreed_rate = self._limiter.agree(lease.rate, lease.ceiling, is_alone=lease.is_alone)
        self._seconds = min(ALONE_SECONDS, 2 * self._seconds) if lease.is_alone else SHARED_SECONDS
        if lease.paused_until > self._clock():
            self._left = 0
            self._paused_until = max(self._paused_until, lease.paused_until)
        return lease
