"""Counts or deletes what may go: old done tasks of the queue, counters, sent messages and files of the archive."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import structlog

from etl.archive.bucket import bucket_address
from etl.archive.store import Store, day_of
from etl.database.clock import clock_of
from etl.jobs.opening import open_queue, open_warehouse
from etl.settings.load import Settings
from etl.source.prune import delete_done, done_tasks
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.prune import count_counters, count_messages, delete_counters, delete_messages

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Part(StrEnum):
    """What can be pruned by itself."""

    QUEUE = "queue"
    COUNTERS = "counters"
    MESSAGES = "messages"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """The numbers of what went, or would go. None: this part was not looked at."""

    dry_run: bool
    before: datetime
    """What is older may go."""
    queue: int | None = None
    """The done tasks of the pending table."""
    queue_kept: int | None = None
    """The done tasks that stay, since the warehouse has no finished fact about them."""
    counters: int | None = None
    """The rows of ``audit_run_counter``."""
    messages: int | None = None
    """The sent messages."""
    archive: int | None = None
    """The files of the archive."""


def possible_parts(settings: Settings) -> set[Part]:
    """Return the parts that the settings have: a table of the user's own and a bucket are not the job's to prune."""
    parts = {Part.COUNTERS, Part.MESSAGES}
    if settings.source.mode == "queue":
        parts.add(Part.QUEUE)
    if settings.archive.location and bucket_address(settings.archive) is None:
        parts.add(Part.ARCHIVE)
    return parts


def prune_parts(settings: Settings, parts: Collection[Part], *, older_than: timedelta, dry_run: bool) -> Pruned:
    """Count what is older than an age by the clock of the warehouse, or delete it.

    Each chunk is deleted by itself, so that a prune that was stopped may be repeated.

    Args:
        settings: the databases and the archive.
        parts: what to look at; some of ``possible_parts``.
        older_than: the least age of what may go.
        dry_run: whether to count only.

    Raises:
        TaskAuditError: a database or the archive cannot be used.
    """
    found: dict[str, int] = {}
    with open_warehouse(settings.warehouse, read_only=dry_run) as warehouse:
        before = clock_of(warehouse.engine)() - older_than
        if Part.QUEUE in parts:
            found["queue"], found["queue_kept"] = _queue(settings, warehouse, before=before, dry_run=dry_run)
        if Part.COUNTERS in parts:
            found["counters"] = (count_counters if dry_run else delete_counters)(warehouse.engine, before=before)
        if Part.MESSAGES in parts:
            found["messages"] = (count_messages if dry_run else delete_messages)(warehouse.engine, before=before)
    if Part.ARCHIVE in parts:
        found["archive"] = _archive(Store(settings.archive), before=before, dry_run=dry_run)
    pruned = Pruned(dry_run=dry_run, before=before, **found)
    if not dry_run:
        log.info("pruned", before=before.isoformat(), **found)
    return pruned


def _queue(settings: Settings, warehouse: Warehouse, *, before: datetime, dry_run: bool) -> tuple[int, int]:
    gone = kept = 0
    with open_queue(settings.source) as (engine, table):
        for chunk in done_tasks(engine, table, before=before):
            finished = warehouse.settled(chunk)
            kept += len(chunk) - len(finished)
            gone += len(finished) if dry_run else delete_done(engine, table, finished, before=before)
    return gone, kept


def _archive(store: Store, *, before: datetime, dry_run: bool) -> int:
    last_day = before.astimezone(UTC).date() - timedelta(days=1)
    files = [file for file in store.files() if day_of(file) <= last_day]
    if not dry_run:
        for file in files:
            store.delete(file)
    return len(files)
