"""Makes the index of the error pages, ``docs/errors/index.md``, from the error codes."""

from etl.error_codes import Code

INDEX = """\
# Errors

Every error has a code, a sentence and a remedy: `Error [setting-missing]: api.base_url is not set.` The code is stable,
so a script or an alert may look for it; `audit_run.error` begins with it in brackets. `task-audit explain` lists the
codes, and prints the page of one, without a network. `make reference` makes this list from the code.

| code | exit code | what it means |
|---|---|---|
"""


def page() -> str:
    """Return the list of all error codes."""
    rows = (
        f"| [`{code}`]({code}.md) | [{int(code.exit_code)}](../runbook.md#exit-code-{int(code.exit_code)}) "
        f"| {code.sentence} |\n"
        for code in Code
    )
    return INDEX + "".join(rows)
