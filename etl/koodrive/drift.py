"""Reads a task's detail, decides whether it can be believed, and finds its differences from the documentation.

The module is pure. JSON allows ambiguous bodies: a name that occurs twice, or a number that only some parsers can hold.
A body that parsers may read differently is refused.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice, product
from operator import attrgetter, contains
from types import NoneType
from typing import Any

import msgspec
from msgspec.structs import astuple, replace

from etl.tasks.detail import API_FIELDS, MAX_CODE_CHARACTERS, MAX_TEXT_CHARACTERS, Kind, TaskDetail

MALFORMED = (ValueError, RecursionError)
"""The exceptions of reading a body; endless nesting raises the second."""

MAX_DEPTH = 32
"""The levels of nesting in a body, at most. A documented body has one."""

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
"""The range of 64 bits, with or without a sign."""

MAX_INTEGER_CHARACTERS = 20
"""The characters of an integer of 64 bits, at most. Longer digits are refused before Python converts them."""

MAX_DIFFERENCES = 20
"""The reported differences of one body, at most: a body with many unknown fields must not flood the counters."""

MAX_NAME_CHARACTERS = 64
"""The length of a reported field name, at most: an unknown name can be arbitrary text."""

API_NAMES = {field.name: field.api_name for field in API_FIELDS}

DOCUMENTED = {field.api_name: field for field in API_FIELDS if field.api_name}


class DetailBody(TaskDetail, frozen=True, kw_only=True):
    """The body of a response with status 200: a task's detail, or an error."""

    error_code: int | str | None = msgspec.field(default=None, name="error_code")


_decoder = msgspec.json.Decoder(DetailBody)


def _quotation_marks(types: tuple[type, ...]) -> int:
    """Count the quotation marks of a flat object by its fields' types: two for each name, and two for each text."""
    return 2 * sum((kind is not NoneType) + (kind is str) for kind in types)


_NULL_ONLY = (NoneType,)
DOCUMENTED_TYPES = {
    types: _quotation_marks(types)
    for types in product(
        *(
            DOCUMENTED[name].json_types if name in DOCUMENTED else _NULL_ONLY
            for name in DetailBody.__struct_encode_fields__
        )
    )
}
"""The fewest quotation marks of each combination of documented types, in the order of the body's fields."""

DOCUMENTED_VALUES = [values for field in API_FIELDS if (values := field.json_values)]
_enumerated_of = attrgetter(*(field.name for field in API_FIELDS if field.json_values))

MAX_CHARACTERS = {Kind.TEXT: MAX_TEXT_CHARACTERS, Kind.CODE: MAX_CODE_CHARACTERS}

LIMITED = [(field.name, MAX_CHARACTERS[field.kind]) for field in API_FIELDS if field.kind in MAX_CHARACTERS]
"""The fields that are cut, with their length."""

NULLABLE = [(field.name, f'"{field.api_name}":'.encode()) for field in API_FIELDS if NoneType in field.json_types]


def read_answer(body: bytes) -> tuple[DetailBody, tuple[str, ...]]:
    """Read a task's detail, with long texts cut, and its differences from the documentation.

    A difference may quote the API's name of an undocumented field, bounded and printable.

    Raises:
        ValueError: the body is not a task's detail, or parsers may read it differently.
        RecursionError: the body is nested without end.
    """
    detail = _decoder.decode(body)
    differences: Iterable[str] = () if _is_as_documented(detail, body) else _differences(read_strictly(body))
    if len(body) > MAX_CODE_CHARACTERS and (cut := _cut(detail)):
        differences = chain(map(_too_long, cut), differences)
        detail = replace(detail, **cut)
    return detail, tuple(islice(differences, MAX_DIFFERENCES))


def _cut(detail: DetailBody) -> dict[str, str]:
    """Return the beginnings of the texts that are too long, by the name of the field."""
    values = ((name, getattr(detail, name), limit) for name, limit in LIMITED)
    return {name: value[:limit] for name, value, limit in values if isinstance(value, str) and len(value) > limit}


def _too_long(name: str) -> str:
    limit = dict(LIMITED)[name]
    return f"{API_NAMES[name]} is longer than {limit:,} characters"


def read_strictly(body: bytes) -> Any:
    """Read JSON in UTF-8 that every parser reads alike: no repeated name, no number beyond 64 bits, limited depth.

    Raises:
        ValueError: the body is ambiguous or no JSON.
        RecursionError: the body is nested without end.
    """
    # msgspec is strict about text and numbers, but accepts a repeated name. The json module can refuse one.
    msgspec.json.decode(body)
    value = _strict_decoder.decode(body.decode())
    # A body with few brackets cannot be deep, and counting is cheaper than descending.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _refuse_depth(value, MAX_DEPTH)
    return value


def _is_as_documented(detail: DetailBody, body: bytes) -> bool:
    """Return whether a body has the documented fields and no others, without reading it a second time.

    Without this check, a run on PostgreSQL takes 7 % more processor time (20,000 tasks, the cheap API of tests/bench).
    A repeated or unknown field adds at least two quotation marks, and no field removes one.
    """
    marks = DOCUMENTED_TYPES.get(tuple(map(type, astuple(detail))))
    if marks is None or not all(map(contains, DOCUMENTED_VALUES, _enumerated_of(detail))):
        return False
    surplus = body.count(b'"') - marks
    # A null has a name, too. Text cannot contain a quoted name, because a backslash would precede the second mark.
    return surplus == 0 or surplus == 2 * sum(
        getattr(detail, name) is None and quoted in body for name, quoted in NULLABLE
    )


def _differences(body: dict[str, Any]) -> Iterator[str]:
    for name, field in DOCUMENTED.items():
        if name not in body:
            if NoneType not in field.json_types:
                yield f"missing field {name}"
        elif type(body[name]) not in field.json_types:
            yield f"{name} is {_type_name(body[name])}"
    for name, field in DOCUMENTED.items():
        if field.json_values and (value := body.get(name)) is not None and int(value) not in field.json_values:
            yield f"unknown {name} {int(value)}"
    for name in body:
        if name not in DOCUMENTED:
            yield f"unknown field {_quotable(name)}"


def _type_name(value: object) -> str:
    return "null" if value is None else type(value).__name__


def _quotable(name: str) -> str:
    is_plain = 0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable()
    return name if is_plain else repr(name[:MAX_NAME_CHARACTERS])[:MAX_NAME_CHARACTERS]


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field is there twice")
    return fields


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_CHARACTERS or not MIN_INTEGER <= (number := int(digits)) <= MAX_INTEGER:
        raise ValueError("a number is beyond 64 bits")
    return number


_strict_decoder = json.JSONDecoder(object_pairs_hook=_without_repeats, parse_int=_integer)
"""It is made once, because json.loads would make it again for each body and take nearly twice the time."""


def _refuse_depth(value: object, levels: int) -> None:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is None:
        return
    if not levels:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    for one in inner:
        _refuse_depth(one, levels - 1)
