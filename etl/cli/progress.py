"""The progress bar: on a terminal, never in a log."""

import asyncio
import sys
from collections.abc import Callable

from etl.observe.logs import LogFormat, ProgressBar, is_for_a_person

_following: set[asyncio.Future[None]] = set()


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
