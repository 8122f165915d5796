"""Finds the columns of task IDs and of times in the header of a file, in any case and with blanks or hyphens."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from etl.error_codes import Code
from etl.errors import InputError

ID_FIELD = "task_id"
TIME_FIELD = "submitted_at"
NOTHING_ADDED = "Nothing was added; fix the file and give it again."

SEPARATORS = re.compile(r"[\s_-]")
MAX_LISTED, MAX_QUOTED = 8, 40
"""The columns that an error lists, and the characters of each name."""


class Columns(NamedTuple):
    """The positions of the columns in a header."""

    task_id: int
    submitted_at: int | None
    """None if the file has no such column."""


def find_columns(header: Sequence[str], column: str | None, *, place: str) -> Columns | None:
    """Find the two columns; None if there is no column of task IDs.

    Args:
        header: the names of all columns.
        column: the name of the column of task IDs; None stands for ``task_id``.
        place: the place of the header, for the error.

    Raises:
        InputError: two columns have the name.
    """
    task_id = _find(header, column or ID_FIELD, place)
    return None if task_id is None else Columns(task_id, _find(header, TIME_FIELD, place))


def require_columns(header: Sequence[str], column: str | None, *, place: str) -> Columns:
    """Find the two columns.

    Raises:
        InputError: there is no column of task IDs, or two columns have the name.
    """
    columns = find_columns(header, column, place=place)
    if columns is None:
        listed = ", ".join(repr(each[:MAX_QUOTED]) for each in header[:MAX_LISTED])
        raise InputError(
            f"{place} has no column {column or ID_FIELD}.",
            code=Code.FILE_MALFORMED,
            remedy=f"It has {listed or 'no columns'}: name the column of task IDs by --column. Nothing was added.",
        )
    return columns


def plain(name: str) -> str:
    """Write a name so that ``submittedAt``, ``Submitted At`` and ``submitted_at`` are equal."""
    return SEPARATORS.sub("", name).casefold()


def _find(header: Sequence[str], name: str, place: str) -> int | None:
    found = [index for index, each in enumerate(header) if each.strip() == name]
    alike = [index for index, each in enumerate(header) if plain(each) == plain(name)]
    is_clear = len(found) == 1 and name not in {ID_FIELD, TIME_FIELD}
    if len(alike) > 1 and not is_clear:
        both = " and ".join(repr(header[index][:MAX_QUOTED]) for index in alike[:2])
        raise InputError(
            f"{place.rstrip(',')}, has two columns named {name}: {both}.",
            code=Code.FILE_MALFORMED,
            remedy=f"Remove or rename one of them. {NOTHING_ADDED}",
        )
    return next(iter(found or alike), None)
