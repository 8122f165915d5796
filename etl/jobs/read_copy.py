"""Renews the copy of the warehouse that people read, after a command has written to the warehouse."""

import time
from pathlib import Path

import structlog

from etl.database.error_map import first_line
from etl.database.file_copies import replace_copy
from etl.database.url import file_of, parse_database_url
from etl.redaction import redact
from etl.settings.load import Settings

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def renew_read_copy(settings: Settings) -> None:
    """Replace the copy of the warehouse for readers, if one is configured.

    A failure, or an interruption by a signal, leaves the previous copy and is only logged: the command has done its
    work.
    """
    copy, started_at = settings.warehouse.read_copy, time.monotonic()
    if copy is None:
        return
    try:
        _refuse_database(settings, copy)
        size = replace_copy(settings.warehouse.url, copy)
    except KeyboardInterrupt:
        log.warning("read_copy_failed", file=str(copy), said="A signal has interrupted it.")
    except Exception as error:  # noqa: BLE001 - the copy does not change the verdict of the command
        log.warning("read_copy_failed", file=str(copy), said=redact(first_line(error)))
    else:
        seconds = round(time.monotonic() - started_at, 1)
        log.info("read_copy_renewed", file=str(copy), bytes=size, seconds=seconds)


def _refuse_database(settings: Settings, copy: Path) -> None:
    """Keep the copy from replacing one of the two databases, whatever name it has.

    Raises:
        FileExistsError: it would.
    """
    files = (file_of(parse_database_url(url)) for url in (settings.source.url, settings.warehouse.url))
    if any(file and file.exists() and copy.exists() and copy.samefile(file) for file in files):
        raise FileExistsError(f"{copy} is a database of the job")
