"""What a run tells while it goes on: structured logs, and a progress bar for a person at a terminal. All on stderr."""

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Literal

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from etl.runs import AuditRun

LogFormat = Literal["auto", "console", "json"]

REFRESH_SECONDS = 0.25


def is_for_a_person(log_format: LogFormat) -> bool:
    """Say whether somebody sits at a terminal and reads along."""
    return log_format == "console" or (log_format == "auto" and sys.stderr.isatty())


def configure_logs(log_format: LogFormat, *, verbose: bool) -> None:
    """Send logs to stderr: lines for a person, JSON for a machine."""
    level = logging.DEBUG if verbose else logging.INFO
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(for_a_person=is_for_a_person(log_format)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Looked up for every line, since the progress bar puts itself in the place of stderr.
        logger_factory=lambda *_names: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _rendering(*, for_a_person: bool) -> list[structlog.typing.Processor]:
    if for_a_person:
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]


class ProgressBar:
    """How far a run has come, redrawn on a terminal."""

    def __init__(self, *, total: int | None) -> None:
        self._bar = Progress(
            TextColumn("auditing"),
            BarColumn(),
            MofNCompleteColumn(),
            TaskProgressColumn(show_speed=True),
            TextColumn("[dim]{task.fields[rate]:.0f} requests/s · {task.fields[throttled]} throttled"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            # Finished bars stay as the last line of the talk.
            transient=False,
        )
        self._task = self._bar.add_task("audit", total=total, rate=0.0, throttled=0)
        self._requests_before = 0

    async def follow(self, run: Callable[[], AuditRun]) -> None:
        """Redraw until cancelled."""
        with self._bar:
            try:
                while True:
                    self._show(run())
                    await asyncio.sleep(REFRESH_SECONDS)
            finally:
                self._show(run())

    def _show(self, run: AuditRun) -> None:
        rate = (run.requests - self._requests_before) / REFRESH_SECONDS
        self._requests_before = run.requests
        self._bar.update(
            self._task, completed=run.audited + run.dead_lettered + run.released, rate=rate, throttled=run.throttled
        )
