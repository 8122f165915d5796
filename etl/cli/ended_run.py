"""Shows a run that has ended: as a summary on stderr, and as one JSON object on stdout."""

from collections.abc import Mapping

import structlog

from etl.cli.output import open_console, print_json
from etl.errors import OutputError
from etl.runs import FinishedRun

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def show_summary(finished: FinishedRun, *, log_format: str, dry_run: bool) -> None:
    """Print the summary for a person, unless the log is JSON, beside which it would not be."""
    if log_format != "json":
        from etl.report.summary import print_summary  # noqa: PLC0415 - a run with a log of JSON does not wait for it

        print_summary(finished, console=open_console(stderr=True), dry_run=dry_run)


def print_row(row: Mapping[str, object]) -> None:
    """Print the row of a run; the run keeps its exit code if stdout cannot be written."""
    try:
        print_json(row)
    except OutputError as error:
        log.warning("output_not_written", said=error.message)
