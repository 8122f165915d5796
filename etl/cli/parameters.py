"""Reads the values of a question's parameters, from the command line or from the defaults in the question's file.

A time is a date, an ISO-8601 instant, ``now``, or a distance from another time: ``24h before now``, ``7d after since``.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from etl.cli.types import Duration, RangeBound, is_reversed
from etl.error_codes import Code
from etl.errors import InputError
from etl.warehouse.read.questions import Kind, Parameter, Question

RELATIVE = re.compile(r"(?:(\S+) (before|after) )?([a-z_]+)", re.ASCII)

MAX_INTEGER = 2**63 - 1
"""The largest integer that every engine holds."""

TYPES: dict[Kind, click.ParamType[Any]] = {
    "text": click.STRING,
    "integer": click.IntRange(0, MAX_INTEGER),
    "number": click.FloatRange(-1e15, 1e15),
    "time": RangeBound(is_end=False),
    "end": RangeBound(is_end=True),
}

EXAMPLES: dict[Kind, str] = {
    "text": "a text",
    "integer": "a whole number from 0 on",
    "number": "a number",
    "time": "a time such as 2026-11-01, 2026-11-01T06:00:00Z or '24h before now'",
    "end": "a time such as 2026-11-01, 2026-11-01T06:00:00Z or '24h before now'",
}


def read_parameters(question: Question, given: tuple[str, ...], *, now: datetime) -> dict[str, object]:
    """Make a value for each parameter of a question.

    Args:
        question: the question with the parameters.
        given: the parameters of the command line, each ``name=value``.
        now: the aware instant that ``now`` means.

    Raises:
        InputError: a parameter is unknown, missing, given twice or invalid.
    """
    written = _written(question, given)
    values: dict[str, object] = {}
    for parameter in question.parameters:
        as_text = written.get(parameter.name, parameter.default)
        if as_text is None:
            raise InputError(
                f"The question '{question.name}' needs a {parameter.name}.",
                code=Code.PARAMETER_WRONG,
                remedy=f"Give it: --param {parameter.name}=VALUE.",
            )
        values[parameter.name] = _value(parameter, as_text, {"now": now, **values})
        if parameter.kind == "end":
            _require_order(values, as_text)
    return values


def _require_order(values: Mapping[str, object], written: str) -> None:
    match values:
        case {"since": datetime() as since, "until": datetime() as until} if is_reversed(since, until, written=written):
            raise InputError(
                "--param since is after --param until.",
                code=Code.PARAMETER_WRONG,
                remedy="Give a start that is before the end; a missing parameter has its default.",
            )


def _written(question: Question, given: tuple[str, ...]) -> dict[str, str]:
    known = [parameter.name for parameter in question.parameters]
    written: dict[str, str] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(
                f"--param {pair} is no parameter.", code=Code.PARAMETER_WRONG, remedy="Write it as NAME=VALUE."
            )
        if name not in known:
            taken = f"It takes {', '.join(known)}." if known else "It takes none."
            raise InputError(
                f"The question '{question.name}' has no parameter '{name}'.", code=Code.PARAMETER_WRONG, remedy=taken
            )
        if name in written:
            raise InputError(f"--param {name} is given twice.", code=Code.PARAMETER_WRONG, remedy="Give it once.")
        written[name] = value
    return written


def _value(parameter: Parameter, written: str, known: Mapping[str, object]) -> object:
    kind = parameter.kind
    try:
        written.encode()
        if kind in {"time", "end"} and (relative := RELATIVE.fullmatch(written.strip())):
            duration, direction, anchor = relative.groups()
            return _instant(anchor, duration, direction, known=known)
        value: object = TYPES[kind].convert(written, None, None)
    except UnicodeEncodeError:
        raise InputError(
            f"--param {parameter.name} is not UTF-8.", code=Code.PARAMETER_WRONG, remedy="Write it in UTF-8."
        ) from None
    except (OverflowError, click.BadParameter):
        raise InputError(
            f"--param {parameter.name}: {written!r} is not {EXAMPLES[kind]}.",
            code=Code.PARAMETER_WRONG,
            remedy=parameter.meaning,
        ) from None
    if value != value:  # noqa: PLR0124 - only a NaN differs from itself
        raise InputError(
            f"--param {parameter.name}: {written!r} is not {EXAMPLES[kind]}.",
            code=Code.PARAMETER_WRONG,
            remedy=parameter.meaning,
        )
    return value


def _instant(anchor: str, duration: str | None, direction: str | None, *, known: Mapping[str, object]) -> datetime:
    start = known.get(anchor)
    if not isinstance(start, datetime):
        raise click.BadParameter(f"{anchor} is no time")
    if duration is None:
        return start
    distance = Duration().convert(duration, None, None)
    return start - distance if direction == "before" else start + distance
