"""What commands share that work for a long time: a bar that shows how far they are, and signals that end them."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable

from etl.errors import Code, StoppedError
from etl.fetch.stop import Stop
from etl.telemetry import LogFormat, ProgressBar, is_for_a_person

DIED_BY_SIGNAL = 128
GO_ON = "What is left is still pending: run again to go on."

_following: set[asyncio.Future[None]] = set()


def stop_on_signals() -> Stop:
    """Make a stop that the first SIGINT or SIGTERM orders, on the running event loop; the second ends the program."""
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _stop_or_die, stop, number)
    return stop


def shows_progress(log_format: LogFormat) -> bool:
    """Say whether a progress bar would be seen, and would stand in no log."""
    return is_for_a_person(log_format) and sys.stderr.isatty()


def show_progress(look: Callable[[], tuple[int, int]], *, total: int | None) -> None:
    """Show a progress bar until the event loop ends.

    Args:
        look: tells how many tasks are done, and how many requests were throttled.
        total: how many tasks there are, where that is known.
    """
    following = asyncio.ensure_future(ProgressBar(total=total).follow(look))
    # The loop keeps only a weak reference to a task.
    _following.add(following)


def _stop_or_die(stop: Stop, number: signal.Signals) -> None:
    if stop.is_ordered:
        # Asked twice: whoever asks does not want to wait. Leases expire by themselves.
        os._exit(DIED_BY_SIGNAL + number)
    stop.order(StoppedError(f"Stopped by {number.name}.", code=Code.STOPPED_BY_SIGNAL, remedy=GO_ON))
