"""The values that pass through a run: pending tasks, what KooDrive said about them, and failures.

Nothing here does I/O, reads a clock or knows a database. All times are aware and in UTC.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zlib import crc32

import msgspec

from etl.errors import RunEnding
from etl.tasks.detail import TaskDetail
from etl.tasks.failure_reasons import FailureReason, Recovery

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ID_EPOCH_MS = 1_546_272_000_000
"""Milliseconds from 1970 to 2019-01-01T00:00:00+08:00, where KooDrive's IDs begin (calibrated on documented pairs)."""

ID_TIME_SHIFT = 23
"""The bits below a KooDrive ID's millisecond."""

MAX_TASK_ID_DIGITS = 19

MAX_ID_LENGTH = 255
"""Of what the pending table takes for an ID, valid or not."""

UNSTORABLE = re.compile(r"[\0\ud800-\udfff]")
"""What no database holds as text: NUL, and the surrogates that stand for bytes that are no UTF-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingTask:
    """A task to be asked about, claimed by this run."""

    task_id: str
    submitted_at: datetime | None = None
    """When it was submitted, as the pending table says."""
    attempts: int = 1
    """How many runs, this one included, have claimed it since it was last audited."""
    fence: int = 0
    """The number of this claim; a write with an older number is refused by the pending table."""


class RawAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted answer as it came, for the archive."""

    body: bytes
    http_status: int
    content_type: str
    trace_id: str


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """A task as KooDrive described it at one instant. There is one per answer, and no class is made faster."""

    task: PendingTask
    detail: TaskDetail
    observed_at: datetime
    drift: tuple[str, ...] = ()
    """In what the answer differs from the documentation, a few words each; hardly ever anything."""
    answer: RawAnswer | None = None
    """The answer itself, where there is an archive to keep it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailure:
    """A task that gave no observation."""

    task: PendingTask
    reason: FailureReason
    failed_at: datetime
    detail: str
    """One bounded sentence for a person."""
    http_status: int | None = None
    error_code: str | None = None
    """The code of the API or its gateway, as text."""
    trace_id: str | None = None
    """The X-Traceid of the last request, as the server saw it."""
    wait_seconds: float | None = None
    """How long the API asks all its clients to wait, if it says so."""
    allowed_rate: float | None = None
    """How many requests a second the API says it takes, where it says so."""
    sightings: int = 1
    """How many requests in a row have failed in this way."""
    own_reason: FailureReason | None = None
    """What an unrecognized response means if it turns out to concern this task alone."""
    ending: RunEnding | None = None
    """How an unrecognized response ends the run if no request is answered."""
    counts_attempt: bool = True
    """Whether the task has used up an attempt; it has not if no other task was answered either."""
    evidence: str = ""
    """An excerpt of an unrecognized response, for the dead letter that it may become."""

    @property
    def recovery(self) -> Recovery:
        """The job's reaction to the reason."""
        return self.reason.recovery

    @property
    def is_lasting(self) -> bool:
        """Say whether asking again will not help."""
        seen_twice = self.sightings > 1
        return self.recovery is Recovery.DEAD_LETTER or (self.recovery is Recovery.RETRY_ONCE and seen_twice)

    @property
    def is_unrecognized(self) -> bool:
        """Say whether another server than KooDrive may have sent the response."""
        return self.recovery is Recovery.VERIFY

    def as_own(self) -> "FetchFailure":
        """Take an unrecognized response as this task's own."""
        assert self.own_reason is not None  # noqa: S101 - for the type checker: every unrecognized failure has one
        return replace(self, reason=self.own_reason, detail=self.detail + self.evidence)


Outcome = Observation | FetchFailure


class TaskState(StrEnum):
    """The states of a row in the pending table."""

    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What becomes of a claimed task after this run has asked about it."""

    task: PendingTask
    state: TaskState | None
    """The new state; None leaves it as it was."""
    settled_at: datetime
    counts_attempt: bool = True
    """Whether an error uses up an attempt."""
    error: str | None = None
    """Why it could not be audited; None means that it was, which clears its attempts."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several equal parts of all tasks, for runs that cannot claim."""

    index: int
    """Counted from 0."""
    count: int

    def holds(self, task_id: str) -> bool:
        """Say whether a task is in this part: by a hash that is the same on every machine."""
        return crc32(task_id.encode()) % self.count == self.index


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which tasks a run asks about."""

    since: datetime | None = None
    """Submitted at or after this instant."""
    until: datetime | None = None
    """Submitted before this instant."""
    refetch: bool = False
    """Also tasks that were audited before."""
    shard: Shard | None = None
    """The part of the tasks that this run takes; None is all."""


def is_valid_task_id(task_id: str) -> bool:
    """Say whether the ID can stand in the API's path: 1 to 19 ASCII digits."""
    return 1 <= len(task_id) <= MAX_TASK_ID_DIGITS and task_id.isascii() and task_id.isdigit()


def is_storable_id(task_id: str) -> bool:
    """Say whether the pending table can hold the text; what is no valid ID becomes a dead letter of the run."""
    return 0 < len(task_id) <= MAX_ID_LENGTH and not UNSTORABLE.search(task_id)


def time_in_id(task_id: str) -> datetime:
    """Read the creation time from a valid task ID, to the millisecond."""
    return instant_of((int(task_id) >> ID_TIME_SHIFT) + ID_EPOCH_MS)


def milliseconds(instant: datetime) -> int:
    """Count the milliseconds from 1970 to an aware instant, rounded down."""
    return (instant - UNIX_EPOCH) // timedelta(milliseconds=1)


def instant_of(unix_ms: int) -> datetime:
    """Make an instant of milliseconds from 1970."""
    return UNIX_EPOCH + timedelta(milliseconds=unix_ms)
