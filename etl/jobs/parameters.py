"""Reads the values of a question's parameters, as users write them or from the defaults in the question's file.

A time may count from the parameters before it, ``7d after since``, and from the last night, ``last night``.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo

from etl.error_codes import Code
from etl.errors import InputError
from etl.times import Span, UnreadableTimeError, instant_span, is_reversed, read_span
from etl.times.night import Night
from etl.warehouse.read.questions import Kind, Parameter, Question

MAX_INTEGER = 2**63 - 1
"""The largest integer that every engine holds."""

MAX_NUMBER = 1e15

READERS: dict[Kind, Callable[[str], str | int | float]] = {"text": str, "integer": int, "number": float}

BOUNDS: dict[Kind, tuple[float, float]] = {"integer": (0, MAX_INTEGER), "number": (-MAX_NUMBER, MAX_NUMBER)}

EXAMPLES: dict[Kind, str] = {
    "text": "a text",
    "integer": "a whole number from 0 on",
    "number": "a number",
}


class ParameterError(InputError):
    """A parameter of a question is missing or invalid; fix it, then ask again.

    The message begins with the name of the parameter, before which the command line puts its option.
    """


def read_parameters(
    question: Question, given: Mapping[str, str], *, now: datetime, last_night: Night
) -> dict[str, object]:
    """Make a value for each parameter of a question; an optional time without a value is None.

    Args:
        question: the question with the parameters.
        given: the values that the user gives, by the names of the parameters.
        now: the aware instant that ``now`` means.
        last_night: the last night, whose zone is that of dates and times without one.

    Raises:
        InputError: a parameter is unknown.
        ParameterError: a parameter is missing or invalid.
    """
    _require_known(question, given)
    anchors = {"now": instant_span(now), "last night": Span(start=last_night.start, end=last_night.end)}
    values: dict[str, object] = {}
    for parameter in question.parameters:
        as_text = given.get(parameter.name, parameter.default)
        if as_text is None:
            raise ParameterError(
                f"{parameter.name} is missing, which the question '{question.name}' needs.",
                code=Code.PARAMETER_WRONG,
                remedy=parameter.meaning,
            )
        if parameter.kind in {"time", "end"} and as_text == parameter.default == "":
            values[parameter.name] = None
        elif parameter.kind in {"time", "end"}:
            span = _span(parameter, as_text, anchors, last_night.zone)
            if parameter.kind == "end":
                _require_order(parameter, span, anchors)
            values[parameter.name] = instant = span.end if parameter.kind == "end" else span.start
            anchors[parameter.name] = instant_span(instant)
        else:
            values[parameter.name] = _value(parameter, as_text)
    return values


def _span(parameter: Parameter, written: str, anchors: Mapping[str, Span], zone: tzinfo) -> Span:
    """Read a time, which may count from ``now``, from the last night or from another parameter."""
    try:
        return read_span(written, now=anchors["now"].start, anchors=anchors, zone=zone)
    except UnreadableTimeError as error:
        raise ParameterError(
            f"{parameter.name}: {written!r} is not a time.", code=Code.PARAMETER_WRONG, remedy=str(error)
        ) from None


def _require_order(parameter: Parameter, end: Span, anchors: Mapping[str, Span]) -> None:
    start = parameter.name.replace("until", "since")
    if start != parameter.name and start in anchors and is_reversed(anchors[start].start, end):
        raise ParameterError(
            f"{start} is after {parameter.name}.",
            code=Code.PARAMETER_WRONG,
            remedy="Give a start that is before the end; a missing parameter has its default.",
        )


def _require_known(question: Question, given: Mapping[str, str]) -> None:
    known = [parameter.name for parameter in question.parameters]
    for name in given:
        if name not in known:
            taken = f"It takes {', '.join(known)}." if known else "It takes none."
            raise InputError(
                f"The question '{question.name}' has no parameter '{name}'.", code=Code.PARAMETER_WRONG, remedy=taken
            )


def _value(parameter: Parameter, written: str) -> object:
    try:
        written.encode()
        value = READERS[parameter.kind](written)
    except UnicodeEncodeError:
        raise ParameterError(
            f"{parameter.name} is not UTF-8.", code=Code.PARAMETER_WRONG, remedy="Write it in UTF-8."
        ) from None
    except ValueError:
        raise _wrong(parameter, written) from None
    if not isinstance(value, str):
        low, high = BOUNDS[parameter.kind]
        # A NaN is between no bounds.
        if not low <= value <= high:
            raise _wrong(parameter, written)
    return value


def _wrong(parameter: Parameter, written: str) -> ParameterError:
    return ParameterError(
        f"{parameter.name}: {written!r} is not {EXAMPLES[parameter.kind]}.",
        code=Code.PARAMETER_WRONG,
        remedy=parameter.meaning,
    )
