"""Reads dates and times as people, schedulers, files and databases write them.

A date is a whole day in UTC or in the zone that follows it. A date with a time of day is an instant, which is in UTC
unless a zone follows. A text that could mean two things is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY = r"(?P<day>\d{4}-\d\d-\d\d|\d{8}|\d{4}-?W\d\d-\d|\d{4}W\d{3})"
HOUR = r"(?:[01]\d|2[0-3])"
CLOCK = rf"(?:T(?P<iso>{HOUR}(?::?\d\d(?::?\d\d(?:[.,]\d+)?)?)?)|\ (?P<clock>{HOUR}:\d\d(?::\d\d(?:[.,]\d+)?)?))"
MINUTES = r"[+-](?:0\d|1[0-5]):[0-5]\d(?::[0-5]\d)?"
OFFSET = rf"{MINUTES}|[+-](?:0\d|1[0-5])(?:[0-5]\d)?"
"""After a date alone, an offset needs its colon: ``20261101-08`` may also be 8 o'clock."""
PLACE = r"\ (?P<place>UTC|[A-Z][A-Z_]+(?:/[A-Z0-9_+-]+){1,2})"

WRITTEN_DAY = re.compile(rf"{DAY}(?:\ *(?P<zone>Z|{MINUTES})|{PLACE})?", re.ASCII | re.IGNORECASE | re.VERBOSE)
WRITTEN_INSTANT = re.compile(
    rf"{DAY}{CLOCK}(?:\ *(?P<zone>Z|{OFFSET})|{PLACE})?", re.ASCII | re.IGNORECASE | re.VERBOSE
)
PLAIN_INSTANT = re.compile(rf"\d{{4}}-\d\d-\d\d[ T]{HOUR}:\d\d:\d\d(?:\.\d{{6}})?", re.ASCII)
"""The form in which the job writes times as text. It is read in a fifth of the time: queries read many."""

RELATIVE_DAY = re.compile(r"(today|yesterday)(?!\w)", re.ASCII | re.IGNORECASE)
DISTANCE = re.compile(r"(\S+) (before|after) (.+)", re.ASCII | re.IGNORECASE)
DURATION = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?", re.ASCII)

ONE_DAY = timedelta(days=1)
DAYS_BACK = {"today": 0, "yesterday": 1}

EXAMPLES = "2026-11-01, 2026-11-01T06:00:00Z, 'yesterday 12:00' or '14d before now'"

HINTS = (
    (re.compile(r"\d{1,2}([./-])\d{1,2}\1\d{2,4}(?!\d)"), "It may be a day of two months: write the year first, as in"),
    (re.compile(r"\d+(\.\d+)?"), "It is a number, and digits alone are YYYYMMDD: write"),
)
"""The forms that people often write, and what is wrong with each."""


class UnreadableTimeError(ValueError):
    """A text is no date or time, or is one that could be read in two ways; the message is the remedy in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a date or time means: a whole day, or one instant."""

    start: datetime
    """The first instant, in UTC."""
    end: datetime
    """The first instant after a day, in UTC; equal to ``start`` for an instant."""

    @property
    def is_day(self) -> bool:
        """Whether this is a whole day."""
        return self.end > self.start


def is_reversed(since: object, end: Span) -> bool:
    """Return whether a range ends before it starts.

    Args:
        since: the start of the range; anything but a time if it has none.
        end: the end of the range, which includes the day if it is one.
    """
    return isinstance(since, datetime) and (since >= end.end if end.is_day else since > end.end)


def instant_span(instant: datetime) -> Span:
    """Return the span of one aware instant."""
    return Span(start=instant, end=instant)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """The parts of a written time; without a time of day it is a whole day."""

    day: date
    clock: time | None
    zone: tzinfo

    @property
    def start(self) -> datetime:
        local = datetime.combine(self.day, self.clock or time(), self.zone)
        if self.clock is not None and local.utcoffset() != local.replace(fold=1).utcoffset():
            raise UnreadableTimeError("The clocks of the zone change at that time: write the offset, such as +02:00.")
        return local.astimezone(UTC)

    def span(self, distance: timedelta) -> Span:
        if self.clock is None and not distance % ONE_DAY:
            day = replace(self, day=self.day + distance)
            return Span(start=day.start, end=replace(day, day=day.day + ONE_DAY).start)
        return Span(start=self.start + distance, end=self.start + distance)


def read_span(
    written: str, *, now: datetime, anchors: Mapping[str, Span] = MappingProxyType({}), zone: tzinfo = UTC
) -> Span:
    """Read what a person or a scheduler wrote: also ``today``, ``yesterday 12:00``, ``now`` and ``14d before now``.

    Args:
        written: the text.
        now: the aware instant that ``now`` means, and whose day is ``today``.
        anchors: more days and instants with names, from which the text may count a distance.
        zone: the zone of a date or time without one.

    Raises:
        UnreadableTimeError: the text is no date or time, or is a doubtful one.
    """
    text = written.strip()
    try:
        distance, text = _distance(text)
        anchor = {"now": instant_span(now), **anchors}.get(text.lower())
        if anchor is not None:
            return Span(start=anchor.start + distance, end=anchor.end + distance)
        return _read(_with_date(text, now, zone), zone).span(distance)
    except OverflowError:
        raise UnreadableTimeError("It is outside of the calendar.") from None


def read_instant(written: str) -> datetime:
    """Read the instant that a program wrote, in UTC; a date means its first instant.

    Raises:
        UnreadableTimeError: the text is no date or time, or is a doubtful one.
    """
    try:
        if PLAIN_INSTANT.fullmatch(written):
            return datetime.fromisoformat(written).replace(tzinfo=UTC)
        return _read(written.strip()).start
    except UnreadableTimeError:
        raise
    except OverflowError:
        raise UnreadableTimeError("It is outside of the calendar.") from None
    except ValueError:
        raise UnreadableTimeError(_hint(written)) from None


def read_duration(written: str) -> timedelta:
    """Read a positive duration such as 2h, 90m or 1d12h.

    Raises:
        UnreadableTimeError: the text is no duration.
    """
    match = DURATION.fullmatch(written)
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0, 0)
    duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not duration:
        raise UnreadableTimeError("Write a duration such as 2h, 90m or 1h30m.")
    return duration


def _distance(text: str) -> tuple[timedelta, str]:
    """Split a text into the distance in front of it and the rest; without a distance, it is zero."""
    match = DISTANCE.fullmatch(text)
    if match is None:
        return timedelta(), text
    duration = read_duration(match[1])
    return (-duration if match[2].lower() == "before" else duration), match[3]


def _with_date(text: str, now: datetime, zone: tzinfo) -> str:
    """Replace ``today`` or ``yesterday`` by its date in the zone that the text names, or in the given one."""
    match = RELATIVE_DAY.match(text)
    if match is None:
        return text
    rest = text[match.end() :]
    named = _read(f"{now.date()}{rest}", zone).zone
    return f"{now.astimezone(named).date() - DAYS_BACK[match[1].lower()] * ONE_DAY}{rest}"


def _read(text: str, zone: tzinfo = UTC) -> _Moment:
    match = WRITTEN_INSTANT.fullmatch(text) or WRITTEN_DAY.fullmatch(text)
    if match is None:
        raise UnreadableTimeError(_hint(text))
    parts = match.groupdict()
    clock = parts.get("iso") or parts.get("clock")
    try:
        return _Moment(
            day=date.fromisoformat(parts["day"].upper()),
            clock=time.fromisoformat(clock) if clock else None,
            zone=_zone(parts["zone"], parts["place"], zone),
        )
    except ValueError as error:
        raise error if isinstance(error, UnreadableTimeError) else UnreadableTimeError(_hint(text)) from None


def _zone(offset: str | None, place: str | None, zone: tzinfo) -> tzinfo:
    if place is not None:
        return UTC if place.upper() == "UTC" else zone_of_name(place)
    if offset is None:
        return zone
    named = time.fromisoformat(f"00:00{offset.upper()}").tzinfo
    assert named is not None  # noqa: S101 - for the type checker: the text has an offset
    return named


def zone_of_name(name: str) -> ZoneInfo:
    """Return the zone with an IANA name, such as Asia/Shanghai.

    Raises:
        UnreadableTimeError: this machine knows no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnreadableTimeError(f"This machine knows no zone {name}: write the offset, such as +08:00.") from None


def _hint(text: str) -> str:
    opening = next((hint for form, hint in HINTS if form.fullmatch(text.partition(" ")[0])), "Write")
    return f"{opening} {EXAMPLES}."
