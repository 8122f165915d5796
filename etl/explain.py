"""What the pages of ``docs/errors`` say, one for each code of an error. They travel with the package."""

import re
from pathlib import Path

from etl.errors import Code
from etl.resources import resource

HEAD = re.compile(r"# (?P<code>[a-z-]+)\n\n(?P<sentence>[^\n]+)\n\nExit code (?P<exit_code>\d+)\b")
"""How a page begins."""

INDEX = """\
# Errors

Every error has a code, a sentence and a remedy: `Error [setting-missing]: api.base_url is not set.` The code is stable,
so that a script or an alert may look for it; in `audit_run.error` it stands in brackets in front. `task-audit explain`
lists the codes, and prints the page of one, without a network. Made from these pages by `python -m etl.explain`.

| code | exit code | what it means |
|---|---|---|
"""


def page_of(code: Code) -> str:
    """Read the page of a code."""
    return _folder().joinpath(f"{code}.md").read_text(encoding="utf-8")


def summaries() -> dict[Code, tuple[int, str]]:
    """List the exit code of each error, and the sentence that its page begins with."""
    heads = {code: HEAD.match(page_of(code)) for code in Code}
    return {code: (int(head["exit_code"]), head["sentence"]) for code, head in heads.items() if head}


def index() -> str:
    """Make the page that lists all."""
    rows = (
        f"| [`{code}`]({code}.md) | [{number}](../runbook.md#exit-code-{number}) | {sentence} |\n"
        for code, (number, sentence) in summaries().items()
    )
    return INDEX + "".join(rows)


def _folder() -> Path:
    return resource("docs", "errors")


if __name__ == "__main__":
    _folder().joinpath("index.md").write_text(index(), encoding="utf-8")
