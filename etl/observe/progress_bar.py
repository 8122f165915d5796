"""The progress of a run on stderr, for a person at a terminal."""

import asyncio
from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

REFRESH_SECONDS = 0.25
"""The interval is short enough for the eye, and long enough for the event loop."""


class SpeedColumn(ProgressColumn):
    """The speed of the last moments, in tasks per second."""

    def render(self, task: Task) -> Text:
        """Draw the speed if it is known."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="cyan")


class ProgressBar:
    """The progress of a run on a terminal."""

    def __init__(self, *, total: int | None) -> None:
        self._bar = Progress(
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            SpeedColumn(),
            TextColumn("[dim]{task.fields[throttled]} × 429"),  # noqa: RUF001 - a multiplication sign
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            expand=True,
        )
        self._task = self._bar.add_task("audit", total=total, throttled=0)

    async def follow(self, progress: Callable[[], tuple[int, int]]) -> None:
        """Redraw until cancelled.

        Args:
            progress: returns the number of finished tasks and the number of throttled requests.
        """
        with self._bar:
            try:
                while True:
                    self._show(*progress())
                    await asyncio.sleep(REFRESH_SECONDS)
            finally:
                self._show(*progress())

    def _show(self, done: int, throttled: int) -> None:
        self._bar.update(self._task, completed=done, throttled=throttled)
