"""The exit codes of a command and their words, from which every table of exit codes is made."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Literal, Self

Grade = Literal["good", "fair", "bad"]
"""The quality of a run's end: everything, a part, or nothing of what was due was audited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The words of an exit code, from which every table of exit codes is made."""

    outcome: str
    """The word for it in ``audit_run.outcome``."""
    meaning: str
    headline: str
    """The first line of the summary that a person reads after a run."""
    remedy: str
    """The operator's next step."""
    grade: Grade
    retry: bool = False
    """Whether a scheduler should try the command again by itself."""


class ExitCode(IntEnum):
    """The exit code of a command, after sysexits.h."""

    outcome: str
    meaning: str
    headline: str
    remedy: str
    grade: Grade
    retry: bool

    def __new__(cls, number: int, verdict: Verdict | None = None) -> Self:
        """Make a member; a lookup such as ``ExitCode(65)`` never calls this method.

        Raises:
            TypeError: the member has no words.
        """
        if verdict is None:
            raise TypeError(f"The exit code {number} needs a verdict.")
        member = int.__new__(cls, number)
        member._value_ = number
        for each in fields(verdict):
            setattr(member, each.name, getattr(verdict, each.name))
        return member

    OK = (
        0,
        Verdict(
            outcome="succeeded",
            meaning="Everything due in the range was audited.",
            headline="Everything due was audited.",
            remedy="Nothing.",
            grade="good",
        ),
    )
    USAGE = (
        2,
        Verdict(
            outcome="usage_error",
            meaning="The command line is wrong.",
            headline="The command line is wrong.",
            remedy="Fix the arguments in the unit, the CronJob or the crontab.",
            grade="bad",
        ),
    )
    DEAD_LETTERS = (
        65,
        Verdict(
            outcome="dead_letters",
            meaning="The run finished, but some tasks could not be audited and are dead letters.",
            headline="Finished, but some tasks could not be audited: see `task-audit status`.",
            remedy="Look at `task-audit dead-letters list`, then use `retry` or `discard`.",
            grade="fair",
        ),
    )
    UNAVAILABLE = (
        69,
        Verdict(
            outcome="unavailable",
            meaning="The API, the pending database or the warehouse is unavailable.",
            headline="Something the job depends on is unavailable; nothing is lost.",
            remedy="Nothing on the first night. Run `task-audit doctor` on the second.",
            grade="bad",
            retry=True,
        ),
    )
    BUG = (
        70,
        Verdict(
            outcome="bug",
            meaning="The program has a bug.",
            headline="This is a bug; please report it.",
            remedy="Report it with the log of the run.",
            grade="bad",
        ),
    )
    STOPPED = (
        75,
        Verdict(
            outcome="stopped",
            meaning="Some tasks are still pending: a signal, a deadline, throttling or a lock stopped the run early "
            "and cleanly, or KooDrive gave no answer about them for now.",
            headline="Some tasks are still pending: stopped, or no answer for now.",
            remedy="Nothing. If it happens every night, read the error of the run: allow a longer run or a higher "
            "`api.max_rate`, or look for the tasks without an answer.",
            grade="fair",
            retry=True,
        ),
    )
    CREDENTIALS = (
        77,
        Verdict(
            outcome="credentials_refused",
            meaning="The API refuses the credentials. No attempt was counted for any task.",
            headline="The API refuses the credentials; no attempt was counted for any task.",
            remedy="Renew the secret, then start a run by hand.",
            grade="bad",
        ),
    )
    CONFIGURATION = (
        78,
        Verdict(
            outcome="configuration_error",
            meaning="The configuration is wrong.",
            headline="The configuration is wrong.",
            remedy="Fix what the error names; `task-audit config show` shows every setting.",
            grade="bad",
        ),
    )


WORST_FIRST = (
    ExitCode.BUG,
    ExitCode.USAGE,
    ExitCode.CONFIGURATION,
    ExitCode.CREDENTIALS,
    ExitCode.UNAVAILABLE,
    ExitCode.STOPPED,
    ExitCode.DEAD_LETTERS,
    ExitCode.OK,
)
"""The order in which one exit code is chosen for several ends."""


def worst(codes: Collection[ExitCode]) -> ExitCode:
    """Return the worst of several exit codes; of none, that everything is well."""
    return next((code for code in WORST_FIRST if code in codes), ExitCode.OK)
