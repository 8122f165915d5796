"""Shows a progress bar on a terminal, but never in a log."""

import asyncio
import sys
from collections.abc import Callable

from etl.observe.logs import is_for_a_person
from etl.settings.names import LogFormat

_following: set[asyncio.Future[None]] = set()


def shows_progress(log_format: LogFormat) -> bool:
    """Return whether stderr is a terminal that a person reads."""
    return is_for_a_person(log_format) and sys.stderr.isatty()


def show_progress(look: Callable[[], tuple[int, int]], *, total: int | None) -> None:
    """Show a progress bar until the event loop ends.

    Args:
        look: returns the number of finished tasks and of throttled requests.
        total: the number of tasks, if it is known.
    """
    from etl.observe.progress_bar import ProgressBar  # noqa: PLC0415 - a run without a terminal does not wait for it

    following = asyncio.ensure_future(ProgressBar(total=total).follow(look))
    # The loop keeps only a weak reference to a task.
    _following.add(following)
