"""Makes text from outside fit for its receiver, with one function for each kind: terminal, page, spreadsheet and chat.

A log line in JSON and the label of a metric need no function: JSON escapes every character that is not printable ASCII,
and no label of a metric has a value from outside.
"""

import json
import re
import unicodedata
from collections.abc import Callable

BEGINS_LIKE_A_FORMULA = re.compile(r"'*\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""A spreadsheet runs a cell that begins like this. The pattern includes wide forms of the signs and leading blanks,
because some programs ignore the difference."""

BEGINS_LIKE_A_NUMBER = re.compile(r"\s*\.?\d")
"""A spreadsheet may make a number or a date of a text that begins like this, and numbers keep 15 digits."""

MAX_FORMULA_TEXT = 255
"""The longest text that Excel takes within a formula; a longer one is neither a number nor a date."""

OBEYED_OR_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""The categories of Unicode whose characters steer a terminal, reorder a text or take no space: control characters,
format characters such as those for the writing direction, surrogates, and separators of lines and paragraphs."""

JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
"""Format characters that Persian, Indian scripts and emoji are written with."""

INVISIBLE = "\N{ZERO WIDTH SPACE}"
"""Stands in a text for a chat where the chat would otherwise see a mention or a link."""

IN_MARKUP = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))
"""Slack reads ``<!channel>`` as a mention; other chats show these entities as the signs."""


def for_terminal(text: str, *, keeps_lines: bool = False) -> str:
    r"""Escape the characters that a terminal would obey or hide, such as ``\x1b``; also for a log that a person reads.

    Args:
        text: any text.
        keeps_lines: whether the lines and tabs of the text stay, as those of a file do.
    """
    return _without_controls(text, _as_python, kept="\n\t" if keeps_lines else "")


def for_terminal_json(document: str) -> str:
    """Escape the characters that a terminal would obey or hide, so that the JSON document means the same."""
    return _without_controls(document, _as_json, kept="\n")


def for_html(text: str) -> str:
    """Escape the characters that a page would obey or hide, or must not contain; the template escapes markup."""
    return for_terminal(text, keeps_lines=True)


def for_csv(cell: str) -> str:
    """Put an apostrophe in front of a cell that a spreadsheet could run.

    Spreadsheets do not show it: https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return f"'{cell}" if BEGINS_LIKE_A_FORMULA.match(cell) else cell


def for_spreadsheet(cell: str) -> str:
    """Write a cell so that a spreadsheet keeps its text: ``="007"`` if the text begins like a number or a date.

    Excel and LibreOffice show the text alone, and save it as text.
    """
    if BEGINS_LIKE_A_NUMBER.match(cell) and len(cell) <= MAX_FORMULA_TEXT:
        doubled = cell.replace('"', '""')
        return f'="{doubled}"'
    return for_csv(cell)


def from_csv(cell: str) -> str:
    """Undo ``for_csv`` and ``for_spreadsheet``."""
    if cell.startswith('="') and cell.endswith('"') and len(cell) > len('="'):
        return cell[2:-1].replace('""', '"')
    return cell[1:] if cell.startswith("'") and BEGINS_LIKE_A_FORMULA.match(cell) else cell


def for_chat(text: str, *, has_markup: bool = True) -> str:
    """Make a text one printable line that mentions no user of a chat, and hides no address behind words.

    Args:
        text: any text.
        has_markup: whether the chat reads entities such as ``&lt;``, as all but Discord do.
    """
    line = for_terminal(" ".join(text.split())).replace("@", f"@{INVISIBLE}").replace("](", f"]{INVISIBLE}(")
    for sign, entity in IN_MARKUP if has_markup else ():
        line = line.replace(sign, entity)
    return line


def for_plain_chat(text: str) -> str:
    """Make a text one printable line for a chat without markup that makes links of addresses and mentions users."""
    return for_chat(text, has_markup=False).replace("://", f":{INVISIBLE}//").replace("www.", f"www{INVISIBLE}.")


def _without_controls(text: str, escape: Callable[[str], str], *, kept: str) -> str:
    if text.isprintable():
        return text
    return "".join(escape(each) if each not in kept and _is_control(each) else each for each in text)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in OBEYED_OR_HIDDEN and character not in JOINERS


def _as_python(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _as_json(character: str) -> str:
    return json.dumps(character)[1:-1]
