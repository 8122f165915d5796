"""The errors that end a run, grouped by the operator's next step, each with its exit code.

A failure of one task is a value (``tasks.FetchFailure``); an error of this module ends the run. Every error has a
message and a remedy without secrets, and a code (``etl/error_codes.py``).
"""

from dataclasses import dataclass

from etl.error_codes import Code
from etl.exit_codes import ExitCode
from etl.redaction import redact


class TaskAuditError(Exception):
    """An error that ends the run; ``remedy`` is the operator's next step.

    Tables, messages, traces and reports have the message and the remedy. ``quote`` is what another program said, which
    may name a person: only the log and the terminal of the command show it.
    """

    exit_code = ExitCode.BUG

    def __init__(self, message: str, *, code: Code, remedy: str, quote: str = "") -> None:
        # The message and the quote may repeat a secret.
        self.message = redact(message)
        self.quote = redact(quote)
        self.code = code
        self.remedy = remedy
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"[{self.code}] {self.message} {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnding:
    """How a failure ends the run if it concerns every request."""

    error: type[TaskAuditError]
    code: Code
    remedy: str

    def because(self, message: str, *, quote: str = "") -> TaskAuditError:
        """Make the error that ends the run."""
        return self.error(message, code=self.code, remedy=self.remedy, quote=quote)


class ConfigurationError(TaskAuditError):
    """Fix the configuration, then run again."""

    exit_code = ExitCode.CONFIGURATION


class CredentialsRefusedError(TaskAuditError):
    """Fix the credentials, then run again; no attempt was counted for any task."""

    exit_code = ExitCode.CREDENTIALS


class UnavailableError(TaskAuditError):
    """Something the job depends on is down; run again later."""

    exit_code = ExitCode.UNAVAILABLE


class TransientError(UnavailableError):
    """A database rolled back an operation and may accept it at the next attempt."""


class OutageError(UnavailableError):
    """The API was down for longer than this run could wait; tasks audited before stay audited."""


class StoppedError(TaskAuditError):
    """The run ended early on request; run again to continue."""

    exit_code = ExitCode.STOPPED


class LeaseLostError(Exception):
    """Another run took over tasks whose leases had expired; this run must not write their outcomes."""


class DamagedArchiveError(TaskAuditError):
    """The archive holds data that the job did not write; check it before the next replay."""

    exit_code = ExitCode.DEAD_LETTERS


class BugError(TaskAuditError):
    """The program met a case that it does not handle; report it."""

    exit_code = ExitCode.BUG


class InputError(TaskAuditError):
    """A file or an argument cannot be used; fix it, then run again."""

    exit_code = ExitCode.USAGE


class OutputError(TaskAuditError):
    """Stdout cannot be written; free the disk or fix the reader, then run the command again."""

    exit_code = ExitCode.UNAVAILABLE

    @property
    def reader_is_gone(self) -> bool:
        """Whether stdout is a pipe whose reader has ended, such as ``head``."""
        return isinstance(self.__cause__, BrokenPipeError)
