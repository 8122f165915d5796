"""What the pages of ``docs/errors`` say, one for each code of an error. They travel with the package."""

import re
from pathlib import Path

from etl.errors import Code
from etl.resources import resource

HEAD = re.compile(r"# (?P<code>[a-z-]+)\n\n(?P<sentence>[^\n]+)\n\nExit code (?P<exit_code>\d+)\b")
"""How a page begins."""


def page_of(code: Code) -> str:
    """Read the page of a code."""
    return _folder().joinpath(f"{code}.md").read_text(encoding="utf-8")


def summaries() -> dict[Code, tuple[int, str]]:
    """List the exit code of each error, and the sentence that its page begins with."""
    heads = {code: HEAD.match(page_of(code)) for code in Code}
    return {code: (int(head["exit_code"]), head["sentence"]) for code, head in heads.items() if head}


def _folder() -> Path:
    return resource("docs", "errors")
