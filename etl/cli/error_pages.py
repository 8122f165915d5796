"""Finds the pages of ``docs/errors``, one for each error code. They travel with the package."""

from etl.error_codes import Code
from etl.resources import resource


def page_of(code: Code) -> str:
    """Read the page of a code."""
    return resource("docs", "errors", f"{code}.md").read_text(encoding="utf-8")
