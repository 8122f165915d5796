"""Errors of a run, grouped by what happens next, each with its exit code.

A failure of one task is a value (``tasks.FetchFailure``); what stands here ends the run. Every error says what is wrong
and what to do about it, in sentences that hold no secret, and has a code whose page is ``docs/errors/CODE.md``.
"""

from enum import IntEnum, StrEnum

from etl.redaction import redact


class ExitCode(IntEnum):
    """The verdict of a command, after sysexits.h."""

    OK = 0
    """Everything due in the range was audited."""

    USAGE = 2
    """The command line was wrong."""

    DEAD_LETTERS = 65
    """Finished, but some tasks could not be audited and are dead letters."""

    UNAVAILABLE = 69
    """The API, the pending database or the warehouse is unavailable; try again later."""

    BUG = 70
    """A bug in this program."""

    STOPPED = 75
    """Stopped early and cleanly; what is left is still pending."""

    CREDENTIALS = 77
    """The API refuses the credentials."""

    CONFIGURATION = 78
    """The configuration is wrong."""


class Code(StrEnum):
    """The stable name of an error, by what an operator does about it; one that was released is never renamed."""

    SETTING_WRONG = "setting-wrong"
    SETTING_MISSING = "setting-missing"
    CONFIGURATION_UNREADABLE = "configuration-unreadable"
    SECRET_UNREADABLE = "secret-unreadable"  # noqa: S105 - a name
    EXTRA_MISSING = "extra-missing"

    DATABASE_MISSING = "database-missing"
    DATABASE_UNAVAILABLE = "database-unavailable"
    DATABASE_REFUSED = "database-refused"
    DATABASE_LOCKED = "database-locked"
    DATABASE_TIME_WRONG = "database-time-wrong"
    SCHEMA_OUTDATED = "schema-outdated"
    SCHEMA_NEWER = "schema-newer"
    TABLE_TAKEN = "table-taken"
    SOURCE_UNREADABLE = "source-unreadable"
    SOURCE_READ_ONLY = "source-read-only"

    API_UNAVAILABLE = "api-unavailable"
    API_THROTTLED = "api-throttled"
    API_FORBIDDEN = "api-forbidden"
    API_ADDRESS_WRONG = "api-address-wrong"
    API_CERTIFICATE_UNTRUSTED = "api-certificate-untrusted"
    API_LIST_UNENDING = "api-list-unending"
    API_QUOTA_USED_UP = "api-quota-used-up"
    CREDENTIALS_REFUSED = "credentials-refused"
    TOKEN_NOT_RENEWED = "token-not-renewed"  # noqa: S105 - a name
    NETWORK_LOGIN_NEEDED = "network-login-needed"

    ARCHIVE_UNAVAILABLE = "archive-unavailable"
    ARCHIVE_DAMAGED = "archive-damaged"
    DISK_FULL = "disk-full"
    WEBHOOK_UNAVAILABLE = "webhook-unavailable"
    COLLECTOR_UNAVAILABLE = "collector-unavailable"

    STOPPED_BY_TIME = "stopped-by-time"
    STOPPED_BY_SIGNAL = "stopped-by-signal"
    LEASES_LOST = "leases-lost"
    TASKS_UNANSWERED = "tasks-unanswered"

    USAGE = "usage"
    FILE_MALFORMED = "file-malformed"
    FILE_UNWRITABLE = "file-unwritable"
    VALUE_WRONG = "value-wrong"
    QUESTION_UNKNOWN = "question-unknown"
    QUESTION_NEEDS_QUEUE = "question-needs-queue"
    PARAMETER_WRONG = "parameter-wrong"
    RUN_UNKNOWN = "run-unknown"
    DEAD_LETTER_UNKNOWN = "dead-letter-unknown"

    BUG = "bug"


class TaskAuditError(Exception):
    """Something ended the run; ``remedy`` is what the operator can do."""

    exit_code = ExitCode.BUG

    def __init__(self, message: str, *, code: Code, remedy: str) -> None:
        # What others say may repeat what they were sent; this goes to logs, to tables and to whoever is told of a run.
        self.message = redact(message)
        self.code = code
        self.remedy = remedy
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"[{self.code}] {self.message} {self.remedy}"


class ConfigurationError(TaskAuditError):
    """Mend the configuration, then run again."""

    exit_code = ExitCode.CONFIGURATION


class CredentialsRefusedError(TaskAuditError):
    """Mend the credentials, then run again; no task has lost its place."""

    exit_code = ExitCode.CREDENTIALS


class UnavailableError(TaskAuditError):
    """Something the job depends on is down; run again later."""

    exit_code = ExitCode.UNAVAILABLE


class TransientError(UnavailableError):
    """A database has undone what was under way, and may take it at the next try."""


class OutageError(UnavailableError):
    """The API was down for longer than this run could wait; what was audited before stands."""


class StoppedError(TaskAuditError):
    """The run was asked to end early; run again to go on."""

    exit_code = ExitCode.STOPPED


class LeaseLostError(Exception):
    """Another run has taken over tasks of this one, whose lease had ended: their outcomes are not ours to write."""


class DamagedArchiveError(TaskAuditError):
    """The archive holds what was not written there, or not so; look at it before replaying again."""

    exit_code = ExitCode.DEAD_LETTERS


class BugError(TaskAuditError):
    """Something happened that nobody foresaw; report it."""

    exit_code = ExitCode.BUG


class InputError(TaskAuditError):
    """A file or argument that the user gave cannot be used; mend it, then run again."""

    exit_code = ExitCode.USAGE
