"""The exit codes, and the errors that end a run with each."""

from collections.abc import Iterator

from docs.generate.markdown import attribute_docstrings, sentence, table
from etl.errors import ExitCode, TaskAuditError

HEAD = """\
# Exit codes

Made from the code by `make reference`. They follow sysexits.h; [the runbook](../runbook.md) says for each what to
check and what to do. A second SIGINT or SIGTERM while stopping ends at once with 130 or 143.

"""


def page() -> str:
    """Describe every code."""
    meanings = attribute_docstrings(ExitCode)
    rows = (
        (f"[{int(code)}](../runbook.md#exit-code-{int(code)})", meanings[code.name], "<br>".join(_errors(code)))
        for code in ExitCode
    )
    return HEAD + table(("code", "meaning", "what happens next"), rows)


def _errors(code: ExitCode) -> Iterator[str]:
    for error in _all(TaskAuditError):
        if error.exit_code == code:
            yield sentence(error.__doc__)


def _all(error: type[TaskAuditError]) -> Iterator[type[TaskAuditError]]:
    for each in error.__subclasses__():
        yield each
        yield from _all(each)
