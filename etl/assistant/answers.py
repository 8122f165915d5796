"""Makes an answer fit for an assistant: bounded, without secrets, and without characters that hide text. Pure.

Texts from KooDrive, such as the name of a task, may be addressed to the assistant. A bound keeps them short, and hidden
characters, which a person would not see, are written as escapes.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from etl.receivers import for_terminal
from etl.redaction import redact

MAX_ROWS = 500
"""The rows that one answer may have."""

DEFAULT_ROWS = 100
"""The rows of an answer if the assistant asks for no other number."""

MAX_BYTES = 64 << 10
"""The bytes of an answer as JSON: about 20,000 tokens, which is near the limit of common clients."""

MAX_TEXT_CHARACTERS = 500
"""The characters of one text from outside."""

CUT_MARK = "… [cut]"

Document = dict[str, Any]
"""A JSON object. Its lists may be cut; its other values are small."""


def table(rows: Iterable[object], *, max_rows: int) -> Document:
    """Make an answer of rows.

    Args:
        rows: dataclasses or mappings; one more than ``max_rows`` if there are more.
        max_rows: the rows to keep.
    """
    found = list(rows)
    document: Document = {"rows": [from_outside(row) for row in found[:max_rows]]}
    if len(found) > max_rows:
        document["cut"] = (
            f"There are more than these {max_rows} rows: narrow the question, or ask for more by max_rows."
        )
    return bounded(document)


def from_outside(value: object) -> Any:
    """Convert a value to JSON types, with each text fit for an assistant."""
    return _fit(msgspec.to_builtins(value))


def bounded(document: Document) -> Document:
    """Leave out the last elements of the longest lists until the document fits, and say so."""
    while (size := _size(document)) > MAX_BYTES:
        longest = max(
            (name for name, value in document.items() if isinstance(value, list) and value), key=_by_size(document)
        )
        kept = math.floor(len(document[longest]) * MAX_BYTES / size * 0.9)
        document = {
            **document,
            longest: document[longest][:kept],
            "cut": f"Only the first {kept} of {longest} fit into {MAX_BYTES // 1024} KiB: narrow the question.",
        }
    return document


def to_json(document: Document) -> str:
    """Write a document as JSON."""
    return msgspec.json.encode(document).decode()


def _fit(value: Any) -> Any:
    match value:
        case str():
            return _short(for_terminal(redact(value)))
        case Mapping():
            return {name: _fit(each) for name, each in value.items()}
        case list():
            return [_fit(each) for each in value]
        case _:
            return value


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT_CHARACTERS else f"{text[:MAX_TEXT_CHARACTERS]}{CUT_MARK}"


def _by_size(document: Document) -> Any:
    return lambda name: _size(document[name])


def _size(value: object) -> int:
    return len(msgspec.json.encode(value))
