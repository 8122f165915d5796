"""What a check has found."""

from dataclasses import dataclass
from enum import StrEnum

from etl.errors import Code, TaskAuditError
from etl.exit_codes import ExitCode


class State(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARNING = "warning"
    """A run would go through, and somebody should look."""
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor's."""

    subject: str
    state: State = State.OK
    said: str
    remedy: str | None = None
    exit_code: ExitCode = ExitCode.OK
    """What a run would end with; 0 unless it is a failure."""
    code: Code | None = None
    """Of the error that a run would end with; `task-audit explain` has its page."""


def warning(subject: str, said: str, remedy: str) -> Finding:
    """Make a finding that does not keep a run from going through."""
    return Finding(subject=subject, state=State.WARNING, said=said, remedy=remedy)


def failed(subject: str, error: Exception) -> Finding:
    """Make the finding of a check that ended with an error."""
    if isinstance(error, TaskAuditError):
        said, remedy, exit_code, code = error.message, error.remedy, error.exit_code, error.code
    else:
        # What an unforeseen error says may be anything; its name is enough to report it.
        said, remedy = f"{type(error).__name__}.", "This is a bug in task-audit; please report it."
        exit_code, code = ExitCode.BUG, Code.BUG
    return Finding(subject=subject, state=State.FAILURE, said=said, remedy=remedy, exit_code=exit_code, code=code)
