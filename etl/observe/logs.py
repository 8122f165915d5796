"""Reports on stderr while a command runs: structured logs, and a progress bar for a person at a terminal."""

import asyncio
import logging
import sys
import traceback
from collections.abc import Callable
from typing import Any, TextIO

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
from structlog.typing import ExcInfo

from etl.observe.streams import lines_lost, loses_lines
from etl.receivers import for_terminal
from etl.redaction import redact, redact_all
from etl.settings.names import LogFormat

REFRESH_SECONDS = 0.25
"""The interval is short enough for the eye, and long enough for the event loop."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def is_for_a_person(log_format: LogFormat) -> bool:
    """Return whether a person reads the log lines as they are written."""
    return log_format == "console" or (log_format == "auto" and sys.stderr.isatty())


def configure_logs(log_format: LogFormat, *, verbose: bool) -> None:
    """Write logs to stderr: readable lines for a person, JSON for a machine."""
    level = logging.DEBUG if verbose else logging.INFO
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            *_rendering(for_a_person=is_for_a_person(log_format)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Looked up for every line, since the progress bar replaces sys.stderr.
        logger_factory=lambda *_names: LineWriter(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.getLogger().addHandler(LIBRARY_WARNINGS)


class LineWriter(structlog.WriteLogger):
    """Writes lines, and says how many were lost as soon as stderr takes lines again."""

    _reported = 0

    def msg(self, message: str) -> None:
        """Write one line."""
        super().msg(message)
        lost = lines_lost() - LineWriter._reported
        if lost and not loses_lines():
            LineWriter._reported += lost
            log.warning("log_lines_lost", lines=lost)

    debug = info = warning = error = critical = exception = msg


def _without_secrets(_logger: object, _level: str, line: Any) -> Any:
    """Mask every secret in a line just before it is written."""
    return redact(line)


def _values_without_secrets(
    _logger: object, _level: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Mask every secret in the values of a line before it becomes JSON, which a mask in the line could break."""
    return {name: redact_all(value) for name, value in event.items()}


def _printable_values(_logger: object, _level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape the characters that a terminal would obey; the renderer adds the colours later."""
    return {name: for_terminal(value) if isinstance(value, str) else value for name, value in event.items()}


def _printable_traceback(stream: TextIO, exception: ExcInfo) -> None:
    """Write a traceback, whose last lines may quote text from outside; without colours.

    Colours inside a traceback would split a secret, and the mask would not match it.
    """
    stream.write(f"\n{for_terminal(''.join(traceback.format_exception(*exception)), keeps_lines=True)}")


class LibraryWarnings(logging.Handler):
    """Writes the warnings of libraries as log lines of this program."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one warning."""
        log.log(
            record.levelno,
            "library_warning",
            logger=record.name,
            said=record.getMessage(),
            exc_info=record.exc_info,
        )


LIBRARY_WARNINGS = LibraryWarnings(logging.WARNING)


def _rendering(*, for_a_person: bool) -> list[structlog.typing.Processor]:
    if for_a_person:
        clock = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=True)
        console = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            pad_event_to=0,
            pad_level=False,
            exception_formatter=_printable_traceback,
        )
        return [clock, _printable_values, console, _without_secrets]
    clock = structlog.processors.TimeStamper(fmt="iso", utc=True)
    # Local variables may hold secrets.
    tracebacks = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    return [clock, tracebacks, _values_without_secrets, structlog.processors.JSONRenderer()]


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
