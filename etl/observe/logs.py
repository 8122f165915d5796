"""What a run tells while it goes on: structured logs, and a progress bar for a person at a terminal. All on stderr."""

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any, Literal

import structlog
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
from structlog.tracebacks import ExceptionDictTransformer

from etl.redaction import redact

LogFormat = Literal["auto", "console", "json"]

REFRESH_SECONDS = 0.25

log: structlog.stdlib.BoundLogger = structlog.get_logger()


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
            *_rendering(for_a_person=is_for_a_person(log_format)),
            _without_secrets,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Looked up for every line, since the progress bar puts itself in the place of stderr.
        logger_factory=lambda *_names: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.getLogger().addHandler(LIBRARIES)


def _without_secrets(_logger: object, _level: str, line: Any) -> Any:
    """Take secrets out of a line as it is about to be written, whoever put them in."""
    return redact(line)


class Libraries(logging.Handler):
    """Takes the warnings of libraries among our own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one."""
        said = {"logger": record.name, "said": record.getMessage(), "exc_info": record.exc_info}
        log.log(record.levelno, "library_warning", **said)


LIBRARIES = Libraries(logging.WARNING)


def _rendering(*, for_a_person: bool) -> list[structlog.typing.Processor]:
    if for_a_person:
        clock = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=True)
        # A box with colours would break a secret into pieces that nobody finds, and is no good in a report.
        console = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            pad_event_to=0,
            pad_level=False,
            exception_formatter=structlog.dev.plain_traceback,
        )
        return [clock, console]
    clock = structlog.processors.TimeStamper(fmt="iso", utc=True)
    # The values of variables may be secrets.
    tracebacks = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    return [clock, tracebacks, structlog.processors.JSONRenderer()]


class SpeedColumn(ProgressColumn):
    """Tasks per second over the last moments."""

    def render(self, task: Task) -> Text:
        """Draw the speed, once it is known."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="cyan")


class ProgressBar:
    """How far a run has come, redrawn on a terminal."""

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

    async def follow(self, look: Callable[[], tuple[int, int]]) -> None:
        """Redraw until cancelled.

        Args:
            look: tells how many tasks are done, and how many requests were throttled.
        """
        with self._bar:
            try:
                while True:
                    self._show(*look())
                    await asyncio.sleep(REFRESH_SECONDS)
            finally:
                self._show(*look())

    def _show(self, done: int, throttled: int) -> None:
        self._bar.update(self._task, completed=done, throttled=throttled)
