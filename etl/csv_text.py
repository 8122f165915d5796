"""Text in CSV that a spreadsheet takes for text, and nothing else.

A cell that begins like a formula is run by the program that opens the file. OWASP's advice is an apostrophe in front,
which spreadsheets do not show: https://owasp.org/www-community/attacks/CSV_Injection. Here it can be taken away again.
"""

import re

BEGINS_LIKE_A_FORMULA = re.compile(r"'*\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""With the wide forms of the signs, which some programs read as the narrow ones. Others cut off blanks in front."""


def escape_formula(cell: str) -> str:
    """Put an apostrophe in front of what could be run."""
    return f"'{cell}" if BEGINS_LIKE_A_FORMULA.match(cell) else cell


def unescape_formula(cell: str) -> str:
    """Undo ``escape_formula``."""
    return cell[1:] if cell.startswith("'") and BEGINS_LIKE_A_FORMULA.match(cell) else cell
