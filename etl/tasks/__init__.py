"""The values that pass through a run: pending tasks, KooDrive's answers about them, and failures.

This module does no I/O, reads no clock and knows no database. All times are aware and in UTC.
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
"""Milliseconds from 1970 to 2019-01-01T00:00:00+08:00, where KooDrive's IDs begin. Documented pairs of an ID and a time
gave the number."""

ID_TIME_SHIFT = 23
"""The number of bits below the milliseconds in a KooDrive ID."""

MAX_TASK_ID_DIGITS = 19

MAX_WAIT = timedelta(days=1)
"""The longest time until the next look at a task that is still open."""

MAX_ID_LENGTH = 255
"""Characters of a task ID in the pending table, at most; the ID may be invalid."""

UNSTORABLE = re.compile(r"[\0\ud800-\udfff]")
"""Characters that no database holds as text: NUL, and the surrogates that Python puts for bytes that are not UTF-8."""


class PendingTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task that this run has claimed and asks about.

    A run makes some values for each task, and a ``msgspec.Struct`` is faster to make than any other class.
    """

    task_id: str
    submitted_at: datetime | None = None
    """The time of submission in the pending table."""
    attempts: int = 1
    """The number of runs that have claimed the task since its last audit, including this run."""
    fence: int = 0
    """The number of this claim. The pending table refuses a write with an older number."""
    last_status: int | None = None
    """The status that KooDrive reported at the last look; None if there was none."""
    unchanged_looks: int = 0
    """The number of looks in a row that found the task open, and its status as before."""


class RawAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted response, unchanged, for the archive."""

    body: bytes
    http_status: int
    content_type: str
    trace_id: str


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """A task as KooDrive described it at one instant."""

    task: PendingTask
    detail: TaskDetail
    observed_at: datetime
    drift: tuple[str, ...] = ()
    """The differences between the answer and the documentation, in a few words each; almost always none."""
    size: int = 0
    """The bytes of the answer, by which the memory of a batch is bounded."""
    answer: RawAnswer | None = None
    """The response itself, if an archive keeps it."""


DOCUMENTED_CODE = re.compile(r"[A-Z]{2,10}\.[0-9]{3,8}|[0-9]{1,8}")
"""The form of the codes of KooDrive and of Huawei's gateways. Another code may be any text."""

REDIRECTS = 3
"""The class of HTTP statuses whose failure names only the server that the redirect leads to."""


def summary_of(http_status: int, error_code: str | None) -> str:
    """Name a response by its status, and by its code if the API documents such codes."""
    code = error_code if DOCUMENTED_CODE.fullmatch(error_code or "") else None
    return " ".join(filter(None, (f"HTTP {http_status}", code)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailure:
    """A failure that kept a task from being observed."""

    task: PendingTask
    reason: FailureReason
    failed_at: datetime
    detail: str
    """One sentence of limited length for the operator. Only the log and the dead letter have it: it may quote the API,
    whose words may name a person."""
    http_status: int | None = None
    error_code: str | None = None
    """The code of the API or its gateway, as text."""
    trace_id: str | None = None
    """The X-Traceid of the last request, as the server saw it."""
    wait_seconds: float | None = None
    """The pause that the API demands of all its clients; None if it demands none."""
    may_be_outage: bool = False
    """Whether the API demands a pause without blaming the rate, as a server that is down for a while does."""
    allowed_rate: float | None = None
    """The requests per second that the API allows; None if it names no rate."""
    sightings: int = 1
    """The number of requests in a row that have failed in this way."""
    own_reason: FailureReason | None = None
    """The reason that replaces ``unrecognized`` if the response turns out to concern this task alone."""
    ending: RunEnding | None = None
    """The error that ends the run after an unrecognized response if no request is answered."""
    counts_attempt: bool = True
    """Whether the failure uses up an attempt of the task; it does not if no other task was answered either."""
    evidence: str = ""
    """An excerpt of an unrecognized response, for the dead letter that the task may become."""

    @property
    def recovery(self) -> Recovery:
        """The job's reaction to the reason."""
        return self.reason.recovery

    @property
    def summary(self) -> str:
        """What happened, without words of the API."""
        is_redirect = self.http_status is not None and self.http_status // 100 == REDIRECTS
        if self.http_status is None or is_redirect:
            return self.detail.rstrip(".")
        return summary_of(self.http_status, self.error_code)

    @property
    def is_lasting(self) -> bool:
        """Return whether another request would not help."""
        seen_twice = self.sightings > 1
        return self.recovery is Recovery.DEAD_LETTER or (self.recovery is Recovery.RETRY_ONCE and seen_twice)

    @property
    def is_unrecognized(self) -> bool:
        """Return whether another server than KooDrive may have sent the response."""
        return self.recovery is Recovery.VERIFY

    def as_own(self) -> "FetchFailure":
        """Return the failure under the reason that concerns this task alone."""
        assert self.own_reason is not None  # noqa: S101 - for the type checker: every unrecognized failure has one
        return replace(self, reason=self.own_reason, detail=self.detail + self.evidence)


Outcome = Observation | FetchFailure


class TaskState(StrEnum):
    """The states of a row in the pending table."""

    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """The new state of a claimed task after this run has asked about it."""

    task: PendingTask
    state: TaskState | None
    """The new state; None keeps the old state."""
    settled_at: datetime
    counts_attempt: bool = True
    """Whether an error uses up an attempt."""
    error: str | None = None
    """The reason why the run could not audit the task. None: the run audited it, and its attempts start again at 0."""
    status: int | None = None
    """The status that KooDrive reported; None if it reported none."""
    unchanged_looks: int | None = None
    """The looks in a row that found the task open, and its status as before; None leaves the number as it was."""
    next_check_at: datetime | None = None
    """When the task is due again; None is at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingTasks:
    """The open tasks that are not due yet, because a run has asked about them a short time ago."""

    tasks: int
    next_at: datetime | None = None
    """When the first of them is due again; None if there is none."""
    last_at: datetime | None = None
    """When all of them are due again."""

    def __str__(self) -> str:
        """Say when they are due, in words."""
        if self.next_at is None or self.last_at is None:
            return "0 open tasks"
        tasks = f"{self.tasks:,} open task{'s' * (self.tasks != 1)}"
        first, last = (f"{instant:%Y-%m-%dT%H:%MZ}" for instant in (self.next_at, self.last_at))
        return f"{tasks}, from {first} to {last}" if first != last else f"{tasks}, at {first}"


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several equal parts of all tasks, for runs that cannot claim tasks."""

    index: int
    """The number of the part; the first is 0."""
    count: int

    def holds(self, task_id: str) -> bool:
        """Return whether a task is in this part. The part is a hash of the ID that is the same on every machine."""
        return crc32(task_id.encode()) % self.count == self.index


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The tasks that a run asks about."""

    since: datetime | None = None
    """Only tasks that were submitted at or after this instant."""
    until: datetime | None = None
    """Only tasks that were submitted before this instant."""
    refetch: bool = False
    """Whether the run also asks about tasks that were audited before."""
    recheck: bool = False
    """Whether the run also asks about open tasks that are not due again yet."""
    shard: Shard | None = None
    """The part of the tasks that the run asks about. None: all tasks."""

    @property
    def waits(self) -> bool:
        """Whether a task that is open is left alone until it is due again."""
        return not (self.recheck or self.refetch)


def is_valid_task_id(task_id: str) -> bool:
    """Return whether the ID can be part of the API's path: 1 to 19 ASCII digits."""
    return 1 <= len(task_id) <= MAX_TASK_ID_DIGITS and task_id.isascii() and task_id.isdigit()


def is_storable_id(task_id: str) -> bool:
    """Return whether the pending table can hold the text. An invalid ID becomes a dead letter."""
    return 0 < len(task_id) <= MAX_ID_LENGTH and not UNSTORABLE.search(task_id)


def time_in_id(task_id: str) -> datetime:
    """Read the creation time from a valid task ID, to the millisecond."""
    return instant_of((int(task_id) >> ID_TIME_SHIFT) + ID_EPOCH_MS)


def milliseconds(instant: datetime) -> int:
    """Count the milliseconds from 1970 to an aware instant, rounded down."""
    return (instant - UNIX_EPOCH) // timedelta(milliseconds=1)


def instant_of(unix_ms: int) -> datetime:
    """Convert milliseconds from 1970 to an instant."""
    return UNIX_EPOCH + timedelta(milliseconds=unix_ms)
