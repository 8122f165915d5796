"""The pace of requests: at most ``max_rate`` in any one second, evenly spread.

GCRA, the generic cell rate algorithm (ITU-T I.371): each request has a theoretical arrival time, one interval after the
one before. Who is late may catch up by a few milliseconds only, so that a stall is never followed by a burst. Of the
limiters measured, those of libraries either let a full burst through first or use only a part of a high rate.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

HEADROOM = 0.976
"""The share of the ceiling that is used. Requests that leave evenly still arrive bunched: this leaves room for 25 ms of
stall in any second, measured as enough at 200 a second with a busy neighbour, where 0.98 was not."""

CATCH_UP_SECONDS = 0.01
"""How much of a late wake-up is made good. With half of it a busy machine loses 1 % of the rate; more eats the room."""


class Pace:
    """Lets requests go one at a time, in the order in which they came."""

    def __init__(
        self,
        max_rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Set the pace.

        Args:
            max_rate: requests per second, at most.
            clock: seconds of a clock that never goes back.
            sleep: waits for so many seconds, or for less when the run stops.
        """
        self._interval = 1 / (max_rate * HEADROOM)
        self._clock = clock
        self._sleep = sleep
        self._next = clock()
        # Only the first in line sleeps; the others wait for it, so that a late wake-up delays them all alike.
        self._turn = asyncio.Lock()

    async def wait(self) -> None:
        """Wait until one more request may go."""
        async with self._turn:
            now = self._clock()
            if self._next > now:
                await self._sleep(self._next - now)
                now = self._clock()
            self._next = max(self._next, now - CATCH_UP_SECONDS) + self._interval
