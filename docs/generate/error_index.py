"""The list of the error pages: ``docs/errors/index.md``."""

from etl.cli.error_pages import summaries

INDEX = """\
# Errors

Every error has a code, a sentence and a remedy: `Error [setting-missing]: api.base_url is not set.` The code is stable,
so that a script or an alert may look for it; in `audit_run.error` it stands in brackets in front. `task-audit explain`
lists the codes, and prints the page of one, without a network. `make reference` makes this list from the pages.

| code | exit code | what it means |
|---|---|---|
"""


def page() -> str:
    """Make the page that lists all."""
    rows = (
        f"| [`{code}`]({code}.md) | [{number}](../runbook.md#exit-code-{number}) | {sentence} |\n"
        for code, (number, sentence) in summaries().items()
    )
    return INDEX + "".join(rows)
