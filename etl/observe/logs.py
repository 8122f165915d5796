"""Reports on stderr while a command runs: structured logs."""

import logging
import sys
import traceback
from typing import Any, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import ExcInfo

from etl.observe.streams import lines_lost, loses_lines
from etl.receivers import for_terminal
from etl.redaction import redact, redact_all
from etl.settings.names import LogFormat

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
