"""Lets signals end a run: the first one cleanly, a second one at once."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from etl.error_codes import Code
from etl.errors import StoppedError
from etl.shutdown import Shutdown

DIED_BY_SIGNAL = 128
GO_ON = "What is left is still pending: run again to go on."

SAME_SIGNAL_SECONDS = 1.0
"""Two signals closer together are one. GNU ``timeout`` signals its child and then its process group, so that the child
receives the signal twice within milliseconds; a person who presses Ctrl-C again takes longer to decide to."""


class SignalHandler:
    """Requests a stop at the first signal, and ends the program at a second one."""

    def __init__(
        self,
        shutdown: Shutdown,
        *,
        clock: Callable[[], float] = time.monotonic,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        """Wait for the first signal.

        Args:
            shutdown: the request to stop.
            clock: a clock that is never set, in seconds.
            end: ends the program at once with an exit code.
        """
        self._shutdown = shutdown
        self._clock = clock
        self._end = end
        self._first_at: float | None = None

    def receive(self, number: signal.Signals) -> None:
        """Stop cleanly at the first signal, even if the run stops already for another reason; at a second one end."""
        now = self._clock()
        if self._first_at is None:
            self._first_at = now
            stopped = StoppedError(f"Stopped by {number.name}.", code=Code.STOPPED_BY_SIGNAL, remedy=GO_ON)
            self._shutdown.request(stopped)
        elif now - self._first_at >= SAME_SIGNAL_SECONDS:
            # After a second signal there is no time for a clean end. Leases expire by themselves.
            self._end(DIED_BY_SIGNAL + number)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, as SIGINT does, instead of ending the program."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def stop_on_signals() -> Shutdown:
    """Return a shutdown that the first SIGINT or SIGTERM requests; a second one ends the program at once."""
    shutdown = Shutdown()
    handler = SignalHandler(shutdown)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, handler.receive, number)
    return shutdown
