"""Escapes text in CSV, so that a spreadsheet does not run it as a formula.

A spreadsheet runs a cell that begins like a formula. OWASP recommends an apostrophe in front, which spreadsheets do not
show: https://owasp.org/www-community/attacks/CSV_Injection. This module can also remove that apostrophe.
"""

import re

BEGINS_LIKE_A_FORMULA = re.compile(r"'*\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""The pattern includes wide forms of the signs and leading blanks, because some programs ignore the difference."""


def escape_formula(cell: str) -> str:
    """Put an apostrophe in front of a cell that a spreadsheet could run."""
    return f"'{cell}" if BEGINS_LIKE_A_FORMULA.match(cell) else cell


def unescape_formula(cell: str) -> str:
    """Undo ``escape_formula``."""
    return cell[1:] if cell.startswith("'") and BEGINS_LIKE_A_FORMULA.match(cell) else cell
