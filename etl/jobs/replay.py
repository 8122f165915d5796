"""Rebuilds facts from the archive: reads the kept responses, interprets them and loads them again, without the API.

The files are replayed in the order in which they were written. Each becomes the same batch again, of the same run.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import structlog

from etl.archive.store import Store, day_of
from etl.error_codes import Code
from etl.errors import DamagedArchiveError, TaskAuditError
from etl.exit_codes import ExitCode
from etl.koodrive.detail import interpret
from etl.koodrive.response import Response
from etl.normalize import normalize
from etl.runs import AuditRun, begin_run
from etl.tasks import FetchFailure, Observation, PendingTask, Selection
from etl.tasks.failure_reasons import FailureReason
from etl.warehouse import Loader
from etl.warehouse.load.batch import Batch

MAX_TIME_AHEAD = timedelta(minutes=5)
"""How far the clock of a run may be ahead of the clock of the replay's warehouse."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The range of responses to replay, by the time of the request."""

    since: datetime | None = None
    until: datetime | None = None

    def may_be_in(self, file: str) -> bool:
        """Return whether the day of a file overlaps the range."""
        day = day_of(file)
        begin = datetime.combine(day, datetime.min.time(), UTC)
        return (self.until is None or begin < self.until) and (
            self.since is None or self.since.astimezone(UTC).date() <= day
        )

    def of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows in the range."""
        if self.since is not None:
            rows = rows.filter(pl.col("observed_at") >= self.since)
        return rows if self.until is None else rows.filter(pl.col("observed_at") < self.until)


def replay_archive(store: Store, warehouse: Loader, *, asked: Range, clock: Callable[[], datetime]) -> AuditRun:
    """Load the archived responses of a range; returns the row of the replay, which is a run of its own.

    Raises:
        TaskAuditError: the archive or the warehouse cannot be used. The loaded batches stay, and the replay may be
            repeated.
    """
    files = [file for file in store.files() if asked.may_be_in(file)]
    selection = Selection(since=asked.since, until=asked.until)
    run = begin_run(selection, max_rate=0, now=clock())
    warehouse.start(run)
    try:
        for file in files:
            for batch in _batches(store, file, asked=asked, now=clock()):
                size = batch.audited + len(batch.dead_letters)
                run = warehouse.load(batch, replace(run, claimed=run.claimed + size))
            log.info("file_replayed", file=file, audited=run.audited)
    except TaskAuditError as error:
        _finish(warehouse, run, now=clock(), ended_by=error)
        raise
    if store.files_without_checksum:
        log.warning("replayed_without_checksum", files=store.files_without_checksum)
    finished = _finish(warehouse, run, now=clock(), ended_by=None)
    log.info(
        "replay_finished",
        audited=run.audited,
        changed=run.changed,
        unchanged=run.unchanged,
        dead_lettered=run.dead_lettered,
    )
    return finished


def _batches(store: Store, file: str, *, asked: Range, now: datetime) -> Iterator[Batch]:
    rows = asked.of(store.read(file))
    _require_rows_of_a_run(rows, file, now=now)
    for (run_id,), of_run in rows.partition_by("run_id", as_dict=True, maintain_order=True).items():
        observations, dead_letters = [], []
        for row in of_run.iter_rows(named=True):
            if row["reason"] is None:
                observations.append(_observation(row, file))
            else:
                dead_letters.append(_dead_letter(row))
        yield Batch(
            facts=normalize(observations),
            audited=len(observations),
            dead_letters=dead_letters,
            run_id=run_id,
        )


def _require_rows_of_a_run(rows: pl.DataFrame, file: str, *, now: datetime) -> None:
    """Check that a run can have written the rows.

    Raises:
        DamagedArchiveError: a row lacks a value that every row has, or is of a time that has not come yet. No later
            answer would replace its fact.
    """
    is_answer, reason = pl.col("body").is_not_null(), pl.col("reason")
    sound = pl.all_horizontal(
        pl.col("task_id", "run_id", "observed_at", "attempts").is_not_null(),
        is_answer != reason.is_not_null(),
        is_answer | reason.is_in([str(each) for each in FailureReason]),
    )
    for problem, found in (
        ("are not as a run writes them", rows.filter(~sound)),
        ("are of a time that has not come yet", rows.filter(pl.col("observed_at") > now + MAX_TIME_AHEAD)),
    ):
        if found.height:
            raise _damaged(f"{file}: {found.height:,} of {rows.height:,} rows {problem}")


def _damaged(message: str, *, quote: str = "") -> DamagedArchiveError:
    remedy = "Check whether the file was changed after it was written."
    return DamagedArchiveError(f"{message}.", code=Code.ARCHIVE_DAMAGED, remedy=remedy, quote=quote)


def _observation(row: dict[str, Any], file: str) -> Observation:
    response = Response(
        status=row["http_status"],
        content_type=row["content_type"],
        headers={},
        body=row["body"],
        trace_id=row["trace_id"],
        sent_at=row["observed_at"],
    )
    outcome = interpret(response, _task(row), now=row["observed_at"])
    if isinstance(outcome, FetchFailure):
        raise _damaged(f"{file}: a response is not an answer: {outcome.summary}", quote=outcome.detail)
    return outcome


def _dead_letter(row: dict[str, Any]) -> FetchFailure:
    return FetchFailure(
        task=_task(row),
        reason=FailureReason(row["reason"]),
        failed_at=row["observed_at"],
        detail=row["detail"],
        http_status=row["http_status"],
        error_code=row["error_code"],
        trace_id=row["trace_id"],
        # The archive keeps lasting failures only. A failure that lasts from its second sighting on was seen twice.
        sightings=2,
    )


def _task(row: dict[str, Any]) -> PendingTask:
    return PendingTask(task_id=row["task_id"], submitted_at=row["queue_submitted_at"], attempts=row["attempts"])


def _finish(warehouse: Loader, run: AuditRun, *, now: datetime, ended_by: TaskAuditError | None) -> AuditRun:
    # Dead letters of the archive are known from earlier runs, so they do not decide the exit code of the replay.
    exit_code = ExitCode.OK if ended_by is None else ended_by.exit_code
    finished = replace(
        run,
        finished_at=now,
        outcome=exit_code.outcome,
        exit_code=int(exit_code),
        error=str(ended_by) if ended_by else None,
    )
    counted = Counter({("outcome", "replayed"): run.audited + run.dead_lettered})
    warehouse.finish(finished, +counted)
    return finished
