"""What a task's detail looks like, whether it can be believed, and in what it differs from the documentation. Pure.

JSON leaves room to say two things at once: a name that stands twice, a number that only some parsers can hold. What one
parser may read otherwise than another is no answer.
"""

import json
from collections.abc import Iterator
from itertools import islice, product
from types import NoneType
from typing import Annotated, Any

import msgspec
from msgspec.structs import astuple

from etl.tasks import TaskDetail, TaskStatus

MALFORMED = (ValueError, RecursionError)
"""What reading a body raises; nesting without end is the last."""

MAX_DEPTH = 32
"""Of a body; a documented one has 1."""

SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**64 - 1
"""Of 64 bits, with a sign or without."""

MAX_INTEGER_CHARACTERS = 20

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
WholeNumberText = Annotated[str, msgspec.Meta(pattern=r"\A[ \t\r\n]*-?[0-9]{1,18}[ \t\r\n]*\Z")]


class Answer(TaskDetail, frozen=True, kw_only=True):
    """A task's detail that may be an error in disguise."""

    status: Int64 | WholeNumberText
    task_type: Int64 | WholeNumberText | None = None
    error_code: int | str | None = msgspec.field(default=None, name="error_code")


DOCUMENTED_TYPES: dict[str, tuple[type, ...]] = {
    "taskId": (str,),
    "taskName": (str,),
    "taskType": (int,),
    "tenantId": (str,),
    "userId": (str,),
    "status": (int,),
    "resultCode": (str, NoneType),
    "code": (int, str),
    "msg": (str,),
}
"""The JSON types that a field may have. Null stands for absent too: only a task that failed has a result code."""

DOCUMENTED_VALUES: dict[str, frozenset[int]] = {
    "status": frozenset(map(int, TaskStatus)),
    "taskType": frozenset({0, 1}),  # a hand-over, a batch import
}

QUOTES_OF_A_NAME = 2

MAX_DIFFERENCES = 20
"""That are told of one answer."""

MAX_NAME_CHARACTERS = 64


def _quotes(shape: tuple[type, ...]) -> int:
    """Count the quotes of a flat object whose fields have these types, no text having one of its own."""
    return 2 * sum((kind is not NoneType) + (kind is str) for kind in shape)


DOCUMENTED_SHAPES = {
    shape: _quotes(shape)
    for shape in product(*(DOCUMENTED_TYPES.get(name, (NoneType,)) for name in Answer.__struct_encode_fields__))
}
"""Every combination of documented types, and how many quotes its body has at least."""

_answers = msgspec.json.Decoder(Answer)


def read_answer(body: bytes) -> tuple[Answer, tuple[str, ...]]:
    """Read a task's detail, and in what it differs from the documentation.

    The names of undocumented fields are bounded and printable, but somebody else's words.

    Raises:
        ValueError: the body is no task's detail, or not one that every parser reads alike.
        RecursionError: the same.
    """
    answer = _answers.decode(body)
    if _is_as_documented(answer, body):
        return answer, ()
    return answer, tuple(islice(_differences(read_strictly(body)), MAX_DIFFERENCES))


def read_strictly(body: bytes) -> Any:
    """Read JSON in UTF-8 that every parser reads alike: no repeated name, no number beyond 64 bits, not too deep.

    Raises:
        ValueError: it is not.
        RecursionError: it is nested without end.
    """
    # This one is strict about text and numbers, but takes the last of a repeated name; the other is its opposite.
    msgspec.json.decode(body)
    value = json.loads(body, object_pairs_hook=_without_repeats, parse_int=_integer)
    # Whoever has few brackets is not deep.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _refuse_depth(value, MAX_DEPTH)
    return value


def _is_as_documented(answer: Answer, body: bytes) -> bool:
    """Say whether the body holds the documented fields and nothing else, without taking it apart again.

    Names and texts stand in quotes. A repeated or unknown field brings at least two more, and nothing takes one away.
    """
    quotes = DOCUMENTED_SHAPES.get(tuple(map(type, astuple(answer))))
    if quotes is None or not (
        answer.status in DOCUMENTED_VALUES["status"] and answer.task_type in DOCUMENTED_VALUES["taskType"]
    ):
        return False
    surplus = body.count(b'"') - quotes
    # A null has a name too. With its colon and without a backslash, this can be nothing but a name.
    return surplus == 0 or (surplus == QUOTES_OF_A_NAME and answer.result_code is None and b'"resultCode":' in body)


def _differences(fields: dict[str, Any]) -> Iterator[str]:
    for name, types in DOCUMENTED_TYPES.items():
        if name not in fields:
            if NoneType not in types:
                yield f"missing field {name}"
        elif type(fields[name]) not in types:
            yield f"{name} is {_type_name(fields[name])}"
    for name, values in DOCUMENTED_VALUES.items():
        if (value := fields.get(name)) is not None and int(value) not in values:
            yield f"unknown {name} {int(value)}"
    for name in fields:
        if name not in DOCUMENTED_TYPES:
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
    if len(digits) > MAX_INTEGER_CHARACTERS or not SMALLEST_INTEGER <= (number := int(digits)) <= LARGEST_INTEGER:
        raise ValueError("a number is beyond 64 bits")
    return number


def _refuse_depth(value: object, levels: int) -> None:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is None:
        return
    if not levels:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    for one in inner:
        _refuse_depth(one, levels - 1)
