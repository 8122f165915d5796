"""Defines a run: its numbers, the check that they balance, and its exit code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from platform import node
from typing import Literal

from uuid_utils.compat import uuid7

from etl import __version__
from etl.error_codes import Code
from etl.errors import BugError, OutageError, StoppedError, TaskAuditError
from etl.exit_codes import ExitCode
from etl.tasks import Selection, WaitingTasks

Counters = Mapping[tuple[str, str], int]
"""The parts of a run's numbers, by counter and name. ``outcome`` counts tasks by their outcome, and ``http_status``
counts responses by status, or by failure reason if there was no response. ``request`` counts the requests that were not
about a task. ``drift`` counts responses by their difference from the documentation. ``pace`` holds the rate limit that
the run found, in requests per minute. ``log`` counts the lines of the log that stderr did not take."""

MAX_DRIFT_NAMES = 50
"""Kinds of drift that one run counts separately, and new result codes; all others are counted together."""

RunMessageKind = Literal["failed", "dead_letters", "nothing_audited", "new_result_codes", "digest"]
"""The kinds of messages about a run, and about a night."""

RUNNING = "running"
"""The outcome of a run that has not ended, or was killed."""


def _count(meaning: str) -> int:
    """Declare a count, with the comment of its column."""
    count: int = field(default=0, metadata={"meaning": meaning})
    return count


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRun:
    """The row of one run in ``audit_run``, with one field for each column."""

    run_id: str = field(default_factory=lambda: str(uuid7()))
    started_at: datetime
    finished_at: datetime | None = None
    outcome: str = RUNNING
    exit_code: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    claimed: int = _count("Tasks that the run claimed.")
    audited: int = _count("Of the claimed, tasks that KooDrive answered about.")
    changed: int = _count("Of the audited, tasks that are new, or have another status, result code or detail.")
    unchanged: int = _count("Of the audited, tasks that have not changed.")
    still_open: int = _count("Of the audited, tasks that have not ended, and stay pending.")
    dead_lettered: int = _count("Of the claimed, tasks that became dead letters.")
    released: int = _count("Of the claimed, tasks that were given back and are still pending.")
    requests: int = _count("Requests that the run sent, including retries and refreshed sessions.")
    retries: int = _count("Of the requests, those that asked again about a task.")
    throttled: int = _count("Of the requests, those that the API refused as too fast.")
    max_rate: float
    """The allowed requests per second; 0 for a replay."""
    version: str = __version__
    host: str = field(default_factory=node)
    error: str | None = None

    @property
    def seconds(self) -> float:
        """The duration of the run; 0 if it has not ended."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else 0.0

    @property
    def requests_per_second(self) -> float:
        """The average over the duration of the run."""
        return self.requests / self.seconds if self.seconds else 0.0

    @property
    def only_lacks_answers(self) -> bool:
        """Whether the run reached its end, and its only trouble is tasks without an answer for now."""
        return self.exit_code == ExitCode.STOPPED and (self.error or "").startswith(f"[{Code.TASKS_UNANSWERED}]")

    @property
    def reached_end(self) -> bool:
        """Whether the run has gone through everything that was due."""
        return self.exit_code in {ExitCode.OK, ExitCode.DEAD_LETTERS} or self.only_lacks_answers

    @property
    def accounted(self) -> int:
        """The claimed tasks with a known outcome."""
        return self.audited + self.dead_lettered + self.released

    @property
    def is_balanced(self) -> bool:
        """Return whether every claimed task is accounted for exactly once."""
        return self.claimed == self.accounted and self.audited == self.changed + self.unchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A run that has ended, and the error that ended it."""

    run: AuditRun
    ended_by: TaskAuditError | None
    """None if the run reached its end."""
    waiting: WaitingTasks | None = None
    """The open tasks that are due again later; None if they are not known, or no task waits with this source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """The part of a run's orders that comes from the command line."""

    selection: Selection = field(default_factory=Selection)
    tasks: int | None = None
    """The tasks to ask about, at most."""
    dry_run: bool = False
    """Whether the run only fetches and normalizes, and writes nothing."""


def begin_run(selection: Selection, *, max_rate: float, now: datetime) -> AuditRun:
    """Make the row of a run that starts now."""
    return AuditRun(started_at=now, since=selection.since, until=selection.until, max_rate=max_rate)


def verdict(run: AuditRun, ended_by: TaskAuditError | None, *, settled_locally: int = 0) -> ExitCode:
    """Decide the exit code of a run.

    Args:
        run: the numbers of the run.
        ended_by: the error that ended it early, if any.
        settled_locally: of the dead letters, those that the job made without an answer of the API.
    """
    if not run.is_balanced:
        return ExitCode.BUG
    was_available = run.audited + run.dead_lettered > settled_locally
    if isinstance(ended_by, OutageError) and was_available:
        return ExitCode.STOPPED
    if ended_by is not None:
        return ended_by.exit_code
    if run.released:
        return ExitCode.STOPPED if was_available else ExitCode.UNAVAILABLE
    return ExitCode.DEAD_LETTERS if run.dead_lettered else ExitCode.OK


def reason(run: AuditRun, ended_by: TaskAuditError | None) -> TaskAuditError | None:
    """Return the error that kept a run from reaching its end, or None."""
    if not run.is_balanced and not isinstance(ended_by, BugError):
        ended_early = f" It had ended early: {ended_by.message}" if ended_by else ""
        return BugError(
            f"The numbers of the run do not balance: {run.claimed:,} claimed, {run.accounted:,} accounted for."
            f"{ended_early}",
            code=Code.BUG,
            remedy="Report it with the run's log; the committed facts stay valid.",
        )
    if ended_by is None and run.released:
        return StoppedError(
            f"{run.released:,} tasks have no answer yet.",
            code=Code.TASKS_UNANSWERED,
            remedy="They are still pending: run again. `task-audit query answers_of_runs` shows the answers.",
        )
    return ended_by
