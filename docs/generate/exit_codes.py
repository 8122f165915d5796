"""Makes the table of the exit codes, and of the errors that end a run with each."""

from collections.abc import Iterator

from docs.generate.markdown import sentence, table
from etl.errors import TaskAuditError
from etl.exit_codes import ExitCode

HEAD = """\
# Exit codes

Made from the code by `make reference`. They follow sysexits.h; [the runbook](../runbook.md) says for each what to
check and what to do. Kubernetes and systemd try the command again after the codes that are marked so; cron leaves
everything to the next night. A second SIGINT or SIGTERM, a second or more after the first, ends at once with 130 or
143.

"""
COLUMNS = ("code", "`outcome`", "meaning", "tried again", "what you do", "its errors")


def page() -> str:
    """Describe every code."""
    rows = (
        (
            f"[{code}](../runbook.md#exit-code-{code})",
            f"`{code.outcome}`",
            code.meaning,
            "yes" if code.retry else "no",
            code.remedy,
            "<br>".join(_errors(code)),
        )
        for code in ExitCode
    )
    return HEAD + table(COLUMNS, rows)


def _errors(code: ExitCode) -> Iterator[str]:
    for error in _all(TaskAuditError):
        if error.exit_code == code:
            yield sentence(error.__doc__)


def _all(error: type[TaskAuditError]) -> Iterator[type[TaskAuditError]]:
    for each in error.__subclasses__():
        yield each
        yield from _all(each)
