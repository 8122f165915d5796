"""Markdown tables, and sentences from docstrings."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Draw a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def sentence(docstring: str | None) -> str:
    """Take the first paragraph of a docstring, as one line."""
    return " ".join((docstring or "").partition("\n\n")[0].split())
