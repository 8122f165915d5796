"""Prints rows for a person: as a table if the console is wide enough, else as one record below the other.

A heading or a value is never cut. Only sentences continue on another line, so a person can copy every ID.
"""

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

SENTENCE_WIDTH = 30
"""A text with blanks that is wider than this is a sentence, and gets at least this width."""

GAP = 2
"""The blanks between two columns."""

Cells = Sequence[str]


def print_rows(
    headings: Cells,
    rows: Sequence[Sequence[object]],
    *,
    console: Console,
    show: Callable[[object], str],
    title: str = "",
) -> None:
    """Print rows below their headings.

    Args:
        headings: the names of the columns.
        rows: the values, one for each column.
        console: the console; its width decides on the form.
        show: makes the text of a value, without characters that a terminal would obey.
        title: a line above the rows.
    """
    if title:
        console.print(Text(title, style="bold"))
    shown = [[show(value) for value in row] for row in rows]
    widths = [_least_width([heading, *cells]) for heading, *cells in zip(headings, *shown, strict=True)]
    if sum(widths) + GAP * (len(widths) - 1) > console.width:
        _print_records(headings, shown, console=console)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, (heading, width) in enumerate(zip(headings, widths, strict=True)):
        is_number = all(isinstance(row[index], int | float | None) for row in rows)
        has_sentences = any(_is_sentence(row[index]) for row in shown)
        table.add_column(
            Text(heading), justify="right" if is_number else "left", min_width=width, no_wrap=not has_sentences
        )
    for cells in shown:
        table.add_row(*map(Text, cells))
    console.print(table)


def print_record(names: Cells, cells: Cells, *, console: Console) -> None:
    """Print one record, with each value beside its name."""
    width = max(map(cell_len, names))
    for name, cell in zip(names, cells, strict=True):
        if _longest_word(cell) <= console.width - width - GAP:
            line = Table.grid(padding=(0, GAP, 0, 0))
            line.add_column(width=width, style="bold")
            line.add_row(Text(name), Text(cell))
            console.print(line)
        else:
            # The terminal itself breaks the line, so a copy has no line break.
            console.print(Text.assemble((f"{name:<{width}}", "bold"), " " * GAP, cell), soft_wrap=True)


def _print_records(names: Cells, records: Sequence[Cells], *, console: Console) -> None:
    for number, cells in enumerate(records):
        if number:
            console.print()
        print_record(names, cells, console=console)


def _least_width(texts: Cells) -> int:
    return max(max(_longest_word(text), SENTENCE_WIDTH) if _is_sentence(text) else cell_len(text) for text in texts)


def _is_sentence(text: str) -> bool:
    return " " in text and cell_len(text) > SENTENCE_WIDTH


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split(" ")))
