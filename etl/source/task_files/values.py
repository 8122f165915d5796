"""Checks the IDs and times of a file, and names the traces that spreadsheets and other programs leave on them."""

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from etl.error_codes import Code
from etl.errors import InputError
from etl.source.tables import FIRST_YEAR, LAST_YEAR
from etl.source.task_files.columns import ID_FIELD, TIME_FIELD
from etl.tasks import MAX_TASK_ID_DIGITS, UNIX_EPOCH, is_valid_task_id
from etl.times import read_instant

RawRow = tuple[int, Any, Any]
"""The number of a line or row, and its two fields as they are."""

MAX_QUOTED = 40
DAYS_OF_YEAR = timedelta(days=365.2425)

AS_TEXT = "Export the IDs again as text, from the program that has them."

TRACES = (
    (
        re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE][+-]?\d+"),
        f"It looks like a spreadsheet's scientific notation, which has lost digits. {AS_TEXT}",
    ),
    (
        re.compile(r"\d{1,19}[.,]0*"),
        f"It was a number with decimals, which may have lost digits. {AS_TEXT}",
    ),
    (re.compile(r"['\u2019\u2018`]\d+['\u2019`]?"), "It has an apostrophe, a spreadsheet's mark of text: remove it."),
    (re.compile(r'=?"+=?"*\d+"+'), 'It has the form ="…" of a spreadsheet: remove all but the digits.'),
    (
        re.compile(r"\d{1,3}(?:[.,'\u2019_\u00a0\u202f ]\d{3})+"),
        f"It has separators of thousands, so it was a number, which may have lost digits. {AS_TEXT}",
    ),
    (re.compile(r"#+(?:[\w/]+[!?]?)?"), "It is a spreadsheet's error, or its sign of a cell that is too narrow."),
    (
        re.compile(r"null|none|nan|n/?a|nil|undefined|\\n|-+|", re.IGNORECASE),
        f"It stands for a missing value: leave such rows out, since each row needs a {ID_FIELD}.",
    ),
    (re.compile(r"[+-]\d+"), "It has a sign."),
    (re.compile(rf"\d{{{MAX_TASK_ID_DIGITS + 1},}}"), f"It has more than {MAX_TASK_ID_DIGITS} digits."),
    (re.compile(r"\d+\s[\d\s]*\d"), "It has blanks inside."),
)
"""The texts that people bring instead of IDs, and what to say about them."""

EXPONENT_DIGITS = 15
"""The digits of a number that a spreadsheet keeps; it makes zeros of the others."""

FEWEST_ROUNDED = 3
"""Fewer long IDs than this may end in zeros by chance."""


def check_id(value: object, place: str) -> str:
    """Return the ID as text.

    Args:
        value: what the file has.
        place: the place in the file, for the error.

    Raises:
        InputError: it is not 1 to 19 digits.
    """
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    task_id = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if is_valid_task_id(task_id):
        return task_id
    raise InputError(
        f"{place}: {_quoted(value)} is not a task ID.",
        code=Code.VALUE_WRONG,
        remedy=f"{trace_of(value)} A task ID is 1 to {MAX_TASK_ID_DIGITS} digits; nothing was added.".lstrip(),
    )


def trace_of(value: object) -> str:
    """Say what another program has made of an ID; the empty text if that is unknown."""
    if value is None:
        return f"The row has no {ID_FIELD}."
    if isinstance(value, float):
        return f"It is a number with a floating point, which keeps 15 to 17 digits. {AS_TEXT}"
    if not isinstance(value, str):
        return f"It is {type(value).__name__}, not a whole number or text."
    text = value.strip()
    if odd := next((each for each in text if unicodedata.category(each) in {"Cf", "Cc"} and not each.isspace()), ""):
        return f"It has the invisible character U+{ord(odd):04X}: remove it."
    if not text.isascii() and text.isdigit():
        return "Its digits are those of another script."
    return next((meaning for form, meaning in TRACES if form.fullmatch(text)), "")


class RoundedIds:
    """Counts the long IDs that end in zeros, as a spreadsheet that keeps 15 digits of a number makes them."""

    def __init__(self, name: str) -> None:
        """Begin to count; ``name`` is the file's in the error."""
        self._name = name
        self._long = 0
        self._rounded = 0
        self._first = ""

    def count(self, task_id: str) -> None:
        """Count one ID."""
        if len(task_id) < MAX_TASK_ID_DIGITS:
            return
        self._long += 1
        if not task_id[EXPONENT_DIGITS:].strip("0"):
            self._rounded += 1
            self._first = self._first or task_id

    def require_few(self) -> None:
        """Refuse a file most of whose long IDs are rounded.

        Raises:
            InputError: they are at least three, and more than half.
        """
        if self._rounded >= FEWEST_ROUNDED and self._rounded > self._long / 2:
            raise InputError(
                f"{self._name}: {self._rounded} of {self._long} long IDs end in zeros, such as {self._first}.",
                code=Code.VALUE_WRONG,
                remedy=f"It looks as if a spreadsheet has rounded them. {AS_TEXT} If they are right, give "
                "--allow-rounded. Nothing was added.",
            )


def check_time(value: object, place: str) -> datetime | None:
    """Return the time in UTC, or None for a blank.

    Args:
        value: what the file has: text, a time, a date, or microseconds since 1970.
        place: the place in the file, for the error.

    Raises:
        InputError: it is no time, or one that the pending table cannot hold.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return _instant(value)
    except (TypeError, ValueError, OverflowError):
        written = f"a time about the year {_year(value)}" if isinstance(value, timedelta) else _quoted(value)
        raise InputError(
            f"{place}: {written} is not a time.",
            code=Code.VALUE_WRONG,
            remedy=f"Write {TIME_FIELD} as 2026-11-01 or 2026-11-01T06:00:00Z, or leave it empty; nothing was added.",
        ) from None


def _instant(value: object) -> datetime:
    match value:
        case datetime():
            instant = value
        case date():
            instant = datetime(value.year, value.month, value.day, tzinfo=UTC)
        case timedelta():
            instant = UNIX_EPOCH + value
        case str():
            instant = read_instant(value)
        case _:
            raise TypeError
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise ValueError
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _year(since_1970: timedelta) -> int:
    return int(UNIX_EPOCH.year + since_1970 / DAYS_OF_YEAR)


def _quoted(value: object) -> str:
    return repr(str(value)[:MAX_QUOTED])
