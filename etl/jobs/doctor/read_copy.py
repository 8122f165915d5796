"""Checks the copy of the warehouse for readers."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

from etl.jobs.doctor.finding import Finding, warning
from etl.settings.load import Configuration

SUBJECT = "read copy"


def examine_read_copy(configuration: Configuration) -> Iterator[Finding]:
    """Check whether a run could put the copy in place, and say of when it is; nothing if none is configured."""
    copy = configuration.settings.warehouse.read_copy
    if copy is None:
        return
    folder = copy.absolute().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        yield warning(
            SUBJECT,
            f"A run cannot write to {folder}, so it cannot renew {copy}.",
            remedy="Create the folder, and let the job's user write to it.",
        )
    elif not copy.exists():
        yield Finding(subject=SUBJECT, said=f"{copy} does not exist yet; the next run makes it.")
    else:
        made_at = datetime.fromtimestamp(copy.stat().st_mtime, UTC)
        yield Finding(subject=SUBJECT, said=f"{copy} is of {made_at:%Y-%m-%d %H:%M} UTC.")
