"""Errors of a run, grouped by what happens next, each with its exit code.

A failure of one task is a value (``tasks.FetchFailure``); what stands here ends the run. Every error says what is wrong
and what to do about it, in sentences that hold no secret.
"""

from enum import IntEnum

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


class TaskAuditError(Exception):
    """Something ended the run; ``remedy`` is what the operator can do."""

    exit_code = ExitCode.BUG

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        # What others say may repeat what they were sent; this goes to logs, to tables and to whoever is told of a run.
        self.message = redact(message)
        self.remedy = remedy
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}" if self.remedy else self.message


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
