"""This run's share of a rate that several runs keep to together: the run sends only in periods that it has leased.

The run asks for the next lease when the current one begins, so that no request waits for the database. A pause that one
run learns of reaches the others with their next lease. A run that is alone gets longer leases, each of which begins
where the one before ends, so that it loses nothing by sharing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from etl.rate.limiter import RateLimiter
from etl.rate.values import RateLease, RateWish
from etl.shutdown import Shutdown

SHARED_SECONDS = 0.25
"""The lease of one of several runs: short, so that each run has its turn within a second or two."""

ALONE_SECONDS = 1.0
"""The lease of a run that is alone: a second run waits so long at most."""

FOLLOWS_ON_SECONDS = 0.001
"""The gap at which a lease still continues the one before; the clocks are not more accurate."""


class RateShare:
    """Says when this run may send."""

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
        """Start without a lease.

        Args:
            lease: takes the next lease; None means that it failed and that a shutdown was requested.
            pause: lets no run send for so many seconds.
            limiter: spreads the requests of this run within its leases.
            max_rate: the requests per second, at most.
            shutdown: ends the waiting.
            clock: returns the seconds of the clock that leases are timed by.
            sleep: waits for so many seconds, or less if the run stops.
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
        self._next_lease: asyncio.Task[RateLease | None] | None = None
        self._pauses: set[asyncio.Task[object]] = set()

    def grants_one(self) -> bool:
        """Count one more request if the lease allows it now; returns whether it does."""
        if self._left <= 0 or self._clock() >= self._ends_at:
            return False
        self._left -= 1
        return True

    async def next_turn(self) -> None:
        """Wait until the next lease begins, or a shutdown is requested."""
        while not self._shutdown.is_requested:
            lease = await (self._next_lease or self._ask())
            self._next_lease = None
            if lease is None:
                return
            if lease.starts_at >= self._paused_until and lease.ends_at > self._clock():
                await self._begin(lease)
                return

    def pause(self, seconds: float) -> None:
        """Let no run send for so many seconds, as the API asked this run."""
        self._left = 0
        self._paused_until = max(self._paused_until, self._clock() + seconds)
        pause_call = asyncio.ensure_future(self._pause(seconds))
        self._pauses.add(pause_call)
        pause_call.add_done_callback(self._pauses.discard)

    async def end(self) -> None:
        """Wait for the calls that are still running in the database."""
        await asyncio.gather(*self._pauses, *filter(None, [self._next_lease]))

    async def _begin(self, lease: RateLease) -> None:
        follows_on = abs(lease.starts_at - self._ends_at) < FOLLOWS_ON_SECONDS
        if not follows_on:
            self._limiter.resume()
        self._left = lease.requests + (self._left if follows_on else 0)
        self._ends_at = lease.ends_at
        if (seconds := lease.starts_at - self._clock()) > 0:
            await self._sleep(seconds)
        self._next_lease = asyncio.ensure_future(self._ask())

    async def _ask(self) -> RateLease | None:
        """Ask for the next lease, and adopt the rate that all runs have found."""
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
            # Otherwise the API refused the rate during this call; the other runs learn of it from the next call.
            self._agreed_rate = self._limiter.agree(lease.rate, lease.ceiling, is_alone=lease.is_alone)
        self._seconds = min(ALONE_SECONDS, 2 * self._seconds) if lease.is_alone else SHARED_SECONDS
        if lease.paused_until > self._clock():
            self._left = 0
            self._paused_until = max(self._paused_until, lease.paused_until)
        return lease
