"""Signals end a run: the first cleanly, the second at once."""

import asyncio
import os
import signal

from etl.errors import Code, StoppedError
from etl.shutdown import Shutdown

DIED_BY_SIGNAL = 128
GO_ON = "What is left is still pending: run again to go on."


def stop_on_signals() -> Shutdown:
    """Make a stop that the first SIGINT or SIGTERM orders, on the running event loop; the second ends the program."""
    shutdown = Shutdown()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _stop_or_die, shutdown, number)
    return shutdown


def _stop_or_die(shutdown: Shutdown, number: signal.Signals) -> None:
    if shutdown.is_requested:
        # Asked twice: whoever asks does not want to wait. Leases expire by themselves.
        os._exit(DIED_BY_SIGNAL + number)
    shutdown.request(StoppedError(f"Stopped by {number.name}.", code=Code.STOPPED_BY_SIGNAL, remedy=GO_ON))
