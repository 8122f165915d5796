"""Parses dates, durations, shards and times of day as users type them."""

import os
from datetime import UTC, datetime, time, timedelta

import click

from etl.database.clock import system_clock
from etl.tasks import Shard
from etl.times import UnreadableTimeError, instant_span, is_reversed, read_duration, read_span

COMPLETION_INDEX = "JOB_COMPLETION_INDEX"
NOW = "etl.now"
"""The key of the instant that every time on one command line counts from."""


class RangeBound(click.ParamType[datetime]):
    """A date, which means the whole day, or an instant; both are in UTC unless they name a zone."""

    name = "date"

    def __init__(self, *, is_end: bool) -> None:
        self._is_end = is_end

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the first instant of the range, or the first instant after it."""
        if isinstance(value, datetime):
            return value
        # Click keeps a sentinel, not None, for an option that is absent.
        since = ctx.params.get("since") if self._is_end and ctx else None
        anchors = {"since": instant_span(since)} if isinstance(since, datetime) else {}
        try:
            span = read_span(value, now=_now(ctx), anchors=anchors)
        except UnreadableTimeError as error:
            self.fail(f"{value!r} is not a date or time. {error}", param, ctx)
        if is_reversed(since, span):
            raise click.UsageError("--since is after --until.", ctx)
        return span.end if self._is_end else span.start


def _now(ctx: click.Context | None) -> datetime:
    """Read the clock once for all options of a command line."""
    now: datetime = ctx.meta.setdefault(NOW, system_clock()) if ctx else system_clock()
    return now


class Duration(click.ParamType[timedelta]):
    """A duration such as 2h, 90m or 1h30m; a plain number is seconds."""

    name = "duration"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Make a positive duration."""
        if isinstance(value, timedelta):
            return value
        text = value.strip()
        try:
            return read_duration(f"{text}s" if text.isdigit() else text)
        except UnreadableTimeError:
            self.fail(f"{value!r} is not a duration such as 2h, 90m or 1h30m.", param, ctx)


class ShardOf(click.ParamType[Shard]):
    """One part of several: I/N counts from 0; /N takes I from JOB_COMPLETION_INDEX, as an Indexed Job sets it."""

    name = "I/N"

    def convert(self, value: str | Shard, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        """Make a shard, its index below its count."""
        if isinstance(value, Shard):
            return value
        index, _, count = value.strip().rpartition("/")
        index = index or os.environ.get(COMPLETION_INDEX, "")
        if not (
            index.isascii() and index.isdigit() and count.isascii() and count.isdigit() and int(index) < int(count)
        ):
            self.fail(f"{value!r} is not a part such as 0/4; /4 alone needs {COMPLETION_INDEX}.", param, ctx)
        return Shard(int(index), int(count))


class TimeOfDay(click.ParamType[time]):
    """A time of day in UTC, such as 06:00."""

    name = "HH:MM"

    def convert(self, value: str | time, param: click.Parameter | None, ctx: click.Context | None) -> time:
        """Make a time of day."""
        if isinstance(value, time):
            return value
        try:
            moment = time.fromisoformat(value.strip())
        except ValueError:
            self.fail(f"{value!r} is not a time of day such as 06:00.", param, ctx)
        if moment.tzinfo is not None:
            self.fail(f"{value!r}: the time of day is in UTC, without a zone.", param, ctx)
        return moment


def seconds_until(moment: time, *, now: datetime) -> float:
    """Count the seconds to the next such time of day, in UTC."""
    today = datetime.combine(now.astimezone(UTC).date(), moment, tzinfo=UTC)
    return (today - now).total_seconds() % timedelta(days=1).total_seconds() or timedelta(days=1).total_seconds()
