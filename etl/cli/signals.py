"""Lets signals end a run: the first one cleanly, the second one at once."""

import asyncio
import os
import signal

from etl.errors import Code, StoppedError
from etl.shutdown import Shutdown

DIED_BY_SIGNAL = 128
GO_ON = "What is left is still pending: run again to go on."


def stop_on_signals() -> Shutdown:
    """Return a shutdown that the first SIGINT or SIGTERM requests; the second signal ends the program at once."""
    shutdown = Shutdown()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _stop_or_die, shutdown, number)
    return shutdown


def _stop_or_die(shutdown: Shutdown, number: signal.Signals) -> None:
    if shutdown.is_requested:
        # After a second signal there is no time for a clean end. Leases expire by themselves.
        os._exit(DIED_BY_SIGNAL + number)
    shutdown.request(StoppedError(f"Stopped by {number.name}.", code=Code.STOPPED_BY_SIGNAL, remedy=GO_ON))
