"""The arguments of tools: one declaration gives the JSON schema that a client sees and the check of what it sends."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from etl.assistant.answers import DEFAULT_ROWS, MAX_ROWS
from etl.error_codes import Code
from etl.errors import InputError
from etl.jobs.parameters import BOUNDS
from etl.warehouse.read.questions import Kind, Parameter, Question

MaxRows = Annotated[int, Meta(ge=1, le=MAX_ROWS, description="The rows of the answer, at most.")]

TYPES: dict[Kind, type] = {"text": str, "integer": int, "number": float, "time": str, "end": str}

TIMES = "A date, an instant such as 2026-11-03T12:00, or a distance such as '36h before now'."

ROWS = "max_rows"


class NoArguments(Struct, forbid_unknown_fields=True):
    """No arguments."""


def arguments_of(question: Question) -> type[Struct]:
    """Declare the arguments of a question: its parameters, and the rows of the answer."""
    fields: list[Any] = [_field(parameter) for parameter in question.parameters]
    rows = (ROWS, MaxRows, DEFAULT_ROWS)
    return msgspec.defstruct(question.name, [*fields, rows], kw_only=True, forbid_unknown_fields=True)


def schema_of(arguments: type[Struct]) -> dict[str, Any]:
    """Return the JSON schema of arguments."""
    _, components = msgspec.json.schema_components([arguments])
    schema: dict[str, Any] = components[arguments.__name__]
    return schema


def read_arguments(kind: type[Struct], sent: Mapping[str, object]) -> Any:
    """Check the arguments that a client sends; a number may come as text.

    Raises:
        InputError: an argument is unknown, missing or invalid.
    """
    try:
        return msgspec.convert(sent, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(
            f"The arguments do not fit: {error}.", code=Code.PARAMETER_WRONG, remedy="See the schema of the tool."
        ) from None


def given(question: Question, arguments: Struct) -> dict[str, str]:
    """Return the parameters of a question with their values as a user writes them."""
    return {each.name: str(getattr(arguments, each.name)) for each in question.parameters}


def _field(parameter: Parameter) -> tuple[Any, ...]:
    low, high = BOUNDS.get(parameter.kind, (None, None))
    times = f" {TIMES}" if parameter.kind in {"time", "end"} else ""
    meta = Meta(ge=low, le=high, description=f"{parameter.meaning}{times}")
    kind = TYPES[parameter.kind]
    declared = (parameter.name, Annotated[kind, meta])
    return declared if parameter.default is None else (*declared, kind(parameter.default))
