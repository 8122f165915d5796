"""The result of a check."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from etl.error_codes import Code
from etl.errors import TaskAuditError
from etl.exit_codes import ExitCode

CLOCK_SKEW_TO_WARN = timedelta(seconds=30)
"""The difference of two clocks above which a check warns: it would confuse a person who compares their times."""


class State(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    """A run would not fail, but the finding needs attention."""
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the output."""

    subject: str
    state: State = State.OK
    said: str
    remedy: str | None = None
    exit_code: ExitCode = ExitCode.OK
    """The exit code of a run with this failure; 0 if it is not a failure."""
    code: Code | None = None
    """The code of the error that a run would end with; `task-audit explain` shows its page."""


def warning(subject: str, message: str, *, remedy: str) -> Finding:
    """Make a finding that would not stop a run."""
    return Finding(subject=subject, state=State.WARNING, said=message, remedy=remedy)


def failed(subject: str, error: Exception) -> Finding:
    """Make the finding of a check that ended with an error."""
    if isinstance(error, TaskAuditError):
        message = f"{error.message} It says: {error.quote}" if error.quote else error.message
        remedy, exit_code, code = error.remedy, error.exit_code, error.code
    else:
        # The text of an unforeseen error may hold a secret; its class is enough to report it.
        message, remedy = f"{type(error).__name__}.", "This is a bug in task-audit; please report it."
        exit_code, code = ExitCode.BUG, Code.BUG
    return Finding(subject=subject, state=State.FAILURE, said=message, remedy=remedy, exit_code=exit_code, code=code)
