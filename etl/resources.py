"""Finds the files that the package ships: at the top of a checkout, or inside the package in a wheel."""

from pathlib import Path

from etl.error_codes import Code

PACKAGE = Path(__file__).parent


def resource(*parts: str) -> Path:
    """Locate a shipped file or folder, for example ``resource("sql", "views")``."""
    installed = PACKAGE.joinpath(*parts)
    return installed if installed.exists() else PACKAGE.parent.joinpath(*parts)


def page_of(code: Code) -> str:
    """Read the page of an error in ``docs/errors``."""
    return resource("docs", "errors", f"{code}.md").read_text(encoding="utf-8")
