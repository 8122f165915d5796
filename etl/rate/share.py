"""This run's share of a rate that several runs keep to together: each sends at its part of it, at the same time.

The run asks for the next share when half of the current one is over, so that no request waits for the database. A run
that sends nothing asks for nothing, and its share ends by itself. Before each request the run compares the end of its
share with a clock that is never set: a run that was frozen or is late leaves the rest of its share unused. A pause that
one run learns of reaches the others with their next share.
"""

import asyncio
from collections.abc import Awaitable, Callable

from etl.database.clock import steady_seconds
from etl.rate.limiter import RateLimiter
from etl.rate.values import HEADROOM, RateLease, RateWish
from etl.shutdown import Shutdown

BOUND = 0.8
"""The part of a share from which on its use shows that the run could use more."""

FADING = 0.7
"""The part of the last round trip that counts on: one quick answer does not make the next ones quick."""

RESERVE = 1.5
"""The multiple of its use that a run wants which uses less."""


MAX_TURNS_SECONDS = 5.0
"""The time between two turns of a run, at most, unless there are many runs."""


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
        clock: Callable[[], float] = steady_seconds,
        sleep: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        """Start without a share.

        Args:
            lease: gets the next share; None means that it failed and that a shutdown was requested.
            pause: lets no run send for so many seconds.
            limiter: spreads the requests of this run; it has the same clock.
            max_rate: the requests per second of all runs, at most.
            shutdown: ends the waiting.
            clock: returns the seconds of the clock that shares are timed by.
            sleep: waits for so many seconds, or less if the run stops.
        """
        self._lease = lease
        self._pause = pause
        self._limiter = limiter
        self._max_rate = max_rate
        self._shutdown = shutdown
        self._clock = clock
        self._sleep = sleep or shutdown.sleep
        self._number = 0
        self._part = 1.0
        self._half_at = self._ends_at = float("-inf")
        self._sent = 0
        """The requests since ``_measured_at``."""
        self._measured_at = float("inf")
        self._paused_until = float("-inf")
        self._round_trip = 0.0
        self._next_lease: asyncio.Task[RateLease | None] | None = None
        self._pauses: set[asyncio.Task[object]] = set()

    def grants_one(self) -> bool:
        """Count one more request if the share allows it now; returns whether it does."""
        if not self._limiter.fits(self._ends_at):
            return False
        self._sent += 1
        if self._next_lease is None and (
            self._clock() >= self._half_at or not self._limiter.fits(self._ends_at, requests=2)
        ):
            self._next_lease = asyncio.ensure_future(self._ask())
        return True

    async def next_turn(self) -> None:
        """Wait until the next share begins, or a shutdown is requested."""
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
        self._ends_at = float("-inf")
        self._paused_until = max(self._paused_until, self._clock() + seconds)
        pause_call = asyncio.ensure_future(self._pause(seconds))
        self._pauses.add(pause_call)
        pause_call.add_done_callback(self._pauses.discard)

    async def end(self) -> None:
        """Wait for the calls that are still running in the database."""
        await asyncio.gather(*self._pauses, *filter(None, [self._next_lease]))

    async def _begin(self, lease: RateLease) -> None:
        # The share prolongs the last one, which leaves the others as much.
        continues = lease.follows_on and lease.part <= self._part and self._ends_at > float("-inf")
        starts_at = self._ends_at if continues else lease.starts_at
        if not continues and (seconds := starts_at - self._clock()) > 0:
            await self._sleep(seconds)
        # Runs that take turns send in this one's place, but not during a pause; a longer gap is a rest.
        gap = starts_at - max(self._ends_at, lease.paused_until)
        of_others = gap if 0 < gap < MAX_TURNS_SECONDS and not lease.is_alone else 0.0
        self._part = lease.part
        self._ends_at = lease.ends_at
        self._half_at = (starts_at + lease.ends_at) / 2
        self._limiter.begin_share(
            lease.part,
            starts_at=None if continues else starts_at,
            is_shared=not lease.is_alone,
            seconds_of_others=of_others,
        )
        self._measured_at, self._sent = self._clock(), 0

    async def _ask(self) -> RateLease | None:
        """Ask for the next share, and adopt what all runs know about the limit."""
        wish = RateWish(
            number=self._number,
            round_trip=self._round_trip,
            part=self._wanted_part(),
            max_rate=self._max_rate,
            found=self._limiter.found,
        )
        asked_at = self._clock()
        lease = await self._lease(wish)
        if lease is None:
            return None
        self._round_trip = max(self._clock() - asked_at, FADING * self._round_trip)
        self._number = lease.number
        self._limiter.adopt(lease.found)
        if lease.paused_until > self._clock():
            self._ends_at = float("-inf")
            self._paused_until = max(self._paused_until, lease.paused_until)
        return lease

    def _wanted_part(self) -> float:
        """Return the part of the rate that this run can use: all of it if it uses most of its share."""
        seconds = self._clock() - self._measured_at
        if seconds <= 0:
            return 1.0
        used = self._sent / (seconds * self._limiter.rate * HEADROOM)
        return 1.0 if used >= BOUND * self._part else RESERVE * used
